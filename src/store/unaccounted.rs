//! Read model: orders that may hold units which no reservation counts, and orders missing from lists.

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::orders::order_ids;
use super::{Store, StoreError, at, ms};
use crate::domain::evidence::{Cause, Unaccounted};
use crate::domain::ids::{OrderCode, OrderId, ShopName};
use crate::domain::order::{State, Status};
use crate::domain::unaccounted::{LinesState, NewList, OrderWithoutLines, WaitingOrder};

/// Orders that are accepted, or have an unknown status, and whose lines are not stored.
pub(crate) const WITHOUT_LINES: &str = "
SELECT id, code, state, status, lines_state, lines_failures FROM orders INDEXED BY orders_lines_wanted
WHERE shop = ?1 AND status = 'ACCEPTED_BY_MERCHANT' AND lines_state IN ('unread', 'unreadable')
UNION ALL
SELECT id, code, state, status, lines_state, lines_failures FROM orders INDEXED BY orders_unknown_status
WHERE shop = ?1 AND unknown_status = 1 AND lines_state IN ('unread', 'unreadable')";

#[derive(FromRow)]
struct LinesRow {
    id: String,
    code: String,
    state: String,
    status: String,
    lines_state: String,
    lines_failures: i64,
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
    pub(crate) fn unaccounted(self, cause: Cause) -> Unaccounted {
        Unaccounted {
            order: self.id,
            code: self.code,
            cause,
        }
    }
}

/// Reads a stored word.
pub(crate) fn lines_state(word: &str) -> Result<LinesState, StoreError> {
    LinesState::parse(word).ok_or_else(|| StoreError::corrupt("the state of lines", word))
}

pub(crate) async fn without_lines(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<Named<OrderWithoutLines>>, StoreError> {
    let rows: Vec<LinesRow> = sqlx::query_as(WITHOUT_LINES)
        .bind(shop.as_str())
        .fetch_all(connection)
        .await?;
    let order = |row: LinesRow| {
        let order = OrderWithoutLines {
            state: State::from(row.state),
            status: Status::from(row.status),
            lines: lines_state(&row.lines_state)?,
            failures: u32::try_from(row.lines_failures).unwrap_or(u32::MAX),
        };
        Named::new(&row.id, &row.code, order)
    };
    rows.into_iter().map(order).collect()
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
SELECT id, code, listed_scan, created_at, seen_at FROM orders
WHERE shop = ?1 AND state = 'NEW' AND status = 'APPROVED_BY_BANK'
  AND (listed_scan IS NULL OR listed_scan < ?2)
ORDER BY seen_at";

/// Waiting orders that the newest complete list should show and does not.
pub(crate) async fn missing_from_new_list(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<Named<WaitingOrder>>, StoreError> {
    let Some(list) = newest_list(connection, shop).await? else {
        return Ok(Vec::new());
    };
    let rows: Vec<(String, String, Option<i64>, i64, i64)> = sqlx::query_as(NOT_IN_LIST)
        .bind(shop.as_str())
        .bind(list.scan)
        .fetch_all(connection)
        .await?;
    let mut missing = Vec::new();
    for (id, code, listed_scan, created_at, seen_at) in rows {
        let order = WaitingOrder {
            listed_scan,
            created_at: at(created_at)?,
            seen_at: at(seen_at)?,
        };
        if order.is_missing_from(&list) {
            missing.push(Named::new(&id, &code, order)?);
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
  SELECT order_id FROM actions INDEXED BY actions_due
  WHERE shop = ?1 AND kind = 'cancel' AND state IN ('pending', 'sent', 'unknown') AND state <> 'pending')
SELECT o.id FROM followed f CROSS JOIN orders o ON o.shop = ?1 AND o.id = f.id
WHERE o.seen_at < ?2 ORDER BY o.seen_at, o.id LIMIT ?3";

impl Store {
    /// Orders on their way, with a cancel under way or of unknown status that no list of the accepted states
    /// has shown since then.
    pub async fn missing_from_accepted_lists(
        &self,
        shop: &ShopName,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut reader = self.read().await?;
        let ids: Vec<String> = sqlx::query_scalar(NOT_IN_ACCEPTED_LIST)
            .bind(shop.as_str())
            .bind(ms(since))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await?;
        order_ids(&ids)
    }

    /// Waiting orders that the newest complete list of new orders should show and does not.
    pub async fn missing_from_new_list(
        &self,
        shop: &ShopName,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut reader = self.read().await?;
        let missing = missing_from_new_list(&mut reader, shop).await?;
        let missing = missing.into_iter().take(limit as usize);
        Ok(missing.map(|order| order.id).collect())
    }

    /// Unknown statuses of orders that count as accepted and whose lines are not stored.
    pub async fn unknown_statuses(&self, shop: &ShopName) -> Result<Vec<Status>, StoreError> {
        let mut reader = self.read().await?;
        let orders = without_lines(&mut reader, shop).await?;
        let mut unknown: Vec<Status> = Vec::new();
        let orders = orders.into_iter().map(|named| named.order);
        for order in orders.filter(OrderWithoutLines::is_accepted) {
            let is_listed = order.status == Status::AcceptedByMerchant;
            if !is_listed && !unknown.contains(&order.status) {
                unknown.push(order.status);
            }
        }
        Ok(unknown)
    }
}
