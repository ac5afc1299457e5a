//! The deadline: working time of the merchant's schedule, and what becomes of an order at its last call.

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::decision::decide;
use qabyl::domain::facts::Facts;
use qabyl::domain::interlocks::Name;
use qabyl::domain::limits::Limits;
use qabyl::domain::policy::Policy;
use qabyl::domain::schedule::{AtDeadline, Schedule, WorkingHours};
use qabyl::domain::verdict::Verdict;

use crate::rules::facts::{ACCEPT_ALL, first, load, with_stock};

const WEEK: &str = "mon-fri 09:00-13:00, mon-fri 14:00-18:00, sat 10:00-15:00";

/// A moment by Almaty's clock.
fn at(text: &str) -> Timestamp {
    format!("{text}:00+05:00")
        .replace(' ', "T")
        .parse()
        .unwrap()
}

fn schedule(hours: &str, holidays: &str) -> Schedule {
    Schedule {
        hours: WorkingHours::parse(hours, holidays).unwrap(),
        ..Schedule::default()
    }
}

/// When the deadline of an order approved then is.
fn deadline(schedule: &Schedule, approved: &str) -> Timestamp {
    let mut facts = with_stock(9);
    facts.order.approved_at = Some(at(approved));
    schedule.deadline_of(&facts.order)
}

#[test]
fn three_working_hours() {
    let plain = schedule("", "");
    assert_eq!(deadline(&plain, "2026-03-06 23:30"), at("2026-03-07 02:30"));
    // 2026-03-02 is a Monday.
    let week = schedule(WEEK, "03-08..03-09, 2026-03-21..2026-03-23");
    for (approved, expected) in [
        ("2026-03-02 09:30", "2026-03-02 12:30"),
        // The break at noon does not count.
        ("2026-03-02 12:00", "2026-03-02 16:00"),
        // Before the day begins, and after it has ended.
        ("2026-03-02 03:00", "2026-03-02 12:00"),
        ("2026-03-02 20:00", "2026-03-03 12:00"),
        // Two hours of Monday and one of Tuesday.
        ("2026-03-02 16:00", "2026-03-03 10:00"),
        // To the minute at the end of the day.
        ("2026-03-02 15:00", "2026-03-02 18:00"),
        // One hour of Friday, two of Saturday.
        ("2026-03-06 17:00", "2026-03-07 12:00"),
        // Saturday's last hour; Sunday and Monday are the holidays of every year.
        ("2026-03-07 14:00", "2026-03-10 11:00"),
        // Friday's last hour, and three days off, the first of which is a Saturday.
        ("2026-03-20 17:00", "2026-03-24 11:00"),
    ] {
        assert_eq!(deadline(&week, approved), at(expected), "{approved}");
    }
    // The same week a year later: only the days without a year are off.
    assert_eq!(deadline(&week, "2027-03-20 12:00"), at("2027-03-20 15:00"));
    assert_eq!(deadline(&week, "2027-03-08 12:00"), at("2027-03-10 12:00"));
}

#[test]
fn a_schedule_in_which_nobody_works_counts_every_hour() {
    let never = schedule("sun 00:00-24:00", "01-01..12-31");
    assert_eq!(deadline(&never, "2026-03-02 09:30"), at("2026-03-02 12:30"));
}

#[test]
fn the_alert_comes_while_people_work() {
    let week = schedule(WEEK, "");
    let mut facts = with_stock(9);
    facts.order.approved_at = Some(at("2026-03-06 16:00"));
    // The deadline is on Saturday at 11: an hour of work before it is Friday's end.
    assert_eq!(week.deadline_of(&facts.order), at("2026-03-07 11:00"));
    let week = Schedule {
        alert_before: SignedDuration::from_mins(90),
        ..week
    };
    assert_eq!(week.alert_of(&facts.order), at("2026-03-06 17:30"));
}

#[test]
fn an_express_order_is_due_within_the_hour() {
    let week = schedule(WEEK, "");
    let mut facts = with_stock(9);
    facts.order.express = true;
    facts.order.approved_at = Some(at("2026-03-02 09:30"));
    assert_eq!(week.deadline_of(&facts.order), at("2026-03-02 10:30"));
    assert_eq!(week.alert_of(&facts.order), at("2026-03-02 10:00"));
}

