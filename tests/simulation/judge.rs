//! What must hold after every story: the invariants, judged by the world's ledger and the database.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use qabyl::sandbox::{EffectRow, Status, World, WriteKind};
use qabyl::store::{OrderFilter, OrderView};

use crate::link::Link;
use crate::shop::Process;

/// Others' doings younger than this could not be known: the age a sweep may have, and a sighting.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5 * 60);

/// Units that came free longer ago than this must keep an order from being cancelled: replicas lag by
/// up to a minute, and a cancel rests on readings made just before it.
const UNSEEN_FREED: SignedDuration = SignedDuration::from_secs(75);

/// From the decision to the arrival of its POST.
const SENDING: SignedDuration = SignedDuration::from_secs(10);

/// What the story knows and the ledger does not.
#[derive(Default)]
pub(crate) struct Known {
    /// SKU to when units came in and how many there had been in all by then.
    arrivals: BTreeMap<String, Vec<(Timestamp, u32)>>,
    /// Orders a person decided: theirs to answer for.
    pub(crate) by_hand: BTreeSet<String>,
}

impl Known {
    /// Notes units that came in; gives all there ever were.
    pub(crate) fn arrive(&mut self, sku: &str, units: u32, at: Timestamp) -> u32 {
        let rows = self.arrivals.entry(sku.to_owned()).or_default();
        let all = rows.last().map_or(0, |(_, all)| *all) + units;
        rows.push((at, all));
        all
    }

    fn capacity(&self, sku: &str, by: Timestamp) -> Option<i64> {
        let rows = self.arrivals.get(sku)?;
        let last = rows.iter().rev().find(|(at, _)| *at <= by);
        last.map(|(_, all)| i64::from(*all))
    }
}

pub(crate) async fn judge(link: &Link, process: &Process, known: &Known) -> Result<(), String> {
    let filter = OrderFilter {
        limit: 100_000,
        ..OrderFilter::default()
    };
    let views = process.store.orders(&filter).await.unwrap();
    link.world(|world, now| {
        never_both(world, known)?;
        no_blind_repeat(world, &views)?;
        no_wrong_cancel(world, known, &views)?;
        no_oversell(world, known)?;
        same_as_kaspi(world, &views, now)?;
        attempts_precede_posts(world, &views)
    })?;
    books_balance(process).await?;
    audited(process, &views).await
}

/// I6: the trail tells what the tables hold.
async fn books_balance(process: &Process) -> Result<(), String> {
    let semantics = process.shop.ctx.settings.semantics;
    let books = process.store.check_books(semantics).await.unwrap();
    match books.differences.first() {
        Some(first) => Err(format!("I6: the books do not balance: {first:?}")),
        None => Ok(()),
    }
}

fn never_both(world: &World, known: &Known) -> Result<(), String> {
    let both = world.ledger().both_actions_sent();
    match both.iter().find(|code| !known.by_hand.contains(*code)) {
        Some(code) => Err(format!("I1: accept and cancel were both sent for {code}")),
        None => Ok(()),
    }
}

/// A POST again after the effect of an earlier one of ours could be read.
fn no_blind_repeat(world: &World, views: &[OrderView]) -> Result<(), String> {
    let ledger = world.ledger();
    for row in ledger.blind_repeats() {
        let code = row.code.as_deref().unwrap_or_default();
        let ours = ledger.effects().iter().find(|effect| {
            effect.code == code && effect.cause.is_write() && effect.request != Some(row.n)
        });
        // Two minutes: a late effect, or a lagging replica, may come between the reading and the POST.
        let seen = |effect: &EffectRow| row.at.duration_since(effect.at).as_secs() > 120;
        if ours.is_some_and(seen) {
            let attempts: Vec<_> = views
                .iter()
                .filter(|view| view.order.code.as_str() == code)
                .map(|view| &view.actions)
                .collect();
            return Err(format!(
                "blind repeat of {row:?}; effect {ours:?}; {attempts:#?}"
            ));
        }
    }
    Ok(())
}

/// Units promised at Kaspi at a moment, of each SKU. `counts` picks the effects that count.
fn promised(
    world: &World,
    at: Timestamp,
    counts: impl Fn(&EffectRow) -> bool,
) -> BTreeMap<&str, i64> {
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for row in world
        .ledger()
        .effects()
        .iter()
        .filter(|row| row.at <= at && counts(row))
    {
        let on_its_way = world
            .order(&row.code)
            .and_then(|order| order.handed_over_at)
            .is_some_and(|left| left <= row.at);
        let sign = match (&row.from, &row.to) {
            (Status::ApprovedByBank, Status::AcceptedByMerchant) => 1,
            // What the courier has is not back on the shelf by a word.
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) if on_its_way => 0,
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) => -1,
            _ => continue,
        };
        for (sku, quantity) in &row.units {
            *units.entry(sku).or_default() += sign * i64::from(*quantity);
        }
    }
    units
}

