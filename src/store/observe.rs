//! The one place where a reading of Kaspi enters the database: the order's row, the end of its
//! action and the fate of its reservation, in one transaction (R5).

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use super::batch::{Batch, touch};
use super::deciding::skus;
use super::left::left_within;
use super::stock::Viewpoint;
use super::{StoreError, WriteTx, edited, ms, orders};
use crate::crash_point::crash_point;
use crate::domain::action::{Kind, State as ActionState};
use crate::domain::decision::CancelReason;
use crate::domain::ids::ShopName;
use crate::domain::ledger::Take;
use crate::domain::order::{Line, Lines, Order, Status};
use crate::domain::reconcile::{self, ActionEnd, Holding, LiveAction};
use crate::domain::stock::Semantics;

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

/// What readings changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Orders seen for the first time.
    pub new: usize,
    /// Orders that changed.
    pub changed: usize,
    /// Actions that ended: order code, action, its end.
    pub ended: Vec<(String, &'static str, ActionState)>,
    /// Reservations released.
    pub released: u64,
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
    }
}

#[derive(FromRow)]
pub(super) struct Known {
    id: String,
    status: String,
    body: String,
    lines_state: String,
    held_total: i64,
    held_active: i64,
    held_unconfirmed: i64,
    action: Option<i64>,
    kind: Option<String>,
    reason: Option<String>,
    comment: Option<String>,
    state: Option<String>,
    attempts: Option<i64>,
    seen_at: i64,
    of_accepted: Option<bool>,
    lines_awaited: bool,
}

/// Whether a person asked for the action `a` knowing that its order was accepted.
macro_rules! of_accepted {
    () => {
        "(SELECT a.origin = 'person' AND d.facts ->> '$.order.status' = 'ACCEPTED_BY_MERCHANT'
   FROM decisions d WHERE d.id = a.decision_id) AS of_accepted"
    };
}
pub(super) use of_accepted;

// A cross join, as it keeps its order: the readings drive, and each order is searched. The other way
// round every order the shop ever had would be compared with every reading.
pub(super) const KNOWN: &str = concat!(
    "
SELECT o.id, o.status, o.body, o.lines_state, o.seen_at, ",
    orders::lines_awaited!(),
    " AS lines_awaited,
  (SELECT COUNT(*) FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id AND r.state <> 'released')
    AS held_total,
  (SELECT COUNT(*) FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id AND r.state = 'active')
    AS held_active,
  (SELECT COUNT(*) FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id AND r.state = 'active'
    AND r.confirmed_at IS NULL) AS held_unconfirmed,
  a.id AS action, a.kind, a.reason, a.comment, a.state, a.attempts, ",
    of_accepted!(),
    "
FROM json_each(?2) j CROSS JOIN orders o ON o.shop = ?1 AND o.id = j.value
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')"
);

pub(super) async fn known(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ids: &[&str],
) -> Result<HashMap<String, Known>, StoreError> {
    let rows: Vec<Known> = sqlx::query_as(KNOWN)
        .bind(shop.as_str())
        .bind(json!(ids).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// The readings, of each order the one that is furthest on: one that moves while a sweep lists its states is
/// in two of them.
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
                if reconcile::overtakes(&before.order.status, &reading.order.status) {
                    *before = reading;
                }
            }
        }
    }
    newest
}

