//! Units an order takes off the shelf: reserved, consumed or released, as its status asks for. Every change of a
//! reservation is a transition of `domain::reservation`, written by [`write`].

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use super::deciding::skus;
use super::departures::left_within;
use super::observe::{Known, Observed};
use crate::crash_point::crash_point;
use crate::domain::ids::ShopName;
use crate::domain::ledger::Take;
use crate::domain::order::{Line, Lines, Order};
use crate::domain::reconcile::{self, Holding};
use crate::domain::reservation::{Departure, DepartureKind, Event, Fields, Reservation, State};
use crate::mutant::mutant;
use crate::store::{StoreError, WriteTx, at, ms, orders};

/// Gives the order's units the fate its status asks for.
pub(crate) async fn hold(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, skew): (&Order, Option<SignedDuration>),
    row: Option<&Known>,
    now: Timestamp,
    observed: &mut Observed,
) -> Result<(), StoreError> {
    let (total, active, unconfirmed) = row.map_or((0, 0, 0), |row| {
        (row.held_total, row.held_active, row.held_unconfirmed)
    });
    match reconcile::holding(order) {
        // It was on its way, or had an unknown status: until the next count its units are neither on the shelf
        // nor missing.
        Holding::Release if active > 0 && !row.is_none_or(Known::is_plain) => {
            in_doubt(tx, shop, order, now).await?;
        }
        Holding::Doubt if active > 0 => in_doubt(tx, shop, order, now).await?,
        Holding::Release if active > 0 => {
            let why = order.cancellation_reason.as_deref().unwrap_or("cancelled");
            let event = Event::Released(why.to_owned());
            observed.released += close_reservations(tx, shop, order, event, now).await?;
        }
        Holding::Consume if active > 0 => {
            let seen_at = row.map_or(Ok(now), |row| crate::store::at(row.seen_at))?;
            let (after, by) = left_within(order, skew, (seen_at, now));
            let left = Departure::Between { after, by };
            let event = Event::Left(left, order.status.to_string());
            close_reservations(tx, shop, order, event, now).await?;
        }
        Holding::Reserve if unconfirmed > 0 => {
            confirm(tx, shop, &[order.id.as_str()], now).await?;
        }
        Holding::Reserve if total == 0 => reserve_seen(tx, shop, order, None, now).await?,
        Holding::Consume if total == 0 => {
            // Seen as gone already, as when its lines are read only now: that was no sight of them on
            // the shelf.
            let had_left = row.map(|row| orders::parse_order(&row.body)).transpose()?;
            let had_left = had_left.is_some_and(|before| before.handed_over_at.is_some());
            let before = row.filter(|_| !had_left);
            let before = before
                .map(|row| Ok::<_, StoreError>((row.is_there()?, row.seen_at)))
                .transpose()?;
            let left = tx.left_unseen(shop, (order, skew), before, now).await?;
            if let Some((after, by)) = left {
                let left = Departure::Between { after, by };
                reserve_seen(tx, shop, order, Some(left), now).await?;
            } else if row.is_none() {
                orders::lines_not_needed(tx, shop, &order.id).await?;
            }
        }
        Holding::Keep | Holding::Release | Holding::Consume | Holding::Reserve | Holding::Doubt => {
        }
    }
    Ok(())
}

async fn in_doubt(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let left = if mutant("r9_unknown_departure_is_certain") {
        let after = order.created_at.min(now);
        Departure::Between { after, by: now }
    } else {
        Departure::Unknown { by: now }
    };
    let event = Event::Left(left, order.status.to_string());
    close_reservations(tx, shop, order, event, now).await?;
    Ok(())
}

/// Reserves the units of an order that somebody else accepted (R6), consumed already where they have left.
/// Nothing while its lines are not known: reading them comes back here.
pub(crate) async fn reserve_seen(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    left: Option<Departure>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Goods without a SKU of ours take nothing that is counted, however often they are seen.
    let takes = known_takes(tx, shop, order).await?.unwrap_or_default();
    if takes.is_empty() {
        return Ok(());
    }
    insert_reservations(tx, shop, order, &takes, Origin::Observed { left }, now).await
}

/// What an order takes by its stored lines; `None` while they are not known.
pub(crate) async fn known_takes(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
) -> Result<Option<Vec<Take>>, StoreError> {
    let lines = orders::known_lines(tx, shop, &order.id).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    Ok(Some(takes(tx, order, lines).await?))
}

/// What these lines of an order take.
pub(crate) async fn takes(
    tx: &mut WriteTx<'_>,
    order: &Order,
    lines: Vec<Line>,
) -> Result<Vec<Take>, StoreError> {
    let lines = Lines::Known(lines);
    let names: Vec<&str> = skus(&lines).collect();
    let ledger = tx.listings(&names).await?;
    Ok(ledger.takes(&lines, order.pickup_point.as_ref()))
}

/// Where a reservation comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Our own decision; Kaspi does not show it yet.
    Decision,
    /// Kaspi shows the order as accepted, or its goods as gone.
    Observed {
        /// When they left the shelf, where they did.
        left: Option<Departure>,
    },
}

