//! Read model: which orders are to be read, and how far back lists must reach.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::orders::parse_order;
use super::{Store, StoreError, at, ms};
use crate::domain::ids::ShopName;
use crate::domain::order::{Order, Status};

/// An order whose lines are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinesWanted {
    /// The order.
    pub order: Order,
}

pub(crate) const LINES_WANTED: &str = "
SELECT body FROM (
  SELECT created_at, id, body FROM orders INDEXED BY orders_lines_wanted
  WHERE shop = ?1 AND lines_state IN ('unread', 'unreadable') AND lines_due_at IS NULL AND status = ?3
  UNION ALL
  SELECT created_at, id, body FROM orders INDEXED BY orders_lines_wanted
  WHERE shop = ?1 AND lines_state IN ('unread', 'unreadable') AND lines_due_at <= ?2 AND status = ?3
  UNION ALL
  SELECT created_at, id, body FROM orders INDEXED BY orders_unlinked
  WHERE shop = ?1 AND lines_state = 'known' AND lines_due_at IS NOT NULL AND lines_due_at <= ?2 AND status = ?3
    AND seen_at >= ?5)
ORDER BY created_at, id LIMIT ?4";

pub(crate) const OLDEST_FOLLOWED: &str = "
SELECT MIN(at) FROM (
  SELECT MIN(created_at) AS at FROM orders INDEXED BY orders_on_their_way
  WHERE shop = ?1 AND status IN ('ACCEPTED_BY_MERCHANT', 'CANCELLING')
  UNION ALL
  SELECT MIN(o.created_at) FROM reservations r INDEXED BY reservations_active
  CROSS JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
  WHERE r.shop = ?1 AND r.state = 'active'
  UNION ALL
  SELECT MIN(o.created_at) FROM actions a INDEXED BY actions_due
  CROSS JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
  WHERE a.shop = ?1 AND a.state IN ('pending', 'sent', 'unknown') AND a.state <> 'pending')";

pub(crate) const OLDEST_WAITING: &str = "
SELECT MIN(created_at) FROM orders WHERE shop = ?1 AND state = 'NEW' AND status = 'APPROVED_BY_BANK'";

pub(crate) const ARCHIVED_FROM: &str = "
SELECT created_at FROM orders INDEXED BY orders_archived WHERE shop = ?1 AND state = 'ARCHIVE'
ORDER BY created_at DESC LIMIT 1 OFFSET ?2";

/// Open orders with fields that could not be read.
pub(crate) const WITH_UNREAD_FIELDS: &str = "
SELECT body FROM orders INDEXED BY orders_unread_fields
WHERE shop = ? AND unread_fields = 1 AND state <> 'ARCHIVE' ORDER BY created_at";

pub(crate) async fn with_unread_fields(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<Order>, StoreError> {
    let bodies: Vec<String> = sqlx::query_scalar(WITH_UNREAD_FIELDS)
        .bind(shop.as_str())
        .fetch_all(connection)
        .await?;
    bodies.iter().map(|body| parse_order(body)).collect()
}

impl Store {
    /// Orders in this status whose lines are still to be read, oldest first, or, where they were last seen
    /// since `from`, to be requested again.
    pub async fn lines_wanted(
        &self,
        shop: &ShopName,
        (status, from): (&Status, Timestamp),
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LinesWanted>, StoreError> {
        let mut reader = self.read().await?;
        let bodies: Vec<String> = sqlx::query_scalar(LINES_WANTED)
            .bind(shop.as_str())
            .bind(ms(now))
            .bind(status.as_str())
            .bind(limit)
            .bind(ms(from))
            .fetch_all(&mut *reader)
            .await?;
        bodies
            .iter()
            .map(|body| {
                Ok(LinesWanted {
                    order: parse_order(body)?,
                })
            })
            .collect()
    }

    /// When the oldest order was placed that waits for the merchant by what is stored.
    pub async fn oldest_waiting(&self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let oldest: Option<i64> = sqlx::query_scalar(OLDEST_WAITING)
            .bind(shop.as_str())
            .fetch_one(&mut *reader)
            .await?;
        oldest.map(super::at).transpose()
    }

    /// When the oldest order was placed that is on its way, holds stock or has a request under way.
    pub async fn oldest_followed(&self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let oldest: Option<i64> = sqlx::query_scalar(OLDEST_FOLLOWED)
            .bind(shop.as_str())
            .fetch_one(&mut *reader)
            .await?;
        oldest.map(super::at).transpose()
    }

    /// Number of finished orders placed at `from` or later, which is the length of the archive's list.
    pub async fn archived(&self, shop: &ShopName, from: Timestamp) -> Result<u64, StoreError> {
        let mut reader = self.read().await?;
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM orders WHERE shop = ? AND state = 'ARCHIVE' AND created_at >= ?",
        )
        .bind(shop.as_str())
        .bind(ms(from))
        .fetch_one(&mut *reader)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// When the oldest of the `newest` finished orders was placed; `None` where there are fewer.
    pub async fn archived_from(
        &self,
        shop: &ShopName,
        newest: u32,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let placed: Option<i64> = sqlx::query_scalar(ARCHIVED_FROM)
            .bind(shop.as_str())
            .bind(newest.saturating_sub(1))
            .fetch_optional(&mut *reader)
            .await?;
        placed.map(at).transpose()
    }
}
