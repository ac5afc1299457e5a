//! Where promised goods are taken from: a level that is listed for the first time, for a pickup point
//! of its own perhaps, takes over the promises that were made before it was listed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::changed_promises;
use crate::domain::ids::{ShopName, Sku};
use crate::domain::stock_ledger::Ledger;
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

/// Promises of these SKUs that a level of theirs may still count: the open ones, and those closed since the oldest count.
async fn counted(tx: &mut WriteTx<'_>, skus: &[&str]) -> Result<Vec<i64>, StoreError> {
    let names = json!(skus).to_string();
    let counts: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT sku, MIN(as_of) FROM stock WHERE sku IN (SELECT value FROM json_each(?)) GROUP BY sku",
    )
    .bind(&names)
    .fetch_all(tx.conn()?)
    .await?;
    let counts: HashMap<String, i64> = counts
        .into_iter()
        .filter_map(|(sku, at)| Some((sku, at?)))
        .collect();
    // Each part by its own index.
    let promises: Vec<(i64, String, Option<i64>)> = sqlx::query_as(
        "SELECT id, sku, closed_at FROM reservations
         WHERE state <> 'released' AND sku IN (SELECT value FROM json_each(?1))
         UNION ALL
         SELECT id, sku, closed_at FROM reservations
         WHERE state = 'released' AND sku IN (SELECT value FROM json_each(?1))",
    )
    .bind(&names)
    .fetch_all(tx.conn()?)
    .await?;
    let counts = |(_, sku, closed_at): &(i64, String, Option<i64>)| match closed_at {
        None => true,
        Some(closed_at) => counts.get(sku).is_some_and(|counted| closed_at > counted),
    };
    Ok(promises
        .into_iter()
        .filter(counts)
        .map(|(id, ..)| id)
        .collect())
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
        "SELECT r.id, r.sku, r.warehouse, o.shop, o.body, r.changed IS NOT NULL AS is_changed
         FROM json_each(?) j CROSS JOIN reservations r ON r.id = j.value
         JOIN orders o ON o.shop = r.shop AND o.id = r.order_id ORDER BY j.key",
    )
    .bind(json!(counted(tx, skus).await?).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut ledgers: HashMap<String, Ledger> = HashMap::new();
    let mut moves = Vec::new();
    for row in rows {
        let order = parse_order(&row.body)?;
        let shop =
            ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", &row.shop))?;
        let ledger = match ledgers.entry(row.shop) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(tx.listings(&shop, skus).await?),
        };
        let sku = Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", &row.sku))?;
        let warehouse = ledger.warehouse(&sku, order.pickup_point.as_ref());
        if warehouse == row.warehouse {
            continue;
        }
        if row.is_changed {
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
