//! Imports stock: a whole file or nothing, in one transaction.

use jiff::Timestamp;
use serde_json::json;

use super::changed_promises;
use super::pickup_points;
use crate::crash_point::crash_point;
use crate::domain::ids::ShopName;
use crate::domain::people::{Actor, Verb};
use crate::domain::stock::{ImportReport, Semantics, StockRow};
use crate::domain::stock_import::{self, New, Plan, Scope};
use crate::domain::stock_sources::BY_HAND;
use crate::mutant::mutant;
use crate::store::audit::LEVELS_CHANGED;
use crate::store::{SourceRead, Store, StoreError, WriteTx, ms, stock, stock_history};

/// Rows written in one statement.
const BATCH: usize = 500;

/// Rows to import.
pub struct Import<'a> {
    /// The stock that they list; empty: that of every shop.
    pub stock: &'a str,
    /// Where they come from.
    pub source: &'a str,
    /// What they are: a configured source as a whole, or a count by hand.
    pub scope: Scope,
    /// The rows, each SKU once for a warehouse.
    pub rows: &'a [StockRow],
    /// A person vouches for the numbers, so that a fall to zero is not held against them.
    pub trusted: bool,
    /// What the numbers mean. The levels keep it, whatever the configuration says later.
    pub semantics: Semantics,
    /// The configured source, and what was read of it.
    pub read: Option<SourceRead<'a>>,
    /// Who imports them.
    pub actor: &'a str,
    /// Called with the number of rows written so far.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

impl Import<'_> {
    /// A count by hand that names no warehouse, of an SKU that is listed for pickup points alone: no order would use
    /// it.
    async fn refuse_unused_pool(&self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        if matches!(self.scope, Scope::Standing { .. }) || mutant("r15_unused_pool_is_made") {
            return Ok(());
        }
        let pool = self.rows.iter().filter(|row| row.warehouse.is_empty());
        let skus: Vec<&str> = pool.map(|row| row.sku.as_str()).collect();
        let points = stock::points_without_pool(tx, self.stock, (&skus, self.source)).await?;
        match points.into_iter().next() {
            Some((sku, points)) => Err(StoreError::Refused(format!(
                "{sku} is listed for {} alone, so that no order would use a level without a warehouse: name one, \
                 by --warehouse or a column `warehouse`",
                points.join(", ")
            ))),
            None => Ok(()),
        }
    }

    /// The source as its levels are stored: all counts by hand are one.
    const fn stored_as(&self) -> &str {
        match self.scope {
            Scope::Standing { .. } => self.source,
            Scope::HandFile | Scope::Single => BY_HAND,
        }
    }
}

impl Store {
    /// Imports rows that a person counted of the stock of every shop, in one transaction, as [`Store::take_stock`] does.
    pub async fn import_stock(
        &self,
        source: &str,
        rows: &[StockRow],
        (trusted, semantics): (bool, Semantics),
        actor: &str,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        let import = Import {
            stock: "",
            source,
            scope: Scope::HandFile,
            rows,
            trusted,
            semantics,
            read: None,
            actor,
            progress: &|_| {},
        };
        self.take_stock(&import, now).await
    }

    /// Imports rows that a person or a program sent: their role must allow it in every shop that sells from them.
    pub async fn push_stock(
        &self,
        new: &Import<'_>,
        (actor, shops): (&Actor, &[ShopName]),
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        for shop in shops {
            if !mutant("r17_role_unchecked") {
                actor.check(Verb::PushStock, shop)?;
            }
        }
        self.take_stock_by(new, actor, now).await
    }

    /// Imports rows that a person named; what they may was checked.
    pub(crate) async fn take_stock_by(
        &self,
        new: &Import<'_>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        let mut tx = self.write().await?;
        tx.by(actor, None);
        take(tx, new, now).await
    }

    /// Imports rows in one transaction: all or none.
    pub async fn take_stock(
        &self,
        new: &Import<'_>,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        take(self.write().await?, new, now).await
    }
}

async fn take(
    mut tx: WriteTx<'_>,
    new: &Import<'_>,
    now: Timestamp,
) -> Result<ImportReport, StoreError> {
    let source = new.stored_as();
    new.refuse_unused_pool(&mut tx).await?;
    let before = stock::before_import(&mut tx, new.stock, (source, new.source)).await?;
    let as_of = stock_import::newest(new.rows, now);
    let listed = (new.rows.len(), as_of);
    let import =
        stock::insert_import(&mut tx, (new.stock, new.source), new.semantics, listed, now).await?;
    let of_import = New {
        import,
        source,
        scope: new.scope,
        trusted: new.trusted,
        as_of: ms(as_of),
        now: ms(now),
    };
    let plan = stock_import::plan(&of_import, &before, new.rows);
    drop(before);
    write(&mut tx, new, (import, source), &plan, now).await?;
    finish(&mut tx, new, import, &plan.report, now).await?;
    crash_point("stock.before_commit");
    tx.commit().await?;
    crash_point("stock.after_commit");
    Ok(plan.report)
}

/// Writes the levels as planned.
async fn write(
    tx: &mut WriteTx<'_>,
    new: &Import<'_>,
    (import, source): (i64, &str),
    plan: &Plan,
    now: Timestamp,
) -> Result<(), StoreError> {
    for batch in plan.puts.chunks(BATCH) {
        stock::put(tx, batch, (import, new.stock, source)).await?;
        let changed = batch.iter().filter(|put| put.is_changed);
        let changed = changed.map(|put| json!([put.place.0, put.place.1, put.on_hand]));
        let changed: Vec<_> = changed.collect();
        if !changed.is_empty() {
            let detail = json!({ "import": import, "stock": new.stock, "source": source, "levels": changed });
            tx.audit_row(now, new.actor, (None, None), LEVELS_CHANGED, detail);
        }
        (new.progress)(batch.len());
    }
    stock::delete_levels(tx, new.stock, &plan.deleted).await?;
    for batch in plan.deleted.chunks(BATCH) {
        let detail = json!({ "import": import, "stock": new.stock, "deleted": batch });
        tx.audit_row(now, new.actor, (None, None), LEVELS_CHANGED, detail);
    }
    stock::end_falls(tx, new.stock, &plan.confirmed).await?;
    for batch in plan.past.chunks(BATCH) {
        stock_history::keep(tx, new.stock, batch).await?;
    }
    let moved: Vec<&str> = plan.moved.iter().map(String::as_str).collect();
    pickup_points::move_to_pickup_point(tx, &moved, now).await?;
    let deleted = plan.deleted.iter().map(|(sku, ..)| sku.as_str());
    let changed: Vec<&str> = moved.iter().copied().chain(deleted).collect();
    changed_promises::follow_listed(tx, &changed, now).await
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
    if let Some(read) = &new.read {
        tx.source_read(read, report, now).await?;
    }
    let detail = json!({
        "stock": new.stock, "source": new.source, "rows": report.rows, "older": report.older,
        "had": report.had, "fell": report.fell, "absent": report.absent,
    });
    tx.audit_row(now, new.actor, (None, None), "stock.imported", detail);
    Ok(())
}
