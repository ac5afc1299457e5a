//! Promises of an order that changed since they were made: its pickup point moved, or the map of SKUs is another one.
//! They keep what they were made with and are counted by the new reading too, so that each level is in doubt about the
//! difference. A pickup point is certain again once a later reading shows the same; what an order took by an
//! older map is known only once its goods have left and the shelf was counted.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::demand::known_demands;
use super::departures::{READING_LAG, oldest_count};
use crate::domain::availability::{Changed, Held, widen};
use crate::domain::ids::{ShopName, Sku};
use crate::domain::order::Order;
use crate::domain::stock_ledger::Demand;
use crate::mutant::mutant;
use crate::store::orders::parse_order;
use crate::store::reservations::{self, Kept};
use crate::store::stock_parts::parts;
use crate::store::{StoreError, WriteTx, at, ms};

/// Promises closed so long before the oldest count are in no level's number any more, however late its source books.
const CLOSED_COUNTS: SignedDuration = SignedDuration::from_hours(48);

/// An order's open promises are counted at its new pickup point too.
pub(crate) async fn follow_order(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    asked_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    if mutant("r9_moved_order_stays") {
        return Ok(());
    }
    let kept = reservations::kept_of(tx, shop, &order.id).await?;
    let reading = at_its_point(tx, (shop, order), &kept).await?;
    let change = (Changed::Point, asked_at);
    count_reading(tx, shop, order, (kept, &reading), change, now).await?;
    if mutant("r9_moved_point_is_believed") {
        settle_point(tx, shop, order, asked_at, now).await?;
    }
    Ok(())
}

/// Another reading shows the pickup point that the order moved to: its promises are taken from there alone.
pub(crate) async fn settle_point(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    asked_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let kept = reservations::kept_of(tx, shop, &order.id).await?;
    let moved = kept.iter().filter(|kept| kept.changed.is_some());
    let is_settled = moved.clone().all(|kept| {
        let since = kept
            .changed_at
            .and_then(|at| at.checked_add(READING_LAG).ok());
        kept.changed == Some(Changed::Point) && since.is_some_and(|since| asked_at >= since)
    });
    if !is_settled && !mutant("r9_moved_point_is_believed") {
        return Ok(());
    }
    let reading = at_its_point(tx, (shop, order), &kept).await?;
    let takes = |kept: &Kept| {
        let place = &kept.held.demand;
        let mut reading = reading.iter();
        reading.any(|now| now.sku == place.sku && now.warehouse == place.warehouse)
    };
    let (here, left): (Vec<Kept>, Vec<Kept>) = kept.into_iter().partition(takes);
    let left: Vec<i64> = left.iter().map(|kept| kept.id).collect();
    let why = "the order moved to another pickup point";
    reservations::release_rows(tx, (shop, order), &left, why, now).await?;
    // One that came back was perhaps put back by the source in the meantime.
    for (id, since) in here
        .iter()
        .filter_map(|kept| Some((kept.id, kept.changed_at?)))
    {
        follow_from(tx, &[id], since).await?;
    }
    let certain: Vec<(i64, Held)> = here
        .into_iter()
        .map(|kept| {
            let demand = kept.held.demand;
            (kept.id, Held { demand, doubted: 0 })
        })
        .collect();
    reservations::change(tx, (shop, order), &certain, None, now).await
}

/// What is promised to an order, as taken from where it leaves now: its SKUs are what they were.
async fn at_its_point(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    kept: &[Kept],
) -> Result<Vec<Demand>, StoreError> {
    let skus: Vec<&str> = kept
        .iter()
        .map(|kept| kept.held.demand.sku.as_str())
        .collect();
    let ledger = tx.listings(shop, &skus).await?;
    let mut reading: Vec<Demand> = Vec::new();
    for kept in kept {
        let Demand { sku, quantity, .. } = kept.held.demand.clone();
        let warehouse = ledger.warehouse(&sku, order.pickup_point.as_ref());
        let known = reading
            .iter_mut()
            .find(|now| now.sku == sku && now.warehouse == warehouse);
        match known {
            Some(known) => known.quantity = known.quantity.max(quantity),
            None => reading.push(Demand {
                sku,
                warehouse,
                quantity,
            }),
        }
    }
    Ok(reading)
}

