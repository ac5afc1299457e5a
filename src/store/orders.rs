//! Orders, and how far the lines of each are read.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use super::unaccounted::{lines_state, skus};
use super::{StoreError, WriteTx, lines, ms};
use crate::crash_point::crash_point;
use crate::domain::counters::counts_as_cancel;
use crate::domain::facts::ShortageSeen;
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderCode, OrderId, ShopName};
use crate::domain::line_sums::digest;
use crate::domain::lines_reading::LinesReading;
use crate::domain::order::{Line, Order, State};
use crate::domain::unaccounted::has_unknown_status;

/// Goods on sale without an offer of ours get one when a person links them. Their lines are requested again at this
/// interval while their order waits or holds stock.
const LINK_RETRY: SignedDuration = SignedDuration::from_mins(15);

pub(crate) fn parse_order(body: &str) -> Result<Order, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::corrupt("an order", body))
}

pub(crate) async fn put_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    lines: &[Line],
    now: Timestamp,
) -> Result<(), StoreError> {
    lines::insert(tx, shop, order, lines).await?;
    let is_unlinked = lines.iter().any(|line| line.sku.is_none());
    let due_at = is_unlinked.then(|| now.saturating_add(LINK_RETRY).unwrap_or(now));
    sqlx::query(
        "UPDATE orders SET lines_state = 'known', lines_problem = NULL, lines_skus = NULL, lines_due_at = ?,
           lines_digest = ?, doubted_lines = NULL, doubted_at = NULL
         WHERE shop = ? AND id = ?",
    )
    .bind(due_at.map(ms))
    // What has no SKU yet is not compared with lists: somebody may link it.
    .bind((!is_unlinked).then(|| digest(lines)))
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Forgets the lines of an order, which are read again, and how long it has been short.
pub(crate) async fn forget_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<(), StoreError> {
    lines::delete(tx, shop, order).await?;
    sqlx::query(
        "UPDATE orders SET lines_state = 'unread', lines_problem = NULL, lines_skus = NULL, lines_digest = NULL, lines_due_at = NULL,
           lines_failures = 0, doubted_lines = NULL, doubted_at = NULL,
           shortage_since = NULL, shortage_scans = 0, shortage_scan = NULL
         WHERE shop = ? AND id = ?",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// How far the lines of an order are read; `None` where there is no such order.
pub(crate) async fn lines_reading(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<Option<LinesReading>, StoreError> {
    #[derive(FromRow)]
    struct Row {
        state: String,
        lines_state: String,
        lines_problem: Option<String>,
        lines_skus: Option<String>,
        lines_due_at: Option<i64>,
        lines_failures: i64,
    }
    let row: Option<Row> = sqlx::query_as(
        "SELECT state, lines_state, lines_problem, lines_skus, lines_due_at, lines_failures FROM orders
         WHERE shop = ? AND id = ?",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    let reading = |row: Row| {
        Ok(LinesReading {
            order: State::from(row.state),
            lines: lines_state(&row.lines_state)?,
            problem: row.lines_problem,
            skus: row.lines_skus.as_deref().map(skus).transpose()?,
            due_at: row.lines_due_at.map(super::at).transpose()?,
            failures: u32::try_from(row.lines_failures).unwrap_or(u32::MAX),
        })
    };
    row.map(reading).transpose()
}

/// Stores how far the lines of an order are read.
pub(crate) async fn set_lines_reading(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    reading: &LinesReading,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE orders SET lines_state = ?, lines_problem = ?, lines_skus = ?, lines_due_at = ?, lines_failures = ?
         WHERE shop = ? AND id = ?",
    )
    .bind(reading.lines.as_str())
    .bind(reading.problem.as_deref())
    .bind(reading.skus.as_ref().map(|skus| json!(skus).to_string()))
    .bind(reading.due_at.map(ms))
    .bind(reading.failures)
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Marks the lines of an order whose goods had left before the shelf was counted, when it was first seen.
/// There are as many such orders as the archive holds: their lines are never read.
pub(crate) async fn lines_not_needed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE orders SET lines_state = 'not_needed', lines_due_at = NULL,
           lines_problem = 'its goods left before the shelf was counted: they are not asked for'
         WHERE shop = ? AND id = ? AND lines_state = 'unread'",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Marks lines that were not needed as to be read: the order may hold goods after all.
pub(crate) async fn lines_needed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE orders SET lines_state = 'unread', lines_due_at = NULL, lines_problem = NULL
         WHERE shop = ? AND id = ? AND lines_state = 'not_needed'",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// The lines that contradicted the order's total, as a digest, and when they were first seen.
pub(crate) async fn doubted_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<Option<(String, Timestamp)>, StoreError> {
    let row: Option<(Option<String>, Option<i64>)> =
        sqlx::query_as("SELECT doubted_lines, doubted_at FROM orders WHERE shop = ? AND id = ?")
            .bind(shop.as_str())
            .bind(order.as_str())
            .fetch_optional(tx.conn()?)
            .await?;
    match row {
        Some((Some(lines), Some(seen_at))) => Ok(Some((lines, super::at(seen_at)?))),
        _ => Ok(None),
    }
}

/// Stores lines that contradict the order's total, as a digest.
pub(crate) async fn doubt_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    lines: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE orders SET doubted_lines = ?, doubted_at = ? WHERE shop = ? AND id = ?")
        .bind(lines)
        .bind(ms(now))
        .bind(shop.as_str())
        .bind(order.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Stores how long an order has been short, and the scan that last counted it.
pub(crate) async fn set_shortage(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &OrderId),
    seen: Option<ShortageSeen>,
    scan: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE orders SET shortage_since = ?, shortage_scans = ?, shortage_scan = ?
         WHERE shop = ? AND id = ?",
    )
    .bind(seen.map(|seen| ms(seen.since)))
    .bind(seen.map_or(0, |seen| i64::from(seen.scans)))
    .bind(seen.map(|_| scan))
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Stores what a person said that an order holds in place of its lines.
pub(crate) async fn resolve_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    lines: &[Line],
) -> Result<(), StoreError> {
    lines::delete(tx, shop, order).await?;
    lines::insert(tx, shop, order, lines).await?;
    sqlx::query(
        "UPDATE orders SET lines_state = 'resolved', lines_problem = NULL, lines_skus = NULL, lines_due_at = NULL
         WHERE shop = ? AND id = ?",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

pub(crate) const MARK_LISTED: &str = "
UPDATE orders SET listed_at = ?1, listed_scan = COALESCE(?2, listed_scan)
WHERE shop = ?3 AND id IN (SELECT value FROM json_each(?4))";

/// Marks these orders as shown by a list of new orders, whose page was asked for then; `scan` is the complete scan.
pub(crate) async fn mark_listed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ids: &[&str],
    (asked_at, scan): (i64, Option<i64>),
) -> Result<(), StoreError> {
    sqlx::query(MARK_LISTED)
        .bind(asked_at)
        .bind(scan)
        .bind(shop.as_str())
        .bind(json!(ids).to_string())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Of the shop `?2`. Only waiting orders are asked which list showed them: all others are finished, or on their way.
pub(crate) const MARK_LISTED_SINCE: &str = "
UPDATE orders SET listed_scan = ?1
WHERE shop = ?2 AND state = 'NEW' AND status = 'APPROVED_BY_BANK' AND listed_at >= ?3";

/// Marks the waiting orders listed since then as shown by that scan.
pub(crate) async fn mark_listed_since(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    scan: i64,
    since: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(MARK_LISTED_SINCE)
        .bind(scan)
        .bind(shop.as_str())
        .bind(ms(since))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// An order as stored.
pub(crate) fn body(order: &Order) -> Result<String, StoreError> {
    serde_json::to_string(order).map_err(|_| StoreError::corrupt("an order", order.code.as_str()))
}

/// Writes an order seen for the first time.
pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    asked_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO orders (shop, id, code, state, status, created_at, cancellation_reason, body,
           first_seen_at, seen_at, unknown_status, unread_fields, counts_as_cancel)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(order.code.as_str())
    .bind(order.state.as_str())
    .bind(order.status.as_str())
    .bind(ms(order.created_at))
    .bind(order.cancellation_reason.as_deref())
    .bind(body(order)?)
    .bind(ms(now))
    .bind(ms(asked_at.min(now)))
    .bind(has_unknown_status(&order.state, &order.status))
    .bind(!order.unread.is_empty())
    .bind(counts_as_cancel(order.cancellation_reason.as_deref(), &[]))
    .execute(tx.conn()?)
    .await?;
    crash_point("order.inserted");
    Ok(())
}

// Joined by key alone, so that the rows drive and the tables are searched.
pub(crate) const UPDATE_ORDERS: &str = "
UPDATE orders SET code = j.value ->> 1, state = j.value ->> 2, status = j.value ->> 3,
  created_at = j.value ->> 4, cancellation_reason = j.value ->> 5, body = j.value ->> 6,
  seen_at = MAX(seen_at, j.value ->> 8), unknown_status = j.value ->> 9, unread_fields = j.value ->> 10,
  status_since = COALESCE(j.value ->> 11, status_since)
FROM json_each(?1) j WHERE shop = j.value ->> 7 AND orders.id = j.value ->> 0";

pub(crate) const TOUCH: &str = "
UPDATE orders SET seen_at = MAX(seen_at, j.value ->> 1)
FROM json_each(?1) j WHERE shop = j.value ->> 2 AND orders.id = j.value ->> 0";

/// Writes orders that changed; the columns of each are those of the statement.
pub(crate) async fn update(
    tx: &mut WriteTx<'_>,
    orders: &[serde_json::Value],
) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    for columns in orders {
        if let (Some(id), Some(shop)) = (columns[0].as_str(), columns[7].as_str()) {
            tx.recount.order(shop, id);
        }
    }
    sqlx::query(UPDATE_ORDERS)
        .bind(json!(orders).to_string())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Stores when unchanged orders were last requested: id, time and shop of each.
pub(crate) async fn touch(
    tx: &mut WriteTx<'_>,
    seen: &[serde_json::Value],
) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    sqlx::query(TOUCH)
        .bind(json!(seen).to_string())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Stores which orders count against the cancel budget: shop, id and 0 or 1 of each.
pub(crate) async fn set_counted(
    tx: &mut WriteTx<'_>,
    orders: &[serde_json::Value],
) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE orders SET counts_as_cancel = j.value ->> 2
         FROM json_each(?1) j WHERE orders.shop = j.value ->> 0 AND orders.id = j.value ->> 1",
    )
    .bind(json!(orders).to_string())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Whether a person said that the goods of an order left the shelf.
pub(crate) async fn said_handed_over(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &OrderId),
) -> Result<bool, StoreError> {
    let said: Option<bool> = sqlx::query_scalar(
        "SELECT handed_over_at IS NOT NULL FROM orders WHERE shop = ? AND id = ?",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    Ok(said.unwrap_or(false))
}

/// Stores when a person said that the goods of an order left the shelf; `None`: they are there after all.
pub(crate) async fn set_handed_over(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &OrderId),
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE orders SET handed_over_at = ? WHERE shop = ? AND id = ?")
        .bind(at.map(ms))
        .bind(shop.as_str())
        .bind(order.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Holds an order until a person decides or releases it.
pub(crate) async fn hold(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &OrderId),
    (why, cause): (&str, HoldCause),
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE orders SET held_by = ?, held_why = ?, held_cause = ? WHERE shop = ? AND id = ?",
    )
    .bind(actor)
    .bind(why)
    .bind(cause.as_str())
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    let detail = json!({ "why": why, "cause": cause.as_str() });
    tx.audit(now, actor, (shop, Some(order)), "order.held", detail);
    Ok(())
}

/// Orders of other shops with these numbers: number and shop of each.
pub(crate) const KNOWN_ELSEWHERE: &str = "
SELECT o.code, o.shop FROM json_each(?2) j CROSS JOIN orders o INDEXED BY orders_code ON o.code = j.value
WHERE o.shop <> ?1";

/// The other shops that have orders with these numbers.
pub(crate) async fn known_elsewhere(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    codes: &[&str],
) -> Result<Vec<(String, String)>, StoreError> {
    let found = sqlx::query_as(KNOWN_ELSEWHERE)
        .bind(shop.as_str())
        .bind(json!(codes).to_string());
    Ok(found.fetch_all(tx.conn()?).await?)
}

/// Whether a shop has orders.
pub(crate) async fn has_any(tx: &mut WriteTx<'_>, shop: &ShopName) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM orders WHERE shop = ? LIMIT 1")
        .bind(shop.as_str())
        .fetch_optional(tx.conn()?)
        .await?;
    Ok(found.is_some())
}

/// Moves orders to another shop, all or one: their lines, decisions, reservations and actions go with them. What a
/// list of the first shop showed says nothing about the other's.
pub(crate) async fn move_to_shop(
    tx: &mut WriteTx<'_>,
    (from, to): (&ShopName, &ShopName),
    code: Option<&OrderCode>,
) -> Result<u64, StoreError> {
    let moved = sqlx::query(
        "UPDATE OR IGNORE orders SET shop = ?2, listed_at = NULL, listed_scan = NULL
         WHERE shop = ?1 AND (?3 IS NULL OR code = ?3)",
    )
    .bind(from.as_str())
    .bind(to.as_str())
    .bind(code.map(OrderCode::as_str))
    .execute(tx.conn()?)
    .await?;
    Ok(moved.rows_affected())
}

/// Ends the hold of an order. `false` when it was not held.
pub(crate) async fn end_hold(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE orders SET held_by = NULL, held_why = NULL, held_cause = NULL
         WHERE shop = ? AND id = ? AND held_by IS NOT NULL",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// From stored order ids.
pub(crate) fn order_ids(ids: &[String]) -> Result<Vec<OrderId>, StoreError> {
    ids.iter().map(|id| order_id(id)).collect()
}

/// From a stored order id.
pub(crate) fn order_id(id: &str) -> Result<OrderId, StoreError> {
    OrderId::new(id).map_err(|_| StoreError::corrupt("an order id", id))
}

/// Deletes these orders (JSON) and their lines; what else refers to them is deleted already.
pub(crate) async fn delete(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    lines::delete_all(tx, shop, orders).await?;
    let themselves = "DELETE FROM orders WHERE shop = ? AND id IN (SELECT value FROM json_each(?))";
    tx.execute_for(themselves, shop, orders).await
}

/// Forgets what was read of orders before a backup was made: it is no evidence now, nor is a shortage seen then.
pub(crate) async fn forget_readings(
    tx: &mut WriteTx<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statements = [
        "UPDATE orders SET listed_at = NULL, listed_scan = NULL, shortage_since = NULL, shortage_scans = 0,
           shortage_scan = NULL",
        "UPDATE orders SET seen_at = ?1 - 1 WHERE seen_at >= ?1",
        "UPDATE orders SET first_seen_at = ?1 - 1 WHERE first_seen_at >= ?1",
    ];
    tx.execute_at(&statements, now).await
}
