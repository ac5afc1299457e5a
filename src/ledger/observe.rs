//! The one place where a reading of Kaspi enters the database: the order's row, the end of its
//! action and the fate of its reservation, in one transaction (R5).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::amended;
use super::changed_promises;
use super::known_orders::{Known, known, live};
use super::lines;
use super::order_units::{self, reconcile_units, reserve_seen};
use super::reverted;
use super::transitions::leave_to_person;
use crate::domain::action::{End, Event};
use crate::domain::ids::ShopName;
use crate::domain::line_sums;
use crate::domain::order::{Line, Order};
use crate::domain::reconcile::{self, ActionEnd, ReservationEffect};
use crate::domain::unaccounted::LinesState;
use crate::mutant::mutant;
use crate::store::actions::Change;
use crate::store::batch::Batch;
use crate::store::{StoreError, WriteTx, ms, orders};

/// One order as just read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The order.
    pub order: Order,
    /// Its lines, where the answer carried them.
    pub lines: Option<Vec<Line>>,
    /// When the request was sent.
    pub asked_at: Timestamp,
    /// Kaspi's clock minus ours at that time, where it is known.
    pub skew: Option<SignedDuration>,
}

/// How far readings are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// An earlier status than the stored one changes nothing at first (R11).
    Single,
    /// Complete lists agreed on them: an earlier status is the present one.
    Settled,
}

/// What readings changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Orders seen for the first time.
    pub new: usize,
    /// Orders that changed.
    pub changed: usize,
    /// Actions that ended: order code, action, its end.
    pub ended: Vec<(String, &'static str, End)>,
    /// Reservations released.
    pub released: u64,
    /// Why the readings are not the shop's own, where that is news.
    pub mismatch: Option<String>,
    /// Whether the shop's readings are its own again.
    pub identified: bool,
    /// Earlier names of the shop, recognised by the readings.
    pub earlier_names: Vec<ShopName>,
}

impl Observed {
    /// Whether anything is different from before.
    pub fn is_news(&self) -> bool {
        self.new + self.changed > 0 || !self.ended.is_empty() || self.released > 0
    }

    /// Adds what other readings changed.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.ended.extend(other.ended);
        self.released += other.released;
        self.mismatch = self.mismatch.take().or(other.mismatch);
        self.identified |= other.identified;
        self.earlier_names.extend(other.earlier_names);
    }
}

/// One reading of each order, the most advanced: an order that changes state while a sweep lists the states is in
/// two lists.
fn newest(readings: &[Reading]) -> Vec<&Reading> {
    let mut newest: Vec<&Reading> = Vec::with_capacity(readings.len());
    let mut places = HashMap::with_capacity(readings.len());
    for reading in readings {
        match places.entry(reading.order.id.as_str()) {
            Entry::Vacant(entry) => {
                entry.insert(newest.len());
                newest.push(reading);
            }
            Entry::Occupied(entry) => {
                let before = &mut newest[*entry.get()];
                if reconcile::overtakes(
                    reconcile::rank(&before.order),
                    reconcile::rank(&reading.order),
                ) {
                    *before = reading;
                }
            }
        }
    }
    newest
}

/// The stored order, where this body is another.
fn differs_from(row: &Known, body: &str) -> Result<Option<Order>, StoreError> {
    let differs = row.body != body;
    differs.then(|| orders::parse_order(&row.body)).transpose()
}

