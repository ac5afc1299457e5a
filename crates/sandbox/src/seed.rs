//! A realistic sample shop: a stock list, and orders of the last two hours.

use std::{fmt::Write, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;

use super::{
    goods::{GOODS, MEASURED, Product, UNKNOWN},
    order::{LineSeed, OrderSeed},
    terms::{DeliveryMode, OfferForm, Payment, UnitType},
};

/// How far back the orders reach, in milliseconds.
const SPAN_MS: u64 = 2 * 3600 * 1000;

/// The first goods of the list are well stocked; the rest are short.
const PLAIN_GOODS: usize = 30;

/// The first orders cover every kind.
const KINDS: usize = 20;

/// One row of the stock list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// The merchant's SKU.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Units on hand.
    pub on_hand: u32,
}

/// Sample orders, and the stock to decide them from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    /// The orders; codes count up from 900000001.
    pub orders: Vec<OrderSeed>,
    /// The stock.
    pub stock: Vec<StockRow>,
}

/// `n` orders created over the two hours before `now`, and a stock of about 40 SKUs. The same
/// arguments give the same shop. The first 20 cover every kind; most of the rest are plain
/// and can be filled from stock.
pub fn seed_orders(seed: u64, n: usize, now: Timestamp) -> Seeded {
    let mut rng = Rng::with_seed(seed);
    let orders = (0..n).map(|place| {
        let before = Duration::from_millis(60_000 + rng.u64(..SPAN_MS - 120_000));
        let created_at = now.saturating_sub(before).unwrap_or(now);
        let base = OrderSeed {
            approved_at: created_at.checked_add(Duration::from_secs(1)).ok(),
            ..OrderSeed::new(&(900_000_001 + place).to_string(), created_at)
        };
        // After the first ones, about one order in twelve is not plain.
        let kind = if place < KINDS {
            place
        } else {
            rng.usize(..KINDS * 8)
        };
        of_kind(kind, base, &mut rng)
    });
    let orders = orders.collect();
    // Plain goods suffice for any number of orders; the short ones stay short.
    let more = u32::try_from(n / 6).unwrap_or(u32::MAX);
    let row = |(sku, name, _, on_hand): &Product, more| StockRow {
        sku: (*sku).to_owned(),
        name: (*name).to_owned(),
        on_hand: on_hand.saturating_add(more),
    };
    let (plain, short) = GOODS.split_at(PLAIN_GOODS);
    let stock = plain
        .iter()
        .chain(&MEASURED)
        .map(|product| row(product, more));
    let stock = stock.chain(short.iter().map(|product| row(product, 0)));
    Seeded {
        orders,
        stock: stock.collect(),
    }
}

/// The stock as a CSV file with the header `sku,on_hand`.
pub fn stock_csv(rows: &[StockRow]) -> String {
    let mut text = "sku,on_hand\n".to_owned();
    for StockRow { sku, on_hand, .. } in rows {
        let sku = if sku.contains([',', '"', '\n']) {
            format!("\"{}\"", sku.replace('"', "\"\""))
        } else {
            sku.clone()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sku},{on_hand}");
    }
    text
}

fn line((sku, name, price, _): Product, quantity: u32) -> LineSeed {
    LineSeed {
        name: name.to_owned(),
        unit_price_kzt: price,
        ..LineSeed::new(sku, quantity)
    }
}

/// A plain order of well-stocked goods.
fn plain(base: OrderSeed, rng: &mut Rng) -> OrderSeed {
    let (delivery_mode, kaspi_delivery) = [
        (DeliveryMode::Local, true),
        (DeliveryMode::Pickup, true),
        (DeliveryMode::RegionalToDoor, true),
        (DeliveryMode::RegionalPickup, true),
        (DeliveryMode::Pickup, false),
        (DeliveryMode::Local, false),
    ][rng.usize(..6)];
    let payment = if rng.u8(..3) == 0 {
        Payment::Credit {
            months: 3 * rng.u32(1..=8),
        }
    } else {
        Payment::Prepaid
    };
    let goods = line(GOODS[rng.usize(..PLAIN_GOODS)], 1);
    OrderSeed { payment, ..base }
        .delivered(delivery_mode, kaspi_delivery)
        .with_line(goods)
}

fn of_kind(kind: usize, base: OrderSeed, rng: &mut Rng) -> OrderSeed {
    let order = plain(base, rng);
    let only = |order: OrderSeed, line| OrderSeed {
        lines: vec![line],
        ..order
    };
    match kind {
        // One of each way to deliver.
        0 => order.delivered(DeliveryMode::Local, true),
        1 => order.delivered(DeliveryMode::Local, false),
        2 => order.delivered(DeliveryMode::Pickup, true),
        3 => order.delivered(DeliveryMode::Pickup, false),
        4 => order.delivered(DeliveryMode::RegionalToDoor, true),
        5 => order.delivered(DeliveryMode::RegionalPickup, true),
        // Several lines, several pieces.
        6 => {
            let (second, third) = (GOODS[rng.usize(..15)], GOODS[rng.usize(15..PLAIN_GOODS)]);
            let lines = vec![line(second, rng.u32(1..=2)), line(third, 1)];
            OrderSeed { lines, ..order }
        }
        7 => only(order, line(GOODS[rng.usize(..12)], rng.u32(2..=5))),
        // More than is in stock, sold out, and short in one line only.
        8 => only(order, line(GOODS[PLAIN_GOODS + rng.usize(..3)], 4)),
        9 => only(order, line(GOODS[33], 1)),
        10 => order.with_line(line(GOODS[33], 1)),
        // Two buyers for the last piece.
        11 | 12 => only(order, line(GOODS[32], 1)),
        // Not in the stock list.
        13 => only(order, line(UNKNOWN[rng.usize(..3)], 1)),
        14 => OrderSeed {
            express: true,
            ..order.delivered(DeliveryMode::Local, true)
        },
        15 => OrderSeed {
            pre_order: true,
            ..order
        },
        16 => OrderSeed {
            signature_required: true,
            payment: Payment::Credit { months: 24 },
            ..order
        },
        17 => with_offer(order, OfferForm::Old),
        18 => with_offer(order, OfferForm::Unlinked),
        19 => {
            let unit_type = if rng.bool() {
                UnitType::Measurable
            } else {
                UnitType::MeasurablePieces
            };
            only(
                order,
                LineSeed {
                    unit_type,
                    ..line(MEASURED[rng.usize(..3)], 3)
                },
            )
        }
        _ => order,
    }
}

fn with_offer(mut order: OrderSeed, offer: OfferForm) -> OrderSeed {
    for line in &mut order.lines {
        line.offer = offer;
    }
    order
}
