//! Explanations read as the merchant wrote the rule, with what was found.

use qabyl::domain::facts::{Counters, Facts};
use qabyl::domain::rules::explain;
use qabyl::domain::stock::{LineStock, UnknownStock};
use qabyl::rules_file;

use crate::rules::facts::{facts, level, line, load, now, policy, with_stock};

/// The explanation of a rule with this condition, indented by depth.
fn explained(when: &str, facts: &Facts) -> Vec<String> {
    let text = format!("[[rule]]\nname = \"r\"\nwhen = {when}\nthen = \"hold\"\n");
    let policy = policy(load(&text));
    explain(&policy.rules.list[0], facts, &policy.limits.schedule, now())
        .into_iter()
        .map(|answer| format!("{}{}", "  ".repeat(answer.depth), answer.text))
        .collect()
}

#[test]
fn questions_of_the_order() {
    let mut facts = with_stock(0);
    facts.shop_facts.counters = Counters {
        decided: 100,
        cancelled: 3,
        cancelled_last_hour: 2,
        accepted_last_hour: 7,
    };
    for (when, text) in [
        (
            "{ total = { over = 300000 } }",
            "total 512 000 ₸ over 300 000 ₸: yes",
        ),
        (
            "{ total = 512000 }",
            "total 512 000 ₸ exactly 512 000 ₸: yes",
        ),
        ("{ age = { under = \"20m\" } }", "age 12m under 20m: yes"),
        (
            "{ deadline_in = { over = \"1h\", under = \"2h 30m\" } }",
            "deadline_in 2h 48m over 1h and under 2h 30m: no",
        ),
        ("{ express = true }", "express false, asked for true: no"),
        (
            "{ kaspi_delivery = true }",
            "kaspi_delivery true, asked for true: yes",
        ),
        ("{ lines = 1 }", "lines 1 exactly 1: yes"),
        ("{ quantity = { over = 2 } }", "quantity 2 over 2: no"),
        (
            "{ pickup_point = [\"PP1\", \"PP2\"] }",
            "pickup_point 30000001_PP1 among PP1, PP2: yes",
        ),
        (
            "{ payment_mode = \"PREPAID\" }",
            "payment_mode PREPAID among PREPAID: yes",
        ),
        // 2026-03-02T09:00Z is a Monday's 14:00 in Almaty.
        (
            "{ weekday = [\"sat\", \"mon\"] }",
            "weekday mon among sat, mon: yes",
        ),
        (
            "{ hour = { from = \"22:30\", to = 8 } }",
            "hour 14:00 from 22:30 to 08:00: no",
        ),
        (
            "{ hour = { from = 14, to = 15 } }",
            "hour 14:00 from 14:00 to 15:00: yes",
        ),
        (
            "{ shop_accepted = { under = 50 } }",
            "shop_accepted 97 under 50: no",
        ),
        (
            "{ shop_cancelled_share = { over = 0.025 } }",
            "shop_cancelled_share 0.0300 (3 of 100) over 0.025: yes",
        ),
        (
            "{ shop_cancelled_last_hour = 0 }",
            "shop_cancelled_last_hour 2 exactly 0: no",
        ),
    ] {
        assert_eq!(explained(when, &facts), [text]);
    }
}

#[test]
fn questions_of_the_lines() {
    let facts = facts(vec![
        line(7, 2, LineStock::Known(level(0))),
        line(8, 1, LineStock::Unknown(UnknownStock::NoSku)),
    ]);
    assert_eq!(
        explained("{ any_line = { shortage = { over = 0 } } }", &facts),
        [
            "any line: yes",
            "  line 7 (SKU-7): shortage 2 over 0: yes",
            "  line 8 (SKU-8): shortage unknown over 0: no",
        ]
    );
    assert_eq!(
        explained("{ all_lines = { stock = \"known\", on_hand = 0 } }", &facts),
        [
            "every line: no",
            "  line 7 (SKU-7): yes",
            "    stock known, asked for known: yes",
            "    on_hand 0 exactly 0: yes",
            "  line 8 (SKU-8): no",
            "    stock unknown, asked for known: no",
            "    on_hand unknown exactly 0: no",
        ]
    );
}

#[test]
fn joined_questions() {
    let when = "{ total = { over = 1 }, any = [{ express = true }, { not = { lines = 2 } }] }";
    assert_eq!(
        explained(when, &with_stock(0)),
        [
            "total 512 000 ₸ over 1 ₸: yes",
            "any of 2: yes",
            "  express false, asked for true: no",
            "  not: yes",
            "    lines 1 exactly 2: no",
        ]
    );
}

#[test]
fn a_catch_all_says_so() {
    let policy = policy(rules_file::default_rules());
    let last = policy.rules.list.last().unwrap();
    let answers = explain(last, &with_stock(0), &policy.limits.schedule, now());
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].text, "every order: yes");
}