/// Stores readings. Those in an earlier status than the stored one (R11) are noted until lists settle which is right.
pub(crate) async fn observe(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (readings, trust): (&[Reading], Trust),
    now: Timestamp,
) -> Result<Observed, StoreError> {
    let mut readings: Vec<Reading> = newest(readings).into_iter().cloned().collect();
    let ids: Vec<&str> = readings
        .iter()
        .map(|reading| reading.order.id.as_str())
        .collect();
    let known = known(tx, shop, &ids).await?;
    for reading in &mut readings {
        let stored = known.get(reading.order.id.as_str());
        if let (Some(row), false) = (stored, reading.order.unread.is_empty()) {
            let stored = orders::parse_order(&row.body)?;
            reading.order.keep_unread(&stored);
        }
    }
    let unknown = readings.iter().map(|reading| &reading.order);
    let unknown = unknown.filter(|order| !known.contains_key(order.id.as_str()));
    let deleted_orders = tx.deleted_orders(shop, unknown).await?;
    let mut observed = Observed::default();
    let mut unchanged = Vec::new();
    let mut batch = Batch::default();
    for reading in &readings {
        let order = &reading.order;
        let asked_at = if mutant("r8_dated_by_its_answer") {
            ms(now)
        } else {
            ms(reading.asked_at.min(now))
        };
        match known.get(order.id.as_str()) {
            None if deleted_orders.contains(order.id.as_str()) => {}
            None => {
                orders::insert(tx, shop, order, reading.asked_at, now).await?;
                observed.new += 1;
                if let Some(lines) = &reading.lines {
                    lines::take(tx, shop, order, lines, now).await?;
                }
                observed.released +=
                    reconcile_units(tx, shop, (order, reading.skew), None, now).await?;
            }
            Some(row)
                if trust == Trust::Single
                    && !reconcile::overtakes(row.rank()?, reconcile::rank(order)) =>
            {
                reverted::note(tx, shop, row, reading, now).await?;
            }
            Some(row) if waits_for_lines(row, reading)? => {}
            Some(row) => {
                if trust == Trust::Settled {
                    order_units::reopen_units(tx, shop, order, now).await?;
                }
                let body = orders::body(order)?;
                if row.body == body {
                    unchanged.push(json!([order.id.as_str(), asked_at, shop.as_str()]));
                } else {
                    let status_since = (row.status != order.status.as_str()).then_some(now);
                    batch.update(shop, (order, asked_at), &body, status_since);
                    observed.changed += 1;
                }
                let before = differs_from(row, &body)?;
                let seen = (row.seen_at, now);
                order_units::correct_departure(tx, shop, (before.as_ref(), reading), seen).await?;
                let is_edited = is_amended(row, reading, before.as_ref());
                let has_moved = |before: &Order| before.pickup_point != order.pickup_point;
                let asked = reading.asked_at.min(now);
                let held = row.held()?;
                if held.active > 0 && before.as_ref().is_some_and(has_moved) {
                    changed_promises::follow_order(tx, shop, order, asked, now).await?;
                } else if held.moved > 0 {
                    changed_promises::settle_point(tx, shop, order, asked, now).await?;
                }
                let is_withdrawn = is_edited && amended::forget_lines(tx, shop, order, now).await?;
                let lines_wanted = is_edited || row.lines()? != LinesState::Known;
                if let (true, Some(lines)) = (lines_wanted, &reading.lines) {
                    if row.lines()? == LinesState::Resolved {
                        // What a person said of it is not needed any more.
                        orders::forget_lines(tx, shop, &order.id).await?;
                    }
                    lines::take(tx, shop, order, lines, now).await?;
                    amended::adjust_reservations(tx, shop, order, now).await?;
                }
                if is_withdrawn {
                    // Somebody else accepted it in the meantime: the released units are reserved again.
                    if reconcile::reservation_effect(order) == ReservationEffect::Reserve {
                        reserve_seen(tx, shop, order, None, now).await?;
                    }
                    continue;
                }
                end_action(tx, shop, order, row, now, (&mut batch, &mut observed)).await?;
                if held.unconfirmed > 0
                    && reconcile::reservation_effect(order) == ReservationEffect::Reserve
                {
                    batch.confirmed.push(order.id.to_string());
                } else {
                    observed.released +=
                        reconcile_units(tx, shop, (order, reading.skew), Some(row), now).await?;
                }
            }
        }
    }
    batch.write(tx, shop, now).await?;
    orders::touch(tx, &unchanged).await?;
    Ok(observed)
}

/// Whether the order is another one than was read before: its total changed, it names another number of entries, or
/// the list shows other lines.
fn is_amended(row: &Known, reading: &Reading, before: Option<&Order>) -> bool {
    let order = &reading.order;
    let differs = |before: &Order| {
        let named = before.entries.zip(order.entries);
        before.total != order.total || named.is_some_and(|(before, now)| before != now)
    };
    if before.is_some_and(differs) {
        return true;
    }
    let (Some(stored), Some(lines)) = (&row.lines_digest, &reading.lines) else {
        return false;
    };
    *stored != line_sums::digest(lines) && !mutant("r8_other_lines_ignored")
}

/// Whether an order departed before its lines were read. It keeps its last state and blocks accepts until its lines
/// are read or five requests failed; lines of finished orders are not requested otherwise.
fn waits_for_lines(row: &Known, reading: &Reading) -> Result<bool, StoreError> {
    let was_there = row.is_there()?;
    let is_unheld = !mutant("r6_departed_without_lines")
        && row.are_lines_awaited()?
        && reading.lines.is_none()
        && row.held()?.kept == 0;
    Ok(was_there
        && is_unheld
        && reconcile::reservation_effect(&reading.order) == ReservationEffect::Consume)
}

async fn end_action(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    row: &Known,
    now: Timestamp,
    (batch, observed): (&mut Batch, &mut Observed),
) -> Result<(), StoreError> {
    let Some((action, stored, live)) = live(row)? else {
        return Ok(());
    };
    let end = match reconcile::action_end(order, &live) {
        ActionEnd::Keep => return Ok(()),
        ActionEnd::Confirmed => End::Confirmed,
        ActionEnd::Refused => End::Refused,
        ActionEnd::Superseded => End::Superseded,
    };
    let why = format!("Kaspi shows {} + {}", order.state, order.status);
    let detail =
        json!({ "action": action, "kind": live.kind.word(), "end": end.as_str(), "why": why });
    let event = Event::Closed(end, why);
    match Change::new(action, stored, event, now) {
        Ok(change) => batch.closed.push(change),
        Err(impossible) => return leave_to_person(tx, action, &impossible, now).await,
    }
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&order.id)),
        "action.ended",
        detail,
    );
    observed
        .ended
        .push((order.code.as_str().to_owned(), live.kind.word(), end));
    Ok(())
}
