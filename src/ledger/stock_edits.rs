//! Stock edited by people: one level, what one SKU stands for, a fall to zero that was right.

use jiff::Timestamp;
use serde_json::json;

use super::stock_import::Import;
use crate::domain::ids::{ShopName, Sku};
use crate::domain::people::{Actor, Verb};
use crate::domain::stock::{ImportReport, Semantics, StockRow};
use crate::domain::stock_import::Scope;
use crate::domain::stock_sources::BY_HAND;
use crate::mutant::mutant;
use crate::store::stock::confirm_falls;
use crate::store::stock_parts::{PartRow, parts};
use crate::store::{Fallen, Store, StoreError};

/// Who edits a stock, and the shops that sell from it: their role must allow it in each.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The shops.
    pub shops: &'a [ShopName],
}

impl Editor<'_> {
    fn check(&self) -> Result<(), StoreError> {
        for shop in self.shops {
            if !mutant("r17_stock_role_unchecked") {
                self.actor.check(Verb::EditStock, shop)?;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Sets one level, as counted by a person now.
    pub async fn set_level(
        &self,
        (stock, row, semantics): (&str, StockRow, Semantics),
        by: Editor<'_>,
        now: Timestamp,
    ) -> Result<ImportReport, StoreError> {
        by.check()?;
        let import = Import {
            stock,
            source: BY_HAND,
            scope: Scope::Single,
            rows: &[row],
            trusted: true,
            semantics,
            read: None,
            actor: by.actor.name(),
            progress: &|_| {},
        };
        self.take_stock_by(&import, by.actor, now).await
    }

    /// Says what one SKU of a stock's map stands for: another SKU so many times, or, with none, itself alone.
    pub async fn map_sku(
        &self,
        (stock, sku, part): (&str, &Sku, Option<(&Sku, i64)>),
        by: Editor<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        by.check()?;
        let mut tx = self.write().await?;
        tx.by(by.actor, None);
        let all = parts(tx.conn()?, None, None).await?;
        let mut rows: Vec<PartRow> = all
            .into_iter()
            .filter(|row| row.stock == stock && row.sku != *sku)
            .collect();
        rows.extend(part.map(|(part, each)| PartRow {
            stock: stock.to_owned(),
            sku: sku.clone(),
            part: part.clone(),
            each,
        }));
        super::parts::replace_map(tx, stock, &rows, by.actor.name(), now).await?;
        Ok(())
    }

    /// Confirms that what fell to zero in a source is sold out. Falls after those that the person saw stay in doubt.
    pub async fn confirm_falls(
        &self,
        seen: &Fallen,
        by: Editor<'_>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        by.check()?;
        let mut tx = self.write().await?;
        tx.by(by.actor, None);
        let confirmed = confirm_falls(&mut tx, seen).await?;
        let detail = json!({ "stock": seen.stock, "source": seen.source, "levels": confirmed });
        tx.audit_row(
            now,
            by.actor.name(),
            (None, None),
            "stock.zeros_confirmed",
            detail,
        );
        tx.commit_manual_decision().await?;
        Ok(confirmed)
    }
}