/// I3: at every cancel of ours, some line was short by what was known then.
fn no_wrong_cancel(world: &World, known: &Known, views: &[OrderView]) -> Result<(), String> {
    for row in world
        .ledger()
        .requests()
        .iter()
        .filter(|row| row.write == Some(WriteKind::Cancel))
    {
        let Some(code) = row
            .code
            .as_deref()
            .filter(|code| !known.by_hand.contains(*code))
        else {
            continue;
        };
        let Some(order) = world.order(code) else {
            continue;
        };
        // What came free just now could not be known; nor what came in since.
        let before = row.at - UNSEEN_FREED;
        let frees =
            |effect: &EffectRow| effect.to != Status::AcceptedByMerchant && effect.at > before;
        let held = promised(world, row.at, |effect| !frees(effect));
        let short = order.lines().iter().any(|line| {
            let Some(capacity) = known.capacity(&line.sku, row.at - SENDING) else {
                return false;
            };
            let held = held.get(line.sku.as_str()).copied().unwrap_or(0);
            i64::from(line.quantity) > capacity - held
        });
        if !short {
            let view = views.iter().find(|view| view.order.code.as_str() == code);
            let seen = view
                .and_then(|view| view.decision.as_ref())
                .map(|d| d.facts.lines().to_vec());
            return Err(format!(
                "I3: {code} was cancelled at {} and stock covered it: {held:?}; seen {seen:?}",
                row.at
            ));
        }
    }
    Ok(())
}

/// I2: at every accept of ours that took effect, the units were there by what was known then.
fn no_oversell(world: &World, known: &Known) -> Result<(), String> {
    for row in world.ledger().effects() {
        let ours = row.cause.is_write() && row.to == Status::AcceptedByMerchant;
        let is_preorder = world
            .order(&row.code)
            .is_some_and(|order| order.seed.pre_order);
        if !ours || known.by_hand.contains(&row.code) || is_preorder {
            continue;
        }
        // Others' clicks of the last minutes could not be known, nor those after our POST.
        let before = row.at - UNSEEN - SignedDuration::from_secs(120);
        let foreign = |effect: &EffectRow| {
            let taken = effect.to == Status::AcceptedByMerchant;
            let by_hand = known.by_hand.contains(&effect.code);
            taken && (!effect.cause.is_write() || by_hand) && effect.at > before
        };
        let held = promised(world, row.at, |effect| !foreign(effect));
        for (sku, _) in &row.units {
            let Some(capacity) = known.capacity(sku, row.at) else {
                return Err(format!(
                    "I2: {} was accepted with unknown stock of {sku}",
                    row.code
                ));
            };
            let held = held.get(sku.as_str()).copied().unwrap_or(0);
            // A release younger than the sale of its unit may belong to an order cancelled later.
            if held > capacity && !foreign_ever(world, known, sku) {
                return Err(format!(
                    "I2: {held} of {sku} promised at {}, {capacity} there",
                    row.at
                ));
            }
        }
    }
    Ok(())
}

/// Whether people promised units of this SKU: then they may have promised too many themselves.
fn foreign_ever(world: &World, known: &Known, sku: &str) -> bool {
    world.ledger().effects().iter().any(|row| {
        row.to == Status::AcceptedByMerchant
            && (!row.cause.is_write() || known.by_hand.contains(&row.code))
            && row.units.iter().any(|(of, _)| of == sku)
    })
}

/// I4, I5: known as Kaspi holds it; what still waits is held, and somebody is told why.
fn same_as_kaspi(world: &World, views: &[OrderView], now: Timestamp) -> Result<(), String> {
    for order in world
        .orders()
        .iter()
        .filter(|order| order.visible_at + SignedDuration::from_mins(4) < now)
    {
        let code = order.code();
        let Some(view) = views.iter().find(|view| view.order.code.as_str() == code) else {
            let ours = world.ledger().posts_for(code);
            // One that came and went between two looks owes nobody anything.
            if order.status == Status::ApprovedByBank || !ours.is_empty() {
                return Err(format!("I4: {code} was missed"));
            }
            continue;
        };
        let (state, status) = (view.order.state.as_str(), view.order.status.as_str());
        if (state, status) != (order.state.as_str(), order.status.as_str()) {
            return Err(format!(
                "I5: {code} is {} + {}, known as {state} + {status}",
                order.state, order.status
            ));
        }
        let told = view.held.is_some()
            || view
                .decision
                .as_ref()
                .is_some_and(|d| d.decision.verdict.word() == "hold")
            || view
                .actions
                .iter()
                .any(|action| action.closed_at.is_none() && action.due_at.is_none());
        if order.status == Status::ApprovedByBank && !told {
            return Err(format!(
                "I4: {code} waits and nobody is told: {:#?}",
                view.decision
            ));
        }
    }
    Ok(())
}

/// I9: the row was there before the POST.
fn attempts_precede_posts(world: &World, views: &[OrderView]) -> Result<(), String> {
    for view in views {
        let code = view.order.code.as_str();
        let posts = world.ledger().posts_for(code);
        let attempts: usize = view
            .actions
            .iter()
            .map(|action| action.attempts.len())
            .sum();
        if attempts < posts.len() {
            return Err(format!(
                "I9: {} POSTs for {code} and {attempts} attempts",
                posts.len()
            ));
        }
    }
    Ok(())
}

async fn audited(process: &Process, views: &[OrderView]) -> Result<(), String> {
    let rows = process.store.audit_rows(None, u32::MAX).await.unwrap();
    let decided: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.event == "order.decided")
        .filter_map(|row| row.code.as_deref())
        .collect();
    let silent = views
        .iter()
        .find(|view| view.decision.is_some() && !decided.contains(view.order.code.as_str()));
    match silent {
        Some(view) => Err(format!(
            "{} was decided without an audit row",
            view.order.code
        )),
        None => Ok(()),
    }
}
