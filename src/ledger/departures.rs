//! When the goods of an order left the shelf: the interval in which they did, from the readings of the order. A count
//! made after that interval no longer includes them; one made before it does.

use jiff::{SignedDuration, Timestamp};
use sqlx::FromRow;

use super::demand::demands;
use crate::domain::ids::ShopName;
use crate::domain::order::{DeliveryMode, Line, Order};
use crate::domain::reservation::Departure;
use crate::mutant::mutant;
use crate::store::reservations::{Origin, insert_reservations};
use crate::store::{StoreError, WriteTx, at, ms};

/// What a reading shows may be so much older than the moment it is stored: a replica lags.
pub(crate) const READING_LAG: SignedDuration = SignedDuration::from_mins(1);

/// How exactly Kaspi's clock is known: its `Date` has seconds, and small differences count as none.
const CLOCK_GRAIN: SignedDuration = SignedDuration::from_secs(5);

/// What is known of the time before an order `?2` of the shop `?1` was first seen.
pub(crate) const KNOWN_BEFORE: &str = "
SELECT r.at AS restored_at, r.known_until, (SELECT MIN(as_of) FROM stock) AS counted_at,
  (SELECT kaspi_at FROM scans
    WHERE shop = ?1 AND kind = 'sweep' AND complete = 1 AND archive_read = 1 AND finished_at <= o.first_seen_at
    ORDER BY id DESC LIMIT 1) AS swept_at,
  (SELECT kaspi_at FROM scans
    WHERE shop = ?1 AND kind = 'new' AND complete = 1 AND finished_at <= o.first_seen_at
    ORDER BY id DESC LIMIT 1) AS listed_at
FROM shops s LEFT JOIN orders o ON o.shop = s.name AND o.id = ?2 LEFT JOIN restores r ON r.shop = s.name
WHERE s.name = ?1";

#[derive(FromRow)]
struct KnownBefore {
    restored_at: Option<i64>,
    known_until: Option<i64>,
    counted_at: Option<i64>,
    swept_at: Option<i64>,
    listed_at: Option<i64>,
}

impl KnownBefore {
    /// Whether an order approved then, and first seen when it had left already, left goods that a count may still
    /// include: it was approved since the moment of a restored copy, since the last complete lists before it was first
    /// seen, or since the oldest count. Lists lag like readings.
    fn may_be_counted(&self, approved: Timestamp) -> bool {
        if self.restored_at.is_some() && self.known_until.is_none() {
            return true;
        }
        let lag = ms_of(READING_LAG);
        let listed = [self.swept_at, self.listed_at].map(|at| at.map(|at| at - lag));
        let since = [self.known_until, self.counted_at]
            .into_iter()
            .chain(listed)
            .flatten()
            .min();
        since.is_some_and(|since| ms(approved) >= since)
    }
}

