//! The stock ledger of one moment: levels with what is promised of them. Deciding several orders in
//! one pass takes units off it as it goes, so that no unit is promised twice.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::availability::{ClosedBy, Doubt, Possible, Promised, Reason};
pub use super::demand::{Demand, RecentDemand};
use super::facts::{LineFacts, LinesFacts, Part};
use super::ids::{OrderCode, PickupPoint, Sku};
use super::order::Lines;
use super::stock::{DOUBTS_MAX, Level, LineStock, UnknownStock};

/// What a source reported for one SKU at one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse, empty for the common pool.
    pub warehouse: String,
    /// Units; `None` when the source gave no usable number.
    pub on_hand: Option<i64>,
    /// Whether there may be more than that.
    pub is_at_least: bool,
    /// The moment it was counted; `None` when the clock was wrong then.
    pub as_of: Option<Timestamp>,
    /// Its source.
    pub source: String,
}

impl RecentDemand {
    /// Units that may have been ordered since the last sweep: as many as in the busiest period, and then the largest
    /// order.
    pub const fn unseen(self) -> i64 {
        self.largest.saturating_add(self.busiest)
    }
}

/// Levels and promises.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    levels: HashMap<Sku, Vec<(Listing, Promised)>>,
    /// Aliases and kits: each part of such an SKU in the warehouse, and how many of it.
    parts: HashMap<Sku, Vec<(Sku, i64)>>,
    /// SKUs that are not listed, and listed ones that look like them.
    near: HashMap<Sku, Vec<String>>,
    safety_stock: i64,
    /// What may be ordered of each SKU before a sweep sees it; `None` where that was not asked.
    expected: Option<HashMap<String, RecentDemand>>,
}

impl Ledger {
    /// An empty ledger that keeps `safety_stock` units of each SKU back.
    pub fn new(safety_stock: i64) -> Self {
        Self {
            levels: HashMap::new(),
            parts: HashMap::new(),
            near: HashMap::new(),
            safety_stock,
            expected: None,
        }
    }

    /// Adds what may be ordered of each SKU before a sweep sees it.
    pub fn expect(&mut self, demand: HashMap<String, RecentDemand>) {
        self.expected = Some(demand);
    }

    /// Adds a listing with the units promised of it.
    pub fn list(&mut self, listing: Listing, promised: Promised) {
        self.levels
            .entry(listing.sku.clone())
            .or_default()
            .push((listing, promised));
    }

    /// Adds that `each` units of `part` go into one of `sku`.
    pub fn map(&mut self, sku: Sku, part: Sku, each: i64) {
        self.parts.entry(sku).or_default().push((part, each));
    }