/// Takes readings in. Stale ones (an older rank, R11) change nothing.
pub(super) async fn observe(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    now: Timestamp,
) -> Result<Observed, StoreError> {
    let readings = newest(readings);
    let ids: Vec<&str> = readings
        .iter()
        .map(|reading| reading.order.id.as_str())
        .collect();
    let known = known(tx, shop, &ids).await?;
    let unknown = readings.iter().map(|reading| &reading.order);
    let unknown = unknown.filter(|order| !known.contains_key(order.id.as_str()));
    let let_go = tx.let_go(shop, unknown).await?;
    let mut observed = Observed::default();
    let mut unchanged = Vec::new();
    let mut batch = Batch::default();
    for reading in readings {
        let order = &reading.order;
        let asked_at = ms(reading.asked_at.min(now));
        match known.get(order.id.as_str()) {
            None if let_go.contains(order.id.as_str()) => {}
            None => {
                insert(tx, shop, reading, now).await?;
                observed.new += 1;
                if let Some(lines) = &reading.lines {
                    orders::put_lines(tx, shop, &order.id, lines, now).await?;
                }
                hold(tx, shop, (order, reading.skew), None, now, &mut observed).await?;
            }
            Some(row)
                if !reconcile::overtakes(&Status::from(row.status.as_str()), &order.status)
                    || waits_for_lines(row, reading) => {}
            Some(row) => {
                let body = body(order)?;
                if row.body == body {
                    unchanged.push(json!([order.id.as_str(), asked_at, shop.as_str()]));
                } else {
                    batch.update(shop, (order, asked_at), &body);
                    observed.changed += 1;
                }
                let is_edited =
                    row.body != body && orders::parse_order(&row.body)?.total != order.total;
                let is_withdrawn = is_edited && edited::forget_lines(tx, shop, order, now).await?;
                let lines_wanted = is_edited || row.lines_state != "known";
                if let (true, Some(lines)) = (lines_wanted, &reading.lines) {
                    orders::put_lines(tx, shop, &order.id, lines, now).await?;
                    edited::refit(tx, shop, order, now).await?;
                }
                if is_withdrawn {
                    // Somebody else accepted it meanwhile: what was taken back is promised all the same.
                    if reconcile::holding(order) == Holding::Reserve {
                        reserve_seen(tx, shop, order, None, now).await?;
                    }
                    continue;
                }
                end_action(tx, shop, order, row, now, (&mut batch, &mut observed))?;
                if row.held_unconfirmed > 0 && reconcile::holding(order) == Holding::Reserve {
                    batch.confirmed.push(order.id.to_string());
                } else {
                    hold(
                        tx,
                        shop,
                        (order, reading.skew),
                        Some(row),
                        now,
                        &mut observed,
                    )
                    .await?;
                }
            }
        }
    }
    batch.write(tx, shop, now).await?;
    touch(tx, &unchanged).await?;
    Ok(observed)
}

/// Whether an order has left with goods nobody knows yet. It stays as it was seen, accepted or vanished, and
/// holds accepts back until its lines are read, or were asked for in vain: of one that is over nobody asks.
fn waits_for_lines(row: &Known, reading: &Reading) -> bool {
    let was_there = matches!(
        Status::from(row.status.as_str()),
        Status::ApprovedByBank | Status::AcceptedByMerchant
    );
    let is_unheld = row.lines_awaited && reading.lines.is_none() && row.held_total == 0;
    was_there && is_unheld && reconcile::holding(&reading.order) == Holding::Consume
}

fn body(order: &Order) -> Result<String, StoreError> {
    serde_json::to_string(order).map_err(|_| StoreError::corrupt("an order", order.code.as_str()))
}

async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    reading: &Reading,
    now: Timestamp,
) -> Result<(), StoreError> {
    let order = &reading.order;
    sqlx::query(
        "INSERT INTO orders (shop, id, code, state, status, created_at, cancellation_reason, body,
           first_seen_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(order.code.as_str())
    .bind(order.state.as_str())
    .bind(order.status.as_str())
    .bind(ms(order.created_at))
    .bind(order.cancellation_reason.as_deref())
    .bind(body(order)?)
    .bind(ms(now))
    .bind(ms(reading.asked_at.min(now)))
    .execute(tx.conn()?)
    .await?;
    crash_point("order.inserted");
    Ok(())
}

pub(super) const MARK_LISTED: &str = "
UPDATE orders SET listed_at = ?1, listed_scan = COALESCE(?2, listed_scan)
WHERE shop = ?3 AND id IN (SELECT value FROM json_each(?4))";

/// Marks which orders a `NEW` list showed, and when its page was asked for.
pub(super) async fn mark_listed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    scan: Option<i64>,
) -> Result<(), StoreError> {
    let mut pages: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for reading in readings {
        pages
            .entry(ms(reading.asked_at))
            .or_default()
            .push(reading.order.id.as_str());
    }
    for (asked_at, ids) in pages {
        sqlx::query(MARK_LISTED)
            .bind(asked_at)
            .bind(scan)
            .bind(shop.as_str())
            .bind(json!(ids).to_string())
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}

fn end_action(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    row: &Known,
    now: Timestamp,
    (batch, observed): (&mut Batch, &mut Observed),
) -> Result<(), StoreError> {
    let Some((action, live)) = live(row)? else {
        return Ok(());
    };
    let state = match reconcile::action_end(order, &live) {
        ActionEnd::Keep => return Ok(()),
        ActionEnd::Confirmed => ActionState::Confirmed,
        ActionEnd::Refused => ActionState::Refused,
        ActionEnd::Superseded => ActionState::Superseded,
    };
    let why = format!("Kaspi shows {} + {}", order.state, order.status);
    batch.closed.push(json!([action, state.as_str(), why]));
    let detail =
        json!({ "action": action, "kind": live.kind.word(), "end": state.as_str(), "why": why });
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&order.id)),
        "action.ended",
        detail,
    );
    observed
        .ended
        .push((order.code.as_str().to_owned(), live.kind.word(), state));
    Ok(())
}

