//! What must hold at the end of every story, whatever happened in it.

use std::collections::BTreeMap;
use std::path::Path;

use qabyl_sandbox::{Order, World};

use super::desk::{CANARY, Desk, STOCK, copy_database};
use super::records::{Book, Reported, damage};

/// Every violation after the process was killed, as text.
pub(super) async fn violations(desk: &Desk) -> Vec<String> {
    let log = desk.log();
    let (reported, mut found) = {
        let world = desk.server.world();
        (Reported::by_now(&world, &log), wrongs(&world))
    };
    // The files stay as the kill left them: reading them would write the log of writes back.
    let copy = tempfile::tempdir().unwrap();
    let database = copy.path().join("qabyl.db");
    copy_database(desk.database(), &database);
    for path in [
        desk.path("log"),
        database.clone(),
        database.with_extension("db-wal"),
    ] {
        if holds_canary(&path) {
            found.push(format!("{} holds what must not be written", path.display()));
        }
    }
    match damage(&database).await {
        Ok(damage) => found.extend(damage),
        Err(why) => found.push(why),
    }
    match Book::read(&database).await {
        Ok(book) => found.extend(reported.missing_from(&book)),
        Err(why) => found.push(why),
    }
    found
}

/// Whether a file has a token or something personal in it.
fn holds_canary(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    let canary = CANARY.as_bytes();
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// What was done to orders and should not have been.
pub(super) fn wrongs(world: &World) -> Vec<String> {
    let ledger = world.ledger();
    let mut found = Vec::new();
    for code in ledger.both_actions_sent() {
        found.push(format!("an accept and a cancel were sent for {code}"));
    }
    for repeat in ledger.blind_repeats() {
        found.push(format!(
            "request {} asks {:?} for what it has",
            repeat.n, repeat.code
        ));
    }
    let sold = world.units_promised_by_sku();
    let cancelled = cancelled_by_sku(world);
    for (sku, units) in STOCK {
        let sold = sold.get(sku).copied().unwrap_or_default();
        let cancelled = cancelled.get(sku).copied().unwrap_or_default();
        if sold > units {
            found.push(format!("{sold} of {sku} are sold, {units} are there"));
        }
        if cancelled > 0 && sold < units {
            found.push(format!(
                "{cancelled} orders of {sku} are cancelled, {} are left",
                units - sold
            ));
        }
    }
    found
}

/// Orders cancelled by a request, each of one unit.
fn cancelled_by_sku(world: &World) -> BTreeMap<String, u64> {
    let mut orders = BTreeMap::new();
    for code in world.ledger().cancelled_codes_by_api() {
        let sku = world
            .order(&code)
            .and_then(|order| Some(Order::lines(order).first()?.sku.clone()));
        *orders.entry(sku.unwrap_or_default()).or_default() += 1;
    }
    orders
}

/// Stops the test with everything found.
#[track_caller]
pub(super) fn none(found: &[String]) {
    assert!(found.is_empty(), "{found:#?}");
}
