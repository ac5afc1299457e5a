//! SKUs that are something else in the warehouse: aliases and kits.

use jiff::Timestamp;
use serde_json::json;

use super::changed_promises;
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
    /// Replaces the map of a stock, or that of every shop (empty). It is one for new promises; those already made are counted by both.
    pub async fn map_stock(
        &self,
        stock: &str,
        rows: &[PartRow],
        actor: &str,
        now: Timestamp,
    ) -> Result<MapReport, StoreError> {
        replace_map(self.write().await?, stock, rows, actor, now).await
    }
}

/// Replaces the map of a stock, and commits.
pub(crate) async fn replace_map(
    mut tx: WriteTx<'_>,
    stock: &str,
    rows: &[PartRow],
    actor: &str,
    now: Timestamp,
) -> Result<MapReport, StoreError> {
    let all = parts(tx.conn()?, None, None).await?;
    let before: Vec<_> = all.into_iter().filter(|row| row.stock == stock).collect();
    replace(&mut tx, stock, rows).await?;
    let mut touched: Vec<&str> = before
        .iter()
        .chain(rows)
        .filter(|row| !(before.contains(row) && rows.contains(row)))
        .map(|row| row.sku.as_str())
        .collect();
    touched.sort_unstable();
    touched.dedup();
    changed_promises::follow_map(&mut tx, &touched, now).await?;
    let report = report(&mut tx, rows).await?;
    let detail = json!({ "stock": stock, "skus": report.skus, "parts": rows.len() });
    tx.audit_row(now, actor, (None, None), "stock.mapped", detail);
    tx.commit_manual_decision().await?;
    Ok(report)
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
