//! The stock ledger of one moment: levels with what is promised of them. Deciding several orders in
//! one pass takes units off it as it goes, so that no unit is promised twice.

use std::collections::HashMap;

use jiff::Timestamp;

use super::facts::{LineFacts, LinesFacts};
use super::ids::{PickupPoint, Sku};
use super::order::{Line, Lines};
use super::stock::{Level, LineStock, UnknownStock};

/// What a source told of one SKU at one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse, empty for the common pool.
    pub warehouse: String,
    /// Units; `None` when the source gave no usable number.
    pub on_hand: Option<i64>,
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// Its source.
    pub source: String,
}

/// Units promised of one SKU at one warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promised {
    /// For orders that Kaspi shows as accepted.
    pub confirmed: i64,
    /// For orders whose accept is not seen yet, or that the source may have counted already.
    pub pending: i64,
    /// Given back since, and perhaps missing in what the source told.
    pub returned: i64,
}

/// Units of one SKU at one warehouse that an order takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Take {
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
    safety_stock: i64,
}

impl Ledger {
    /// An empty ledger that keeps `safety_stock` units of each SKU back.
    pub fn new(safety_stock: i64) -> Self {
        Self {
            levels: HashMap::new(),
            safety_stock,
        }
    }

    /// Adds what a source told, with what is promised of it.
    pub fn list(&mut self, listing: Listing, promised: Promised) {
        self.levels
            .entry(listing.sku.clone())
            .or_default()
            .push((listing, promised));
    }

    /// The level an order leaving from `point` draws on: its own warehouse first (whole name, then
    /// short), then the common pool.
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

    /// The stock of one line.
    fn level(&self, line: &Line, point: Option<&PickupPoint>) -> LineStock {
        let Some(sku) = &line.sku else {
            return LineStock::Unknown(UnknownStock::NoSku);
        };
        match self.find(sku, point) {
            Err(why) => LineStock::Unknown(why),
            Ok((Listing { on_hand: None, .. }, _)) => {
                LineStock::Unknown(UnknownStock::NoNumber(sku.clone()))
            }
            Ok((
                Listing {
                    on_hand: Some(on_hand),
                    warehouse,
                    as_of,
                    source,
                    ..
                },
                promised,
            )) => LineStock::Known(Level {
                warehouse: warehouse.clone(),
                on_hand: *on_hand,
                reserved_confirmed: promised.confirmed,
                reserved_pending: promised.pending,
                returned: promised.returned,
                safety_stock: self.safety_stock,
                as_of: *as_of,
                source: source.clone(),
            }),
        }
    }

    /// The lines of an order with the stock seen for each.
    pub fn facts(&self, lines: &Lines, point: Option<&PickupPoint>) -> LinesFacts {
        let lines = match lines {
            Lines::Unreadable(why) => return LinesFacts::Unreadable(why.clone()),
            Lines::Known(lines) => lines,
        };
        let wanted = |sku: &Option<Sku>| -> i64 {
            lines
                .iter()
                .filter(|line| line.sku == *sku)
                .map(|line| i64::from(line.quantity))
                .sum()
        };
        LinesFacts::Known(
            lines
                .iter()
                .map(|line| LineFacts {
                    line: line.clone(),
                    stock: self.level(line, point),
                    wanted: wanted(&line.sku),
                })
                .collect(),
        )
    }

    /// Takes promised units off, as an accept just decided does.
    pub fn promise(&mut self, takes: &[Take]) {
        for take in takes {
            let level = self.levels.get_mut(&take.sku).and_then(|levels| {
                levels
                    .iter_mut()
                    .find(|(l, _)| l.warehouse == take.warehouse)
            });
            if let Some((_, promised)) = level {
                promised.pending = promised.pending.saturating_add(take.quantity);
            }
        }
    }

    /// What an order takes from which level. A SKU that is listed nowhere is taken from the common
    /// pool, so that the promise counts as soon as the pool is known.
    pub fn takes(&self, lines: &Lines, point: Option<&PickupPoint>) -> Vec<Take> {
        let Lines::Known(lines) = lines else {
            return Vec::new();
        };
        let mut takes: Vec<Take> = Vec::new();
        for line in lines {
            let Some(sku) = &line.sku else { continue };
            let warehouse = self
                .find(sku, point)
                .map_or(String::new(), |(level, _)| level.warehouse.clone());
            let quantity = i64::from(line.quantity);
            match takes
                .iter_mut()
                .find(|t| t.sku == *sku && t.warehouse == warehouse)
            {
                Some(take) => take.quantity = take.quantity.saturating_add(quantity),
                None => takes.push(Take {
                    sku: sku.clone(),
                    warehouse,
                    quantity,
                }),
            }
        }
        takes
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
