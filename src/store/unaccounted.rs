//! Read model: orders that may hold units which no reservation counts, and orders missing from lists.

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::not_found::not_found;
use super::orders::order_ids;
use super::stock_parts::parts;
use super::{Store, StoreError, at, ms};
use crate::domain::action::OutcomeKind;
use crate::domain::evidence::{Cause, Unaccounted};
use crate::domain::ids::{OrderCode, OrderId, ShopName, Sku};
use crate::domain::order::{State, Status};
use crate::domain::unaccounted::{LinesState, MayHold, NewList, OrderWithoutLines, WaitingOrder};
use crate::mutant::mutant;

/// Orders that are accepted, have an unknown status or have left, and whose lines are not stored; also those that
/// readings show so after a later status.
pub(crate) const WITHOUT_LINES: &str = "
SELECT id, code, state, status, lines_state, lines_failures, lines_skus, lines_problem,
  COALESCE(status_since, first_seen_at) AS status_since FROM orders INDEXED BY orders_lines_wanted
WHERE shop = ?1 AND status = 'ACCEPTED_BY_MERCHANT' AND lines_state IN ('unread', 'unreadable')
UNION ALL
SELECT id, code, state, status, lines_state, lines_failures, lines_skus, lines_problem,
  COALESCE(status_since, first_seen_at) AS status_since FROM orders INDEXED BY orders_unknown_status
WHERE shop = ?1 AND unknown_status = 1 AND lines_state IN ('unread', 'unreadable')
UNION ALL
SELECT id, code, state, status, lines_state, lines_failures, lines_skus, lines_problem,
  COALESCE(status_since, first_seen_at) AS status_since FROM orders INDEXED BY orders_lines_wanted
WHERE shop = ?1 AND lines_failures > 0 AND lines_state IN ('unread', 'unreadable')
  AND status IN ('COMPLETED', 'KASPI_DELIVERY_RETURN_REQUESTED', 'RETURN_ACCEPTED_BY_MERCHANT', 'RETURNED')
UNION ALL
SELECT o.id, o.code, v.body ->> '$.state', v.body ->> '$.status', lines_state, lines_failures, lines_skus,
  lines_problem, v.since FROM reverted_statuses v CROSS JOIN orders o ON o.shop = v.shop AND o.id = v.order_id
WHERE v.shop = ?1 AND lines_state IN ('unread', 'unreadable') AND o.status <> 'ACCEPTED_BY_MERCHANT'
  AND o.unknown_status = 0";

#[derive(FromRow)]
struct LinesRow {
    id: String,
    code: String,
    state: String,
    status: String,
    lines_state: String,
    lines_failures: i64,
    lines_skus: Option<String>,
    status_since: i64,
    lines_problem: Option<String>,
}

/// An order with its names.
pub(crate) struct Named<T> {
    /// Its id.
    pub(crate) id: OrderId,
    /// Its number.
    pub(crate) code: OrderCode,
    /// What is stored of it.
    pub(crate) order: T,
}

impl<T> Named<T> {
    fn new(id: &str, code: &str, order: T) -> Result<Self, StoreError> {
        Ok(Self {
            id: OrderId::new(id).map_err(|_| StoreError::corrupt("an order's id", id))?,
            code: OrderCode::new(code).map_err(|_| StoreError::corrupt("an order's code", code))?,
            order,
        })
    }

    /// The order as one that is not accounted for.
    pub(crate) fn unaccounted(
        self,
        cause: Cause,
        may_hold: MayHold,
        left_by: Option<Timestamp>,
    ) -> Unaccounted {
        Unaccounted {
            shop: None,
            order: self.id,
            code: self.code,
            cause,
            may_hold,
            left_by,
        }
    }
}

/// Reads a stored word.
pub(crate) fn lines_state(word: &str) -> Result<LinesState, StoreError> {
    LinesState::parse(word).ok_or_else(|| StoreError::corrupt("the state of lines", word))
}

/// SKUs as a JSON list.
pub(crate) fn skus(list: &str) -> Result<Vec<Sku>, StoreError> {
    serde_json::from_str(list).map_err(|_| StoreError::corrupt("a list of SKUs", list))
}

/// What an order may hold by the SKUs of its lines, each with its parts in the warehouse, by the map of any stock.
async fn may_hold(
    connection: &mut SqliteConnection,
    mut named: Vec<Sku>,
) -> Result<MayHold, StoreError> {
    let names: Vec<&str> = named.iter().map(Sku::as_str).collect();
    let parts = parts(connection, None, Some(&names)).await?;
    named.extend(parts.into_iter().map(|row| row.part));
    Ok(MayHold::Of(named))
}

