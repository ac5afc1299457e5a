//! Where promised goods are taken from: a level that is listed for the first time, for a pickup point
//! of its own perhaps, takes over the promises that were made before it was listed.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::changed_promises;
use crate::domain::ids::{ShopName, Sku};
use crate::store::orders::parse_order;
use crate::store::{StoreError, WriteTx, reservations};

/// The audit event of promises that moved to another warehouse.
pub(crate) const MOVED: &str = "reservation.moved";

#[derive(FromRow)]
struct Row {
    id: i64,
    sku: String,
    warehouse: String,
    shop: String,
    body: String,
    is_changed: bool,
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
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.id, r.sku, r.warehouse, o.shop, o.body, r.changed IS NOT NULL AS is_changed FROM (
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
        if row.is_changed {
            let shop =
                ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", row.shop))?;
            changed_promises::follow_order(tx, &shop, &order, now, now).await?;
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
