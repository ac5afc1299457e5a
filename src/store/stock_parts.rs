//! The table of SKUs that stand for others in the warehouse: aliases and kits.

use serde_json::json;
use sqlx::SqliteConnection;

use super::{Store, StoreError, WriteTx};
use crate::domain::ids::Sku;

/// A part of an SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The SKU sold at Kaspi.
    pub sku: Sku,
    /// The SKU in the warehouse.
    pub part: Sku,
    /// Units of the part in one of the SKU.
    pub each: i64,
}

/// The parts of these SKUs, or of all.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    skus: Option<&[&str]>,
) -> Result<Vec<PartRow>, StoreError> {
    let rows = match skus {
        Some(skus) => sqlx::query_as(
            "SELECT sku, part, quantity FROM stock_parts WHERE sku IN (SELECT value FROM json_each(?))
             ORDER BY sku, part",
        )
        .bind(json!(skus).to_string()),
        None => sqlx::query_as("SELECT sku, part, quantity FROM stock_parts ORDER BY sku, part"),
    };
    let rows: Vec<(String, String, i64)> = rows.fetch_all(connection).await?;
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

/// Replaces all rows with these.
pub(crate) async fn replace(tx: &mut WriteTx<'_>, rows: &[PartRow]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stock_parts")
        .execute(tx.conn()?)
        .await?;
    let rows = rows.iter().map(|row| json!([row.sku, row.part, row.each]));
    let rows: Vec<_> = rows.collect();
    sqlx::query(
        "INSERT INTO stock_parts (sku, part, quantity)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)",
    )
    .bind(json!(rows).to_string())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Parts that are in no stock source.
pub(crate) async fn parts_not_listed(tx: &mut WriteTx<'_>) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT part FROM stock_parts WHERE part NOT IN (SELECT sku FROM stock) ORDER BY part",
    )
    .fetch_all(tx.conn()?)
    .await?)
}

impl Store {
    /// The whole table.
    pub async fn stock_parts(&self) -> Result<Vec<PartRow>, StoreError> {
        let mut reader = self.read().await?;
        parts(&mut reader, None).await
    }
}

impl Store {
    /// The parts of an SKU, none where it is only itself.
    pub async fn parts_of(&self, sku: &str) -> Result<Vec<PartRow>, StoreError> {
        let mut reader = self.read().await?;
        parts(&mut reader, Some(&[sku])).await
    }
}
