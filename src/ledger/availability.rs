//! The stock of the SKUs in question: levels, and what is promised of each, loaded and counted.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::stock_settings::StockSettings;
use crate::domain::availability::{Count, OtherShops, Promise, Promised, Reading, contributions};
use crate::domain::ids::{OrderId, ShopName, Sku};
use crate::domain::near_sku::{look, near};
use crate::domain::stock::Semantics;
use crate::domain::stock_ledger::{Ledger, Listing};
use crate::domain::stock_sources::{BY_HAND, Origin, StockReading};
use crate::mutant::mutant;
use crate::store::promises::Wanted;
use crate::store::stock::{levels_in_force, skus_that_look};
use crate::store::stock_history::{PastReading, readings};
use crate::store::stock_parts::{PartRow, parts};
use crate::store::{Store, StoreError, WriteTx, promises, scans, shops};

/// One level with what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockView {
    /// The stock that it is of; empty: that of every shop.
    pub stock: String,
    /// What the source says.
    pub listing: Listing,
    /// What its number means.
    pub semantics: Semantics,
    /// How late its source books goods that left.
    pub posting_lag: SignedDuration,
    /// How late its source takes an accepted order off, where it does.
    pub order_lag_max: SignedDuration,
    /// What is promised.
    pub promised: Promised,
}

/// The shop whose order is decided, and since when other shops must have been read completely for their promises to be
/// certain.
pub(crate) type Viewpoint<'a> = (&'a ShopName, Timestamp);

/// An order whose own promises are not counted.
pub(crate) type Own<'a> = (&'a ShopName, &'a OrderId);

/// How far back an SKU's orders say how large the next one may be.
const ORDERS_LOOKED_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Counts older than this before the last one say nothing of what left since.
const EVIDENCE: SignedDuration = SignedDuration::from_hours(48);

/// Levels with all that bears on them, loaded once: each order that is looked at leaves out its own promises.
struct LoadedLevels {
    settings: StockSettings,
    levels: Vec<StockReading>,
    /// Of each level.
    promises: Vec<Vec<Promise>>,
    others: Option<OtherShops>,
    /// By their place, levels that goods may have left: only there do past counts, and all departures between them,
    /// say more.
    past: HashMap<usize, Past>,
}

struct Past {
    counts: Vec<Reading>,
    promises: Vec<Promise>,
}

impl LoadedLevels {
    async fn load(
        connection: &mut SqliteConnection,
        settings: StockSettings,
        (stock, skus): (Option<&str>, Option<&[&str]>),
        viewpoint: Option<Viewpoint<'_>>,
    ) -> Result<Self, StoreError> {
        let levels = levels_in_force(connection, stock, skus).await?;
        let promises = promises::since(connection, &wanted(&levels, SignedDuration::ZERO)).await?;
        let others = other_shops(connection, viewpoint, &promises).await?;
        let mut loaded = Self {
            settings,
            levels,
            promises,
            others,
            past: HashMap::new(),
        };
        let unproven: Vec<usize> = (0..loaded.levels.len())
            .filter(|place| is_unproven(&loaded.promised(*place, None)))
            .collect();
        if unproven.is_empty() {
            return Ok(loaded);
        }
        let levels = unproven.iter().map(|place| loaded.levels[*place].clone());
        let levels: Vec<StockReading> = levels.collect();
        let history = history(connection, &levels).await?;
        let promises = promises::since(connection, &wanted(&levels, EVIDENCE)).await?;
        let of_levels = levels.iter().zip(promises).map(|(level, promises)| Past {
            counts: counts_of(level, &history),
            promises,
        });
        loaded.past = unproven.into_iter().zip(of_levels).collect();
        Ok(loaded)
    }

    /// What is promised of the level at that place.
    fn promised(&self, place: usize, own: Option<Own<'_>>) -> Promised {
        let (level, seen_by) = (&self.levels[place], (self.settings, self.others.as_ref()));
        let promised = promised(level, (&self.promises[place], own), &[], seen_by);
        match self.past.get(&place) {
            Some(past) if is_unproven(&promised) => {
                self::promised(level, (&past.promises, own), &past.counts, seen_by)
            }
            _ => promised,
        }
    }

