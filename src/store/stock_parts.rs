//! The table of SKUs that stand for others in the warehouse: aliases and kits.

use std::collections::HashSet;

use serde_json::json;
use sqlx::SqliteConnection;

use super::{Store, StoreError, WriteTx};
use crate::domain::ids::Sku;

/// A part of an SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The stock whose map it is; empty: that of every shop whose stock does not map the SKU itself.
    pub stock: String,
    /// The SKU sold at Kaspi.
    pub sku: Sku,
    /// The SKU in the warehouse.
    pub part: Sku,
    /// Units of the part in one of the SKU.
    pub each: i64,
}

/// The parts of these SKUs, or of all, for a shop of that stock, or in every map.
pub(crate) async fn parts(
    connection: &mut SqliteConnection,
    stock: Option<&str>,
    skus: Option<&[&str]>,
) -> Result<Vec<PartRow>, StoreError> {
    let rows = match skus {
        Some(_) => sqlx::query_as(
            "SELECT stock_name, sku, part, quantity FROM stock_parts
             WHERE sku IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR stock_name IN ('', ?2))
             ORDER BY sku, stock_name, part",
        ),
        None => sqlx::query_as(
            "SELECT stock_name, sku, part, quantity FROM stock_parts WHERE (?2 IS NULL OR stock_name IN ('', ?2))
             ORDER BY sku, stock_name, part",
        ),
    };
    let rows: Vec<(String, String, String, i64)> = rows
        .bind(skus.map(|skus| json!(skus).to_string()))
        .bind(stock)
        .fetch_all(connection)
        .await?;
    let sku = |text: &str| Sku::new(text).map_err(|_| StoreError::corrupt("a SKU", text));
    let part = |(stock, of, part, each): (String, String, String, i64)| {
        Ok(PartRow {
            stock,
            sku: sku(&of)?,
            part: sku(&part)?,
            each,
        })
    };
    let rows: Vec<PartRow> = rows
        .into_iter()
        .map(part)
        .collect::<Result<_, StoreError>>()?;
    if stock.is_none() {
        return Ok(rows);
    }
    let own = rows.iter().filter(|row| !row.stock.is_empty());
    let own: HashSet<Sku> = own.map(|row| row.sku.clone()).collect();
    let counts = |row: &PartRow| !row.stock.is_empty() || !own.contains(&row.sku);
    Ok(rows.into_iter().filter(counts).collect())
}

/// Replaces all rows of a stock's map with these.
pub(crate) async fn replace(
    tx: &mut WriteTx<'_>,
    stock: &str,
    rows: &[PartRow],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stock_parts WHERE stock_name = ?")
        .bind(stock)
        .execute(tx.conn()?)
        .await?;
    let rows = rows.iter().map(|row| json!([row.sku, row.part, row.each]));
    let rows: Vec<_> = rows.collect();
    sqlx::query(
        "INSERT INTO stock_parts (stock_name, sku, part, quantity)
         SELECT ?2, value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)",
    )
    .bind(json!(rows).to_string())
    .bind(stock)
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
    /// The map that a shop of that stock goes by, or every map.
    pub async fn stock_parts(&self, stock: Option<&str>) -> Result<Vec<PartRow>, StoreError> {
        let mut reader = self.read().await?;
        parts(&mut reader, stock, None).await
    }
}

impl Store {
    /// The parts of an SKU, none where it is only itself.
    pub async fn parts_of(
        &self,
        stock: Option<&str>,
        sku: &str,
    ) -> Result<Vec<PartRow>, StoreError> {
        let mut reader = self.read().await?;
        parts(&mut reader, stock, Some(&[sku])).await
    }
}
