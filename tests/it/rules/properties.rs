//! What must hold whatever the order, the stock and the rules.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qabyl::domain::availability::Possible;
use qabyl::domain::calendar::{DaySpan, DayTime, Weekday};
use qabyl::domain::decision::{Decision, decide};
use qabyl::domain::evidence::Interval;
use qabyl::domain::facts::{Facts, LinesFacts, ShortageSeen};
use qabyl::domain::ids::ShopName;
use qabyl::domain::interlocks::TABLE;
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{PaymentMode, State, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::rules::{
    Condition, Criterion, LineCriterion, Outcome, Range, Rule, Rules, ShopCount, StockWord, explain,
};
use qabyl::domain::schedule::AtDeadline;
use qabyl::domain::stock::{Level, LineStock, UnknownStock};
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::rules_file;

use crate::rules::facts::{ACCEPT_ALL, ago, facts, level, line, load, now, policy};

fn levels() -> impl Strategy<Value = Level> {
    (
        -3..12_i64,
        0..4_i64,
        (0..4_i64, 0..3_i64),
        0..3_i64,
        0..900_i64,
    )
        .prop_map(
            |(on_hand, confirmed, (pending, returned), safety, age)| Level {
                reserved_confirmed: confirmed,
                reserved_pending: pending,
                returned,
                safety_stock: safety,
                as_of: ago(age),
                ..level(on_hand)
            },
        )
}

fn stocks() -> impl Strategy<Value = LineStock> {
    prop_oneof![
        6 => levels().prop_map(LineStock::Known),
        1 => Just(LineStock::Unknown(UnknownStock::NoSku)),
    ]
}

prop_compose! {
    fn all_orders()(
        lines in vec((1..5_u32, stocks(), prop::bool::weighted(0.05)), 0..6),
        express in prop::bool::weighted(0.1),
        pre_order in prop::bool::weighted(0.15),
        departed in prop::bool::weighted(0.05),
        age in 0..240_i64,
        total in 1..900_000_i64,
        hour in 0..7 * 24_i64,
        credit in any::<bool>(),
        second_shop in prop::bool::weighted(0.2),
        seen in option::of((0..60_i64, 0..4_u32)),
        swept in option::of(0..8_i64),
        (decided, cancelled, last_hour) in (0..200_u64, 0..10_u64, 0..12_u64),
        paused in prop::bool::weighted(0.05),
    ) -> (Facts, i64) {
        let lines = (1..).zip(lines).map(|(number, (quantity, stock, weighed))| {
            let mut line = line(number, quantity, stock);
            if weighed {
                line.line.unit = UnitType::Measurable;
            }
            line
        });
        let mut facts = facts(lines.collect());
        facts.order.express = express;
        facts.order.pre_order = pre_order;
        if departed {
            facts.order.state = State::Archive;
        }
        facts.order.approved_at = Some(ago(age));
        if credit {
            facts.order.payment_mode = Some(PaymentMode::Credit);
        }
        if second_shop {
            facts.shop = Some(ShopName::new("second").unwrap());
        }
        facts.order.total = Some(Money::from_tenge(total));
        facts.shortage = seen.map(|(since, scans)| ShortageSeen { since: ago(since), scans });
        facts.shop_facts.evidence.accepted = swept.map(|start| Interval { start: ago(start), end: now() });
        facts.shop_facts.counters.decided = decided;
        facts.shop_facts.counters.cancelled = cancelled;
        facts.shop_facts.counters.cancelled_last_hour = last_hour;
        facts.shop_facts.paused = paused.then(|| "paused".to_owned());
        (facts, hour)
    }
}

/// An order at any hour of a week.
fn moments() -> impl Strategy<Value = (Facts, Timestamp)> {
    all_orders().prop_map(|(facts, hour)| {
        // Times are served to the second: whole hours keep each of them as it is.
        let later = SignedDuration::from_hours(hour);
        let shifted = shift(&facts, later);
        (shifted, now() + later)
    })
}

/// An order at the one moment of these tests.
fn orders() -> impl Strategy<Value = Facts> {
    all_orders().prop_map(|(facts, _)| facts)
}

/// The same facts, all of them so much later.
fn shift(facts: &Facts, by: SignedDuration) -> Facts {
    let mut later = facts.clone();
    later.order.created_at += by;
    later.order.approved_at = facts.order.approved_at.map(|at| at + by);
    later.shortage = facts.shortage.map(|seen| ShortageSeen {
        since: seen.since + by,
        ..seen
    });
    let shifted = |sweep: Interval| Interval {
        start: sweep.start + by,
        end: sweep.end + by,
    };
    let evidence = &facts.shop_facts.evidence;
    later.shop_facts.evidence.accepted = evidence.accepted.map(shifted);
    later.shop_facts.evidence.archive = evidence.archive.map(shifted);
    if let LinesFacts::Known(lines) = &mut later.lines {
        for line in lines {
            if let LineStock::Known(level) = &mut line.stock {
                level.as_of += by;
            }
        }
    }
    later
}

fn joined<T: Clone + std::fmt::Debug + 'static>(
    tests: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Condition<T>> {
    tests
        .prop_map(Condition::Test)
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Condition::All),
                vec(inner.clone(), 0..4).prop_map(Condition::Any),
                inner.prop_map(|part| Condition::Not(Box::new(part))),
            ]
        })
}