/// What an order may hold by its stored lines: anything, where one of them has no SKU.
pub(crate) async fn may_hold_by_lines(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    order: &OrderId,
) -> Result<MayHold, StoreError> {
    let stored: Vec<Option<String>> =
        sqlx::query_scalar("SELECT sku FROM lines WHERE shop = ? AND order_id = ?")
            .bind(shop.as_str())
            .bind(order.as_str())
            .fetch_all(&mut *connection)
            .await?;
    let sku = |text: String| Sku::new(&text).map_err(|_| StoreError::corrupt("a SKU", text));
    let named: Option<Vec<String>> = stored.into_iter().collect();
    match named {
        Some(named) if !named.is_empty() => {
            let named: Result<Vec<Sku>, _> = named.into_iter().map(sku).collect();
            may_hold(connection, named?).await
        }
        _ => Ok(MayHold::Any),
    }
}

/// An order whose lines are not stored, with what it may hold.
pub(crate) struct WithoutLines {
    /// The order.
    pub(crate) order: Named<OrderWithoutLines>,
    /// What it may hold.
    pub(crate) may_hold: MayHold,
    /// Why its lines could not be read, where an answer came.
    pub(crate) problem: Option<String>,
}

/// The orders without lines that are asked for. They are read one by one: a list without end may have left very many.
pub(crate) async fn without_lines(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    is_wanted: impl Fn(&OrderWithoutLines) -> bool,
) -> Result<Vec<WithoutLines>, StoreError> {
    let (mut orders, mut with_skus) = (Vec::new(), Vec::new());
    {
        let mut rows = sqlx::query_as::<_, LinesRow>(WITHOUT_LINES)
            .bind(shop.as_str())
            .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let order = OrderWithoutLines {
                state: State::from(row.state),
                status: Status::from(row.status),
                lines: lines_state(&row.lines_state)?,
                failures: u32::try_from(row.lines_failures).unwrap_or(u32::MAX),
                status_since: at(row.status_since)?,
            };
            if !is_wanted(&order) {
                continue;
            }
            if let Some(list) = &row.lines_skus {
                with_skus.push((orders.len(), skus(list)?));
            }
            orders.push(WithoutLines {
                order: Named::new(&row.id, &row.code, order)?,
                may_hold: MayHold::Any,
                problem: row.lines_problem,
            });
        }
    }
    for (place, named) in with_skus {
        let held = may_hold(&mut *connection, named).await?;
        if let Some(order) = orders.get_mut(place) {
            order.may_hold = held;
        }
    }
    Ok(orders)
}