    /// Those of these SKUs that are neither listed nor mapped.
    pub fn not_listed<'a>(&self, skus: &[&'a str]) -> Vec<&'a str> {
        let is_known = |sku: &Sku| self.levels.contains_key(sku) || self.parts.contains_key(sku);
        let is_unknown = |name: &&&str| Sku::new(name).is_ok_and(|sku| !is_known(&sku));
        skus.iter().filter(is_unknown).copied().collect()
    }

    /// Names listed SKUs that look like those that are not.
    pub fn name_near(&mut self, near: HashMap<Sku, Vec<String>>) {
        self.near = near;
    }

    /// Why an SKU without a level has none.
    fn not_listed_because(&self, sku: &Sku) -> UnknownStock {
        let sku = sku.clone();
        match self.near.get(&sku) {
            Some(near) => UnknownStock::NearlyListed {
                near: near.join(", "),
                sku,
            },
            None => UnknownStock::NotListed(sku),
        }
    }

    /// The parts of one unit of an SKU. A SKU that is listed in stock is its own only part, even if the map has it
    /// (KASPI_API §4: exact match first).
    fn parts_of(&self, sku: &Sku) -> Vec<(Sku, i64)> {
        match self.parts.get(sku) {
            Some(parts) if !self.levels.contains_key(sku) => parts.clone(),
            _ => vec![(sku.clone(), 1)],
        }
    }

    /// The warehouse that serves an order leaving from `point`: that point's (by whole name, then by short name), or
    /// else the common pool.
    fn find(&self, sku: &Sku, point: Option<&PickupPoint>) -> Result<&str, UnknownStock> {
        let levels = self
            .levels
            .get(sku)
            .ok_or_else(|| self.not_listed_because(sku))?;
        let named = |name: &str| {
            let mut names = levels.iter().map(|(listing, _)| listing.warehouse.as_str());
            names.find(|listed| *listed == name)
        };
        point
            .and_then(|point| named(point.as_str()).or_else(|| named(point.short())))
            .or_else(|| named(""))
            .ok_or_else(|| UnknownStock::OtherWarehouse {
                sku: sku.clone(),
                listed: join(levels.iter().map(|(listing, _)| listing.warehouse.as_str())),
                wanted: point.map_or_else(|| "nowhere named".to_owned(), ToString::to_string),
            })
    }

    /// The stock of an SKU as it is sold, for orders that leave from `point`.
    pub fn stock(&self, sku: &Sku, point: Option<&PickupPoint>) -> LineStock {
        let parts = self.parts_of(sku).into_iter().map(|(sku, each)| Part {
            stock: self.level(&sku, point),
            wanted: 0,
            sku,
            each,
        });
        let parts: Vec<Part> = parts.collect();
        match &parts[..] {
            [one] if one.sku == *sku => one.stock.clone(),
            _ => together(&parts),
        }
    }

    /// The warehouses that an SKU as it is sold is known for.
    pub fn warehouses(&self, sku: &Sku) -> BTreeSet<String> {
        let parts = self.parts_of(sku).into_iter();
        let levels = parts.filter_map(|(part, _)| self.levels.get(&part));
        levels
            .flatten()
            .map(|(listing, _)| listing.warehouse.clone())
            .collect()
    }

    /// The stock of one SKU that lies in the warehouse. Beside a pickup point's own level, the common pool's
    /// units are possible, and never certain.
    fn level(&self, sku: &Sku, point: Option<&PickupPoint>) -> LineStock {
        let warehouse = match self.find(sku, point) {
            Ok(warehouse) => warehouse,
            Err(why) => return LineStock::Unknown(why),
        };
        let Some(mut level) = self.level_at(sku, warehouse) else {
            let unknown = UnknownStock::NoNumber(sku.clone());
            let differ = self.differing(sku, warehouse);
            let sku = sku.clone();
            return LineStock::Unknown(differ.map_or(unknown, |listed| {
                UnknownStock::SourcesDiffer { sku, listed }
            }));
        };
        let pool = self.levels.get(sku).into_iter().flatten();
        let has_pool = pool
            .clone()
            .any(|(listing, _)| listing.warehouse.is_empty());
        if !warehouse.is_empty() && has_pool {
            let pool = self.level_at(sku, "");
            let pool = pool.map_or(Possible::Unbounded, |pool| pool.interval().possible);
            may_hold(&mut level, pool, Reason::PoolBeside);
        }
        level.doubts.truncate(DOUBTS_MAX);
        LineStock::Known(level)
    }

    /// The level of one SKU at one warehouse; `None` where a source gives no number. Several sources of the same
    /// priority may list one stock or two: what is certain is the least of them, what is possible their sum.
    fn level_at(&self, sku: &Sku, warehouse: &str) -> Option<Level> {
        let listings = self.levels.get(sku)?.iter();
        let here = listings.filter(|(listing, _)| listing.warehouse == warehouse);
        let levels = here.map(|(listing, promised)| self.level_of(listing, promised));
        let levels: Vec<Level> = levels.collect::<Option<_>>()?;
        let least = levels.iter().min_by_key(|level| level.available())?;
        let others = levels.iter().filter(|level| !std::ptr::eq(*level, least));
        let most = |level: &Level| level.on_hand.saturating_add(level.returned);
        let besides: i64 = others.map(most).fold(0, i64::saturating_add);
        let mut merged = least.clone();
        if levels.len() > 1 {
            // Units taken of the one stock or of the other are taken once.
            let taken = levels.iter().map(|level| level.reserved_confirmed).min();
            let taken = least.reserved_confirmed - taken.unwrap_or_default();
            let besides = Possible::Bounded(besides.saturating_add(taken));
            may_hold(&mut merged, besides, Reason::OtherSource);
            merged.is_unbounded |= levels.iter().any(|level| level.is_unbounded);
            merged.source = self.differing(sku, warehouse).unwrap_or(merged.source);
        }
        Some(merged)
    }

    fn level_of(&self, listing: &Listing, promised: &Promised) -> Option<Level> {
        let on_hand = listing.on_hand?;
        // An SKU that was not ordered lately may be ordered as a whole.
        let demand = self.expected.as_ref().map(|expected| {
            let known = expected.get(listing.sku.as_str());
            known.map_or(on_hand, |demand| demand.unseen())
        });
        Some(Level {
            warehouse: listing.warehouse.clone(),
            on_hand,
            recent_demand: demand.unwrap_or_default(),
            reserved_confirmed: promised.confirmed,
            reserved_pending: promised.in_doubt,
            returned: promised.returned,
            is_unbounded: listing.is_at_least,
            safety_stock: self.safety_stock,
            as_of: listing.as_of?,
            source: listing.source.clone(),
            doubts: promised.doubts.clone(),
        })
    }

    /// What each source says of a level that several sources disagree about.
    fn differing(&self, sku: &Sku, warehouse: &str) -> Option<String> {
        let levels = self.levels.get(sku)?.iter();
        let of_place = levels.filter(|(listing, _)| listing.warehouse == warehouse);
        let named = of_place.map(|(listing, _)| {
            let units = listing.on_hand.map(|units| units.to_string());
            format!(
                "{} {}",
                listing.source,
                units.as_deref().unwrap_or("unknown")
            )
        });
        let named: Vec<String> = named.collect();
        (named.len() > 1).then(|| named.join(", "))
    }

    /// The lines of an order with the stock seen for each.
    pub fn facts(&self, lines: &Lines, point: Option<&PickupPoint>) -> LinesFacts {
        let lines = match lines {
            Lines::Unreadable(lines) => return LinesFacts::Unreadable(lines.why.clone()),
            Lines::Known(lines) => lines,
        };
        let mut wanted: HashMap<Sku, i64> = HashMap::new();
        let mut whole: HashMap<&Sku, i64> = HashMap::new();
        for line in lines {
            let Some(sku) = &line.sku else { continue };
            let quantity = i64::from(line.quantity);
            *whole.entry(sku).or_default() += quantity;
            for (part, each) in self.parts_of(sku) {
                let units = wanted.entry(part).or_default();
                *units = units.saturating_add(quantity.saturating_mul(each));
            }
        }
        let lines = lines.iter().map(|line| {
            let Some(sku) = &line.sku else {
                return LineFacts {
                    line: line.clone(),
                    stock: LineStock::Unknown(UnknownStock::NoSku),
                    wanted: i64::from(line.quantity),
                    parts: Vec::new(),
                };
            };
            let parts = self.parts_of(sku);
            let parts = parts.into_iter().map(|(sku, each)| Part {
                stock: self.level(&sku, point),
                wanted: wanted.get(&sku).copied().unwrap_or_default(),
                sku,
                each,
            });
            let parts: Vec<Part> = parts.collect();
            match &parts[..] {
                [one] if one.sku == *sku => LineFacts {
                    line: line.clone(),
                    stock: one.stock.clone(),
                    wanted: one.wanted,
                    parts: Vec::new(),
                },
                _ => LineFacts {
                    line: line.clone(),
                    stock: together(&parts),
                    wanted: whole.get(sku).copied().unwrap_or_default(),
                    parts,
                },
            }
        });
        LinesFacts::Known(lines.collect())
    }

    /// Adds promised units, as for an accept just decided.
    pub fn promise(&mut self, demands: &[Demand], order: Option<&OrderCode>, now: Timestamp) {
        for demand in demands {
            let levels = self.levels.get_mut(&demand.sku).into_iter().flatten();
            for (_, promised) in levels.filter(|(l, _)| l.warehouse == demand.warehouse) {
                promised.in_doubt = promised.in_doubt.saturating_add(demand.quantity);
                promised.doubts.push(Doubt {
                    units: demand.quantity,
                    order: order.cloned(),
                    why: Reason::NotConfirmed,
                    closed_by: ClosedBy::Sweep,
                    by: None,
                    since: Some(now),
                });
            }
        }
    }

    /// The warehouse whose level serves the SKU for an order leaving from `point`; the common pool where no level does.
    pub fn warehouse(&self, sku: &Sku, point: Option<&PickupPoint>) -> String {
        self.find(sku, point).map(str::to_owned).unwrap_or_default()
    }

    /// Units that an order needs from each level. A SKU that is listed nowhere is taken from the common
    /// pool, so that the promise counts as soon as the pool is known.
    pub fn demands(&self, lines: &Lines, point: Option<&PickupPoint>) -> Vec<Demand> {
        let Lines::Known(lines) = lines else {
            return Vec::new();
        };
        let mut demands: Vec<Demand> = Vec::new();
        for line in lines {
            let Some(sku) = &line.sku else { continue };
            for (sku, each) in self.parts_of(sku) {
                let warehouse = self.warehouse(&sku, point);
                let quantity = i64::from(line.quantity).saturating_mul(each);
                let same =
                    |demand: &&mut Demand| demand.sku == sku && demand.warehouse == warehouse;
                match demands.iter_mut().find(same) {
                    Some(demand) => demand.quantity = demand.quantity.saturating_add(quantity),
                    None => demands.push(Demand {
                        sku,
                        warehouse,
                        quantity,
                    }),
                }
            }
        }
        demands
    }
}

