//! What must hold: at every death, and at the end. The sandbox's ledger says what Kaspi was asked and
//! did, the database what Qabyl knows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use qabyl_sandbox::{Order, Status, World, WriteKind};

use crate::crowd;
use crate::database::{Database, OrderRow};
use crate::desk::Desk;

/// The same POST again no sooner than this: `actions.settle`, less what a slow machine takes off it.
const REPEAT_AFTER: SignedDuration = SignedDuration::from_millis(700);

/// Units that came free just before a cancel left could not be known: the age of the readings it rests
/// on, and a slow machine.
const UNSEEN_FREED: SignedDuration = SignedDuration::from_secs(15);

/// What a database must be however its process ended.
pub(crate) fn at_death(database: &mut Database, desk: &Desk) -> Result<(), String> {
    database.is_whole()?;
    if database.number("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'attempts'") == 0 {
        return Ok(());
    }
    attempts_precede_posts(&database.orders(), &desk.server.world())?;
    whole_writes(database)
}

/// A write is there with its row in the audit log, or not at all.
fn whole_writes(database: &mut Database) -> Result<(), String> {
    for (rows, audit, what) in [
        (
            "SELECT COUNT(*) FROM decisions",
            "SELECT COUNT(*) FROM audit WHERE event = 'order.decided'",
            "decisions",
        ),
        (
            "SELECT COUNT(*) FROM attempts",
            "SELECT COUNT(*) FROM audit WHERE event = 'attempt.begun'",
            "attempts",
        ),
        (
            "SELECT COUNT(*) FROM attempts WHERE ended_at IS NOT NULL
               AND detail IS NOT 'no outcome was recorded'",
            "SELECT COUNT(*) FROM audit WHERE event = 'attempt.ended'",
            "outcomes",
        ),
        (
            "SELECT COUNT(*) FROM actions WHERE closed_at IS NULL AND NOT EXISTS (
               SELECT 1 FROM decisions d WHERE d.id = decision_id)",
            "SELECT 0",
            "actions without a decision",
        ),
        (
            "SELECT COUNT(*) FROM stock WHERE import_id <> (SELECT MAX(id) FROM stock_imports)",
            "SELECT 0",
            "levels of a stock import taken in by half",
        ),
        (
            "SELECT COUNT(*) FROM actions a WHERE kind = 'accept' AND closed_at IS NULL AND NOT EXISTS (
               SELECT 1 FROM reservations r WHERE r.shop = a.shop AND r.order_id = a.order_id
                 AND r.state <> 'released')",
            "SELECT 0",
            "accepts on their way with nothing promised",
        ),
    ] {
        let (rows, audit) = (database.number(rows), database.number(audit));
        if rows != audit {
            return Err(format!("{what}: {rows} rows, {audit} in the audit log"));
        }
    }
    Ok(())
}

/// I9: as many attempts are on disk as POSTs reached Kaspi, or more.
fn attempts_precede_posts(orders: &[OrderRow], world: &World) -> Result<(), String> {
    let attempts: BTreeMap<&str, i64> = orders
        .iter()
        .map(|row| (row.code.as_str(), row.attempts))
        .collect();
    let mut posts: BTreeMap<&str, i64> = BTreeMap::new();
    for row in world.ledger().requests() {
        if let (Some(code), Some(_)) = (&row.code, row.write) {
            *posts.entry(code).or_default() += 1;
        }
    }
    for (code, posts) in posts {
        let attempts = attempts.get(code).copied().unwrap_or(0);
        if attempts < posts {
            return Err(format!(
                "I9: {posts} POSTs about {code}, {attempts} attempts on disk"
            ));
        }
    }
    Ok(())
}

fn is_with_a_person(row: &OrderRow) -> bool {
    row.held || row.stuck_actions > 0
}

/// Goods promised to orders that a person must see to: their accept was sent, and is not to be seen.
fn kept_for_a_person(database: &mut Database, orders: &[OrderRow]) -> BTreeSet<String> {
    let held = |code: &str| {
        let mut rows = orders.iter();
        rows.any(|row| row.code == code && is_with_a_person(row))
    };
    let promises = database.promises().into_iter();
    let kept = promises.filter(|row| row.state == "active" && held(&row.code));
    kept.map(|row| row.sku).collect()
}

fn waits(order: &Order, now: Timestamp) -> bool {
    order.status == Status::ApprovedByBank && order.visible_at <= now
}

