//! The stock of the SKUs in question: levels, and what is promised of each, loaded and counted.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::availability::{Count, OtherShops, Promise, contributions};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::stock::Semantics;
use crate::domain::stock_ledger::{Ledger, Listing, Promised};
use crate::domain::stock_sources::StockReading;
use crate::store::stock::levels_in_force;
use crate::store::stock_parts::{PartRow, parts};
use crate::store::{Store, StoreError, WriteTx, promises, scans};

/// One level with what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockView {
    /// What the source says.
    pub listing: Listing,
    /// What its number means.
    pub semantics: Semantics,
    /// What is promised.
    pub promised: Promised,
}

/// For whose order the levels are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Viewpoint<'a> {
    /// The shop whose order is decided, and since when other shops must have been read completely for their
    /// promises to be certain.
    pub(crate) shop: Option<(&'a ShopName, Timestamp)>,
    /// An order whose own promises are not counted.
    pub(crate) own: Option<(&'a ShopName, &'a OrderId)>,
}

/// How stock numbers are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StockSettings {
    /// Units of each SKU kept back.
    pub(crate) safety_stock: i64,
}

pub(crate) async fn stock_views(
    connection: &mut SqliteConnection,
    skus: Option<&[&str]>,
    viewpoint: Viewpoint<'_>,
) -> Result<Vec<StockView>, StoreError> {
    let levels = levels_in_force(connection, skus).await?;
    let promises = promises::since(connection, &levels).await?;
    let is_own = |promise: &Promise| {
        let (shop, order) = (&promise.shop, &promise.order);
        viewpoint.own == Some((shop, order))
    };
    let others = other_shops(connection, viewpoint, &promises).await?;
    let views = levels.into_iter().zip(promises);
    let views = views.map(|(reading, promises)| {
        let StockReading {
            listing, semantics, ..
        } = reading;
        let count = listing.as_of.map(|as_of| Count { as_of, semantics });
        let promises = promises.iter().filter(|promise| !is_own(promise));
        let sum = |count| contributions(count, promises, others.as_ref()).collect();
        StockView {
            promised: count.map_or_else(Promised::default, sum),
            listing,
            semantics,
        }
    });
    Ok(views.collect())
}

/// When the other shops with promises were last read completely.
async fn other_shops(
    connection: &mut SqliteConnection,
    viewpoint: Viewpoint<'_>,
    promises: &[Vec<Promise>],
) -> Result<Option<OtherShops>, StoreError> {
    let Some((own, read_since)) = viewpoint.shop else {
        return Ok(None);
    };
    let shops = promises.iter().flatten().map(|promise| &promise.shop);
    let shops: BTreeSet<&ShopName> = shops.filter(|shop| *shop != own).collect();
    let mut sweeps = HashMap::new();
    for shop in shops {
        if let Some(sweep) = scans::last_sweep(connection, shop).await? {
            sweeps.insert(shop.clone(), sweep);
        }
    }
    Ok(Some(OtherShops {
        own: own.clone(),
        read_since,
        sweeps,
    }))
}

impl WriteTx<'_> {
    /// The stock of these SKUs and their parts, from that viewpoint.
    pub(crate) async fn stock(
        &mut self,
        settings: StockSettings,
        skus: &[&str],
        viewpoint: Viewpoint<'_>,
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(settings.safety_stock);
        let mut names = skus.to_vec();
        let parts = parts(self.conn()?, Some(skus)).await?;
        names.extend(parts.iter().map(|part| part.part.as_str()));
        let views = stock_views(self.conn()?, Some(&names), viewpoint);
        for view in views.await? {
            ledger.list(view.listing, view.promised);
        }
        for PartRow { sku, part, each } in parts {
            ledger.map(sku, part, each);
        }
        Ok(ledger)
    }

    /// Where these SKUs and their parts are listed: what is promised of them is not counted.
    pub(crate) async fn listings(&mut self, skus: &[&str]) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(0);
        let mut names = skus.to_vec();
        let parts = parts(self.conn()?, Some(skus)).await?;
        names.extend(parts.iter().map(|part| part.part.as_str()));
        for level in levels_in_force(self.conn()?, Some(&names)).await? {
            ledger.list(level.listing, Promised::default());
        }
        for PartRow { sku, part, each } in parts {
            ledger.map(sku, part, each);
        }
        Ok(ledger)
    }
}

impl Store {
    /// All levels in force, or those of some SKUs, with what is promised of them.
    pub async fn stock_levels(&self, skus: Option<&[&str]>) -> Result<Vec<StockView>, StoreError> {
        let mut reader = self.read().await?;
        stock_views(&mut reader, skus, Viewpoint::default()).await
    }
}
