//! Units an order takes off the shelf: promised, gone or free again, as its status asks for.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::batch::Batch;
use super::deciding::skus;
use super::departures::left_within;
use super::observe::{Known, Observed};
use crate::crash_point::crash_point;
use crate::domain::ids::ShopName;
use crate::domain::ledger::Take;
use crate::domain::order::{Line, Lines, Order};
use crate::domain::reconcile::{self, Holding};
use crate::domain::stock::Semantics;
use crate::mutant::mutant;
use crate::store::stock::Viewpoint;
use crate::store::{StoreError, WriteTx, ms, orders};

/// Gives the order's units the fate its status asks for.
pub(crate) async fn hold(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, skew): (&Order, Option<SignedDuration>),
    row: Option<&Known>,
    now: Timestamp,
    observed: &mut Observed,
) -> Result<(), StoreError> {
    let (total, active, unconfirmed) = row.map_or((0, 0, 0), |row| {
        (row.held_total, row.held_active, row.held_unconfirmed)
    });
    match reconcile::holding(order) {
        // It was on its way, or nobody knows what was said of it: until the next count its units are neither
        // there nor missing.
        Holding::Release if active > 0 && !row.is_none_or(Known::is_plain) => {
            in_doubt(tx, shop, order, now).await?;
        }
        Holding::Doubt if active > 0 => in_doubt(tx, shop, order, now).await?,
        Holding::Release if active > 0 => {
            let why = order.cancellation_reason.as_deref().unwrap_or("cancelled");
            observed.released +=
                close_reservations(tx, shop, order, Fate::Released, why, now).await?;
        }
        Holding::Consume if active > 0 => {
            let seen_at = row.map_or(Ok(now), |row| crate::store::at(row.seen_at))?;
            let (after, by) = left_within(order, skew, (seen_at, now));
            let fate = Fate::Consumed { after, by };
            close_reservations(tx, shop, order, fate, order.status.as_str(), now).await?;
        }
        Holding::Reserve if unconfirmed > 0 => {
            let mut batch = Batch::default();
            batch.confirmed.push(order.id.to_string());
            batch.write(tx, shop, now).await?;
        }
        Holding::Reserve if total == 0 => reserve_seen(tx, shop, order, None, now).await?,
        Holding::Consume if total == 0 => {
            // Seen as gone already, as when its lines are read only now: that was no sight of them on
            // the shelf.
            let had_left = row.map(|row| orders::parse_order(&row.body)).transpose()?;
            let had_left = had_left.is_some_and(|before| before.handed_over_at.is_some());
            let before = row.filter(|_| !had_left);
            let before = before
                .map(|row| Ok::<_, StoreError>((row.is_there()?, row.seen_at)))
                .transpose()?;
            if let Some(left) = tx.left_unseen(shop, (order, skew), before, now).await? {
                reserve_seen(tx, shop, order, Some(left), now).await?;
            } else if row.is_none() {
                orders::lines_needless(tx, shop, &order.id).await?;
            }
        }
        Holding::Keep | Holding::Release | Holding::Consume | Holding::Reserve | Holding::Doubt => {
        }
    }
    Ok(())
}

async fn in_doubt(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let fate = Fate::Consumed {
        after: if mutant("r9_unknown_departure_is_certain") {
            order.created_at.min(now)
        } else {
            Timestamp::UNIX_EPOCH
        },
        by: now,
    };
    close_reservations(tx, shop, order, fate, order.status.as_str(), now).await?;
    Ok(())
}

/// Promises the units of an order that somebody else accepted (R6), already gone within the span
/// `left` where they are. Nothing while its lines are not known: reading them comes back here.
pub(crate) async fn reserve_seen(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    left: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Goods without a SKU of ours take nothing that is counted, however often they are seen.
    let takes = known_takes(tx, shop, order).await?.unwrap_or_default();
    if takes.is_empty() {
        return Ok(());
    }
    insert_reservations(tx, shop, order, &takes, Origin::Observed { left }, now).await
}

