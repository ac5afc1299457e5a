#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde_json::json;

use super::*;

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
        Kind::Test | Kind::BotConflict => json!({ "channel": "phone" }),
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
        for language in Lang::ALL {
            let writer = MessageWriter {
                language,
                schedule: Schedule::default(),
            };
            // Every value the text names is there, and filled.
            let mut values = writer.values(&item, now);
            let text = writer.sentence(&item, now);
            assert!(!text.contains('{'), "{kind:?}: {text}");
            for value in &mut values {
                if matches!(&value.1, Arg::String(text) if text.is_empty()) {
                    value.1 = "EMPTY".into();
                }
            }
            let text = language.text(&key(*kind), &values);
            assert!(!text.contains("EMPTY"), "{kind:?}: {text}");
            assert!(!writer.sentence(&item, now).is_empty());
        }
    }
    let writer = MessageWriter {
        language: Lang::En,
        schedule: Schedule::default(),
    };
    assert_eq!(
        writer.sentence(&item(Kind::OrderHeld, waiting.clone()), now),
        "Shop main: order 900000001 is waiting for your decision: stock of a line is unknown; rule 'big'. \
         Time left: 2 h."
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
        language: Lang::En,
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
