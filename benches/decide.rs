//! Decisions per second on one core with the default rules. Goal: 200 000.
//!
//! `cargo bench --bench decide`
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench prints its figure, may stop at once, and reads the real clock"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::decision::decide;
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, LineFacts, LinesFacts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, ShopName, Sku};
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Line, Order, PaymentMode, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::stock::{Level, LineStock, UnknownStock};
use qabyl::rules_file;

const GOAL_PER_SECOND: f64 = 200_000.0;
const ORDERS: u32 = 1000;
const MEASURE_FOR: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;

fn main() {
    let now: Timestamp = "2026-03-02T09:00:00Z".parse().expect("a fixed instant");
    let policy = Policy::new(
        rules_file::default_rules(),
        Limits::default(),
        "bench".to_owned(),
    );
    let mix: Vec<Facts> = (0..ORDERS).map(|seed| order(seed, now)).collect();
    let mut verdicts = BTreeMap::new();
    for facts in &mix {
        let word = decide(facts, &policy, now).verdict.word();
        *verdicts.entry(word).or_insert(0) += 1;
    }
    println!("{ORDERS} orders of 1 to 5 lines: {verdicts:?}");
    let best = (0..ROUNDS)
        .map(|_| measure(&mix, &policy, now))
        .fold(0.0, f64::max);
    println!("decisions per second on one core: {best:.0} (goal: {GOAL_PER_SECOND:.0})");
}

/// Decisions per second over one round.
fn measure(mix: &[Facts], policy: &Policy, now: Timestamp) -> f64 {
    let begun = Instant::now();
    let mut passes = 0_u32;
    while begun.elapsed() < MEASURE_FOR {
        for facts in mix {
            black_box(decide(black_box(facts), black_box(policy), now));
        }
        passes += 1;
    }
    f64::from(passes) * f64::from(ORDERS) / begun.elapsed().as_secs_f64()
}

/// Order number `seed` of the mix: most are plain, some are short, unknown, express or pre-orders.
fn order(seed: u32, now: Timestamp) -> Facts {
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let sweep = Interval {
        start: ago(1),
        end: now,
    };
    let lines = (1..=1 + i64::from(seed % 5))
        .map(|number| line(seed, number, ago(30)))
        .collect();
    Facts {
        shop: Some(ShopName::new("main").expect("not empty")),
        order: Order {
            approved_at: Some(ago(12)),
            total: Some(Money::from_tenge(12_990)),
            payment_mode: Some(PaymentMode::Prepaid),
            delivery_mode: Some(DeliveryMode::Local),
            kaspi_delivery: Some(true),
            express: seed.is_multiple_of(23),
            pre_order: seed.is_multiple_of(29),
            pickup_point: Some(PickupPoint::new("30000001_PP1").expect("not empty")),
            ..Order::new(
                OrderId::new(format!("id{seed}")).expect("not empty"),
                OrderCode::new(format!("{}", 400_000_000 + seed)).expect("not empty"),
                ago(15),
            )
        },
        first_seen_at: None,
        lines: LinesFacts::Known(lines),
        sent: None,
        namesakes: Vec::new(),
        shortage: Some(ShortageSeen {
            since: ago(11),
            scans: 3,
        }),
        shop_facts: ShopFacts {
            counters: Counters {
                decided: 400,
                cancelled: 4,
                cancelled_last_hour: 1,
                accepted_last_hour: 30,
            },
            collapse: None,
            evidence: Evidence {
                accepted: Some(sweep),
                archive: Some(sweep),
                unaccounted: Vec::new(),
                unread_shops: Vec::new(),
                other_shops: Vec::new(),
            },
            restored_at: None,
            clock_skew_s: Some(1),
            paused: None,
            account: None,
            mismatch: None,
        },
    }
}

fn line(seed: u32, number: i64, as_of: Timestamp) -> LineFacts {
    let sku = Sku::new(format!("SKU-{seed}-{number}")).expect("not empty");
    let stock = if seed.is_multiple_of(17) {
        LineStock::Unknown(UnknownStock::NotListed(sku.clone()))
    } else {
        LineStock::Known(Level {
            warehouse: "PP1".to_owned(),
            on_hand: if seed.is_multiple_of(7) { 0 } else { 10 },
            reserved_confirmed: 0,
            reserved_pending: 0,
            returned: 0,
            is_unbounded: false,
            recent_demand: 0,
            safety_stock: 0,
            as_of,
            source: "stock.csv".to_owned(),
            doubts: Vec::new(),
        })
    };
    LineFacts {
        line: Line {
            entry: EntryId::new(format!("e{seed}-{number}")).expect("not empty"),
            number,
            sku: Some(sku),
            quantity: 2,
            unit: UnitType::Pieces,
            unit_price: Some(Money::from_tenge(1000)),
            total: Some(Money::from_tenge(2000)),
            name: None,
            category: None,
            master_product: None,
        },
        stock,
        wanted: 2,
        parts: Vec::new(),
    }
}
