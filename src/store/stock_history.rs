//! What the levels were before: for two days, the readings of each source.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::stock_import::Span;

/// How long past numbers are kept: whether goods left is asked of the last two days.
const KEPT: SignedDuration = SignedDuration::from_hours(48);

/// One reading of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastReading {
    /// The stock that it lists; empty: that of every shop.
    pub stock: String,
    /// The SKU.
    pub sku: String,
    /// The warehouse, empty for the common pool.
    pub warehouse: String,
    /// The source, or [`crate::domain::stock_sources::BY_HAND`].
    pub source: String,
    /// The moment it was counted at.
    pub as_of: Timestamp,
    /// Units.
    pub on_hand: i64,
}

#[derive(FromRow)]
struct Row {
    stock_name: String,
    sku: String,
    warehouse: String,
    source: String,
    as_of: i64,
    on_hand: i64,
}

/// The readings of the SKUs `?1` (JSON) since `?2`. A number that lasted for several imports was read by each of
/// them, at its moment, where the last one's moment is its own.
pub(crate) const READINGS: &str = "
WITH spans AS (
  SELECT stock_name, sku, warehouse, source, first_import, import_id AS last_import, on_hand, as_of FROM stock
  WHERE sku IN (SELECT value FROM json_each(?1)) AND on_hand IS NOT NULL AND as_of >= ?2
  UNION ALL
  SELECT stock_name, sku, warehouse, source, first_import, last_import, on_hand, as_of FROM stock_past
  WHERE sku IN (SELECT value FROM json_each(?1)) AND as_of >= ?2),
each AS (
  SELECT s.stock_name, s.sku, s.warehouse, s.source, s.as_of, s.on_hand FROM spans s
  UNION
  SELECT s.stock_name, s.sku, s.warehouse, s.source, i.as_of, s.on_hand FROM spans s
  JOIN stock_imports l ON l.id = s.last_import AND l.as_of = s.as_of
  JOIN stock_imports i ON i.source = s.source AND i.stock_name = s.stock_name
    AND i.id BETWEEN s.first_import AND s.last_import AND i.as_of >= ?2)
SELECT stock_name, sku, warehouse, source, as_of, on_hand FROM each
ORDER BY sku, warehouse, source, as_of";

/// The readings of these SKUs since then, each source's in the order of their moments. Readings that gave no number
/// are left out.
pub(crate) async fn readings(
    connection: &mut SqliteConnection,
    skus: &[&str],
    since: Timestamp,
) -> Result<Vec<PastReading>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(READINGS)
        .bind(json!(skus).to_string())
        .bind(ms(since))
        .fetch_all(connection)
        .await?;
    let reading = |row: Row| {
        Ok(PastReading {
            stock: row.stock_name,
            as_of: at(row.as_of)?,
            sku: row.sku,
            warehouse: row.warehouse,
            source: row.source,
            on_hand: row.on_hand,
        })
    };
    rows.into_iter().map(reading).collect()
}

/// Keeps numbers that levels of a stock no longer have.
pub(crate) async fn keep(
    tx: &mut WriteTx<'_>,
    stock: &str,
    spans: &[Span],
) -> Result<(), StoreError> {
    if spans.is_empty() {
        return Ok(());
    }
    let rows = spans.iter().map(|span| {
        let (sku, warehouse, source) = &span.key;
        let (first, last) = span.imports;
        (
            sku,
            warehouse,
            source,
            first,
            last,
            span.on_hand,
            span.as_of,
        )
    });
    let rows = serde_json::to_string(&rows.collect::<Vec<_>>())
        .map_err(|_| StoreError::corrupt("a past level", stock))?;
    sqlx::query(
        "INSERT OR REPLACE INTO stock_past
           (stock_name, sku, warehouse, source, first_import, last_import, on_hand, as_of)
         SELECT ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
         FROM json_each(?1)",
    )
    .bind(rows)
    .bind(stock)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

impl Store {
    /// The readings of these SKUs since then, oldest first.
    pub async fn stock_history(
        &self,
        skus: &[&str],
        since: Timestamp,
    ) -> Result<Vec<PastReading>, StoreError> {
        let mut reader = self.read().await?;
        readings(&mut reader, skus, since).await
    }

    /// Deletes at most `limit` past numbers that are older than two days. Returns how many.
    pub async fn delete_past_levels(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let before = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let mut reader = self.read().await?;
        let found: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT stock_name, sku, warehouse, source, first_import FROM stock_past WHERE as_of < ? LIMIT ?",
        )
        .bind(ms(before))
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        drop(reader);
        if found.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        for (stock, sku, warehouse, source, first) in &found {
            sqlx::query(
                "DELETE FROM stock_past
                 WHERE stock_name = ? AND sku = ? AND warehouse = ? AND source = ? AND first_import = ?",
            )
            .bind(stock)
            .bind(sku)
            .bind(warehouse)
            .bind(source)
            .bind(first)
            .execute(tx.conn()?)
            .await?;
        }
        tx.commit().await?;
        Ok(found.len())
    }
}
