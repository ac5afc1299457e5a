//! `shop`, `world` and `shortage` of a scenario: everything in order, unless it says otherwise.

use jiff::{SignedDuration, Timestamp};
use toml::de::DeValue;

use super::{ago, fields};
use crate::domain::facts::{Collapse, Counters, Facts, LinesFacts, ShortageSeen, Surroundings};
use crate::domain::ids::ShopName;
use crate::domain::order::Order;
use crate::rules_file::reader::{Entry, Reader, Value};
use crate::rules_file::values::{count, duration, text};

const SHOP_KEYS: [&str; 6] = [
    "name",
    "decided",
    "cancelled",
    "accepted_last_hour",
    "cancelled_last_hour",
    "paused",
];
const WORLD_KEYS: [&str; 5] = [
    "swept",
    "unread_holder",
    "restored",
    "clock_skew",
    "collapse",
];

/// What is known of the world around the order.
pub(super) struct Around {
    now: Timestamp,
    shop: Option<ShopName>,
    known: Surroundings,
    shortage: Option<ShortageSeen>,
}

impl Around {
    /// Read a minute ago, and again just now; a shortage, should there be one, is well proven.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            shop: ShopName::new("main").ok(),
            known: Surroundings {
                counters: Counters::default(),
                collapse: None,
                swept_at: Some(ago(now, SignedDuration::from_mins(1))),
                swept_until: Some(now),
                over_swept_until: None,
                unread_holder_at: None,
                restored_at: None,
                clock_skew_s: Some(0),
                paused: None,
            },
            shortage: Some(ShortageSeen {
                since: ago(now, SignedDuration::from_mins(30)),
                scans: 3,
            }),
        }
    }

    pub(super) fn shop(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) {
        let counters = &mut self.known.counters;
        for Entry { key, value, .. } in
            fields(reader, "shop", value, &SHOP_KEYS).unwrap_or_default()
        {
            let mut orders = || {
                let orders = count(reader, key, value, "a whole number");
                orders.unwrap_or_default().unsigned_abs()
            };
            match key {
                "decided" => counters.decided = orders(),
                "cancelled" => counters.cancelled = orders(),
                "accepted_last_hour" => counters.accepted_last_hour = orders(),
                "cancelled_last_hour" => counters.cancelled_last_hour = orders(),
                "name" => {
                    self.shop = text(reader, key, value).and_then(|name| ShopName::new(name).ok());
                }
                "paused" => self.known.paused = text(reader, key, value),
                _ => {}
            }
        }
    }

    pub(super) fn world(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) {
        let (now, around) = (self.now, &mut self.known);
        for Entry { key, value, .. } in
            fields(reader, "world", value, &WORLD_KEYS).unwrap_or_default()
        {
            if key == "collapse" {
                around.collapse = collapse(reader, value, now);
                continue;
            }
            if key == "swept" && value.get_ref().as_str() == Some("never") {
                (around.swept_at, around.swept_until) = (None, None);
                continue;
            }
            let time = duration(reader, key, value).unwrap_or_default();
            let then = Some(ago(now, time));
            match key {
                "swept" => (around.swept_at, around.swept_until) = (then, then),
                "unread_holder" => around.unread_holder_at = then,
                "restored" => around.restored_at = then,
                "clock_skew" => around.clock_skew_s = Some(time.as_secs()),
                _ => {}
            }
        }
    }

    pub(super) fn shortage(&mut self, reader: &mut Reader<'_>, value: &Value<'_>) {
        if matches!(value.get_ref(), DeValue::String(word) if word == "new") {
            self.shortage = None;
            return;
        }
        let mut seen = ShortageSeen {
            since: self.now,
            scans: 2,
        };
        for Entry { key, value, .. } in
            fields(reader, "shortage", value, &["since", "scans"]).unwrap_or_default()
        {
            if key == "since" {
                seen.since = ago(self.now, duration(reader, key, value).unwrap_or_default());
            } else if key == "scans" {
                let scans = count(reader, key, value, "a whole number").unwrap_or_default();
                seen.scans = u32::try_from(scans).unwrap_or(u32::MAX);
            }
        }
        self.shortage = Some(seen);
    }

    pub(super) fn facts(self, order: Order, lines: LinesFacts, sent: Option<String>) -> Facts {
        let mut facts = Facts {
            shop: self.shop,
            order,
            first_seen_at: None,
            lines,
            shortage: None,
            sent,
            around: self.known,
        };
        if facts.is_short() {
            facts.shortage = self.shortage;
        }
        facts
    }
}

fn collapse(reader: &mut Reader<'_>, value: &Value<'_>, now: Timestamp) -> Option<Collapse> {
    let (mut fell, mut had) = (None, None);
    for Entry { key, value, .. } in fields(reader, "collapse", value, &["fell", "had"])? {
        let skus = count(reader, key, value, "a whole number").map(i64::unsigned_abs);
        if key == "fell" {
            fell = skus;
        } else if key == "had" {
            had = skus;
        }
    }
    let (Some(fell), Some(had)) = (fell, had) else {
        let hint = "write both, such as { fell = 90, had = 100 }".to_owned();
        reader.refuse(
            &value.span(),
            "collapse: 'fell' or 'had' is missing",
            Some(hint),
        );
        return None;
    };
    Some(Collapse {
        fell,
        had,
        source: "stock.csv".to_owned(),
        at: ago(now, SignedDuration::from_mins(30)),
    })
}
