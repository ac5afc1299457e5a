//! What a verdict rests on besides stock: when accepted orders and the archive were last read, and which orders
//! may hold units that no reservation counts.
//!
//! The required freshness depends on the use. `Use::requirement` is the only table of it:
//!
//! | use | sweep begun at most … ago | and ended at most … ago | sweep begun no earlier than | archive | unaccounted orders | other shops of the stock |
//! |---|---|---|---|---|---|---|
//! | accept | `sweep_age_max` | | | | none | sweep begun at most `sweep_age_max` ago |
//! | accept of the last units | `sweep_age_max` | `last_units_age_max` | the order was first seen | ended as recently, and not begun before the order was seen | none | read as freshly |
//! | cancel | `sweep_age_max` | `cancel_age_max` | stock was counted | | may be | |
//! | first POST of an accept | `sweep_age_max` | | | | none found since the decision | sweep begun at most `sweep_age_max` ago |
//! | repeated POST of an accept | `sweep_age_max` | | | | may be | |
//!
//! Where unaccounted orders count, so does every other shop of the same stock that was never read completely.
//!
//! The interlocks ask when an order is decided, and the ledger asks again before a POST leaves.

mod gap;
mod requirement;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::gap::Gap;
use self::requirement::Blocking;
pub use self::requirement::Use;
use super::ids::ShopName;
use super::unaccounted::Wanted;
pub use super::unaccounted::{Cause, Unaccounted};
use crate::mutant::mutant;

/// The period over which a reading was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// When the first request was sent.
    pub start: Timestamp,
    /// When the last answer was in.
    pub end: Timestamp,
}

impl Interval {
    /// A reading that took no time.
    pub const fn at(moment: Timestamp) -> Self {
        Self {
            start: moment,
            end: moment,
        }
    }
}

/// Orders not accounted for that a decision stores at most.
const UNACCOUNTED_MAX: usize = 100;

/// What is known of a shop's orders, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The last complete sweep of all accepted states; `None` before the first.
    #[serde(default)]
    pub accepted: Option<Interval>,
    /// The last complete sweep that read the archive too: only the archive shows what people accepted and
    /// finished between two sweeps. `None` before the first.
    #[serde(default)]
    pub archive: Option<Interval>,
    /// Orders that may hold units that no reservation counts.
    #[serde(default)]
    pub unaccounted: Vec<Unaccounted>,
    /// Other shops of the same stock of which no sweep was complete yet: any of their orders may hold units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread_shops: Vec<ShopName>,
    /// Other shops of the same stock, and when their accepted orders were last read completely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_shops: Vec<OtherShop>,
}

/// Another shop of the same stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherShop {
    /// Its name.
    pub shop: ShopName,
    /// Its last complete sweep.
    pub accepted: Interval,
    /// Its last complete sweep that read the archive too; `None` before the first.
    #[serde(default)]
    pub archive: Option<Interval>,
}

/// The maximum ages of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// On which anything may rest, from the sweep's first request.
    pub sweep_age_max: SignedDuration,
    /// On which a cancel may rest, from its last answer.
    pub cancel_age_max: SignedDuration,
    /// On which an accept of the last units may rest, from its last answer.
    pub last_units_age_max: SignedDuration,
}

impl Default for Freshness {
    /// The defaults of `config/default.toml`, except `sweep_age_max`: 5 minutes here, and three sweep periods in
    /// `src/runtime/build.rs`.
    fn default() -> Self {
        Self {
            sweep_age_max: SignedDuration::from_mins(5),
            cancel_age_max: SignedDuration::from_secs(5),
            last_units_age_max: SignedDuration::from_secs(10),
        }
    }
}

