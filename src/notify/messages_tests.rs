#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::domain::interlocks::Name;

fn placeholders(text: &str) -> BTreeSet<&str> {
    let parts = text.split('{').skip(1);
    parts.filter_map(|part| part.split('}').next()).collect()
}

fn all(templates: &Templates) -> Vec<(String, &Template)> {
    let mut all = Vec::new();
    for (kind, of) in &templates.kinds {
        all.push((format!("{kind}.name"), &of.name));
        all.push((format!("{kind}.text"), &of.text));
    }
    for (group, sentences) in &templates.groups {
        all.extend(
            sentences
                .iter()
                .map(|(name, s)| (format!("{group}.{name}"), s)),
        );
    }
    all
}

#[test]
fn every_text_exists_in_every_language_with_the_same_placeholders() {
    let templates = read(FILE).unwrap();
    let sentences = all(&templates);
    for (name, sentence) in &sentences {
        let [ru, kk, en] = [&sentence.ru, &sentence.kk, &sentence.en];
        assert!(
            [ru, kk, en].iter().all(|text| !text.trim().is_empty()),
            "{name}"
        );
        assert_eq!(
            placeholders(ru),
            placeholders(kk),
            "{name}: Russian and Kazakh"
        );
        assert_eq!(
            placeholders(ru),
            placeholders(en),
            "{name}: Russian and English"
        );
        if !name.starts_with("frame.bundle") && !name.starts_with("word.") {
            assert!(ru != kk && kk != en && ru != en, "{name} is not translated");
        }
    }
    let kinds: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    let written: BTreeSet<&str> = templates.kinds.keys().map(String::as_str).collect();
    assert_eq!(kinds, written, "kinds of notices and sentences for them");
}

#[test]
fn every_interlock_has_a_text() {
    let whys = &templates().groups["why"];
    for name in Name::ALL {
        let word = name.as_str();
        assert!(whys.contains_key(word), "why.{word} is missing");
    }
}

#[test]
fn every_error_code_of_a_source_has_a_text() {
    let runbook = include_str!("../../docs/OPERATIONS.md");
    let codes = runbook.lines().filter_map(|line| line.strip_prefix("## S"));
    let codes: BTreeSet<String> = codes
        .filter_map(|rest| Some(format!("S{}", rest.split_once(' ')?.0)))
        .collect();
    let text = templates().groups["trouble"].keys().cloned().collect();
    assert!(codes.len() >= 5, "{codes:?}");
    assert_eq!(codes, text, "codes of the runbook, and sentences for them");
}

fn item(kind: Kind, facts: Value) -> Item {
    Item {
        left: None,
        at: "2026-03-02T06:00:00Z".parse().unwrap(),
        kind,
        shop: Some("main".to_owned()),
        facts,
    }
}

/// The facts each kind comes with fill every placeholder of its sentences.
#[test]
fn no_placeholder_is_left_empty() {
    let waiting = json!({ "order": "900000001", "waiting_since": "2026-03-02T05:00:00Z",
        "express": false, "because": ["unknown_stock", "rule:big"] });
    let action = json!({ "order": "900000001", "action": "accept", "attempts": 5 });
    let facts = |kind| match kind {
        Kind::OrderHeld | Kind::DeadlineNear | Kind::DeadlinePast => waiting.clone(),
        Kind::ActionRefused | Kind::ActionStuck => action.clone(),
        Kind::StockStale => json!({ "age_s": 50_000, "limit_s": 43_200 }),
        Kind::StockCollapsed => json!({ "fell": 40, "had": 50, "source": "stock.csv" }),
        Kind::ShopUnread => json!({ "since": "2026-03-02T05:00:00Z", "waiting": "almaty" }),
        Kind::StockOverdrawn => {
            json!({ "sku": "A", "promised": 3, "on_hand": 1, "orders": ["900000001"] })
        }
        Kind::StockSourceFailed => json!({ "source": "feed", "code": "S002" }),
        Kind::CancelsNear => json!({ "cancelled": 4, "decided": 100, "share": 0.04,
            "limit_share": 0.04 }),
        Kind::Digest => json!({ "from": "2026-03-01T15:00:00Z",
            "until": "2026-03-02T15:00:00Z", "new": 9, "accepted": 7, "cancelled": 1, "held": 1, "waiting": 0,
            "share": 0.011 }),
        Kind::Test => json!({ "channel": "phone" }),
        Kind::ShopDenied => json!({ "code": "K403" }),
        Kind::KaspiDown => json!({ "since": "2026-03-02T05:00:00Z" }),
        Kind::MessageDropped => json!({ "channel": "phone", "count": 2, "orders": ["900000001"] }),
        Kind::ShopAdmitted
        | Kind::ShopMismatch
        | Kind::ShopElsewhere
        | Kind::KaspiUp
        | Kind::BackupFailed => json!({}),
        Kind::OrdersNotFound => json!({ "orders": 12 }),
        Kind::OrderUnread => json!({ "order": "900000001", "id": "opaque", "skus": ["A", "B"] }),
    };
    let now = "2026-03-02T06:00:00Z".parse().unwrap();
    for kind in Kind::ALL {
        let item = item(*kind, facts(*kind));
        for language in [Language::Ru, Language::Kk, Language::En] {
            let writer = MessageWriter {
                language,
                schedule: Schedule::default(),
            };
            let values = writer.values(&item, now);
            let template = &templates().kinds[kind.word()].text.en;
            for name in placeholders(template) {
                let value = values.iter().find(|(known, _)| *known == name);
                assert!(
                    value.is_some_and(|(_, v)| !v.is_empty()),
                    "{kind:?}: {{{name}}}"
                );
            }
            assert!(!writer.sentence(&item, now).is_empty());
        }
    }
    let writer = MessageWriter {
        language: Language::En,
        schedule: Schedule::default(),
    };
    assert_eq!(
        writer.sentence(&item(Kind::OrderHeld, waiting.clone()), now),
        "Shop main: order 900000001 is waiting for your decision: stock of a line is unknown; rule 'big'. \
         Time left: 2 h 0 min."
    );
    let late = "2026-03-02T09:00:00Z".parse().unwrap();
    let text = writer.sentence(&item(Kind::OrderHeld, waiting), late);
    assert!(
        text.ends_with("Time left: none, the deadline is past."),
        "{text}"
    );
}

#[test]
fn long_messages_are_cut_and_a_summary_has_counts() {
    let facts = json!({ "order": "900000001", "waiting_since": "2026-03-02T05:00:00Z",
        "express": false, "because": ["stock_age"] });
    let items = vec![item(Kind::OrderHeld, facts); 25];
    let mut message = Outgoing {
        token: "msg_1".to_owned(),
        made_at: "2026-03-02T06:00:00Z".parse().unwrap(),
        is_summary: false,
        is_short: false,
        items,
    };
    let writer = MessageWriter {
        language: Language::En,
        schedule: Schedule::default(),
    };
    let now = message.made_at;
    let text = writer.message(&message, now);
    assert!(
        text.starts_with("Orders waiting for your decision: 25\n"),
        "{text}"
    );
    assert!(text.contains("\n… and 5 more (900000001, "), "{text}");
    assert!(text.chars().count() < 4096);
    message.is_summary = true;
    let text = writer.message(&message, now);
    assert_eq!(
        text,
        "Messages could not be delivered for a while. Events since 02.03 11:00: 25\nOrders waiting for your decision: 25"
            .to_owned() + " (" + &vec!["900000001"; 25].join(", ") + ")"
    );
}
