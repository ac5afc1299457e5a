//! Each interlock alone stops what would otherwise be done, and none hides another.

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::availability::{ClosedBy, Doubt, Reason};
use qabyl::domain::candidate::Sent;
use qabyl::domain::decision::{Decision, decide};
use qabyl::domain::evidence::Evidence;
use qabyl::domain::facts::{Collapse, Facts, LinesFacts, ShortageSeen};
use qabyl::domain::interlocks::Name;
use qabyl::domain::limits::Limits;
use qabyl::domain::order::{Status, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::stock::{LineStock, UnknownStock};
use qabyl::domain::verdict::Verdict;

use crate::rules::facts::{
    ACCEPT_ALL, CANCEL_ALL, ago, first, level, load, now, policy, swept, with_stock,
};

type Bend = fn(&mut Facts, &mut Limits);

fn decided(rules: &str, on_hand: i64, bend: Bend) -> Decision {
    let mut facts = with_stock(on_hand);
    let mut limits = Limits::default();
    bend(&mut facts, &mut limits);
    decide(
        &facts,
        &Policy::new(load(rules), limits, "test".to_owned()),
        now(),
    )
}

/// Asserts that this bend alone brings this one objection and this verdict.
fn stops(rules: &str, on_hand: i64, name: Name, verdict: &Verdict, bend: Bend) {
    let plain = decided(rules, on_hand, |_, _| {});
    let found = decided(rules, on_hand, bend);
    let names: Vec<_> = found.objections.iter().map(|o| o.interlock).collect();
    assert_eq!(names, [name], "{:?}", found.objections);
    assert_eq!(&found.verdict, verdict, "{name:?}");
    assert!(!found.objections[0].why.is_empty());
    assert_eq!(found.proposed.word(), plain.proposed.word(), "{name:?}");
}

fn wait(until: Timestamp) -> Verdict {
    Verdict::Wait { until }
}

fn seconds_on(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

#[test]
fn without_objections_the_rule_is_carried_out() {
    let accepted = decided(ACCEPT_ALL, 10, |_, _| {});
    assert_eq!(accepted.verdict, Verdict::Accept);
    assert!(accepted.objections.is_empty());
    let cancelled = decided(CANCEL_ALL, 0, |_, _| {});
    assert_eq!(cancelled.verdict.word(), "cancel");
    assert!(cancelled.objections.is_empty(), "{cancelled:?}");
}

#[test]
fn an_accept_is_stopped_by_each_alone() {
    let accept = |name, bend| stops(ACCEPT_ALL, 10, name, &Verdict::Hold, bend);
    accept(Name::Status, |facts, _| {
        facts.order.status = Status::Other("APPROVED_TWICE".to_owned());
    });
    accept(Name::AlreadySent, |facts, _| {
        facts.sent = Some(Sent::Cancel);
    });
    accept(Name::Lines, |facts, _| {
        facts.lines = LinesFacts::Unreadable("500".to_owned());
    });
    accept(Name::Lines, |facts, _| {
        facts.lines = LinesFacts::Known(Vec::new());
    });
    accept(Name::Lines, |facts, _| {
        first(facts).line.unit = UnitType::Measurable;
    });
    accept(Name::UnknownStock, |facts, _| {
        first(facts).stock = LineStock::Unknown(UnknownStock::NoSku);
    });
    accept(Name::StockAge, |facts, _| {
        let mut old = level(10);
        old.as_of = ago(12 * 60 + 1);
        first(facts).stock = LineStock::Known(old);
    });
    accept(Name::StockAvailable, |facts, _| {
        first(facts).stock = LineStock::Known(level(1));
    });
    accept(Name::RateCaps, |facts, limits| {
        limits.accepts_per_hour_max = Some(30);
        facts.shop_facts.counters.accepted_last_hour = 30;
    });
    accept(Name::Paused, |facts, _| {
        facts.shop_facts.paused = Some("stocktaking".to_owned());
    });
}

#[test]
fn a_cancel_is_held_by_each_alone() {
    let hold = |name, bend| stops(CANCEL_ALL, 0, name, &Verdict::Hold, bend);
    hold(Name::AlreadySent, |facts, _| {
        facts.sent = Some(Sent::Accept);
    });
    hold(Name::ShortageCertain, |facts, _| {
        first(facts).stock = LineStock::Known(level(2));
    });
    hold(Name::CancelBudget, |facts, _| {
        facts.shop_facts.counters.decided = 99;
        facts.shop_facts.counters.cancelled = 4;
    });
    hold(Name::RateCaps, |facts, _| {
        facts.shop_facts.counters.cancelled_last_hour = 10;
    });
    hold(Name::StockCollapse, |facts, _| {
        facts.shop_facts.collapse = Some(Collapse {
            fell: 51,
            had: 100,
            source: "stock.csv".to_owned(),
            at: ago(20),
        });
    });
    hold(Name::Overdrawn, |facts, _| {
        let mut promised = level(1);
        promised.reserved_confirmed = 2;
        first(facts).stock = LineStock::Known(promised);
    });
    hold(Name::ClockSkew, |facts, _| {
        facts.shop_facts.clock_skew_s = Some(-301);
    });
}

/// Goods may have left between the two: they would be missed twice.
#[test]
fn a_cancel_waits_where_stock_was_counted_after_the_sweep() {
    let soon = wait(seconds_on(1));
    stops(CANCEL_ALL, 0, Name::CancelEvidence, &soon, |facts, _| {
        let mut counted = level(0);
        counted.as_of = now();
        first(facts).stock = LineStock::Known(counted);
    });
}

#[test]
fn a_cancel_waits_for_each_alone() {
    let pending = |facts: &mut Facts, _: &mut Limits| {
        let mut promised = level(2);
        promised.reserved_pending = 1;
        promised.doubts = vec![Doubt {
            units: 1,
            order: None,
            why: Reason::NotConfirmed,
            closed_by: ClosedBy::Sweep,
            by: None,
            since: Some(ago(1)),
        }];
        first(facts).stock = LineStock::Known(promised);
    };
    let soon = wait(seconds_on(5));
    stops(CANCEL_ALL, 0, Name::ShortageCertain, &soon, pending);
    let soon = wait(seconds_on(1));
    stops(CANCEL_ALL, 0, Name::CancelEvidence, &soon, |facts, _| {
        facts.shop_facts.evidence = Evidence::default();
    });
    stops(CANCEL_ALL, 0, Name::CancelEvidence, &soon, |facts, _| {
        facts.shop_facts.evidence = swept(ago(6), now());
    });
    stops(CANCEL_ALL, 0, Name::CancelEvidence, &soon, |facts, _| {
        facts.shop_facts.evidence = swept(ago(1), ago(1));
    });
    for rules in [ACCEPT_ALL, CANCEL_ALL] {
        let on_hand = if rules == ACCEPT_ALL { 10 } else { 0 };
        let soon = wait(seconds_on(5));
        stops(rules, on_hand, Name::Restored, &soon, |facts, _| {
            facts.shop_facts.restored_at = Some(ago(90));
        });
    }
    let confirmed = Name::ShortageConfirmed;
    let in_six = wait(seconds_on(6 * 60));
    stops(CANCEL_ALL, 0, confirmed, &in_six, |facts, _| {
        facts.shortage = Some(ShortageSeen {
            since: ago(4),
            scans: 9,
        });
    });
    let in_ten = wait(seconds_on(10 * 60));
    stops(CANCEL_ALL, 0, confirmed, &in_ten, |facts, _| {
        facts.shortage = None;
    });
    stops(CANCEL_ALL, 0, confirmed, &wait(now()), |facts, _| {
        facts.shortage = Some(ShortageSeen {
            since: ago(60),
            scans: 1,
        });
    });
}

/// Everything that may be wrong with a cancel at once.
fn ruin(facts: &mut Facts, _: &mut Limits) {
    facts.order.status = Status::Cancelled;
    facts.sent = Some(Sent::Accept);
    let mut promised = level(0);
    promised.reserved_confirmed = 2;
    promised.as_of = ago(24 * 60);
    first(facts).stock = LineStock::Known(promised);
    first(facts).line.unit = UnitType::Measurable;
    facts.shortage = None;
    facts.shop_facts.evidence = Evidence::default();
    facts.shop_facts.counters.decided = 99;
    facts.shop_facts.counters.cancelled = 50;
    facts.shop_facts.counters.cancelled_last_hour = 50;
    facts.shop_facts.collapse = Some(Collapse {
        fell: 100,
        had: 100,
        source: "stock.csv".to_owned(),
        at: ago(20),
    });
    facts.shop_facts.clock_skew_s = Some(3600);
    facts.shop_facts.paused = Some("fire".to_owned());
}

#[test]
fn all_objections_are_told_at_once_and_a_hold_outweighs_a_wait() {
    let ruined = decided(CANCEL_ALL, 0, ruin);
    let names: Vec<_> = ruined
        .objections
        .iter()
        .map(|o| o.interlock.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "status",
            "already_sent",
            "lines",
            "stock_age",
            "shortage_confirmed",
            "stock_collapse",
            "overdrawn",
            "cancel_evidence",
            "clock_skew",
            "cancel_budget",
            "rate_caps",
            "paused"
        ]
    );
    assert_eq!(ruined.verdict, Verdict::Hold);
    assert_eq!(ruined.proposed.word(), "cancel");
}

#[test]
fn the_longest_wait_wins() {
    let both = decided(CANCEL_ALL, 0, |facts, _| {
        facts.shop_facts.evidence = Evidence::default();
        facts.shortage = None;
    });
    assert_eq!(both.objections.len(), 2);
    assert_eq!(both.verdict, wait(seconds_on(600)));
}

/// A held order is looked at every few seconds, and readings grow old in between.
#[test]
fn what_comes_and_goes_beside_a_hold_or_a_longer_wait_is_no_news() {
    let decided = |change: &dyn Fn(&mut Facts)| {
        let mut facts = with_stock(0);
        change(&mut facts);
        decide(&facts, &policy(load(CANCEL_ALL)), now())
    };
    let held = |is_swept: bool, paused: bool| {
        decided(&|facts| {
            facts.shop_facts.counters.decided = 100;
            facts.shop_facts.counters.cancelled = 50;
            facts.shop_facts.evidence.accepted =
                facts.shop_facts.evidence.accepted.filter(|_| is_swept);
            facts.shop_facts.paused = paused.then(|| "fire".to_owned());
        })
    };
    assert_ne!(
        held(true, false).objections.len(),
        held(false, false).objections.len()
    );
    assert!(held(true, false).same_as(&held(false, false)));
    assert!(
        !held(true, false).same_as(&held(true, true)),
        "another hold is news"
    );

    let waiting = |is_swept: bool, seen: bool| {
        decided(&|facts| {
            facts.shop_facts.evidence.accepted =
                facts.shop_facts.evidence.accepted.filter(|_| is_swept);
            facts.shortage = facts.shortage.filter(|_| seen);
        })
    };
    assert!(waiting(true, false).same_as(&waiting(false, false)));
    assert!(
        !waiting(false, true).same_as(&waiting(false, false)),
        "what it waits for is news"
    );
}

#[test]
fn a_relaxed_interlock_is_silent() {
    let relaxed = decided(CANCEL_ALL, 0, |facts, limits| {
        limits.cancel_confirm_after = None;
        limits.cancel_budget_share = None;
        limits.cancels_per_hour_max = None;
        limits.stock_max_age = None;
        limits.stock_collapse_share = None;
        ruin(facts, limits);
        facts.order.status = Status::ApprovedByBank;
        facts.sent = None;
        first(facts).line.unit = UnitType::Pieces;
        facts.shop_facts.evidence = swept(ago(1), now());
        facts.shop_facts.clock_skew_s = None;
        facts.shop_facts.paused = None;
        if let LineStock::Known(level) = &mut first(facts).stock {
            level.reserved_confirmed = 0;
        }
    });
    assert_eq!(relaxed.verdict.word(), "cancel", "{relaxed:?}");
}

#[test]
fn a_pre_order_may_be_accepted_without_stock() {
    for stock in [
        LineStock::Known(level(0)),
        LineStock::Unknown(UnknownStock::NoSku),
    ] {
        let mut facts = with_stock(0);
        facts.order.pre_order = true;
        first(&mut facts).stock = stock;
        let decision = decide(&facts, &policy(load(ACCEPT_ALL)), now());
        assert_eq!(decision.verdict, Verdict::Accept, "{decision:?}");
    }
}

#[test]
fn where_no_rule_speaks_the_order_is_held() {
    let rules = load("[[rule]]\nname = \"e\"\nwhen = { express = true }\nthen = \"accept\"\n");
    let decision = decide(&with_stock(10), &policy(rules), now());
    assert_eq!(decision.verdict, Verdict::Hold);
    assert_eq!(decision.rule, "(no rule matched)");
}