fn live(row: &Known) -> Result<Option<(i64, LiveAction)>, StoreError> {
    let (Some(id), Some(kind), Some(state)) = (row.action, &row.kind, &row.state) else {
        return Ok(None);
    };
    let kind = kind_of(kind, row.reason.as_deref(), row.comment.as_deref())?;
    let state =
        ActionState::parse(state).ok_or_else(|| StoreError::corrupt("an action's state", state))?;
    let attempted = row.attempts.unwrap_or(0) > 0;
    Ok(Some((
        id,
        LiveAction {
            kind,
            state,
            attempted,
            of_accepted: row.of_accepted.unwrap_or(false),
        },
    )))
}

pub(super) fn kind_of(
    kind: &str,
    reason: Option<&str>,
    comment: Option<&str>,
) -> Result<Kind, StoreError> {
    match (kind, reason.and_then(CancelReason::parse)) {
        ("accept", None) => Ok(Kind::Accept),
        ("cancel", Some(reason)) => Ok(Kind::Cancel {
            reason,
            comment: comment.unwrap_or_default().to_owned(),
        }),
        _ => Err(StoreError::corrupt("an action", kind)),
    }
}

/// Gives the order's units the fate its status asks for.
pub(super) async fn hold(
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
        // It was on its way, and nobody told since when: until the next count its units are neither there
        // nor missing.
        Holding::Release
            if active > 0 && row.is_some_and(|row| row.status == Status::Cancelling.as_str()) =>
        {
            let fate = Fate::Consumed {
                after: order.created_at.min(now),
                by: now,
            };
            close_reservations(tx, shop, order, fate, order.status.as_str(), now).await?;
        }
        Holding::Release if active > 0 => {
            let why = order.cancellation_reason.as_deref().unwrap_or("cancelled");
            observed.released +=
                close_reservations(tx, shop, order, Fate::Released, why, now).await?;
        }
        Holding::Consume if active > 0 => {
            let seen_at = row.map_or(Ok(now), |row| super::at(row.seen_at))?;
            let (after, by) = left_within(order, skew, (seen_at, now));
            let fate = Fate::Consumed { after, by };
            close_reservations(tx, shop, order, fate, order.status.as_str(), now).await?;
        }
        Holding::Reserve if unconfirmed > 0 => {
            let mut batch = Batch::default();
            batch.confirmed.push(order.id.to_string());
            batch.write(tx, shop, now).await?;
        }
        Holding::Reserve if total == 0 => reserve_seen(tx, shop, order, None, now).await?,
        Holding::Consume if total == 0 => {
            // Seen as gone already, as when its lines are read only now: that was no sight of them on
            // the shelf.
            let had_left = row.map(|row| orders::parse_order(&row.body)).transpose()?;
            let had_left = had_left.is_some_and(|before| before.handed_over_at.is_some());
            let before = row.filter(|_| !had_left);
            let before = before.map(|row| (row.status.as_str(), row.seen_at));
            if let Some(left) = tx.left_unseen(shop, (order, skew), before, now).await? {
                reserve_seen(tx, shop, order, Some(left), now).await?;
            } else if row.is_none() {
                orders::lines_needless(tx, shop, &order.id).await?;
            }
        }
        Holding::Keep | Holding::Release | Holding::Consume | Holding::Reserve => {}
    }
    Ok(())
}