/// The newest complete list of new orders.
pub(crate) async fn newest_list(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Option<NewList>, StoreError> {
    let row: Option<(i64, i64, i64)> = sqlx::query_as(
        "SELECT id, started_at, window_from FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1
         ORDER BY id DESC LIMIT 1",
    )
    .bind(shop.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(|(scan, started_at, from)| {
        Ok(NewList {
            scan,
            started_at: at(started_at)?,
            from: at(from)?,
        })
    })
    .transpose()
}

/// Waiting orders that the list `?2` did not show, the longest unseen first.
pub(crate) const NOT_IN_LIST: &str = "
SELECT o.body ->> '$.id' AS id, o.code, o.listed_scan, o.created_at, o.seen_at, a.id IS NOT NULL AS accepting,
  (SELECT t.outcome FROM attempts t WHERE t.action_id = a.id ORDER BY t.n DESC LIMIT 1) AS accept_outcome,
  n.since AS not_found_since, n.last_at AS not_found_last, n.times AS not_found_times, n.ask_at
FROM orders o
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.kind = 'accept'
  AND a.state IN ('pending', 'sent', 'unknown')
LEFT JOIN orders_not_found n ON n.shop = o.shop AND n.order_id = o.id AND n.last_at >= o.seen_at
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.listed_scan IS NULL OR o.listed_scan < ?2)
ORDER BY o.seen_at";

#[derive(FromRow)]
struct WaitingRow {
    id: String,
    code: String,
    listed_scan: Option<i64>,
    created_at: i64,
    seen_at: i64,
    accepting: bool,
    accept_outcome: Option<String>,
    not_found_since: Option<i64>,
    not_found_last: Option<i64>,
    not_found_times: Option<i64>,
    ask_at: Option<i64>,
}

impl WaitingRow {
    fn order(&self) -> Result<WaitingOrder, StoreError> {
        let outcome = self.accept_outcome.as_deref().and_then(OutcomeKind::parse);
        let not_found = match (
            self.not_found_since,
            self.not_found_last,
            self.not_found_times,
        ) {
            (Some(since), Some(last_at), Some(times)) => Some(not_found(since, last_at, times)?),
            _ => None,
        };
        Ok(WaitingOrder {
            listed_scan: self.listed_scan,
            created_at: at(self.created_at)?,
            seen_at: at(self.seen_at)?,
            is_accepting: self.accepting,
            is_accepted_by_us: outcome == Some(OutcomeKind::Applied)
                || (outcome.is_some() && mutant("r6_sent_is_accounted_for")),
            not_found,
            ask_at: self.ask_at.map(at).transpose()?,
        })
    }
}

/// Waiting orders that the newest complete list should show and does not.
pub(crate) async fn missing_from_new_list(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<Named<WaitingOrder>>, StoreError> {
    let Some(list) = newest_list(connection, shop).await? else {
        return Ok(Vec::new());
    };
    let rows: Vec<WaitingRow> = sqlx::query_as(NOT_IN_LIST)
        .bind(shop.as_str())
        .bind(list.scan)
        .fetch_all(connection)
        .await?;
    let mut missing = Vec::new();
    for row in rows {
        let order = row.order()?;
        if order.is_missing_from(&list) {
            missing.push(Named::new(&row.id, &row.code, order)?);
        }
    }
    Ok(missing)
}

/// When the first complete list of new orders after that scan was read to its end.
pub(crate) async fn next_list_read_at(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    scan: Option<i64>,
) -> Result<Option<Timestamp>, StoreError> {
    let read: Option<i64> = sqlx::query_scalar(
        "SELECT finished_at FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1 AND id > ?
         ORDER BY id LIMIT 1",
    )
    .bind(shop.as_str())
    .bind(scan.unwrap_or(0))
    .fetch_optional(connection)
    .await?;
    read.map(at).transpose()
}

/// Orders on their way, with a cancel under way or of unknown status that were not seen since `?2`.
pub(crate) const NOT_IN_ACCEPTED_LIST: &str = "
WITH followed AS (
  SELECT id FROM orders INDEXED BY orders_on_their_way
  WHERE shop = ?1 AND status IN ('ACCEPTED_BY_MERCHANT', 'CANCELLING') AND seen_at < ?2
  UNION
  SELECT id FROM orders INDEXED BY orders_unknown_status
  WHERE shop = ?1 AND unknown_status = 1 AND seen_at < ?2
  UNION
  SELECT order_id FROM reservations INDEXED BY reservations_active
  WHERE shop = ?1 AND state = 'active' AND confirmed_at IS NOT NULL
  UNION
  SELECT order_id FROM reverted_statuses WHERE shop = ?1
  UNION
  SELECT order_id FROM actions INDEXED BY actions_due
  WHERE shop = ?1 AND kind = 'cancel' AND state IN ('pending', 'sent', 'unknown') AND state <> 'pending')
SELECT o.body ->> '$.id' FROM followed f CROSS JOIN orders o ON o.shop = ?1 AND o.id = f.id
LEFT JOIN orders_not_found n ON n.shop = ?1 AND n.order_id = o.id AND n.last_at >= o.seen_at AND n.ask_at > ?4
WHERE o.seen_at < ?2 AND n.order_id IS NULL
ORDER BY o.seen_at, o.id LIMIT ?3";

impl Store {
    /// Orders on their way, with a cancel under way or of unknown status that no list of the accepted states
    /// has shown since then, and that are to be asked about now.
    pub async fn missing_from_accepted_lists(
        &self,
        shop: &ShopName,
        (since, now): (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut reader = self.read().await?;
        let ids: Vec<String> = sqlx::query_scalar(NOT_IN_ACCEPTED_LIST)
            .bind(shop.as_str())
            .bind(ms(since))
            .bind(limit)
            .bind(ms(now))
            .fetch_all(&mut *reader)
            .await?;
        order_ids(&ids)
    }

    /// Waiting orders that the newest complete list of new orders should show and does not, and that are to be
    /// asked about now.
    pub async fn missing_from_new_list(
        &self,
        shop: &ShopName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut reader = self.read().await?;
        let missing = missing_from_new_list(&mut reader, shop).await?;
        let missing = missing
            .into_iter()
            .filter(|named| named.order.ask_at.is_none_or(|at| at <= now))
            .take(limit as usize);
        Ok(missing.map(|order| order.id).collect())
    }

    /// When the newest complete list of new orders was asked for.
    pub async fn newest_list_at(&self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let list = newest_list(&mut reader, shop).await?;
        Ok(list.map(|list| list.started_at))
    }

    /// Unknown statuses of orders that count as accepted and whose lines are not stored.
    pub async fn unknown_statuses(&self, shop: &ShopName) -> Result<Vec<Status>, StoreError> {
        let mut reader = self.read().await?;
        let is_unknown = |order: &OrderWithoutLines| {
            order.is_accepted() && order.status != Status::AcceptedByMerchant
        };
        let mut unknown: Vec<Status> = Vec::new();
        for stored in without_lines(&mut reader, shop, is_unknown).await? {
            let status = stored.order.order.status;
            if !unknown.contains(&status) {
                unknown.push(status);
            }
        }
        Ok(unknown)
    }
}