impl Evidence {
    /// The same, with only those orders not accounted for that may hold one of these SKUs.
    #[must_use]
    pub fn about<'a>(&self, wanted: &(impl Iterator<Item = Wanted<'a>> + Clone)) -> Self {
        let of_them = |order: &&Unaccounted| {
            let mut wanted = wanted.clone();
            wanted.any(|wanted| order.may_hold_now(wanted))
        };
        let unaccounted = self.unaccounted.iter().filter(of_them);
        Self {
            accepted: self.accepted,
            archive: self.archive,
            unaccounted: unaccounted.take(UNACCOUNTED_MAX).cloned().collect(),
            unread_shops: self.unread_shops.clone(),
            other_shops: self.other_shops.clone(),
        }
    }

    /// The unaccounted orders that may hold the units an accept needs. Each blocks it for at most `sweep_age_max`.
    pub fn blocking(&self, freshness: &Freshness, now: Timestamp) -> Vec<&Unaccounted> {
        let age_max = freshness.sweep_age_max;
        let orders = self.unaccounted.iter();
        orders
            .filter(|order| order.blocks(Blocking::All, age_max, now))
            .collect()
    }

    /// What this evidence lacks for a use of it; `None` where it is good enough.
    pub fn gap(&self, of: Use, freshness: &Freshness, now: Timestamp) -> Option<Gap> {
        let needs = of.requirement(freshness);
        let Some(sweep) = self.accepted else {
            return Some(Gap::NeverRead);
        };
        if is_older(sweep.start, needs.start_age_max, now) {
            return Some(Gap::TooOld {
                start: sweep.start,
                limit: needs.start_age_max,
            });
        }
        let blocking: Vec<Unaccounted> = self
            .unaccounted
            .iter()
            .filter(|order| order.blocks(needs.unaccounted, needs.start_age_max, now))
            .cloned()
            .collect();
        if !blocking.is_empty() {
            return Some(Gap::Unaccounted(blocking));
        }
        let asks_others = needs.unaccounted != Blocking::None && !mutant("r6_unread_shop_ignored");
        if asks_others && !self.unread_shops.is_empty() {
            return Some(Gap::ShopsNeverRead(self.unread_shops.clone()));
        }
        let others = self.other_shops.iter();
        let is_stale =
            |other: &&OtherShop| is_older(other.accepted.start, needs.start_age_max, now);
        let stale: Vec<OtherShop> = others.filter(is_stale).cloned().collect();
        if asks_others && !stale.is_empty() && !mutant("r6_stale_shop_ignored") {
            return Some(Gap::ShopsNotRead(stale));
        }
        let mut others = self.other_shops.iter().filter(|_| needs.others_as_fresh);
        let not_fresh = others.find_map(|other| {
            let gap = needs.not_fresh(other.accepted, other.archive, now)?;
            Some(Gap::OtherShop {
                shop: other.shop.clone(),
                gap: Box::new(gap),
            })
        });
        not_fresh.or_else(|| needs.not_fresh(sweep, self.archive, now))
    }
}

fn is_older(at: Timestamp, limit: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at) > limit
}

