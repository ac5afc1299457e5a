//! The table of stock levels.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at};
use crate::domain::facts::Collapse;
use crate::domain::ids::Sku;
use crate::domain::ledger::Listing;
use crate::domain::stock::Semantics;

/// Fewer SKUs than this falling to zero at once say nothing about the feed: small shops sell out.
pub(crate) const COLLAPSE_SKUS_MIN: i64 = 3;

/// One level, as stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredLevel {
    /// What the source says.
    pub(crate) listing: Listing,
    /// What its number means, where its import says so.
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
    /// When the newest level was taken in, and the oldest moment any level speaks of.
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