/// Whether nothing is left to do for now.
pub(crate) fn is_idle(database: &mut Database, world: &World, now: Timestamp) -> bool {
    let due = database.number(
        "SELECT COUNT(*) FROM actions WHERE closed_at IS NULL AND due_at <= unixepoch('subsec') * 1000",
    );
    if due > 0 {
        return false;
    }
    let spoken_for = database.spoken_for();
    let mut waiting = world.orders().iter().filter(|order| waits(order, now));
    waiting.all(|order| spoken_for.contains(order.code()))
}

/// Whether everything that was begun is at its end, and known as Kaspi has it.
pub(crate) fn is_at_its_end(
    database: &mut Database,
    world: &World,
    now: Timestamp,
) -> Result<(), String> {
    let orders = database.orders();
    let open = orders
        .iter()
        .find(|row| row.open_actions > row.stuck_actions);
    if let Some(row) = open {
        return Err(format!("something is under way: {row:?}"));
    }
    let unread = database.number(
        "SELECT COUNT(*) FROM orders WHERE status = 'ACCEPTED_BY_MERCHANT' AND lines_state = 'unread'",
    );
    if unread > 0 {
        return Err(format!(
            "{unread} orders that somebody accepted have no lines yet"
        ));
    }
    let kept = kept_for_a_person(database, &orders);
    let known: BTreeMap<&str, &OrderRow> =
        orders.iter().map(|row| (row.code.as_str(), row)).collect();
    for order in world.orders().iter().filter(|o| o.visible_at <= now) {
        let Some(row) = known.get(order.code()) else {
            // One that came and went between two looks owes nobody anything.
            if order.status == Status::Cancelled
                && world.ledger().posts_for(order.code()).is_empty()
            {
                continue;
            }
            return Err(format!("I4: {} was missed", order.code()));
        };
        let there = (order.state.as_str(), order.status.as_str());
        if (row.state.as_str(), row.status.as_str()) != there {
            return Err(format!("I5: {row:?} is {there:?} at Kaspi"));
        }
        let reported = is_with_a_person(row) || row.verdict.as_deref() == Some("hold");
        // It waits for what that person will say.
        let behind = order.lines().iter().any(|line| kept.contains(&line.sku));
        let behind = behind && row.verdict.as_deref() == Some("wait");
        if waits(order, now) && !reported && !behind {
            return Err(format!("I4: {row:?} waits and nobody is notified"));
        }
    }
    Ok(())
}

pub(crate) fn all(database: &mut Database, desk: &Desk) -> Result<(), String> {
    database.is_whole()?;
    whole_writes(database)?;
    let orders = database.orders();
    let world = desk.server.world();
    attempts_precede_posts(&orders, &world)?;
    if database.number("SELECT COUNT(*) FROM attempts WHERE ended_at IS NULL") > 0 {
        return Err("R13: a POST's outcome is neither known nor noted as unknown".to_owned());
    }
    never_both(&world)?;
    no_blind_repeat(&world)?;
    no_hasty_repeat(&world)?;
    no_oversell(&world)?;
    no_wrong_cancel(&world)?;
    promises_balance(database, &world)?;
    alerts_are_notices(database)
}

/// I1.
fn never_both(world: &World) -> Result<(), String> {
    let both = world.ledger().both_actions_sent();
    if both.is_empty() {
        return Ok(());
    }
    Err(format!("I1: accept and cancel were both sent for {both:?}"))
}

/// No POST again once the effect of one of ours was there to be read.
fn no_blind_repeat(world: &World) -> Result<(), String> {
    let ledger = world.ledger();
    for row in ledger.blind_repeats() {
        let ours = |effect: &&qabyl_sandbox::EffectRow| {
            Some(&effect.code) == row.code.as_ref()
                && effect.cause.is_write()
                && effect.request.is_some_and(|request| request < row.n)
        };
        if let Some(effect) = ledger.effects().iter().find(ours) {
            return Err(format!("sent again without need: {row:?} after {effect:?}"));
        }
    }
    Ok(())
}

/// R4: after a POST that may still have its effect, the next one about that order waits.
fn no_hasty_repeat(world: &World) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for row in world.ledger().requests() {
        let (Some(code), Some(_)) = (&row.code, row.write) else {
            continue;
        };
        let before: Option<&qabyl_sandbox::RequestRow> = last.insert(code, row);
        let open = before.filter(|before| !matches!(before.answered, Some(400..500)));
        if let Some(before) = open
            && row.at.duration_since(before.at) < REPEAT_AFTER
        {
            return Err(format!("R4: sent again too soon: {before:?}, then {row:?}"));
        }
    }
    Ok(())
}