/// Adds that so many units may be there besides.
fn may_hold(level: &mut Level, besides: Possible, why: Reason) {
    let units = match besides {
        Possible::Bounded(units) => units.max(0),
        Possible::Unbounded => {
            level.is_unbounded = true;
            0
        }
    };
    level.returned = level.returned.saturating_add(units);
    if units > 0 || level.is_unbounded {
        let doubt = Doubt {
            units,
            order: None,
            why,
            closed_by: ClosedBy::Person,
            by: None,
            since: None,
        };
        level.doubts.insert(0, doubt);
    }
}

/// The kits that these parts make, as a level of its own: the scarcest part limits their number, and the level is as
/// old as the oldest part.
fn together(parts: &[Part]) -> LineStock {
    let mut scarcest: Option<(i64, &Part, &Level)> = None;
    let mut oldest: Option<Timestamp> = None;
    let mut possible = Possible::Unbounded;
    let mut doubts = Vec::new();
    for part in parts {
        let level = match &part.stock {
            LineStock::Known(level) => level,
            LineStock::Unknown(why) => return LineStock::Unknown(why.clone()),
        };
        oldest = Some(oldest.map_or(level.as_of, |oldest| oldest.min(level.as_of)));
        let sets_of = |units: i64| units.div_euclid(part.each.max(1));
        let sets = sets_of(level.available());
        if scarcest.is_none_or(|(fewest, ..)| sets < fewest) {
            scarcest = Some((sets, part, level));
        }
        if let Possible::Bounded(units) = level.interval().possible {
            possible = possible.min(Possible::Bounded(sets_of(units)));
        }
        doubts.extend(level.doubts.iter().cloned());
    }
    let Some((sets, part, level)) = scarcest else {
        return LineStock::Unknown(UnknownStock::NoSku);
    };
    doubts.truncate(DOUBTS_MAX);
    let on_hand = level.on_hand.div_euclid(part.each.max(1));
    let at_most = match possible {
        Possible::Bounded(sets) => sets,
        Possible::Unbounded => on_hand,
    };
    LineStock::Known(Level {
        warehouse: level.warehouse.clone(),
        on_hand,
        reserved_confirmed: on_hand.saturating_sub(at_most),
        reserved_pending: at_most.saturating_sub(sets),
        returned: 0,
        is_unbounded: possible == Possible::Unbounded,
        recent_demand: 0,
        safety_stock: 0,
        as_of: oldest.unwrap_or(level.as_of),
        source: level.source.clone(),
        doubts,
    })
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
