//! Kits: what is short, what is there and what is taken agree, whatever lies in the warehouse.

use proptest::prelude::*;
use qabyl::domain::availability::Promised;
use qabyl::domain::facts::{LineFacts, LinesFacts};
use qabyl::domain::ids::Sku;
use qabyl::domain::order::{Line, Lines};
use qabyl::domain::stock::{Level, LineStock, UnknownStock};
use qabyl::domain::stock_ledger::{Ledger, Listing};

use crate::rules::facts::{line, now};

const PARTS: [&str; 3] = ["CUP", "POT", "LID"];

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn ordered(number: i64, name: &str, quantity: u32) -> Line {
    let plain = line(number, quantity, LineStock::Unknown(UnknownStock::NoSku));
    Line {
        sku: Some(sku(name)),
        ..plain.line
    }
}

/// Units on hand, promised for certain, promised perhaps.
type Shelf = [(i64, i64, i64); 3];

fn ledger(shelf: &Shelf, each: [i64; 3]) -> Ledger {
    let mut ledger = Ledger::new(0);
    for ((name, (on_hand, confirmed, pending)), each) in PARTS.iter().zip(shelf).zip(each) {
        let listing = Listing {
            sku: sku(name),
            warehouse: String::new(),
            on_hand: Some(*on_hand),
            is_at_least: false,
            as_of: Some(now()),
            source: "test".to_owned(),
        };
        let promised = Promised {
            confirmed: *confirmed,
            in_doubt: *pending,
            ..Promised::default()
        };
        ledger.list(listing, promised);
        ledger.map(sku("SET"), sku(name), each);
    }
    ledger
}

fn kit(ledger: &Ledger, lines: &Lines) -> LineFacts {
    match ledger.facts(lines, None) {
        LinesFacts::Known(lines) => lines[0].clone(),
        LinesFacts::Unreadable(why) => panic!("{why}"),
    }
}

fn shelves() -> impl Strategy<Value = Shelf> {
    let one = || (0..15_i64, 0..4_i64, 0..4_i64);
    (one(), one(), one()).prop_map(|(a, b, c)| [a, b, c])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_kit_is_there_when_all_of_its_parts_are(
        shelf in shelves(), each in [1..4_i64, 1..4, 1..4], sets in 1..4_u32, cups in 1..3_u32,
    ) {
        let ledger = ledger(&shelf, each);
        let lines = Lines::Known(vec![ordered(1, "SET", sets), ordered(2, "CUP", cups)]);
        let found = kit(&ledger, &lines);
        let wanted = [each[0] * i64::from(sets) + i64::from(cups), each[1] * i64::from(sets), each[2] * i64::from(sets)];
        let free = shelf.map(|(on_hand, confirmed, pending)| on_hand - confirmed - pending);
        let covered = wanted.iter().zip(free).all(|(wanted, free)| *wanted <= free.max(0));
        prop_assert_eq!(found.shortage_for_accept() == Some(0), covered);
        prop_assert!(found.shortage_for_cancel() <= found.shortage_for_accept());
        let LineStock::Known(level) = &found.stock else { panic!("{found:?}") };
        let sets = free.iter().zip(each).map(|(free, each)| free.div_euclid(each)).min();
        prop_assert_eq!(Some(level.available()), sets);
        // What is taken is what was wanted.
        let mut demands = ledger.demands(&lines, None);
        demands.sort();
        let taken = |name: &str| -> i64 {
            demands.iter().filter(|demand| demand.sku.as_str() == name).map(|demand| demand.quantity).sum()
        };
        prop_assert_eq!(PARTS.map(taken), wanted);
    }

    #[test]
    fn less_of_a_part_never_makes_more_kits(
        shelf in shelves(), each in [1..4_i64, 1..4, 1..4], sets in 1..4_u32, part in 0..3_usize, less in 1..5_i64,
    ) {
        let lines = Lines::Known(vec![ordered(1, "SET", sets)]);
        let before = kit(&ledger(&shelf, each), &lines);
        let mut poorer = shelf;
        poorer[part].0 -= less;
        let after = kit(&ledger(&poorer, each), &lines);
        prop_assert!(after.shortage_for_accept() >= before.shortage_for_accept());
        let available = |facts: &LineFacts| match &facts.stock {
            LineStock::Known(level) => Level::available(level),
            LineStock::Unknown(_) => 0,
        };
        prop_assert!(available(&after) <= available(&before));
    }
}

/// Exact match first (KASPI_API §4): a kit that is packed and counted is itself.
#[test]
fn an_sku_that_is_listed_is_itself_whatever_the_map_says() {
    let mut ledger = ledger(&[(9, 0, 0); 3], [1, 1, 1]);
    let listing = Listing {
        sku: sku("SET"),
        warehouse: String::new(),
        on_hand: Some(1),
        is_at_least: false,
        as_of: Some(now()),
        source: "test".to_owned(),
    };
    ledger.list(listing, Promised::default());
    let found = kit(&ledger, &Lines::Known(vec![ordered(1, "SET", 2)]));
    assert!(
        found.parts.is_empty() && found.shortage_for_accept() == Some(1),
        "{found:?}"
    );
}
