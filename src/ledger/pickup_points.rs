//! Where promised goods are taken from: a level that is listed for the first time, for a pickup point
//! of its own perhaps, takes over the promises that were made before it was listed.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::parts;
use crate::domain::ids::{ShopName, Sku};
use crate::domain::order::Order;
use crate::mutant::mutant;
use crate::store::orders::parse_order;
use crate::store::{StoreError, WriteTx, reservations};

/// The audit event of promises that moved to another warehouse.
pub(crate) const MOVED: &str = "reservation.moved";

#[derive(FromRow)]
struct Row {
    id: i64,
    sku: String,
    warehouse: String,
    body: String,
}

/// Open promises of an order that moved to another pickup point are taken from there.
pub(crate) async fn follow_order(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    if mutant("r9_moved_order_stays") {
        return Ok(());
    }
    let rows: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT id, sku, warehouse FROM reservations WHERE shop = ? AND order_id = ? AND state = 'active'",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    let skus: Vec<&str> = rows.iter().map(|(_, sku, _)| sku.as_str()).collect();
    let ledger = tx.listings(&skus).await?;
    let mut moves = Vec::new();
    for (id, name, from) in &rows {
        let sku = Sku::new(name).map_err(|_| StoreError::corrupt("a SKU", name))?;
        let warehouse = ledger.warehouse(&sku, order.pickup_point.as_ref());
        if warehouse != *from {
            reservations::set_warehouse(tx, *id, &warehouse).await?;
            moves.push(json!([id, warehouse]));
        }
    }
    if !moves.is_empty() {
        let order = (Some(shop), Some(&order.id));
        tx.audit_row(now, "qabyl", order, MOVED, json!({ "moves": moves }));
    }
    Ok(())
}

/// Promises of these SKUs, listed somewhere for the first time, are taken from where their orders leave.
/// Those of goods that left or were given back count against a level too, until it is newer.
pub(crate) async fn move_to_pickup_point(
    tx: &mut WriteTx<'_>,
    skus: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    if skus.is_empty() {
        return Ok(());
    }
    // One that is listed now is itself, and no longer what the map says.
    parts::rebuild_reservations(tx, skus, now).await?;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.id, r.sku, r.warehouse, o.body FROM (
           SELECT * FROM reservations WHERE state <> 'released' AND sku IN (SELECT value FROM json_each(?1))
           UNION ALL
           SELECT * FROM reservations WHERE state = 'released' AND sku IN (SELECT value FROM json_each(?1))) r
         JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
         WHERE (r.closed_at IS NULL
             OR r.closed_at > (SELECT MIN(s.as_of) FROM stock s WHERE s.sku = r.sku))",
    )
    .bind(json!(skus).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let ledger = tx.listings(skus).await?;
    let mut moves = Vec::new();
    for row in rows {
        let order = parse_order(&row.body)?;
        let sku = Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", &row.sku))?;
        let warehouse = ledger.warehouse(&sku, order.pickup_point.as_ref());
        if warehouse == row.warehouse {
            continue;
        }
        reservations::set_warehouse(tx, row.id, &warehouse).await?;
        moves.push(json!([row.id, warehouse]));
    }
    if !moves.is_empty() {
        tx.audit_row(now, "qabyl", (None, None), MOVED, json!({ "moves": moves }));
    }
    Ok(())
}
