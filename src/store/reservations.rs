//! The table `reservations`: its rows, and every change of one.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::crash_point::crash_point;
use crate::domain::availability::{Changed, Held};
use crate::domain::ids::{OrderId, ShopName, Sku};
use crate::domain::order::Order;
use crate::domain::reservation::{Departure, DepartureKind, Event, Fields, Reservation, State};
use crate::domain::stock_ledger::Demand;
use crate::store::{StoreError, WriteTx, at, ms};

/// Where a reservation comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Our own decision; Kaspi does not show it yet.
    Decision,
    /// Kaspi shows the order as accepted, or its goods as departed.
    Observed {
        /// When they left the shelf, where they did.
        left: Option<Departure>,
    },
}

pub(crate) async fn insert_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    demands: &[Demand],
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
    let mut written = Vec::with_capacity(demands.len());
    for demand in demands {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, origin, made_at, state,
               confirmed_at, closed_at, departure, left_after, why, stock_name)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
               (SELECT stock FROM shops WHERE name = ?1)) RETURNING id",
        )
        .bind(shop.as_str())
        .bind(order.id.as_str())
        .bind(demand.sku.as_str())
        .bind(&demand.warehouse)
        .bind(demand.quantity)
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
        written.push(json!([id, demand.sku, demand.warehouse, demand.quantity]));
        crash_point("reservation.inserted");
    }
    if !written.is_empty() {
        let detail = json!({ "origin": word, "state": new.state.as_str(), "takes": written });
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

/// Reservations of the orders `?2` (JSON) of the shop `?1` in the state `?3`.
pub(crate) const IN_STATE: &str = "
SELECT r.id, r.state, r.confirmed_at, r.closed_at, r.departure, r.left_after, r.why
FROM json_each(?2) j CROSS JOIN reservations r ON r.shop = ?1 AND r.order_id = j.value AND r.state = ?3";

/// Writes only what is still in the state `?2`. Joined by key alone, so that the changes drive and the table is
/// searched.
pub(crate) const WRITE: &str = "
UPDATE reservations SET state = j.value ->> 1, confirmed_at = j.value ->> 2, closed_at = j.value ->> 3,
  departure = j.value ->> 4, left_after = j.value ->> 5, why = j.value ->> 6
FROM json_each(?1) j WHERE reservations.id = j.value ->> 0 AND state = ?2";

/// Applies an event to the matching reservations of orders: active ones, or consumed ones when they are reopened.
/// Returns their ids.
async fn write(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (orders, matches): (&[&str], impl Fn(&Row) -> bool),
    event: &Event,
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let from = match event {
        Event::Reopened => State::Consumed,
        Event::Confirmed | Event::Left(..) | Event::Released(_) => State::Active,
    };
    let found: Vec<Row> = sqlx::query_as(IN_STATE)
        .bind(shop.as_str())
        .bind(json!(orders).to_string())
        .bind(from.as_str())
        .fetch_all(tx.conn()?)
        .await?;
    let (mut ids, mut rows) = (Vec::new(), Vec::new());
    for row in found.into_iter().filter(matches) {
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
            .bind(from.as_str())
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
        write(tx, shop, (orders, |_: &Row| true), &Event::Confirmed, now).await?;
    }
    Ok(())
}

/// Closes the active reservations of an order. Returns their number.
pub(crate) async fn close_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    event: Event,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (state, why) = match &event {
        Event::Confirmed | Event::Reopened => return Ok(0),
        Event::Left(_, why) => (State::Consumed, why.clone()),
        Event::Released(why) => (State::Released, why.clone()),
    };
    let closed = write(
        tx,
        shop,
        (&[order.id.as_str()], |_: &Row| true),
        &event,
        now,
    )
    .await?;
    if !closed.is_empty() {
        match event {
            Event::Left(..) => crash_point("reservation.consumed"),
            Event::Released(_) | Event::Confirmed | Event::Reopened => {
                crash_point("reservation.released");
            }
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

/// The audit row of reservations that are open again.
pub(crate) const REOPENED: &str = "reservation.reopened";

/// Opens those reservations of an order again whose units had left: they are there after all.
pub(crate) async fn reopen(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let meant = (&[order.id.as_str()][..], |_: &Row| true);
    let opened = write(tx, shop, meant, &Event::Reopened, now).await?;
    if !opened.is_empty() {
        let detail = json!({ "state": State::Active.as_str(), "ids": opened });
        tx.audit(now, "qabyl", (shop, Some(&order.id)), REOPENED, detail);
    }
    Ok(())
}

/// The audit event of reservations whose quantity changed or became doubtful.
pub(crate) const CHANGED: &str = "reservation.changed";

/// A reservation, with what it takes by all readings of its order.
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) held: Held,
    /// What changed since it was made, and when.
    pub(crate) changed: Option<Changed>,
    pub(crate) changed_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct KeptRow {
    id: i64,
    sku: String,
    warehouse: String,
    quantity: i64,
    doubted: i64,
    changed: Option<String>,
    changed_at: Option<i64>,
}

/// The reservations of an order that are not released, active ones first.
pub(crate) async fn kept_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<Vec<Kept>, StoreError> {
    let rows: Vec<KeptRow> = sqlx::query_as(
        "SELECT id, sku, warehouse, quantity, doubted, changed, changed_at FROM reservations
         WHERE shop = ? AND order_id = ? AND state <> 'released' ORDER BY state, id",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    rows.into_iter().map(kept).collect()
}

/// The reservations of an order that were released since then.
pub(crate) async fn released_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    since: i64,
) -> Result<Vec<Kept>, StoreError> {
    let rows: Vec<KeptRow> = sqlx::query_as(
        "SELECT id, sku, warehouse, quantity, doubted, changed, changed_at FROM reservations
         WHERE shop = ? AND order_id = ? AND state = 'released' AND closed_at > ? ORDER BY closed_at DESC, id",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .bind(since)
    .fetch_all(tx.conn()?)
    .await?;
    rows.into_iter().map(kept).collect()
}

fn kept(row: KeptRow) -> Result<Kept, StoreError> {
    let word = row.changed.as_deref();
    let corrupt = |word: &str| StoreError::corrupt("a reservation's change", word);
    let changed = word.map(|word| Changed::parse(word).ok_or_else(|| corrupt(word)));
    let demand = Demand {
        sku: Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", row.sku))?,
        warehouse: row.warehouse,
        quantity: row.quantity,
    };
    Ok(Kept {
        id: row.id,
        held: Held {
            demand,
            doubted: row.doubted,
        },
        changed: changed.transpose()?,
        changed_at: row.changed_at.map(at).transpose()?,
    })
}

/// Changes what reservations take; `change` says why units of them are in doubt.
pub(crate) async fn change(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    rows: &[(i64, Held)],
    change: Option<(Changed, Timestamp)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (id, held) in rows {
        let change = change.filter(|_| held.doubted > 0);
        sqlx::query(
            "UPDATE reservations SET quantity = ?, doubted = ?, changed = ?, changed_at = ? WHERE id = ?",
        )
        .bind(held.demand.quantity)
        .bind(held.doubted)
        .bind(change.map(|(changed, _)| changed.as_str()))
        .bind(change.map(|(_, at)| ms(at)))
        .bind(id)
        .execute(tx.conn()?)
        .await?;
    }
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    audit_changed(tx, (shop, order), &ids, now).await
}

/// Adds reservations like another one of the order, in doubt as a whole. Returns their ids.
pub(crate) async fn copy(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    (sibling, held): (i64, &[Held]),
    (changed, at): (Changed, Timestamp),
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let mut ids = Vec::with_capacity(held.len());
    for held in held {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, doubted, changed, changed_at,
               stock_name, origin, made_at, state, confirmed_at, closed_at, departure, left_after, why)
             SELECT shop, order_id, ?2, ?3, ?4, ?5, ?6, ?7,
               stock_name, origin, made_at, state, confirmed_at, closed_at, departure, left_after, why
             FROM reservations WHERE id = ?1 RETURNING id",
        )
        .bind(sibling)
        .bind(held.demand.sku.as_str())
        .bind(&held.demand.warehouse)
        .bind(held.demand.quantity)
        .bind(held.doubted)
        .bind(changed.as_str())
        .bind(ms(at))
        .fetch_one(tx.conn()?)
        .await?;
        ids.push(id);
    }
    audit_changed(tx, (shop, order), &ids, now).await?;
    Ok(ids)
}

/// Kaspi shows these reservations as ones of their levels since then, and not before.
pub(crate) async fn are_here_since(
    tx: &mut WriteTx<'_>,
    ids: &[i64],
    since: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE reservations SET confirmed_at = ?1
         WHERE id IN (SELECT value FROM json_each(?2)) AND confirmed_at < ?1",
    )
    .bind(ms(since))
    .bind(json!(ids).to_string())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

async fn audit_changed(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    ids: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows: Vec<(i64, String, String, i64, String, i64)> = sqlx::query_as(
        "SELECT id, sku, warehouse, quantity, state, doubted FROM reservations
         WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
    )
    .bind(json!(ids).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    let detail = json!({ "rows": rows });
    tx.audit(now, "qabyl", (shop, Some(&order.id)), CHANGED, detail);
    Ok(())
}

/// Releases single active reservations of an order.
pub(crate) async fn release_rows(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    ids: &[i64],
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = Event::Released(why.to_owned());
    let matches = |row: &Row| ids.contains(&row.id);
    let orders: &[&str] = &[order.id.as_str()];
    let closed = write(tx, shop, (orders, matches), &event, now).await?;
    if !closed.is_empty() {
        let detail = json!({ "state": State::Released.as_str(), "why": why, "ids": closed });
        let order = (shop, Some(&order.id));
        tx.audit(now, "qabyl", order, "reservation.closed", detail);
    }
    Ok(())
}

/// Takes the units from another warehouse.
pub(crate) async fn set_warehouse(
    tx: &mut WriteTx<'_>,
    reservation: i64,
    warehouse: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE reservations SET warehouse = ? WHERE id = ?")
        .bind(warehouse)
        .bind(reservation)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Deletes the reservations of these orders (JSON).
pub(crate) async fn delete_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    let statement =
        "DELETE FROM reservations WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))";
    tx.execute_for(statement, shop, orders).await
}

/// Releases the active reservations of an order that Kaspi was never seen to accept.
pub(crate) async fn release_unconfirmed(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &OrderId),
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let event = Event::Released(why.to_owned());
    let is_unconfirmed = |row: &Row| row.confirmed_at.is_none();
    write(tx, shop, (&[order.as_str()], is_unconfirmed), &event, now).await?;
    Ok(())
}

/// Every reservation, as the first row of the audit log after a restore lists them.
pub(crate) async fn listed(tx: &mut WriteTx<'_>) -> Result<serde_json::Value, StoreError> {
    let all: Vec<(i64, String, String, i64, String)> =
        sqlx::query_as("SELECT id, sku, warehouse, quantity, state FROM reservations ORDER BY id")
            .fetch_all(tx.conn()?)
            .await?;
    Ok(json!(all))
}