/// Promises the units of an order that somebody else accepted (R6), already gone within the span
/// `left` where they are. Nothing while its lines are not known: reading them comes back here.
async fn reserve_seen(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    left: Option<(Timestamp, Timestamp)>,
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
pub(super) async fn known_takes(
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
pub(super) async fn takes(
    tx: &mut WriteTx<'_>,
    order: &Order,
    lines: Vec<Line>,
) -> Result<Vec<Take>, StoreError> {
    let lines = Lines::Known(lines);
    let names: Vec<&str> = skus(&lines).collect();
    let ledger = tx
        .ledger(Semantics::Physical, 0, &names, Viewpoint::default())
        .await?;
    Ok(ledger.takes(&lines, order.pickup_point.as_ref()))
}

/// Where a reservation comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// Our own decision; Kaspi does not show it yet.
    Decision,
    /// Kaspi shows the order as accepted, or its goods as gone.
    Observed {
        /// Within what span they left the shelf.
        left: Option<(Timestamp, Timestamp)>,
    },
}

pub(super) async fn insert_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    takes: &[Take],
    origin: Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (word, confirmed, left) = match origin {
        Origin::Decision => ("decision", None, None),
        Origin::Observed { left } => {
            let left = left.map(|(after, by)| (ms(after), ms(by)));
            ("observed", Some(ms(now)), left)
        }
    };
    let mut told = Vec::with_capacity(takes.len());
    for take in takes {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, state, origin, made_at,
               confirmed_at, closed_at, left_after, why)
             VALUES (?1, ?2, ?3, ?4, ?5, IIF(?9 IS NULL, 'active', 'consumed'), ?6, ?7, ?8, ?9, ?10,
               IIF(?9 IS NULL, NULL, 'handed over')) RETURNING id",
        )
        .bind(shop.as_str())
        .bind(order.id.as_str())
        .bind(take.sku.as_str())
        .bind(&take.warehouse)
        .bind(take.quantity)
        .bind(word)
        .bind(ms(now))
        .bind(confirmed)
        .bind(left.map(|(_, by)| by))
        .bind(left.map(|(after, _)| after))
        .fetch_one(tx.conn()?)
        .await?;
        told.push(json!([id, take.sku, take.warehouse, take.quantity]));
        crash_point("reservation.inserted");
    }
    if !told.is_empty() {
        let state = if left.is_some() { "consumed" } else { "active" };
        let detail = json!({ "origin": word, "state": state, "takes": told });
        let order = (shop, Some(&order.id));
        tx.audit(now, "qabyl", order, "reservation.made", detail);
    }
    Ok(())
}

/// What becomes of promised units.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// They may be promised again.
    Released,
    /// They left the shelf, some time within this span.
    Consumed {
        /// When they were last known to lie there.
        after: Timestamp,
        /// When they were known to be gone.
        by: Timestamp,
    },
}

pub(super) async fn close_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    fate: Fate,
    why: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (state, after, by) = match fate {
        Fate::Released => ("released", None, now),
        Fate::Consumed { after, by } => ("consumed", Some(after.min(by)), by),
    };
    let closed: Vec<i64> = sqlx::query_scalar(
        "UPDATE reservations SET state = ?1, closed_at = ?2, left_after = ?3, why = ?4,
           confirmed_at = IIF(?1 = 'consumed', COALESCE(confirmed_at, ?5), confirmed_at)
         WHERE shop = ?6 AND order_id = ?7 AND state = 'active' RETURNING id",
    )
    .bind(state)
    .bind(ms(by))
    .bind(after.map(ms))
    .bind(why)
    .bind(ms(now))
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    if !closed.is_empty() {
        match fate {
            Fate::Released => crash_point("reservation.released"),
            Fate::Consumed { .. } => crash_point("reservation.consumed"),
        }
        let detail = json!({ "state": state, "why": why, "ids": closed });
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
