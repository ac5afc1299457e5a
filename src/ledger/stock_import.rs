//! Imports stock: a whole file or nothing, in one transaction.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;

use super::pickup_points;
use crate::crash_point::crash_point;
use crate::domain::stock::{ImportReport, Semantics, StockRow};
use crate::mutant::mutant;
use crate::store::audit::LEVELS_CHANGED;
use crate::store::{SourceRead, Store, StoreError, WriteTx, ms, stock};

/// Rows written in one statement.
const BATCH: usize = 500;

/// Rows to import.
pub struct Import<'a> {
    /// Where they come from.
    pub source: &'a str,
    /// The rows, each SKU once for a warehouse.
    pub rows: &'a [StockRow],
    /// A person vouches for the numbers, so that a fall to zero is not held against them.
    pub trusted: bool,
    /// What the numbers mean, where the source says so.
    pub semantics: Option<Semantics>,
    /// The configured source, and what was read of it.
    pub read: Option<SourceRead<'a>>,
    /// Who imports them.
    pub actor: &'a str,
    /// Called with the number of rows written so far.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// What is known of a level.
struct Level {
    on_hand: Option<i64>,
    as_of: i64,
    /// Whether it came from the same source.
    is_own: bool,
}

impl Level {
    fn has_some(&self) -> bool {
        self.on_hand > Some(0)
    }
}

type Known = HashMap<(String, String), Level>;

impl Store {
    /// Imports rows in one transaction, as [`Store::take_stock`] does.
    pub async fn import_stock(
        &self,
        source: &str,
        rows: &[StockRow],
        trusted: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        let import = Import {
            source,
            rows,
            trusted,
            semantics: None,
            read: None,
            actor,
            progress: &|_| {},
        };
        self.take_stock(&import, now).await
    }

    /// Imports rows in one transaction: all or none. A row that speaks of an earlier moment than
    /// the level already known is left out.
    pub async fn take_stock(
        &self,
        new: &Import<'_>,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        let mut tx = self.write().await?;
        let known = known(&mut tx, new.source).await?;
        let is_first = is_first(&mut tx, new.source).await?;
        // Only levels of the same source count, so that a large source does not hide the fall of a small one.
        let is_counted = |level: &Level| is_first || level.is_own;
        let had = known.values().filter(|l| l.has_some() && is_counted(l));
        let mut report = ImportReport {
            rows: 0,
            older: 0,
            had: count(had.count()),
            fell: 0,
            absent: count(known.values().filter(|level| level.is_own).count()),
        };
        let semantics = new.semantics;
        let import =
            stock::insert_import(&mut tx, new.source, semantics, new.rows.len(), now).await?;
        let mut first_listed: Vec<&str> = Vec::new();
        for batch in new.rows.chunks(BATCH) {
            let (mut rows, mut changed) = (Vec::with_capacity(batch.len()), Vec::new());
            for row in batch {
                let on_hand = row.on_hand.units();
                let key = (row.sku.as_str().to_owned(), row.warehouse.clone());
                let before = known.get(&key);
                if before.is_none() {
                    first_listed.push(row.sku.as_str());
                }
                report.absent -= i64::from(before.is_some_and(|level| level.is_own));
                // A level dated in the future came from a clock that was wrong: it yields.
                let newer = |as_of: i64| as_of > ms(row.as_of) && as_of <= ms(now);
                if before.is_some_and(|level| newer(level.as_of)) {
                    report.older += 1;
                    continue;
                }
                let had_some = before.is_some_and(Level::has_some);
                let fell = had_some && on_hand == Some(0);
                report.rows += 1;
                // Given by another source, or counted by hand, since this one last did.
                report.had += i64::from(had_some && !before.is_some_and(is_counted));
                report.fell += i64::from(fell);
                let fell_in = (fell && !new.trusted).then_some(import);
                if before.is_none_or(|level| level.on_hand != on_hand.map(i64::from)) {
                    changed.push(json!([key.0, key.1, on_hand]));
                }
                // With a clock that runs ahead, everything that happens until then would seem counted already.
                let as_of = if mutant("r9_count_from_the_future") {
                    ms(row.as_of)
                } else {
                    ms(row.as_of.min(now))
                };
                rows.push(json!([key.0, key.1, on_hand, as_of, fell_in]));
            }
            stock::put(&mut tx, rows, import).await?;
            if !changed.is_empty() {
                let detail = json!({ "import": import, "levels": changed });
                tx.audit_row(now, new.actor, (None, None), LEVELS_CHANGED, detail);
            }
            (new.progress)(batch.len());
        }
        pickup_points::move_to_pickup_point(&mut tx, &first_listed, now).await?;
        finish(&mut tx, new, import, &report, now).await?;
        crash_point("stock.before_commit");
        tx.commit().await?;
        crash_point("stock.after_commit");
        Ok(report)
    }
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// Whether nothing was ever imported from this source.
async fn is_first(tx: &mut WriteTx<'_>, source: &str) -> Result<bool, StoreError> {
    let first = "SELECT NOT EXISTS (SELECT 1 FROM stock_imports WHERE source = ?)";
    let first = sqlx::query_scalar(first).bind(source);
    Ok(first.fetch_one(tx.conn()?).await?)
}

async fn known(tx: &mut WriteTx<'_>, source: &str) -> Result<Known, StoreError> {
    let known: Vec<(String, String, Option<i64>, i64, bool)> = sqlx::query_as(
        "SELECT s.sku, s.warehouse, s.on_hand, s.as_of, i.source = ?
         FROM stock s JOIN stock_imports i ON i.id = s.import_id",
    )
    .bind(source)
    .fetch_all(tx.conn()?)
    .await?;
    let level = |(sku, warehouse, on_hand, as_of, is_own)| {
        let level = Level {
            on_hand,
            as_of,
            is_own,
        };
        ((sku, warehouse), level)
    };
    Ok(known.into_iter().map(level).collect())
}

/// What the import did as a whole.
async fn finish(
    tx: &mut WriteTx<'_>,
    new: &Import<'_>,
    import: i64,
    report: &ImportReport,
    now: Timestamp,
) -> Result<(), StoreError> {
    stock::finish_import(tx, import, report).await?;
    if new.trusted {
        stock::end_falls(tx, import).await?;
    }
    if let Some(read) = &new.read {
        tx.source_read(read, report, now).await?;
    }
    let detail = json!({
        "source": new.source, "rows": report.rows, "older": report.older,
        "had": report.had, "fell": report.fell, "absent": report.absent,
    });
    tx.audit_row(now, new.actor, (None, None), "stock.imported", detail);
    Ok(())
}
