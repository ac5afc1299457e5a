//! SKUs that are something else in the warehouse: aliases and kits.

use jiff::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;

use super::amended;
use crate::domain::ids::{ShopName, Sku};
use crate::store::orders::parse_order;
use crate::store::{Store, StoreError, WriteTx};

/// A part of an SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// What Kaspi sells.
    pub sku: Sku,
    /// What lies in the warehouse.
    pub part: Sku,
    /// Units of that in one of those.
    pub each: i64,
}

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

/// The parts of these SKUs, or of all.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    skus: Option<&[&str]>,
) -> Result<Vec<PartRow>, StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT sku, part, quantity FROM stock_parts
         WHERE ?1 IS NULL OR sku IN (SELECT value FROM json_each(?1)) ORDER BY sku, part",
    )
    .bind(skus.map(|skus| json!(skus).to_string()))
    .fetch_all(connection)
    .await?;
    let sku = |text: &str| Sku::new(text).map_err(|_| StoreError::corrupt("a SKU", text));
    let part = |(of, part, each): (String, String, i64)| {
        Ok(PartRow {
            sku: sku(&of)?,
            part: sku(&part)?,
            each,
        })
    };
    rows.into_iter().map(part).collect()
}

impl Store {
    /// The whole map.
    pub async fn stock_parts(&self) -> Result<Vec<PartRow>, StoreError> {
        let mut reader = self.read().await?;
        parts(&mut reader, None).await
    }

    /// Puts another map in place of the one there is, and counts anew what is promised by it.
    pub async fn map_stock(
        &self,
        rows: &[PartRow],
        actor: &str,
        now: Timestamp,
    ) -> Result<MapReport, StoreError> {
        let mut tx = self.write().await?;
        let before = parts(tx.conn()?, None).await?;
        sqlx::query("DELETE FROM stock_parts")
            .execute(tx.conn()?)
            .await?;
        let told: Vec<_> = rows
            .iter()
            .map(|row| json!([row.sku, row.part, row.each]))
            .collect();
        sqlx::query(
            "INSERT INTO stock_parts (sku, part, quantity)
             SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
        )
        .bind(json!(told).to_string())
        .execute(tx.conn()?)
        .await?;
        let mut touched: Vec<&str> = before
            .iter()
            .chain(rows)
            .filter(|row| !(before.contains(row) && rows.contains(row)))
            .map(|row| row.sku.as_str())
            .collect();
        touched.sort_unstable();
        touched.dedup();
        count_anew(&mut tx, &touched, now).await?;
        let report = report(&mut tx, rows).await?;
        let detail = json!({ "skus": report.skus, "parts": rows.len() });
        tx.audit_row(now, actor, (None, None), "stock.mapped", detail);
        tx.commit_word().await?;
        Ok(report)
    }
}

/// Orders that hold units of SKUs whose parts changed hold the right ones from now on.
pub(crate) async fn count_anew(
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
        amended::refit(tx, &shop, &parse_order(&body)?, now).await?;
    }
    Ok(())
}

async fn report(tx: &mut WriteTx<'_>, rows: &[PartRow]) -> Result<MapReport, StoreError> {
    let mut skus: Vec<&str> = rows.iter().map(|row| row.sku.as_str()).collect();
    skus.sort_unstable();
    skus.dedup();
    let listed: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT sku FROM stock WHERE sku IN (SELECT value FROM json_each(?)) ORDER BY sku",
    )
    .bind(json!(skus).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    let unknown: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT part FROM stock_parts WHERE part NOT IN (SELECT sku FROM stock) ORDER BY part",
    )
    .fetch_all(tx.conn()?)
    .await?;
    Ok(MapReport {
        skus: skus.len(),
        listed,
        unknown,
    })
}