#[test]
fn what_cannot_be_read_says_so() {
    let wrong = |hours: &str, holidays: &str| WorkingHours::parse(hours, holidays).unwrap_err();
    for (hours, holidays, said) in [
        (
            "monday 09:00-18:00",
            "",
            "'monday' is not a day: write mon, tue, wed, thu, fri, sat, sun",
        ),
        ("mon", "", "'mon' is not days and hours"),
        ("mon 9-18", "", "'9-18' is not hours such as 09:00-18:00"),
        (
            "mon 22:00-02:00",
            "",
            "22:00-02:00 ends before it begins: hours over midnight are written as two, to 24:00 and \
             from 00:00 of the next day",
        ),
        (
            "mon-wed 09:00-12:00, tue 11:00-13:00",
            "",
            "tue has hours that overlap",
        ),
        (
            "",
            "8 March",
            "'8 March' is not a date such as 2026-03-22, 03-22 or 03-21..03-23",
        ),
        (
            "",
            "2026-03-23..2026-03-21",
            "'2026-03-23..2026-03-21' ends before it begins",
        ),
        (
            "",
            "02-30",
            "'02-30' is not a date such as 2026-03-22, 03-22 or 03-21..03-23",
        ),
    ] {
        assert_eq!(wrong(hours, holidays), said);
    }
    let over_the_end = WorkingHours::parse("sat-mon 10:00-12:00", "12-31..01-02").unwrap();
    assert_eq!(
        serde_json::to_string(&over_the_end).unwrap(),
        "\"mon 10:00-12:00,sat 10:00-12:00,sun 10:00-12:00,12-31..01-02,\""
    );
}

const WAIT: &str = "[[rule]]\nname = \"later\"\nthen = { wait = \"5m\" }\n";
const HOLD: &str = "[[rule]]\nname = \"person\"\nthen = \"hold\"\n";

fn policy(rules: &str, at_deadline: AtDeadline) -> Policy {
    let limits = Limits {
        schedule: Schedule {
            at_deadline,
            ..Schedule::default()
        },
        ..Limits::default()
    };
    Policy::new(load(rules), limits, "test".to_owned())
}

/// What is decided with so many minutes left; the evidence is as fresh as ever.
fn decided(facts: &Facts, policy: &Policy, left: i64) -> (String, &'static str, bool) {
    let now = crate::rules::facts::now();
    let mut facts = facts.clone();
    let waited = SignedDuration::from_mins(180 - left);
    facts.order.approved_at = Some(now - waited);
    let decision = decide(&facts, policy, now);
    (
        decision.rule.clone(),
        decision.verdict.word(),
        decision.overruled.is_some(),
    )
}

#[test]
fn at_the_last_call_a_wait_goes_to_a_person_or_is_accepted() {
    use AtDeadline::{AcceptAll, AcceptWaiting, Hold};
    let plain = with_stock(9);
    for (rules, at_deadline, last) in [
        (WAIT, Hold, "hold"),
        (WAIT, AcceptWaiting, "accept"),
        (WAIT, AcceptAll, "accept"),
        (HOLD, Hold, "hold"),
        (HOLD, AcceptWaiting, "hold"),
        (HOLD, AcceptAll, "accept"),
    ] {
        let policy = policy(rules, at_deadline);
        let said = policy.rules.list[0].name.clone();
        let word = if rules == WAIT { "wait" } else { "hold" };
        let before = (said.clone(), word, false);
        assert_eq!(decided(&plain, &policy, 11), before, "{at_deadline:?}");
        let changes = word != last;
        for left in [10, 0, -30] {
            assert_eq!(
                decided(&plain, &policy, left),
                (said.clone(), last, changes),
                "{at_deadline:?}, {left} minutes left"
            );
        }
    }
}

#[test]
fn the_deadline_never_accepts_what_an_interlock_would_not() {
    let policy = policy(WAIT, AtDeadline::AcceptAll);
    let word = |facts: &Facts| decided(facts, &policy, 5).1;
    assert_eq!(word(&with_stock(2)), "accept");
    assert_eq!(word(&with_stock(1)), "hold", "one of two units is missing");
    let mut paused = with_stock(9);
    paused.shop_facts.paused = Some("by hand".to_owned());
    assert_eq!(word(&paused), "hold");
    let mut unread = with_stock(9);
    unread.shop_facts.evidence.accepted = None;
    assert_eq!(word(&unread), "wait", "accepted orders were not read");
    let mut stale = with_stock(9);
    if let qabyl::domain::stock::LineStock::Known(level) = &mut first(&mut stale).stock {
        level.as_of = crate::rules::facts::ago(13 * 60);
    }
    assert_eq!(word(&stale), "hold");
    for bend in [
        |facts: &mut Facts| facts.order.pre_order = true,
        |facts: &mut Facts| facts.order.express = true,
    ] {
        let mut facts = with_stock(9);
        bend(&mut facts);
        assert_eq!(word(&facts), "hold");
    }
}

#[test]
fn accepts_and_cancels_are_not_overruled() {
    let accept = policy(ACCEPT_ALL, AtDeadline::AcceptAll);
    assert_eq!(decided(&with_stock(9), &accept, 5).1, "accept");
    let cancel = policy(crate::rules::facts::CANCEL_ALL, AtDeadline::AcceptAll);
    assert_eq!(
        decided(&with_stock(0), &cancel, 5),
        ("all".to_owned(), "cancel", false)
    );
    // Goods that are there are not accepted because a rule wanted them cancelled.
    let now = crate::rules::facts::now();
    let decision = decide(&with_stock(9), &cancel, now);
    assert_eq!(decision.objections[0].interlock, Name::ShortageCertain);
    assert_eq!(decision.verdict, Verdict::Hold);
}
