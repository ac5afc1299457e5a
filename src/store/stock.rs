//! The table of stock levels.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::crash_point::crash_point;
use crate::domain::facts::Collapse;
use crate::domain::ids::Sku;
use crate::domain::stock::{ImportReport, Semantics};
use crate::domain::stock_ledger::Listing;

/// Fewer SKUs than this falling to zero at once are no sign of a broken feed: small shops sell out.
pub(crate) const COLLAPSE_SKUS_MIN: i64 = 3;

/// One level, as stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredLevel {
    /// What the source says.
    pub(crate) listing: Listing,
    /// What its number means, where its import states it.
    pub(crate) means: Option<Semantics>,
}

#[derive(FromRow)]
struct LevelRow {
    sku: String,
    warehouse: String,
    on_hand: Option<i64>,
    as_of: i64,
    source: String,
    semantics: Option<String>,
}

const LEVELS: &str = "
SELECT s.sku, s.warehouse, s.on_hand, s.as_of, i.source, i.semantics
FROM stock s JOIN stock_imports i ON i.id = s.import_id ORDER BY s.sku, s.warehouse";

pub(crate) const LEVELS_OF: &str = "
SELECT s.sku, s.warehouse, s.on_hand, s.as_of, i.source, i.semantics
FROM stock s JOIN stock_imports i ON i.id = s.import_id
WHERE s.sku IN (SELECT value FROM json_each(?1)) ORDER BY s.sku, s.warehouse";

/// The levels of these SKUs, or all.
pub(crate) async fn levels(
    connection: &mut sqlx::SqliteConnection,
    skus: Option<&[&str]>,
) -> Result<Vec<StoredLevel>, StoreError> {
    let rows = match skus {
        Some(skus) => sqlx::query_as(LEVELS_OF).bind(json!(skus).to_string()),
        None => sqlx::query_as(LEVELS),
    };
    let rows: Vec<LevelRow> = rows.fetch_all(connection).await?;
    rows.into_iter().map(level).collect()
}

fn level(row: LevelRow) -> Result<StoredLevel, StoreError> {
    let means = row.semantics.map(|word| {
        Semantics::parse(&word).ok_or_else(|| StoreError::corrupt("a stock import", word))
    });
    Ok(StoredLevel {
        means: means.transpose()?,
        listing: Listing {
            sku: Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", row.sku))?,
            warehouse: row.warehouse,
            on_hand: row.on_hand,
            as_of: at(row.as_of)?,
            source: row.source,
        },
    })
}

/// Which of these SKUs have a level.
pub(crate) async fn listed(tx: &mut WriteTx<'_>, skus: &[&str]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT sku FROM stock WHERE sku IN (SELECT value FROM json_each(?)) ORDER BY sku",
    )
    .bind(json!(skus).to_string())
    .fetch_all(tx.conn()?)
    .await?)
}

/// Writes the row of an import and returns its number.
pub(crate) async fn insert_import(
    tx: &mut WriteTx<'_>,
    source: &str,
    semantics: Option<Semantics>,
    rows: usize,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let import = sqlx::query_scalar(
        "INSERT INTO stock_imports (source, at, rows, had, fell, semantics) VALUES (?, ?, ?, 0, 0, ?)
         RETURNING id",
    )
    .bind(source)
    .bind(ms(now))
    .bind(i64::try_from(rows).unwrap_or(i64::MAX))
    .bind(semantics.map(Semantics::word))
    .fetch_one(tx.conn()?)
    .await?;
    Ok(import)
}

// WHERE true, so that ON is not taken for a join's.
const PUT: &str = "
INSERT INTO stock (sku, warehouse, on_hand, as_of, import_id, fell_in)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2, value ->> 4 FROM json_each(?1) WHERE true
ON CONFLICT (sku, warehouse) DO UPDATE SET on_hand = excluded.on_hand, as_of = excluded.as_of,
  import_id = excluded.import_id,
  fell_in = CASE WHEN excluded.on_hand > 0 THEN NULL ELSE COALESCE(excluded.fell_in, stock.fell_in) END";

pub(crate) async fn put(
    tx: &mut WriteTx<'_>,
    rows: Vec<serde_json::Value>,
    import: i64,
) -> Result<(), StoreError> {
    let written = rows.len();
    sqlx::query(PUT)
        .bind(json!(rows).to_string())
        .bind(import)
        .execute(tx.conn()?)
        .await?;
    for _ in 0..written {
        crash_point("stock.row_put");
    }
    Ok(())
}

/// Writes what an import changed as a whole.
pub(crate) async fn finish_import(
    tx: &mut WriteTx<'_>,
    import: i64,
    report: &ImportReport,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE stock_imports SET had = ?, fell = ? WHERE id = ?")
        .bind(report.had)
        .bind(report.fell)
        .bind(import)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// A person vouches for an import: its falls to zero are no collapse.
pub(crate) async fn end_falls(tx: &mut WriteTx<'_>, import: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE stock SET fell_in = NULL WHERE fell_in IS NOT NULL AND import_id = ?")
        .bind(import)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Imports whose fall is still in force: their zeroed SKUs are still at zero.
pub(crate) const COLLAPSES: &str = "
SELECT i.source, i.at, i.had, COUNT(s.sku) AS fell FROM stock s JOIN stock_imports i ON i.id = s.fell_in
WHERE s.fell_in IS NOT NULL GROUP BY i.id HAVING COUNT(s.sku) >= ? AND i.had > 0
ORDER BY CAST(COUNT(s.sku) AS REAL) / i.had DESC LIMIT 1";

#[derive(FromRow)]
pub(crate) struct CollapseRow {
    source: String,
    at: i64,
    had: i64,
    fell: i64,
}

impl CollapseRow {
    pub(crate) fn collapse(self) -> Result<Collapse, StoreError> {
        Ok(Collapse {
            fell: self.fell.unsigned_abs(),
            had: self.had.unsigned_abs(),
            source: self.source,
            at: at(self.at)?,
        })
    }
}

impl WriteTx<'_> {
    /// The sharpest fall still in force.
    pub(crate) async fn collapse(&mut self) -> Result<Option<Collapse>, StoreError> {
        let row: Option<CollapseRow> = sqlx::query_as(COLLAPSES)
            .bind(COLLAPSE_SKUS_MIN)
            .fetch_optional(self.conn()?)
            .await?;
        row.map(CollapseRow::collapse).transpose()
    }
}

impl Store {
    /// When the newest level was imported, and the oldest moment at which any level was counted.
    pub async fn stock_age(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let mut reader = self.read().await?;
        let (newest, oldest): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT MAX(as_of), MIN(as_of) FROM stock")
                .fetch_one(&mut *reader)
                .await?;
        match (newest, oldest) {
            (Some(newest), Some(oldest)) => Ok(Some((at(newest)?, at(oldest)?))),
            _ => Ok(None),
        }
    }
}