fn over(bound: i64) -> Range<i64> {
    Range::Between {
        over: Some(bound),
        under: None,
    }
}

fn conditions() -> impl Strategy<Value = Condition<Criterion>> {
    let line = joined(prop_oneof![
        (0..3_usize).prop_map(|of| LineCriterion::Stock(StockWord::WORDS[of].1)),
        any::<bool>().prop_map(LineCriterion::Measured),
        (0..4_i64).prop_map(|units| LineCriterion::Shortage(over(units))),
        (-3..6_i64).prop_map(|units| LineCriterion::Available(over(units))),
        (0..6_i64).prop_map(|units| LineCriterion::Quantity(Range::Exactly(units))),
    ]);
    let lines = line.prop_flat_map(|line| {
        prop_oneof![
            Just(Criterion::AnyLine(line.clone())),
            Just(Criterion::AllLines(line)),
        ]
    });
    joined(prop_oneof![
        any::<bool>().prop_map(Criterion::Express),
        any::<bool>().prop_map(Criterion::Preorder),
        (0..6_i64).prop_map(|units| Criterion::Lines(over(units))),
        (0..240_i64).prop_map(|m| Criterion::Age(Range::Between {
            over: None,
            under: Some(SignedDuration::from_mins(m)),
        })),
        prop::sample::select(Weekday::ALL.to_vec()).prop_map(|day| Criterion::Weekday(vec![day])),
        (0..24_i64, 1..24_i64).prop_map(|(from, long)| Criterion::Hour(DaySpan {
            from: DayTime::from_hour(from).unwrap(),
            to: DayTime::from_hour((from + long) % 24).unwrap(),
        })),
        (0..10_i64).prop_map(|orders| Criterion::Shop(ShopCount::Cancelled, over(orders))),
        (0..10_u32).prop_map(|percent| Criterion::ShopCancelledShare(Range::Between {
            over: Some(f64::from(percent) / 100.0),
            under: None,
        })),
        lines,
    ])
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let reasons = prop::sample::select(CancelReason::ALL.to_vec());
    prop_oneof![
        Just(Outcome::Accept),
        Just(Outcome::Hold),
        (1..60_i64).prop_map(|m| Outcome::Wait(SignedDuration::from_mins(m))),
        reasons.prop_map(|reason| Outcome::Cancel {
            reason,
            comment: "-".to_owned(),
        }),
    ]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    vec((conditions(), outcomes(), any::<bool>()), 0..5).prop_map(|list| Rules {
        list: list
            .into_iter()
            .map(|(when, then, enabled)| Rule {
                title: std::collections::BTreeMap::new(),
                name: "any".to_owned(),
                when,
                then,
                note: None,
                enabled,
                shops: None,
            })
            .collect(),
    })
}

/// The default rules and every example of rules a merchant is given.
fn shipped() -> Vec<Rules> {
    let files = std::fs::read_dir("config/rules").unwrap();
    let read = |path: &std::path::Path| {
        rules_file::load(&std::fs::read_to_string(path).unwrap(), path).unwrap()
    };
    let mut all = vec![rules_file::default_rules()];
    all.extend(files.map(|file| read(&file.unwrap().path())));
    all
}

const AT_DEADLINE: [AtDeadline; 3] = [
    AtDeadline::Hold,
    AtDeadline::AcceptWaiting,
    AtDeadline::AcceptAll,
];

fn at_deadlines() -> impl Strategy<Value = AtDeadline> {
    prop::sample::select(AT_DEADLINE.to_vec())
}