/// These SKUs are something else in the warehouse than before: mapped, unmapped, or listed themselves. Promises that
/// were made for them, and goods that left since the shelf was counted, are counted by the new map too.
pub(crate) async fn follow_map(
    tx: &mut WriteTx<'_>,
    skus: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    if skus.is_empty() || mutant("r9_new_map_ignores_promises") {
        return Ok(());
    }
    let counted = oldest_count(tx).await?.map_or(Ok(now), at)?;
    let since = ms(counted.saturating_sub(CLOSED_COUNTS).unwrap_or(counted));
    let holders: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT o.shop, o.body FROM reservations r
         JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
         LEFT JOIN lines l ON l.shop = o.shop AND l.order_id = o.id
         WHERE (r.closed_at IS NULL OR r.closed_at > ?2)
           AND (l.sku IN (SELECT value FROM json_each(?1)) OR o.lines_state IN ('unread', 'unreadable'))",
    )
    .bind(json!(skus).to_string())
    .bind(since)
    .fetch_all(tx.conn()?)
    .await?;
    for (shop, body) in holders {
        let shop = ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", shop))?;
        let order = parse_order(&body)?;
        let mut kept = reservations::kept_of(tx, &shop, &order.id).await?;
        if kept.is_empty() {
            kept = reservations::released_of(tx, &shop, &order.id, since).await?;
        }
        // While its lines are unknown, none of it is certain.
        let reading = known_demands(tx, &shop, &order).await?.unwrap_or_default();
        count_reading(
            tx,
            &shop,
            &order,
            (kept, &reading),
            (Changed::Map, now),
            now,
        )
        .await?;
    }
    Ok(())
}

/// Of these SKUs, those that the map has: to be listed or not listed makes them something else.
pub(crate) async fn follow_listed(
    tx: &mut WriteTx<'_>,
    skus: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mapped = parts(tx.conn()?, None, Some(skus)).await?;
    let mut mapped: Vec<&Sku> = mapped.iter().map(|row| &row.sku).collect();
    mapped.dedup();
    let mapped: Vec<&str> = mapped.into_iter().map(Sku::as_str).collect();
    follow_map(tx, &mapped, now).await
}

/// The order's lines are read again while what it took before is in doubt: nothing of it becomes certain by that.
/// Returns whether that is so.
pub(crate) async fn keeps_doubt(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    reading: &[Demand],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kept = reservations::kept_of(tx, shop, &order.id).await?;
    let changed = kept
        .iter()
        .filter_map(|kept| kept.changed.zip(kept.changed_at));
    let Some(change) = changed.max_by_key(|(changed, _)| *changed == Changed::Map) else {
        return Ok(false);
    };
    count_reading(tx, shop, order, (kept, reading), change, now).await?;
    Ok(true)
}

/// Counts promises by another reading too. One that differs by the map stays in doubt for that.
async fn count_reading(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    (kept, reading): (Vec<Kept>, &[Demand]),
    (changed, at): (Changed, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(sibling) = kept.first().map(|kept| kept.id) else {
        return Ok(());
    };
    let is_of_map = kept.iter().any(|kept| kept.changed == Some(Changed::Map));
    let changed = if is_of_map { Changed::Map } else { changed };
    let held: Vec<Held> = kept.iter().map(|kept| kept.held.clone()).collect();
    let widened = widen(&held, reading);
    let (of_rows, new) = widened.split_at(kept.len());
    let rows = kept.iter().zip(of_rows);
    let rows = rows.filter(|(kept, now)| kept.held != **now || now.doubted > 0);
    let rows: Vec<(i64, Held)> = rows.map(|(kept, now)| (kept.id, now.clone())).collect();
    let change = Some((changed, at));
    reservations::change(tx, (shop, order), &rows, change, now).await?;
    let new = reservations::copy(tx, (shop, order), (sibling, new), (changed, at), now).await?;
    follow_from(tx, &new, at).await
}

/// A source that takes accepted orders off knows since then at the earliest that these promises are of its level.
async fn follow_from(
    tx: &mut WriteTx<'_>,
    promises: &[i64],
    since: Timestamp,
) -> Result<(), StoreError> {
    if mutant("r9_feed_follows_at_once") {
        return Ok(());
    }
    reservations::are_here_since(tx, promises, since).await
}