pub(crate) async fn insert_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    takes: &[Take],
    origin: Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (word, new) = match origin {
        Origin::Decision => ("decision", Reservation::decided()),
        Origin::Observed { left: None } => ("observed", Reservation::observed(now)),
        Origin::Observed { left: Some(left) } => {
            let event = Event::Left(left, "handed over".to_owned());
            (
                "observed",
                Reservation::observed(now).transition(event, now)?,
            )
        }
    };
    let new = Fields::from(&new);
    let mut told = Vec::with_capacity(takes.len());
    for take in takes {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, origin, made_at, state,
               confirmed_at, closed_at, departure, left_after, why)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(shop.as_str())
        .bind(order.id.as_str())
        .bind(take.sku.as_str())
        .bind(&take.warehouse)
        .bind(take.quantity)
        .bind(word)
        .bind(ms(now))
        .bind(new.state.as_str())
        .bind(new.confirmed_at.map(ms))
        .bind(new.closed_at.map(ms))
        .bind(new.departure.map(DepartureKind::as_str))
        .bind(new.left_after.map(ms))
        .bind(new.why.as_deref())
        .fetch_one(tx.conn()?)
        .await?;
        told.push(json!([id, take.sku, take.warehouse, take.quantity]));
        crash_point("reservation.inserted");
    }
    if !told.is_empty() {
        let detail = json!({ "origin": word, "state": new.state.as_str(), "takes": told });
        let order = (shop, Some(&order.id));
        tx.audit(now, "qabyl", order, "reservation.made", detail);
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: i64,
    state: String,
    confirmed_at: Option<i64>,
    closed_at: Option<i64>,
    departure: Option<String>,
    left_after: Option<i64>,
    why: Option<String>,
}

impl Row {
    fn reservation(self) -> Result<Reservation, StoreError> {
        let corrupt = || StoreError::corrupt("a reservation's state", self.state.as_str());
        let departure = self.departure.as_deref();
        let fields = Fields {
            state: State::parse(&self.state).ok_or_else(corrupt)?,
            confirmed_at: self.confirmed_at.map(at).transpose()?,
            closed_at: self.closed_at.map(at).transpose()?,
            departure: departure
                .map(|word| DepartureKind::parse(word).ok_or_else(corrupt))
                .transpose()?,
            left_after: self.left_after.map(at).transpose()?,
            why: self.why.clone(),
        };
        Reservation::try_from(fields).map_err(|_| corrupt())
    }
}

/// Active reservations of the orders `?2` (JSON) of the shop `?1`.
pub(crate) const ACTIVE: &str = "
SELECT r.id, r.state, r.confirmed_at, r.closed_at, r.departure, r.left_after, r.why
FROM json_each(?2) j CROSS JOIN reservations r ON r.shop = ?1 AND r.order_id = j.value AND r.state = 'active'";

/// Writes only what is still active. Joined by key alone, so that the changes drive and the table is searched.
pub(crate) const WRITE: &str = "
UPDATE reservations SET state = j.value ->> 1, confirmed_at = j.value ->> 2, closed_at = j.value ->> 3,
  departure = j.value ->> 4, left_after = j.value ->> 5, why = j.value ->> 6
FROM json_each(?) j WHERE reservations.id = j.value ->> 0 AND state = 'active'";

/// Applies an event to the active reservations of orders. Gives their ids.
async fn write(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &[&str],
    event: &Event,
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let active: Vec<Row> = sqlx::query_as(ACTIVE)
        .bind(shop.as_str())
        .bind(json!(orders).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    let (mut ids, mut rows) = (Vec::new(), Vec::new());
    for row in active {
        let id = row.id;
        let to = Fields::from(&row.reservation()?.transition(event.clone(), now)?);
        ids.push(id);
        rows.push(json!([
            id,
            to.state.as_str(),
            to.confirmed_at.map(ms),
            to.closed_at.map(ms),
            to.departure.map(DepartureKind::as_str),
            to.left_after.map(ms),
            to.why,
        ]));
    }
    if !rows.is_empty() {
        sqlx::query(WRITE)
            .bind(json!(rows).to_string())
            .execute(tx.conn()?)
            .await?;
    }
    Ok(ids)
}

/// Notes that Kaspi shows these orders as accepted.
pub(crate) async fn confirm(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &[&str],
    now: Timestamp,
) -> Result<(), StoreError> {
    if !orders.is_empty() {
        write(tx, shop, orders, &Event::Confirmed, now).await?;
    }
    Ok(())
}

/// Closes the active reservations of an order. Gives their number.
pub(crate) async fn close_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    event: Event,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (state, why) = match &event {
        Event::Confirmed => return Ok(0),
        Event::Left(_, why) => (State::Consumed, why.clone()),
        Event::Released(why) => (State::Released, why.clone()),
    };
    let closed = write(tx, shop, &[order.id.as_str()], &event, now).await?;
    if !closed.is_empty() {
        match event {
            Event::Left(..) => crash_point("reservation.consumed"),
            Event::Released(_) | Event::Confirmed => crash_point("reservation.released"),
        }
        let detail = json!({ "state": state.as_str(), "why": why, "ids": closed });
        tx.audit(
            now,
            "qabyl",
            (shop, Some(&order.id)),
            "reservation.closed",
            detail,
        );
    }
    Ok(u64::try_from(closed.len()).unwrap_or(u64::MAX))
}
