//! Stock levels: imported whole or not at all, set by hand, shown with what is promised of them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::crash_point::crash_point;
use crate::domain::facts::Collapse;
use crate::domain::ids::Sku;
use crate::domain::ledger::{Ledger, Listing, Promised};
use crate::domain::stock::{Semantics, StockRow};

/// Fewer SKUs than this falling to zero at once say nothing about the feed: small shops sell out.
pub(super) const COLLAPSE_SKUS_MIN: i64 = 3;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows taken.
    pub rows: usize,
    /// Rows older than what was already known, left out.
    pub older: usize,
    /// SKUs that had some before.
    pub had: i64,
    /// SKUs that fell from some to none.
    pub fell: i64,
}

/// One level with what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockView {
    /// What the source told.
    pub listing: Listing,
    /// What is promised.
    pub promised: Promised,
}

#[derive(FromRow)]
struct LevelRow {
    sku: String,
    warehouse: String,
    on_hand: Option<i64>,
    as_of: i64,
    source: String,
    confirmed: i64,
    pending: i64,
}

/// Levels with their promises: what counts as promised depends on what the numbers mean.
/// `?1` 1 for physical numbers, `?2` the wanted SKUs as a JSON array, or NULL for all.
pub(super) const LEVELS: &str = "
SELECT s.sku, s.warehouse, s.on_hand, s.as_of, i.source,
       COALESCE(SUM(r.quantity) FILTER (WHERE NOT (r.confirmed_at IS NULL OR (?1 = 1 AND r.state = 'consumed' AND r.left_after <= s.as_of))), 0) AS confirmed,
       COALESCE(SUM(r.quantity) FILTER (WHERE (r.confirmed_at IS NULL OR (?1 = 1 AND r.state = 'consumed' AND r.left_after <= s.as_of))), 0) AS pending
FROM stock s
JOIN stock_imports i ON i.id = s.import_id
LEFT JOIN reservations r ON r.id IN (
  SELECT id FROM reservations INDEXED BY reservations_shelf
  WHERE sku = s.sku AND warehouse = s.warehouse AND state <> 'released' AND closed_at IS NULL
    AND (?1 = 1 OR made_at > s.as_of)
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_shelf
  WHERE sku = s.sku AND warehouse = s.warehouse AND state <> 'released' AND ?1 = 1 AND closed_at > s.as_of
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_made
  WHERE sku = s.sku AND warehouse = s.warehouse AND state = 'consumed' AND ?1 = 0 AND made_at > s.as_of)
WHERE ?2 IS NULL OR s.sku IN (SELECT value FROM json_each(?2))
GROUP BY s.sku, s.warehouse
ORDER BY s.sku, s.warehouse";

async fn levels(
    connection: &mut sqlx::SqliteConnection,
    semantics: Semantics,
    skus: Option<&[&str]>,
) -> Result<Vec<StockView>, StoreError> {
    let rows: Vec<LevelRow> = sqlx::query_as(LEVELS)
        .bind(i64::from(semantics == Semantics::Physical))
        .bind(skus.map(|skus| json!(skus).to_string()))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StockView {
                listing: Listing {
                    sku: Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", row.sku))?,
                    warehouse: row.warehouse,
                    on_hand: row.on_hand,
                    as_of: at(row.as_of)?,
                    source: row.source,
                },
                promised: Promised {
                    confirmed: row.confirmed,
                    pending: row.pending,
                },
            })
        })
        .collect()
}

/// Imports whose fall is still in force: their zeroed SKUs are still at zero.
pub(super) const COLLAPSES: &str = "
SELECT i.source, i.at, i.had, COUNT(s.sku) AS fell FROM stock s JOIN stock_imports i ON i.id = s.fell_in
WHERE s.fell_in IS NOT NULL GROUP BY i.id HAVING COUNT(s.sku) >= ? AND i.had > 0
ORDER BY CAST(COUNT(s.sku) AS REAL) / i.had DESC LIMIT 1";

#[derive(FromRow)]
pub(super) struct CollapseRow {
    source: String,
    at: i64,
    had: i64,
    fell: i64,
}

impl CollapseRow {
    pub(super) fn collapse(self) -> Result<Collapse, StoreError> {
        Ok(Collapse {
            fell: self.fell.unsigned_abs(),
            had: self.had.unsigned_abs(),
            source: self.source,
            at: at(self.at)?,
        })
    }
}

