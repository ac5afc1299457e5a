//! SKUs that are something else in the warehouse: aliases and kits.

use jiff::Timestamp;
use serde_json::json;

use super::amended;
use crate::domain::ids::ShopName;
use crate::store::orders::parse_order;
use crate::store::stock::listed;
use crate::store::stock_parts::{PartRow, parts, parts_not_listed, replace};
use crate::store::{Store, StoreError, WriteTx};

/// What a new map changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapReport {
    /// SKUs that are mapped now.
    pub skus: usize,
    /// Mapped SKUs that are listed in stock themselves: their own level counts.
    pub listed: Vec<String>,
    /// Parts that are in no stock source.
    pub unknown: Vec<String>,
}

impl Store {
    /// Replaces the map, and rebuilds the reservations that depend on it.
    pub async fn map_stock(
        &self,
        rows: &[PartRow],
        actor: &str,
        now: Timestamp,
    ) -> Result<MapReport, StoreError> {
        let mut tx = self.write().await?;
        let before = parts(tx.conn()?, None).await?;
        replace(&mut tx, rows).await?;
        let mut touched: Vec<&str> = before
            .iter()
            .chain(rows)
            .filter(|row| !(before.contains(row) && rows.contains(row)))
            .map(|row| row.sku.as_str())
            .collect();
        touched.sort_unstable();
        touched.dedup();
        rebuild_reservations(&mut tx, &touched, now).await?;
        let report = report(&mut tx, rows).await?;
        let detail = json!({ "skus": report.skus, "parts": rows.len() });
        tx.audit_row(now, actor, (None, None), "stock.mapped", detail);
        tx.commit_manual_decision().await?;
        Ok(report)
    }
}

/// Replaces the active reservations of orders whose SKUs have other parts now.
pub(crate) async fn rebuild_reservations(
    tx: &mut WriteTx<'_>,
    skus: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    let holders: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT o.shop, o.body FROM reservations r INDEXED BY reservations_active
         JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
         JOIN lines l ON l.shop = o.shop AND l.order_id = o.id
         WHERE r.state = 'active' AND l.sku IN (SELECT value FROM json_each(?))",
    )
    .bind(json!(skus).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    for (shop, body) in holders {
        let shop = ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", shop))?;
        amended::adjust_reservations(tx, &shop, &parse_order(&body)?, now).await?;
    }
    Ok(())
}

async fn report(tx: &mut WriteTx<'_>, rows: &[PartRow]) -> Result<MapReport, StoreError> {
    let mut skus: Vec<&str> = rows.iter().map(|row| row.sku.as_str()).collect();
    skus.sort_unstable();
    skus.dedup();
    let listed = listed(tx, &skus).await?;
    let unknown = parts_not_listed(tx).await?;
    Ok(MapReport {
        skus: skus.len(),
        listed,
        unknown,
    })
}