    fn listings(&self, own: Option<Own<'_>>) -> impl Iterator<Item = (Listing, Promised)> {
        let levels = self.levels.iter().enumerate();
        levels.map(move |(place, level)| (level.listing.clone(), self.promised(place, own)))
    }
}

/// Whether counts may show that goods did not leave.
fn is_unproven(promised: &Promised) -> bool {
    let mut doubts = promised.doubts.iter();
    doubts.any(|doubt| doubt.why.is_shown_by_counts())
}

/// What is promised of a level, with its counts where they are evidence.
fn promised(
    level: &StockReading,
    (promises, own): (&[Promise], Option<Own<'_>>),
    readings: &[Reading],
    (settings, others): (StockSettings, Option<&OtherShops>),
) -> Promised {
    let Some(as_of) = level.listing.as_of else {
        return Promised::default();
    };
    let (posting_lag, order_lag_max) = level.lags();
    let count = Count {
        as_of,
        semantics: level.semantics,
        posting_lag,
        order_lag_max,
        courier_lag_max: settings.courier_lag_max,
        readings,
        counts_are_evidence: settings.counts_are_evidence,
    };
    let is_own = |promise: &Promise| own == Some((&promise.shop, &promise.order));
    let promises = promises.iter().filter(|promise| !is_own(promise));
    contributions(&count, promises, others)
        .into_iter()
        .collect()
}

/// The promises to look for, of each level, that ended so long before its count or later.
fn wanted(levels: &[StockReading], back: SignedDuration) -> Vec<Wanted<'_>> {
    let pools = levels
        .iter()
        .filter(|level| level.listing.warehouse.is_empty());
    let pools: HashSet<(&str, &Sku)> = pools
        .map(|level| (level.stock.as_str(), &level.listing.sku))
        .collect();
    let wanted = levels.iter().map(|level| {
        let listing = &level.listing;
        let (posting_lag, order_lag_max) = level.lags();
        let back = back.max(posting_lag).max(order_lag_max);
        let since = listing.as_of.and_then(|at| at.saturating_sub(back).ok());
        Wanted {
            stock: &level.stock,
            listing,
            since,
            with_unplaced: !listing.warehouse.is_empty()
                && !pools.contains(&(level.stock.as_str(), &listing.sku)),
        }
    });
    wanted.collect()
}

/// Past readings of these levels.
async fn history(
    connection: &mut SqliteConnection,
    levels: &[StockReading],
) -> Result<Vec<PastReading>, StoreError> {
    let oldest = levels.iter().filter_map(|level| level.listing.as_of).min();
    let Some(since) = oldest.and_then(|at| at.saturating_sub(EVIDENCE).ok()) else {
        return Ok(Vec::new());
    };
    let skus: Vec<&str> = levels.iter().map(|l| l.listing.sku.as_str()).collect();
    readings(connection, &skus, since).await
}

/// The counts of a level by the source it has now, the present one last.
fn counts_of(level: &StockReading, history: &[PastReading]) -> Vec<Reading> {
    let listing = &level.listing;
    let source = match level.origin {
        Origin::Hand => BY_HAND,
        Origin::Standing(_) => listing.source.as_str(),
    };
    let of_level = history.iter().filter(|past| {
        past.stock == level.stock
            && past.sku == listing.sku.as_str()
            && past.warehouse == listing.warehouse
            && past.source == source
    });
    let before = of_level.filter(|past| Some(past.as_of) <= listing.as_of);
    let readings = before.map(|past| Reading {
        at: past.as_of,
        on_hand: Some(past.on_hand),
    });
    readings.collect()
}