impl WriteTx<'_> {
    /// The ledger for these SKUs.
    pub(super) async fn ledger(
        &mut self,
        semantics: Semantics,
        safety_stock: i64,
        skus: &[&str],
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(safety_stock);
        for view in levels(self.conn()?, semantics, Some(skus)).await? {
            ledger.list(view.listing, view.promised);
        }
        Ok(ledger)
    }

    /// The sharpest fall still in force.
    pub(super) async fn collapse(&mut self) -> Result<Option<Collapse>, StoreError> {
        let row: Option<CollapseRow> = sqlx::query_as(COLLAPSES)
            .bind(COLLAPSE_SKUS_MIN)
            .fetch_optional(self.conn()?)
            .await?;
        row.map(CollapseRow::collapse).transpose()
    }
}

impl Store {
    /// All levels, or those of some SKUs, with what is promised of them.
    pub async fn stock_levels(
        &self,
        semantics: Semantics,
        skus: Option<&[&str]>,
    ) -> Result<Vec<StockView>, StoreError> {
        let mut reader = self.read().await?;
        levels(&mut reader, semantics, skus).await
    }

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

    /// Takes in rows in one transaction: all or none. A row that speaks of an earlier moment than
    /// the level already known is left out. `trusted` says a person vouches for the numbers, so
    /// that a fall to zero is not held against them.
    pub async fn import_stock(
        &self,
        source: &str,
        rows: &[StockRow],
        trusted: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        let mut tx = self.write().await?;
        let known: Vec<(String, String, Option<i64>, i64)> =
            sqlx::query_as("SELECT sku, warehouse, on_hand, as_of FROM stock")
                .fetch_all(tx.conn()?)
                .await?;
        let had = known
            .iter()
            .filter(|(_, _, on_hand, _)| on_hand.unwrap_or(0) > 0)
            .count();
        let known: HashMap<(&str, &str), (Option<i64>, i64)> = known
            .iter()
            .map(|(s, w, on_hand, as_of)| ((&**s, &**w), (*on_hand, *as_of)))
            .collect();
        let mut report = ImportReport {
            rows: 0,
            older: 0,
            had: i64::try_from(had).unwrap_or(i64::MAX),
            fell: 0,
        };
        let import: i64 = sqlx::query_scalar(
            "INSERT INTO stock_imports (source, at, rows, had, fell) VALUES (?, ?, ?, ?, 0) RETURNING id",
        )
        .bind(source)
        .bind(ms(now))
        .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
        .bind(report.had)
        .fetch_one(tx.conn()?)
        .await?;
        for row in rows {
            let before = known.get(&(row.sku.as_str(), row.warehouse.as_str()));
            // A level dated in the future came from a clock that was wrong: it yields.
            let newer = |as_of: i64| as_of > ms(row.as_of) && as_of <= ms(now);
            if before.is_some_and(|(_, as_of)| newer(*as_of)) {
                report.older += 1;
                continue;
            }
            let had_some = before.is_some_and(|(on_hand, _)| on_hand.unwrap_or(0) > 0);
            let fell = had_some && row.on_hand == Some(0);
            report.rows += 1;
            report.fell += i64::from(fell);
            put(&mut tx, row, import, fell, trusted).await?;
            crash_point("stock.row_put");
        }
        sqlx::query("UPDATE stock_imports SET fell = ? WHERE id = ?")
            .bind(report.fell)
            .bind(import)
            .execute(tx.conn()?)
            .await?;
        if trusted {
            sqlx::query(
                "UPDATE stock SET fell_in = NULL WHERE fell_in IS NOT NULL AND import_id = ?",
            )
            .bind(import)
            .execute(tx.conn()?)
            .await?;
        }
        let detail = json!({
            "source": source, "rows": report.rows, "older": report.older,
            "had": report.had, "fell": report.fell,
        });
        tx.audit_row(now, actor, (None, None), "stock.imported", detail);
        crash_point("stock.before_commit");
        tx.commit().await?;
        crash_point("stock.after_commit");
        Ok(report)
    }
}

async fn put(
    tx: &mut WriteTx<'_>,
    row: &StockRow,
    import: i64,
    fell: bool,
    trusted: bool,
) -> Result<(), StoreError> {
    let fell_in = (fell && !trusted).then_some(import);
    sqlx::query(
        "INSERT INTO stock (sku, warehouse, on_hand, as_of, import_id, fell_in)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (sku, warehouse) DO UPDATE SET on_hand = ?3, as_of = ?4, import_id = ?5,
           fell_in = CASE WHEN ?3 > 0 THEN NULL ELSE COALESCE(?6, fell_in) END",
    )
    .bind(row.sku.as_str())
    .bind(&row.warehouse)
    .bind(row.on_hand.map(i64::from))
    .bind(ms(row.as_of))
    .bind(import)
    .bind(fell_in)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
