//! What must hold whatever the order, the stock and the rules.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qabyl::domain::decision::{CancelReason, Verdict, decide};
use qabyl::domain::facts::{Facts, LinesFacts, ShortageSeen};
use qabyl::domain::money::Money;
use qabyl::domain::order::{State, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::rules::{
    Condition, Criterion, LineCriterion, Outcome, Range, Rule, Rules, explain,
};
use qabyl::domain::stock::{Level, LineStock, UnknownStock};
use qabyl::rules_file;

use crate::rules::facts::{ago, facts, level, line, now, policy};

fn levels() -> impl Strategy<Value = Level> {
    (-3..12_i64, 0..4_i64, 0..4_i64, 0..3_i64, 0..900_i64).prop_map(
        |(on_hand, confirmed, pending, safety, age)| Level {
            reserved_confirmed: confirmed,
            reserved_pending: pending,
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
    fn orders()(
        lines in vec((1..5_u32, stocks(), prop::bool::weighted(0.05)), 0..6),
        express in prop::bool::weighted(0.1),
        pre_order in prop::bool::weighted(0.15),
        gone in prop::bool::weighted(0.05),
        age in 0..240_i64,
        total in 1..900_000_i64,
        seen in option::of((0..60_i64, 0..4_u32)),
        swept in option::of(0..8_i64),
        (decided, cancelled, last_hour) in (0..200_u64, 0..10_u64, 0..12_u64),
        paused in prop::bool::weighted(0.05),
    ) -> Facts {
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
        if gone {
            facts.order.state = State::Archive;
        }
        facts.order.approved_at = Some(ago(age));
        facts.order.total = Money::from_tenge(total);
        facts.shortage = seen.map(|(since, scans)| ShortageSeen { since: ago(since), scans });
        facts.around.swept_at = swept.map(ago);
        facts.around.counters.decided = decided;
        facts.around.counters.cancelled = cancelled;
        facts.around.counters.cancelled_last_hour = last_hour;
        facts.around.paused = paused.then(|| "paused".to_owned());
        facts
    }
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
        any::<bool>().prop_map(LineCriterion::StockKnown),
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
        lines,
    ])
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let reasons = prop::sample::select(CancelReason::ALL.to_vec());
    prop_oneof![
        Just(Outcome::Accept),
        Just(Outcome::Hold),
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

fn default_policy() -> Policy {
    policy(rules_file::default_rules())
}

fn accepts(facts: &Facts, policy: &Policy) -> bool {
    decide(facts, policy, now()).verdict == Verdict::Accept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn less_stock_never_accepts_more(
        full in orders(),
        cuts in vec((0..6_i64, prop::bool::weighted(0.1)), 6),
    ) {
        let policy = default_policy();
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

    #[test]
    fn no_rules_promise_what_is_not_there(facts in orders(), rules in any_rules()) {
        let unproven = facts.is_short() || facts.lines().iter().any(|l| l.unknown().is_some());
        if accepts(&facts, &policy(rules)) {
            prop_assert!(facts.order.pre_order || !unproven);
        }
    }

    #[test]
    fn no_rules_cancel_on_unknown_stock_or_for_goods_that_are_there(
        facts in orders(),
        rules in any_rules(),
    ) {
        let verdict = decide(&facts, &policy(rules), now()).verdict;
        if let Verdict::Cancel { reason, .. } = verdict {
            prop_assert!(facts.lines().iter().all(|line| line.unknown().is_none()));
            prop_assert!(reason != CancelReason::MerchantOutOfStock || facts.is_short());
        }
    }

    #[test]
    fn the_same_facts_bring_the_same_decision(facts in orders(), rules in any_rules()) {
        let policy = policy(rules);
        let first = decide(&facts, &policy, now());
        prop_assert_eq!(&first, &decide(&facts.clone(), &policy.clone(), now()));
        prop_assert!(first.same_as(&first));
    }

    #[test]
    fn a_hold_in_front_never_accepts_more(
        facts in orders(),
        rules in any_rules(),
        when in conditions(),
    ) {
        let plain = policy(rules.clone());
        let mut longer = rules;
        let then = Outcome::Hold;
        let name = "front".to_owned();
        longer.list.insert(0, Rule { name, when, then, note: None, enabled: true, shops: None });
        prop_assert!(accepts(&facts, &plain) || !accepts(&facts, &policy(longer)));
    }

    #[test]
    fn interlocks_only_ever_hold_back(facts in orders(), rules in any_rules()) {
        let decision = decide(&facts, &policy(rules), now());
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
        prop_assert_eq!(level.available_at_most(), free + level.reserved_pending);
        let short = line(1, wanted, LineStock::Known(level)).shortage();
        prop_assert_eq!(short, Some((i64::from(wanted) - free.max(0)).max(0)));
    }

    #[test]
    fn an_explanation_says_whether_the_rule_matches(facts in orders(), when in conditions()) {
        let name = "asked".to_owned();
        let rule = Rule { name, when, then: Outcome::Hold, note: None, enabled: true, shops: None };
        let policy = policy(Rules { list: vec![rule] });
        let answers = explain(&policy.rules.list[0], &facts, &policy, now());
        let told = answers.iter().filter(|a| a.depth == 0).all(|a| a.holds);
        let matched = decide(&facts, &policy, now()).rule == "asked";
        prop_assert_eq!(told, matched);
    }
}