/// When the other shops with promises were last read completely.
async fn other_shops(
    connection: &mut SqliteConnection,
    viewpoint: Option<Viewpoint<'_>>,
    promises: &[Vec<Promise>],
) -> Result<Option<OtherShops>, StoreError> {
    let Some((own, read_since)) = viewpoint else {
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

fn seen_stock(stock: &str) -> Option<&str> {
    (!mutant("r9_goods_of_every_stock")).then_some(stock)
}

/// The stock of some SKUs and their parts that a shop sells from, loaded once for several of its orders.
pub(crate) struct Stock {
    levels: LoadedLevels,
    /// All but the levels.
    rest: Ledger,
}

impl Stock {
    /// The stock as that order sees it: its own promises are not counted.
    pub(crate) fn ledger(&self, own: Option<Own<'_>>) -> Ledger {
        let mut ledger = self.rest.clone();
        for (listing, promised) in self.levels.listings(own) {
            ledger.list(listing, promised);
        }
        ledger
    }
}

impl WriteTx<'_> {
    /// The stock of these SKUs and their parts that the shop sells from, from that viewpoint.
    pub(crate) async fn stock(
        &mut self,
        settings: StockSettings,
        (shop, skus): (&ShopName, &[&str]),
        viewpoint: Option<Viewpoint<'_>>,
        now: Timestamp,
    ) -> Result<Stock, StoreError> {
        let mut rest = Ledger::new(settings.safety_stock);
        let stock = shops::stock_of(self.conn()?, shop).await?;
        let mut names = skus.to_vec();
        let parts = parts(self.conn()?, Some(&stock), Some(skus)).await?;
        names.extend(parts.iter().map(|part| part.part.as_str()));
        let wanted = (seen_stock(&stock), Some(names.as_slice()));
        let levels = LoadedLevels::load(self.conn()?, settings, wanted, viewpoint).await?;
        let since = now.saturating_sub(ORDERS_LOOKED_BACK).unwrap_or(now);
        let sold = seen_stock(&stock).filter(|_| !mutant("r9_demand_of_every_stock"));
        let wanted = (sold, names.as_slice());
        let demand = promises::recent_demand(self.conn()?, wanted, since, settings.sweep_every);
        rest.expect(demand.await?);
        for PartRow {
            sku, part, each, ..
        } in parts
        {
            rest.map(sku, part, each);
        }
        let mut stock_seen = Stock { levels, rest };
        let unlisted = stock_seen.ledger(None).not_listed(skus);
        let unlisted: Vec<Sku> = unlisted
            .into_iter()
            .map(Sku::new)
            .filter_map(Result::ok)
            .collect();
        if !unlisted.is_empty() {
            let looks: Vec<String> = unlisted.iter().map(|sku| look(sku.as_str())).collect();
            let listed = skus_that_look(self.conn()?, seen_stock(&stock), &looks).await?;
            let near = near(&unlisted, listed.iter().map(String::as_str));
            stock_seen.rest.name_near(near);
        }
        Ok(stock_seen)
    }

    /// Where these SKUs and their parts are listed in the stock that the shop sells from: what is promised of them is not counted.
    pub(crate) async fn listings(
        &mut self,
        shop: &ShopName,
        skus: &[&str],
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(0);
        let stock = shops::stock_of(self.conn()?, shop).await?;
        let mut names = skus.to_vec();
        let parts = parts(self.conn()?, Some(&stock), Some(skus)).await?;
        names.extend(parts.iter().map(|part| part.part.as_str()));
        for level in levels_in_force(self.conn()?, Some(&stock), Some(&names)).await? {
            ledger.list(level.listing, Promised::default());
        }
        for PartRow {
            sku, part, each, ..
        } in parts
        {
            ledger.map(sku, part, each);
        }
        Ok(ledger)
    }
}

impl Store {
    /// All levels, or those of some SKUs, that a shop of that stock sells from, or of every stock, with what is promised
    /// of them.
    pub async fn stock_levels(
        &self,
        settings: &StockSettings,
        wanted: (Option<&str>, Option<&[&str]>),
    ) -> Result<Vec<StockView>, StoreError> {
        let mut reader = self.read().await?;
        let loaded = LoadedLevels::load(&mut reader, *settings, wanted, None).await?;
        let views = loaded.levels.iter().enumerate().map(|(place, level)| {
            let (posting_lag, order_lag_max) = level.lags();
            StockView {
                stock: level.stock.clone(),
                posting_lag,
                order_lag_max,
                promised: loaded.promised(place, None),
                listing: level.listing.clone(),
                semantics: level.semantics,
            }
        });
        Ok(views.collect())
    }
}