fn ms_of(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the interval, by our clock, in which the goods of an order left the shelf: from the last reading that showed
/// them there until now. Kaspi's hand-over time narrows it where the skew of Kaspi's clock is known.
pub(crate) fn left_within(
    order: &Order,
    skew: Option<SignedDuration>,
    (seen_at, now): (Timestamp, Timestamp),
) -> (Timestamp, Timestamp) {
    let before = |at: Timestamp, by: SignedDuration| at.saturating_sub(by).unwrap_or(at);
    // What the shop brings itself leaves long before its buyer has it.
    let is_own = order.kaspi_delivery == Some(false);
    let is_brought = is_own && order.delivery_mode != Some(DeliveryMode::Pickup);
    let seen_at = if is_brought {
        order.created_at
    } else {
        seen_at
    };
    let seen_at = before(seen_at, READING_LAG);
    let Some(at) = order.handed_over_at else {
        return (seen_at, now);
    };
    let Some(skew) = skew else {
        return (order.created_at.min(seen_at), now);
    };
    let is_before_the_order = at < order.created_at;
    let at = before(at, skew);
    let (after, by) = (before(at, CLOCK_GRAIN), before(at, -CLOCK_GRAIN));
    // No courier takes goods before they are ordered, or later than now: a clock was set in the meantime.
    if is_before_the_order || after > now {
        return (order.created_at.min(seen_at), now);
    }
    // Kaspi shows the date hours late: readings since then that showed the goods still there prove nothing.
    if mutant("r9_late_date_disbelieved") && by < seen_at {
        return (seen_at, now);
    }
    (after, by.min(now))
}

/// Adds consumed reservations for goods that were linked to a SKU only after the other goods of their order left: they
/// left with those. A level that the order already has a reservation for gets no second one.
pub(crate) async fn add_late_linked_goods(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    linked: Vec<Line>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if linked.is_empty() {
        return Ok(());
    }
    let held: Vec<(String, String, Option<i64>, Option<i64>)> = sqlx::query_as(
        "SELECT sku, warehouse, left_after, closed_at FROM reservations
         WHERE shop = ? AND order_id = ? AND state <> 'released'",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    // Only consumed ones are closed here: these are not released.
    let departed = held
        .iter()
        .filter_map(|(_, _, after, by)| by.map(|by| (*after, by)));
    let departed: Vec<(Option<i64>, i64)> = departed.collect();
    let Some(by) = departed.iter().map(|(_, by)| *by).max() else {
        return Ok(());
    };
    // `None`, an unknown departure, comes before all others.
    let by = at(by)?;
    let left = match departed.iter().map(|(after, _)| *after).min().flatten() {
        Some(after) => Departure::Between {
            after: at(after)?,
            by,
        },
        None => Departure::Unknown { by },
    };
    let left = Some(left);
    let mut demands = demands(tx, (shop, order), linked).await?;
    demands.retain(|demand| {
        let is_held = |(sku, warehouse, _, _): &(String, String, _, _)| {
            (sku, warehouse) == (&demand.sku.to_string(), &demand.warehouse)
        };
        !held.iter().any(is_held)
    });
    insert_reservations(tx, shop, order, &demands, Origin::Observed { left }, now).await
}

/// When the level counted longest ago was counted.
pub(crate) async fn oldest_count(tx: &mut WriteTx<'_>) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("SELECT MIN(as_of) FROM stock")
        .fetch_one(tx.conn()?)
        .await?)
}

impl WriteTx<'_> {
    /// Returns the interval in which the goods of an order left that was never seen as accepted; `None` where no count
    /// can include them. `before`: whether they were on the shelf when the order was last seen, and when that was.
    pub(crate) async fn left_unseen(
        &mut self,
        shop: &ShopName,
        (order, skew): (&Order, Option<SignedDuration>),
        before: Option<(bool, i64)>,
        now: Timestamp,
    ) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        if order.handed_over_at.is_some() {
            let seen_at = before.map_or(Ok(order.created_at), |(_, seen_at)| at(seen_at))?;
            let left = left_within(order, skew, (seen_at.min(now), now));
            let counted = oldest_count(self).await?;
            // Goods that left before the oldest count are missing from every count already.
            let is_counted = before.is_none() && counted.is_some_and(|at| ms(left.1) < at);
            return Ok((!is_counted).then_some(left));
        }
        if let Some((true, seen_at)) = before {
            let seen_at = at(seen_at)?;
            return Ok(Some((
                seen_at.saturating_sub(READING_LAG).unwrap_or(seen_at),
                now,
            )));
        }
        // Approved since the copy was made, since the last lists before it was first seen, or since the
        // oldest count in force, it left since too.
        let before: KnownBefore = sqlx::query_as(KNOWN_BEFORE)
            .bind(shop.as_str())
            .bind(if mutant("r6_count_during_outage_believed") {
                ""
            } else {
                order.id.as_str()
            })
            .fetch_one(self.conn()?)
            .await?;
        let approved = order.approved_at.unwrap_or(order.created_at);
        let came_since = before.may_be_counted(approved);
        Ok(came_since.then_some((approved.min(now), now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: KnownBefore = KnownBefore {
        restored_at: None,
        known_until: None,
        counted_at: None,
        swept_at: None,
        listed_at: None,
    };

    fn counted(before: &KnownBefore, approved: i64) -> bool {
        before.may_be_counted(Timestamp::from_millisecond(approved).unwrap())
    }

    #[test]
    fn goods_of_an_order_approved_before_all_that_is_known_are_in_no_count() {
        assert!(!counted(&EMPTY, 0));
        let count = KnownBefore {
            counted_at: Some(1000),
            ..EMPTY
        };
        assert!(!counted(&count, 999) && counted(&count, 1000));
    }

    #[test]
    fn the_earliest_moment_counts_and_lists_lag() {
        let lists = KnownBefore {
            counted_at: Some(900_000),
            swept_at: Some(500_000),
            listed_at: Some(600_000),
            ..EMPTY
        };
        assert!(counted(&lists, 440_000) && !counted(&lists, 439_999));
        let copy = KnownBefore {
            restored_at: Some(950_000),
            known_until: Some(100_000),
            ..lists
        };
        assert!(counted(&copy, 100_000) && !counted(&copy, 99_999));
    }

    #[test]
    fn after_a_restore_of_a_copy_of_unknown_moment_every_order_may_be_counted() {
        let copy = KnownBefore {
            restored_at: Some(950_000),
            counted_at: Some(900_000),
            ..EMPTY
        };
        assert!(counted(&copy, 0));
    }
}