/// These rules under the safe limits, and this at the last call.
fn under(rules: Rules, at_deadline: AtDeadline) -> Policy {
    let mut limits = Limits::default();
    limits.schedule.at_deadline = at_deadline;
    Policy::new(rules, limits, "test".to_owned())
}

fn accepts(facts: &Facts, policy: &Policy) -> bool {
    decide(facts, policy, now()).verdict == Verdict::Accept
}

/// Cases of each property; `QABYL_PROPERTY_CASES=100000` takes minutes.
#[expect(clippy::disallowed_methods, reason = "the size of a test run")]
pub(crate) fn cases() -> ProptestConfig {
    let cases = std::env::var("QABYL_PROPERTY_CASES");
    ProptestConfig::with_cases(cases.map_or(2_000, |cases| cases.parse().unwrap()))
}

#[expect(clippy::print_stdout, reason = "the line of figures")]
#[test]
fn figures() {
    println!(
        "rules: {} cases of each property, {} rule sets",
        cases().cases,
        shipped().len()
    );
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn less_stock_never_accepts_more(
        full in orders(),
        cuts in vec((0..6_i64, prop::bool::weighted(0.1)), 6),
        rules in prop::sample::select(shipped()),
        at_deadline in at_deadlines(),
    ) {
        let policy = under(rules, at_deadline);
        let mut less = full.clone();
        if let LinesFacts::Known(lines) = &mut less.lines {
            for (line, (cut, lost)) in lines.iter_mut().zip(cuts) {
                match &mut line.stock {
                    stock if lost => *stock = LineStock::Unknown(UnknownStock::NoSku),
                    LineStock::Known(level) => level.on_hand -= cut,
                    LineStock::Unknown(_) => {}
                }
            }
        }
        prop_assert!(accepts(&full, &policy) || !accepts(&less, &policy));
    }

    /// Units in doubt, an order that no promise counts, a shop that was never read: none of them is a reason to act.
    #[test]
    fn doubt_that_is_added_never_acts(
        facts in orders(),
        doubts in vec((0..4_i64, 0..4_i64, 0..4_i64, prop::bool::weighted(0.1)), 6),
        unread in prop::bool::weighted(0.2),
        rules in prop::sample::select(shipped()),
        at_deadline in at_deadlines(),
    ) {
        let mut facts = facts;
        if let LinesFacts::Known(lines) = &mut facts.lines {
            for line in lines {
                if let LineStock::Known(level) = &mut line.stock {
                    // Figures that contradict each other are held: what explains the contradiction ends that.
                    let most = level.on_hand.max(0) + level.returned;
                    level.reserved_confirmed = level.reserved_confirmed.min(most);
                }
            }
        }
        let policy = under(rules, at_deadline);
        let mut doubted = facts.clone();
        if let LinesFacts::Known(lines) = &mut doubted.lines {
            for (line, (taken, besides, promised, unbounded)) in lines.iter_mut().zip(doubts) {
                if let LineStock::Known(level) = &mut line.stock {
                    let promised = promised.min(level.reserved_confirmed);
                    level.reserved_confirmed -= promised;
                    level.reserved_pending += promised + taken;
                    level.returned += besides;
                    level.is_unbounded |= unbounded;
                }
            }
        }
        if unread {
            doubted.shop_facts.evidence.unread_shops = vec![ShopName::new("second").unwrap()];
        }
        let acts = |facts: &Facts| {
            let verdict = decide(facts, &policy, now()).verdict;
            let acts = matches!(verdict, Verdict::Accept | Verdict::Cancel { .. });
            acts.then_some(verdict)
        };
        let (before, after) = (acts(&facts), acts(&doubted));
        prop_assert!(after.is_none() || after == before, "{before:?}, then {after:?}");
    }

    #[test]
    fn an_objection_is_one_that_the_table_of_interlocks_declares(
        facts in orders(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        for objection in decide(&facts, &under(rules, at_deadline), now()).objections {
            let entry = TABLE.iter().find(|entry| entry.name == objection.interlock).unwrap();
            prop_assert!(entry.effects.contains(&objection.effect.word()), "{objection:?}");
        }
    }

    #[test]
    fn no_rules_promise_what_is_not_there(
        facts in orders(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        let unproven = facts.is_short() || facts.lines().iter().any(|l| l.unknown().is_some());
        if accepts(&facts, &under(rules, at_deadline)) {
            prop_assert!(facts.order.pre_order || !unproven);
        }
    }

    #[test]
    fn no_rules_cancel_on_unknown_stock_or_for_goods_that_are_there(
        (facts, at) in moments(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        let verdict = decide(&facts, &under(rules, at_deadline), at).verdict;
        if let Verdict::Cancel { reason, .. } = verdict {
            prop_assert!(facts.lines().iter().all(|line| line.unknown().is_none()));
            prop_assert!(reason != CancelReason::MerchantOutOfStock || facts.is_short());
        }
    }

    #[test]
    fn the_same_facts_bring_the_same_decision(
        (facts, at) in moments(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        let policy = under(rules, at_deadline);
        let first = decide(&facts, &policy, at);
        prop_assert_eq!(&first, &decide(&facts.clone(), &policy.clone(), at));
        prop_assert!(first.same_as(&first));
        // As it is stored and read again for an explanation or a replay.
        let stored = serde_json::to_string(&facts).unwrap();
        let read: Facts = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&first, &decide(&read, &policy, at));
        let stored = serde_json::to_string(&first).unwrap();
        prop_assert_eq!(&first, &serde_json::from_str::<Decision>(&stored).unwrap());
    }

    #[test]
    fn a_hold_in_front_never_accepts_more(
        (facts, at) in moments(),
        rules in any_rules(),
        when in conditions(),
    ) {
        let accepts = |policy: &Policy| decide(&facts, policy, at).verdict == Verdict::Accept;
        let plain = policy(rules.clone());
        let mut longer = rules;
        let then = Outcome::Hold;
        let name = "front".to_owned();
        longer.list.insert(0, Rule { name, title: std::collections::BTreeMap::new(), when, then, note: None, enabled: true, shops: None });
        prop_assert!(accepts(&plain) || !accepts(&policy(longer)));
    }

    #[test]
    fn an_accept_made_stricter_never_accepts_more(
        (facts, at) in moments(),
        rules in any_rules(),
        which in 0..5_usize,
        then in outcomes(),
    ) {
        let accepts = |policy: &Policy| decide(&facts, policy, at).verdict == Verdict::Accept;
        let mut stricter = rules.clone();
        if let Some(rule) = stricter.list.get_mut(which) && rule.then == Outcome::Accept {
            rule.then = then;
        }
        prop_assert!(accepts(&policy(rules)) || !accepts(&policy(stricter)));
    }

    #[test]
    fn nothing_is_accepted_that_a_rule_for_all_would_not(
        (facts, at) in moments(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        let all = policy(load(ACCEPT_ALL));
        let verdict = decide(&facts, &under(rules, at_deadline), at).verdict;
        if verdict == Verdict::Accept {
            prop_assert_eq!(decide(&facts, &all, at).verdict, Verdict::Accept);
        }
    }

    #[test]
    fn interlocks_only_ever_hold_back(
        facts in orders(),
        rules in any_rules(),
        at_deadline in at_deadlines(),
    ) {
        let decision = decide(&facts, &under(rules, at_deadline), now());
        if decision.objections.is_empty() {
            prop_assert_eq!(decision.verdict, decision.proposed);
        } else {
            let word = decision.verdict.word();
            prop_assert!(word == "hold" || word == "wait", "{}", word);
        }
    }

    #[test]
    fn available_is_never_clipped(level in levels(), wanted in 1..5_u32) {
        let promised = level.reserved_confirmed + level.reserved_pending;
        let free = level.on_hand - promised - level.safety_stock;
        prop_assert_eq!(level.available(), free);
        let most = free + level.reserved_pending + level.returned + level.safety_stock;
        prop_assert_eq!(level.interval().possible, Possible::Bounded(most));
        let short = line(1, wanted, LineStock::Known(level)).shortage_for_accept();
        prop_assert_eq!(short, Some((i64::from(wanted) - free.max(0)).max(0)));
    }

    #[test]
    fn an_explanation_says_whether_the_rule_matches(
        (facts, at) in moments(),
        when in conditions(),
    ) {
        let name = "asked".to_owned();
        let rule = Rule { name, title: std::collections::BTreeMap::new(), when, then: Outcome::Hold, note: None, enabled: true, shops: None };
        let policy = policy(Rules { list: vec![rule] });
        let answers = explain(&policy.rules.list[0], &facts, &policy.limits.schedule, at);
        let explained = answers.iter().filter(|a| a.depth == 0).all(|a| a.holds);
        let matched = decide(&facts, &policy, at).rule == "asked";
        prop_assert_eq!(explained, matched);
    }
}