impl Unaccounted {
    fn blocks(&self, which: Blocking, age_max: SignedDuration, now: Timestamp) -> bool {
        let found_at = match self.cause {
            Cause::LinesAwaited | Cause::LinesUnreadable => now,
            Cause::MissingFromNewList { since } => since,
        };
        let is_recent = now.duration_since(found_at) <= age_max;
        match which {
            Blocking::All => is_recent,
            Blocking::FoundAfter(moment) => is_recent && found_at > moment,
            Blocking::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use crate::domain::ids::{OrderCode, OrderId};
    use crate::domain::unaccounted::MayHold;

    const MINUTE: i64 = 60;

    fn ago(seconds: i64) -> Timestamp {
        Timestamp::constant(1_772_434_800 - seconds, 0)
    }

    fn read(start: i64, end: i64) -> Interval {
        Interval {
            start: ago(start),
            end: ago(end),
        }
    }

    fn evidence(start: i64, end: i64) -> Evidence {
        Evidence {
            accepted: Some(read(start, end)),
            archive: Some(read(start, end)),
            unaccounted: Vec::new(),
            unread_shops: Vec::new(),
            other_shops: Vec::new(),
        }
    }

    fn unaccounted(cause: Cause) -> Unaccounted {
        Unaccounted {
            shop: None,
            order: OrderId::new("opaque").unwrap(),
            code: OrderCode::new("900000012").unwrap(),
            cause,
            may_hold: MayHold::Any,
            left_by: None,
        }
    }

    fn gap(evidence: &Evidence, of: Use) -> Option<Gap> {
        evidence.gap(of, &Freshness::default(), ago(0))
    }

    fn last_units(seen: i64) -> Use {
        Use::AcceptLastUnits {
            order_seen_at: Some(ago(seen)),
        }
    }

    /// Every use, with moments long past.
    fn uses() -> [Use; 5] {
        [
            Use::Accept,
            last_units(3_600),
            Use::Cancel {
                counted_at: Some(ago(3_600)),
            },
            Use::FirstAttempt {
                decided_at: ago(3_600),
            },
            Use::Repeat,
        ]
    }

    #[test]
    fn nothing_rests_on_a_sweep_that_is_too_old_or_never_was() {
        for of in uses() {
            assert_eq!(gap(&evidence(5 * MINUTE, 1), of), None, "{of:?}");
            let old = gap(&evidence(5 * MINUTE + 1, 1), of);
            assert!(matches!(old, Some(Gap::TooOld { .. })), "{of:?}");
            assert_eq!(
                gap(&Evidence::default(), of),
                Some(Gap::NeverRead),
                "{of:?}"
            );
        }
    }

    #[test]
    fn cancels_and_the_last_units_need_a_sweep_that_ended_just_now() {
        for (of, limit) in [(uses()[1], 10), (uses()[2], 5)] {
            assert_eq!(gap(&evidence(60, limit), of), None, "{of:?}");
            let late = gap(&evidence(60, limit + 1), of);
            assert!(matches!(late, Some(Gap::EndedTooLongAgo { .. })), "{of:?}");
        }
        for of in [Use::Accept, uses()[3], Use::Repeat] {
            assert_eq!(gap(&evidence(60, 59), of), None, "{of:?}");
        }
    }

    #[test]
    fn the_last_units_need_a_sweep_begun_since_the_order_was_seen() {
        assert_eq!(gap(&evidence(9, 1), last_units(9)), None);
        let before = gap(&evidence(10, 1), last_units(9));
        assert_eq!(before, Some(Gap::BeforeOrder { start: ago(10) }));
        let asked_before = Use::AcceptLastUnits {
            order_seen_at: None,
        };
        assert_eq!(gap(&evidence(10, 1), asked_before), None);
    }

    #[test]
    fn the_last_units_need_the_archive_read_since_the_order_was_seen() {
        let with = |archive: Option<Interval>| {
            let evidence = Evidence {
                archive,
                ..evidence(5, 1)
            };
            gap(&evidence, last_units(8))
        };
        // Started since then: what was read before its first page is not in it.
        assert_eq!(with(Some(read(8, 7))), None);
        let stale = |end: i64| {
            Some(Gap::ArchiveNotRead {
                end: Some(ago(end)),
            })
        };
        assert_eq!(with(Some(read(9, 7))), stale(7));
        assert_eq!(with(Some(read(20, 11))), stale(11));
        assert_eq!(with(None), Some(Gap::ArchiveNotRead { end: None }));
        let without = Evidence {
            archive: None,
            ..evidence(5, 1)
        };
        for of in [Use::Accept, uses()[2], uses()[3], Use::Repeat] {
            assert_eq!(gap(&without, of), None, "{of:?}");
        }
    }

    #[test]
    fn a_cancel_needs_a_sweep_begun_since_stock_was_counted() {
        let cancel = |counted: i64| Use::Cancel {
            counted_at: Some(ago(counted)),
        };
        assert_eq!(gap(&evidence(9, 1), cancel(9)), None);
        let before = gap(&evidence(10, 1), cancel(9));
        let counted_after = Gap::BeforeCount {
            start: ago(10),
            counted_at: ago(9),
        };
        assert_eq!(before, Some(counted_after));
    }

    #[test]
    fn an_order_that_is_not_accounted_for_blocks_accepts_until_a_sweep_would_be_too_old() {
        let with = |cause: Cause, of: Use| {
            let evidence = Evidence {
                unaccounted: vec![unaccounted(cause)],
                ..evidence(5, 1)
            };
            matches!(gap(&evidence, of), Some(Gap::Unaccounted(_)))
        };
        let missing = |seconds: i64| Cause::MissingFromNewList {
            since: ago(seconds),
        };
        for of in [Use::Accept, last_units(20)] {
            assert!(with(Cause::LinesAwaited, of), "{of:?}");
            assert!(with(missing(5 * MINUTE), of), "{of:?}");
            assert!(!with(missing(5 * MINUTE + 1), of), "{of:?}");
        }
        let attempt = Use::FirstAttempt {
            decided_at: ago(30),
        };
        assert!(with(Cause::LinesAwaited, attempt));
        assert!(with(missing(29), attempt));
        assert!(!with(missing(30), attempt), "it was known to the decision");
        for of in [uses()[2], Use::Repeat] {
            assert!(!with(Cause::LinesAwaited, of), "{of:?}");
        }
    }

    #[test]
    fn accepts_wait_until_every_shop_of_the_stock_was_read() {
        let second = ShopName::new("second").unwrap();
        let with = Evidence {
            unread_shops: vec![second.clone()],
            other_shops: Vec::new(),
            ..evidence(5, 1)
        };
        let unread = Some(Gap::ShopsNeverRead(vec![second]));
        for of in [Use::Accept, last_units(20), uses()[3]] {
            assert_eq!(gap(&with, of), unread, "{of:?}");
        }
        for of in [uses()[2], Use::Repeat] {
            assert_eq!(gap(&with, of), None, "{of:?}");
        }
    }

    #[test]
    fn the_last_units_need_every_shop_of_the_stock_read_as_freshly() {
        let with = |accepted: Interval, archive: Option<Interval>, of: Use| {
            let second = OtherShop {
                shop: ShopName::new("second").unwrap(),
                accepted,
                archive,
            };
            let evidence = Evidence {
                other_shops: vec![second],
                ..evidence(5, 1)
            };
            gap(&evidence, of).map(|gap| gap.to_string())
        };
        let fresh = read(5, 1);
        assert_eq!(with(fresh, Some(fresh), last_units(8)), None);
        let cases = [
            (read(9, 1), Some(fresh), "before the order was first seen"),
            (fresh, Some(read(9, 1)), "the archive was last read"),
            (fresh, None, "the archive was not read"),
        ];
        for (accepted, archive, says) in cases {
            let gap = with(accepted, archive, last_units(8)).unwrap_or_default();
            assert!(gap.starts_with("shop second: "), "{gap}");
            assert!(gap.contains(says), "{gap}");
            for of in [Use::Accept, uses()[2], uses()[3], Use::Repeat] {
                assert_eq!(with(accepted, archive, of), None, "{of:?}");
            }
        }
    }

    #[test]
    fn a_text_names_the_first_orders_and_counts_the_rest() {
        let one = |number: usize, cause: Cause| Unaccounted {
            code: OrderCode::new(format!("90000000{number}")).unwrap(),
            ..unaccounted(cause)
        };
        let since = ago(0);
        let mut orders = vec![
            one(1, Cause::LinesAwaited),
            one(2, Cause::MissingFromNewList { since }),
        ];
        let text = Gap::Unaccounted(orders.clone()).to_string();
        assert_eq!(
            text,
            "orders that may hold these units are not read yet: 900000001 was accepted elsewhere; \
             900000002 left the list of new orders by 02.03 12:00"
        );
        orders.extend((3..6).map(|number| one(number, Cause::LinesAwaited)));
        let text = Gap::Unaccounted(orders).to_string();
        assert!(
            text.ends_with("900000003 was accepted elsewhere; and 2 more"),
            "{text}"
        );
    }
}
