//! The stock ledger of one moment: levels with what is promised of them. Deciding several orders in
//! one pass takes units off it as it goes, so that no unit is promised twice.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::facts::{LineFacts, LinesFacts, Part};
use super::ids::{PickupPoint, Sku};
use super::order::Lines;
use super::stock::{Level, LineStock, UnknownStock};

/// What a source reported for one SKU at one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse, empty for the common pool.
    pub warehouse: String,
    /// Units; `None` when the source gave no usable number.
    pub on_hand: Option<i64>,
    /// The moment it was counted; `None` when the clock was wrong then.
    pub as_of: Option<Timestamp>,
    /// Its source.
    pub source: String,
}

/// Units promised of one SKU at one warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promised {
    /// For orders that Kaspi shows as accepted.
    pub confirmed: i64,
    /// For orders whose accept is not confirmed yet, or whose units the source may have taken off already.
    pub in_doubt: i64,
    /// Released since the count, and perhaps not yet in the source's number.
    pub returned: i64,
}

/// Units that an order needs from one level.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Demand {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse it is taken from.
    pub warehouse: String,
    /// Units, at least 1.
    pub quantity: i64,
}

/// Levels and promises.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    levels: HashMap<Sku, Vec<(Listing, Promised)>>,
    /// What SKUs are in the warehouse that are something else there, and how many of it.
    parts: HashMap<Sku, Vec<(Sku, i64)>>,
    safety_stock: i64,
}

impl Ledger {
    /// An empty ledger that keeps `safety_stock` units of each SKU back.
    pub fn new(safety_stock: i64) -> Self {
        Self {
            levels: HashMap::new(),
            parts: HashMap::new(),
            safety_stock,
        }
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

    /// The parts of one unit of an SKU. A SKU that is listed in stock is its own only part, even if the map has it
    /// (KASPI_API §4: exact match first).
    fn parts_of(&self, sku: &Sku) -> Vec<(Sku, i64)> {
        match self.parts.get(sku) {
            Some(parts) if !self.levels.contains_key(sku) => parts.clone(),
            _ => vec![(sku.clone(), 1)],
        }
    }

    /// The level that serves an order leaving from `point`: that point's warehouse (by whole name, then by short name),
    /// or else the common pool.
    fn find(
        &self,
        sku: &Sku,
        point: Option<&PickupPoint>,
    ) -> Result<&(Listing, Promised), UnknownStock> {
        let levels = self
            .levels
            .get(sku)
            .ok_or_else(|| UnknownStock::NotListed(sku.clone()))?;
        let named = |name: &str| levels.iter().find(|(listing, _)| listing.warehouse == name);
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

    /// The stock of one SKU that lies in the warehouse.
    fn level(&self, sku: &Sku, point: Option<&PickupPoint>) -> LineStock {
        let found = match self.find(sku, point) {
            Err(why) => return LineStock::Unknown(why),
            Ok(found) => found,
        };
        if let Some(listed) = self.differing(sku, &found.0.warehouse) {
            let sku = sku.clone();
            return LineStock::Unknown(UnknownStock::SourcesDiffer { sku, listed });
        }
        match found {
            (
                Listing {
                    on_hand: Some(on_hand),
                    warehouse,
                    as_of: Some(as_of),
                    source,
                    ..
                },
                promised,
            ) => LineStock::Known(Level {
                warehouse: warehouse.clone(),
                on_hand: *on_hand,
                reserved_confirmed: promised.confirmed,
                reserved_pending: promised.in_doubt,
                returned: promised.returned,
                safety_stock: self.safety_stock,
                as_of: *as_of,
                source: source.clone(),
            }),
            _ => LineStock::Unknown(UnknownStock::NoNumber(sku.clone())),
        }
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
            Lines::Unreadable(why) => return LinesFacts::Unreadable(why.clone()),
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
    pub fn promise(&mut self, demands: &[Demand]) {
        for demand in demands {
            let level = self.levels.get_mut(&demand.sku).and_then(|levels| {
                levels
                    .iter_mut()
                    .find(|(l, _)| l.warehouse == demand.warehouse)
            });
            if let Some((_, promised)) = level {
                promised.in_doubt = promised.in_doubt.saturating_add(demand.quantity);
            }
        }
    }

    /// The warehouse whose level serves the SKU for an order leaving from `point`; the common pool where no level does.
    pub fn warehouse(&self, sku: &Sku, point: Option<&PickupPoint>) -> String {
        let level = self.find(sku, point);
        level.map_or_else(|_| String::new(), |(level, _)| level.warehouse.clone())
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

/// The kits that these parts make, as a level of its own: the scarcest part limits their number, and the level is as
/// old as the oldest part.
fn together(parts: &[Part]) -> LineStock {
    let mut scarcest: Option<(i64, &Part, &Level)> = None;
    let mut oldest: Option<Timestamp> = None;
    for part in parts {
        let level = match &part.stock {
            LineStock::Known(level) => level,
            LineStock::Unknown(why) => return LineStock::Unknown(why.clone()),
        };
        oldest = Some(oldest.map_or(level.as_of, |oldest| oldest.min(level.as_of)));
        let sets = level.available().div_euclid(part.each.max(1));
        if scarcest.is_none_or(|(fewest, ..)| sets < fewest) {
            scarcest = Some((sets, part, level));
        }
    }
    let Some((sets, part, level)) = scarcest else {
        return LineStock::Unknown(UnknownStock::NoSku);
    };
    let sets_of = |units: i64| units.div_euclid(part.each.max(1));
    let (on_hand, at_most) = (sets_of(level.on_hand), sets_of(level.available_at_most()));
    LineStock::Known(Level {
        warehouse: level.warehouse.clone(),
        on_hand,
        reserved_confirmed: on_hand.saturating_sub(at_most),
        reserved_pending: at_most.saturating_sub(sets),
        returned: 0,
        safety_stock: 0,
        as_of: oldest.unwrap_or(level.as_of),
        source: level.source.clone(),
    })
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