/// Units promised at Kaspi at a moment, by SKU; cancels later than `freed_by` do not count.
fn promised(world: &World, at: Timestamp, freed_by: Timestamp) -> BTreeMap<&str, i64> {
    let mut units = BTreeMap::new();
    for row in world.ledger().effects().iter().filter(|row| row.at <= at) {
        let sign = match (&row.from, &row.to) {
            (Status::ApprovedByBank, Status::AcceptedByMerchant) => 1,
            (Status::AcceptedByMerchant, Status::Cancelled) if row.at <= freed_by => -1,
            _ => continue,
        };
        for (sku, quantity) in &row.units {
            *units.entry(sku.as_str()).or_default() += sign * i64::from(*quantity);
        }
    }
    units
}

/// I2: no more was ever promised than there was.
fn no_oversell(world: &World) -> Result<(), String> {
    let capacity = crowd::capacity();
    for row in world.ledger().effects() {
        if row.to != Status::AcceptedByMerchant {
            continue;
        }
        let promised = promised(world, row.at, row.at);
        for (sku, _) in &row.units {
            let there = capacity.get(sku).copied().map_or(-1, i64::from);
            let promised = promised.get(sku.as_str()).copied().unwrap_or(0);
            if promised > there {
                return Err(format!(
                    "I2: {promised} of {sku} are promised with {}, {there} were there",
                    row.code
                ));
            }
        }
    }
    Ok(())
}

/// I3: at every cancel of ours some line was short.
fn no_wrong_cancel(world: &World) -> Result<(), String> {
    let capacity = crowd::capacity();
    for row in world.ledger().requests() {
        let order = row.code.as_deref().and_then(|code| world.order(code));
        let (Some(WriteKind::Cancel), Some(order)) = (row.write, order) else {
            continue;
        };
        let promised = promised(world, row.at, row.at - UNSEEN_FREED);
        let is_short = order.lines().iter().any(|line| {
            let there = capacity.get(&line.sku).copied().map_or(0, i64::from);
            let promised = promised.get(line.sku.as_str()).copied().unwrap_or(0);
            i64::from(line.quantity) > there - promised
        });
        if !is_short {
            return Err(format!(
                "I3: {row:?}, and stock covered {:?}",
                order.lines()
            ));
        }
    }
    Ok(())
}

/// I6: what is promised is what Kaspi holds, order by order.
fn promises_balance(database: &mut Database, world: &World) -> Result<(), String> {
    let orders = database.orders();
    let held: BTreeSet<&str> = orders
        .iter()
        .filter(|row| is_with_a_person(row))
        .map(|row| row.code.as_str())
        .collect();
    let mut promises: BTreeMap<(String, String), BTreeMap<String, i64>> = BTreeMap::new();
    for row in database.promises() {
        let skus = promises.entry((row.code, row.state)).or_default();
        *skus.entry(row.sku).or_default() += row.units;
    }
    for order in world.orders() {
        let code = order.code();
        let lines = order.lines().iter();
        let lines: BTreeMap<String, i64> = lines
            .map(|line| (line.sku.clone(), i64::from(line.quantity)))
            .collect();
        let mut of = |state: &str| {
            promises
                .remove(&(code.to_owned(), state.to_owned()))
                .unwrap_or_default()
        };
        let (active, consumed) = (of("active"), of("consumed"));
        let nothing = BTreeMap::new();
        let has_left = order.handed_over_at.is_some() || order.status == Status::Completed;
        let (right_active, right_consumed) = match order.status {
            Status::AcceptedByMerchant | Status::Completed if has_left => (&nothing, &lines),
            Status::AcceptedByMerchant => (&lines, &nothing),
            // Kept for the person who may still accept it.
            Status::ApprovedByBank if held.contains(code) && !active.is_empty() => {
                (&lines, &nothing)
            }
            _ => (&nothing, &nothing),
        };
        if (&active, &consumed) != (right_active, right_consumed) {
            return Err(format!(
                "I6: {code} is {}, handed over {:?}; promised {active:?}, departed {consumed:?}",
                order.status, order.handed_over_at
            ));
        }
    }
    Ok(())
}

/// A deadline on record as reported has its notice, which channels send: the last lines of a log die with the process.
fn alerts_are_notices(database: &mut Database) -> Result<(), String> {
    let unreported = database.texts(
        "SELECT o.code FROM audit a JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
         WHERE a.event = 'order.deadline_near' AND NOT EXISTS (SELECT 1 FROM notices n
           WHERE n.kind = a.event AND n.shop = a.shop AND instr(n.key, o.id) > 0)",
    );
    match unreported.first() {
        Some(code) => Err(format!(
            "the deadline of {code} is on record as reported, and was not"
        )),
        None => Ok(()),
    }
}
