//! Levels of which more is promised for certain than there is: people accepted too much in the cabinet, or a figure is
//! wrong. Somebody has to hear of it while the orders can still be helped.

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::json;

use super::availability::StockView;
use super::stock_settings::StockSettings;
use crate::domain::availability::{Doubt, Reason};
use crate::domain::notice::{Kind, Notice};
use crate::domain::stock::is_overdrawn;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, overdrawn};

/// A level of which more is promised than there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdrawn {
    /// The stock; empty: that of every shop.
    pub stock: String,
    /// The SKU.
    pub sku: String,
    /// The warehouse; empty: the common pool.
    pub warehouse: String,
    /// Units on hand.
    pub on_hand: i64,
    /// Units promised for certain.
    pub promised: i64,
    /// The open orders that they are promised to.
    pub orders: Vec<String>,
}

impl Overdrawn {
    fn level(&self) -> overdrawn::Level<'_> {
        (&self.stock, &self.sku, &self.warehouse)
    }
}

impl fmt::Display for Overdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} are promised", self.promised, self.sku)?;
        if !self.warehouse.is_empty() {
            write!(f, " at {}", self.warehouse)?;
        }
        if !self.stock.is_empty() {
            write!(f, " in the stock {}", self.stock)?;
        }
        write!(
            f,
            ", and {} are on hand: orders {}",
            self.on_hand,
            self.orders.join(", ")
        )
    }
}

/// Units that may have left before the count, by all that Kaspi shows.
fn may_have_left(view: &StockView) -> impl Iterator<Item = &Doubt> {
    let doubts = view.promised.doubts.iter();
    doubts.filter(|doubt| doubt.why == Reason::MayHaveLeft)
}

impl Store {
    /// Levels of which more is promised for certain than there is.
    pub async fn overdrawn(&self, settings: &StockSettings) -> Result<Vec<Overdrawn>, StoreError> {
        let skus = self.reserved_skus().await?;
        let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
        if skus.is_empty() {
            return Ok(Vec::new());
        }
        let views = self.stock_levels(settings, (None, Some(&skus))).await?;
        let pools = views
            .iter()
            .filter(|view| view.listing.warehouse.is_empty());
        let left =
            |view: &StockView| view.listing.on_hand.unwrap_or(i64::MAX) - view.promised.confirmed;
        let key = |view: &StockView| (view.stock.clone(), view.listing.sku.to_string());
        let pools: HashMap<(String, String), i64> =
            pools.map(|view| (key(view), left(view).max(0))).collect();
        let beside = |view: &StockView| {
            let is_point = !view.listing.warehouse.is_empty();
            let pool = pools.get(&key(view)).filter(|_| is_point);
            pool.copied().unwrap_or(0)
        };
        let mut found = Vec::new();
        for view in &views {
            let (listing, promised) = (&view.listing, &view.promised);
            let Some(on_hand) = listing.on_hand.filter(|_| !listing.is_at_least) else {
                continue;
            };
            let returned = promised.returned.saturating_add(beside(view));
            let in_doubt: i64 = may_have_left(view).map(|doubt| doubt.units).sum();
            if !is_overdrawn(on_hand, promised.confirmed + in_doubt, returned) {
                continue;
            }
            let promises = self.promises(Some(&[listing.sku.as_str()])).await?;
            let here = promises
                .into_iter()
                .filter(|one| view.stock.is_empty() || one.stock == view.stock)
                .filter(|one| one.warehouse == listing.warehouse);
            let here: Vec<_> = here.collect();
            // What was first seen as accepted after the count has hardly left before it.
            let is_since = |doubt: &&Doubt| {
                let mut of_order = here.iter().filter(|one| {
                    doubt
                        .order
                        .as_ref()
                        .is_some_and(|code| code.as_str() == one.code)
                });
                of_order.any(|one| listing.as_of.is_some_and(|as_of| one.since > as_of))
            };
            let since = may_have_left(view).filter(is_since);
            let since: i64 = since.map(|doubt| doubt.units).sum();
            let promised = promised.confirmed + since;
            if !is_overdrawn(on_hand, promised, returned) {
                continue;
            }
            let here = here.into_iter();
            found.push(Overdrawn {
                stock: view.stock.clone(),
                sku: listing.sku.to_string(),
                warehouse: listing.warehouse.clone(),
                on_hand,
                promised,
                orders: here.map(|one| one.code).collect(),
            });
        }
        Ok(found)
    }

    /// Notes which levels are overdrawn now, and writes the notice of each once for as long as it stays so.
    pub async fn note_overdrawn(
        &self,
        settings: &StockSettings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if mutant("r9_overdrawn_unreported") {
            return Ok(());
        }
        let found = self.overdrawn(settings).await?;
        let mut tx = self.write().await?;
        let episodes = overdrawn::episodes(&mut tx).await?;
        let is_same =
            |one: &Overdrawn, episode: &overdrawn::Episode| one.level() == episode.level();
        for episode in &episodes {
            if !found.iter().any(|one| is_same(one, episode)) {
                overdrawn::end(&mut tx, episode.level()).await?;
            }
        }
        for one in &found {
            if episodes.iter().any(|episode| is_same(one, episode)) {
                continue;
            }
            overdrawn::begin(&mut tx, one.level(), now).await?;
            let what = format!(
                "{}:{}:{}:{}",
                one.stock,
                one.sku,
                one.warehouse,
                now.as_millisecond()
            );
            let facts = json!({ "stock": one.stock, "sku": one.sku, "warehouse": one.warehouse, "on_hand": one.on_hand,
                "promised": one.promised, "orders": one.orders });
            tx.notice(now, Notice::of_all(Kind::StockOverdrawn, &what, facts));
        }
        tx.commit().await
    }
}