/// What an order takes by its stored lines; `None` while they are not known.
pub(crate) async fn known_takes(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
) -> Result<Option<Vec<Take>>, StoreError> {
    let lines = orders::known_lines(tx, shop, &order.id).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    Ok(Some(takes(tx, order, lines).await?))
}

/// What these lines of an order take.
pub(crate) async fn takes(
    tx: &mut WriteTx<'_>,
    order: &Order,
    lines: Vec<Line>,
) -> Result<Vec<Take>, StoreError> {
    let lines = Lines::Known(lines);
    let names: Vec<&str> = skus(&lines).collect();
    let ledger = tx
        .ledger(Semantics::Physical, 0, &names, Viewpoint::default())
        .await?;
    Ok(ledger.takes(&lines, order.pickup_point.as_ref()))
}

/// Where a reservation comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Our own decision; Kaspi does not show it yet.
    Decision,
    /// Kaspi shows the order as accepted, or its goods as gone.
    Observed {
        /// Within what span they left the shelf.
        left: Option<(Timestamp, Timestamp)>,
    },
}

pub(crate) async fn insert_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    takes: &[Take],
    origin: Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (word, confirmed, left) = match origin {
        Origin::Decision => ("decision", None, None),
        Origin::Observed { left } => {
            let left = left.map(|(after, by)| (ms(after), ms(by)));
            ("observed", Some(ms(now)), left)
        }
    };
    let mut told = Vec::with_capacity(takes.len());
    for take in takes {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, state, origin, made_at,
               confirmed_at, closed_at, left_after, why)
             VALUES (?1, ?2, ?3, ?4, ?5, IIF(?9 IS NULL, 'active', 'consumed'), ?6, ?7, ?8, ?9, ?10,
               IIF(?9 IS NULL, NULL, 'handed over')) RETURNING id",
        )
        .bind(shop.as_str())
        .bind(order.id.as_str())
        .bind(take.sku.as_str())
        .bind(&take.warehouse)
        .bind(take.quantity)
        .bind(word)
        .bind(ms(now))
        .bind(confirmed)
        .bind(left.map(|(_, by)| by))
        .bind(left.map(|(after, _)| after))
        .fetch_one(tx.conn()?)
        .await?;
        told.push(json!([id, take.sku, take.warehouse, take.quantity]));
        crash_point("reservation.inserted");
    }
    if !told.is_empty() {
        let state = if left.is_some() { "consumed" } else { "active" };
        let detail = json!({ "origin": word, "state": state, "takes": told });
        let order = (shop, Some(&order.id));
        tx.audit(now, "qabyl", order, "reservation.made", detail);
    }
    Ok(())
}

/// What becomes of promised units.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// They may be promised again.
    Released,
    /// They left the shelf, some time within this span.
    Consumed {
        /// When they were last known to lie there.
        after: Timestamp,
        /// When they were known to be gone.
        by: Timestamp,
    },
}

pub(crate) async fn close_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    fate: Fate,
    why: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (state, after, by) = match fate {
        Fate::Released => ("released", None, now),
        Fate::Consumed { after, by } => ("consumed", Some(after.min(by)), by),
    };
    let closed: Vec<i64> = sqlx::query_scalar(
        "UPDATE reservations SET state = ?1, closed_at = ?2, left_after = ?3, why = ?4,
           confirmed_at = IIF(?1 = 'consumed', COALESCE(confirmed_at, ?5), confirmed_at)
         WHERE shop = ?6 AND order_id = ?7 AND state = 'active' RETURNING id",
    )
    .bind(state)
    .bind(ms(by))
    .bind(after.map(ms))
    .bind(why)
    .bind(ms(now))
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    if !closed.is_empty() {
        match fate {
            Fate::Released => crash_point("reservation.released"),
            Fate::Consumed { .. } => crash_point("reservation.consumed"),
        }
        let detail = json!({ "state": state, "why": why, "ids": closed });
        tx.audit(
            now,
            "qabyl",
            (shop, Some(&order.id)),
            "reservation.closed",
            detail,
        );
    }
    Ok(u64::try_from(closed.len()).unwrap_or(u64::MAX))
}
