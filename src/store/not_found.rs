//! The table `orders_not_found`: orders that Kaspi answers 404 for since they were last seen.

use jiff::Timestamp;
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::not_found::NotFound;
use crate::domain::notice::{Kind, Notice};

/// A stored row, as far as it still applies: the order was not seen since.
#[derive(FromRow)]
struct Row {
    since: i64,
    last_at: i64,
    times: i64,
}

/// Reads the columns of a row.
pub(crate) fn not_found(since: i64, last_at: i64, times: i64) -> Result<NotFound, StoreError> {
    Ok(NotFound {
        since: at(since)?,
        last_at: at(last_at)?,
        times: u32::try_from(times).unwrap_or(u32::MAX),
    })
}

/// Orders that are not found now, of which the oldest was first not found at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFoundOrders {
    /// How many.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
}

impl Store {
    /// Records that Kaspi answered 404 for an order. Returns when it is to be asked about again.
    pub async fn note_not_found(
        &self,
        shop: &ShopName,
        order: &OrderId,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let mut tx = self.write().await?;
        let before: Option<Row> = sqlx::query_as(
            "SELECT n.since, n.last_at, n.times FROM orders_not_found n
             JOIN orders o ON o.shop = n.shop AND o.id = n.order_id
             WHERE n.shop = ? AND n.order_id = ? AND n.last_at >= o.seen_at",
        )
        .bind(shop.as_str())
        .bind(order.as_str())
        .fetch_optional(tx.conn()?)
        .await?;
        let found = match before {
            Some(row) => not_found(row.since, row.last_at, row.times)?.again(now),
            None => NotFound::first(now),
        };
        let others: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM orders_not_found WHERE shop = ?")
                .bind(shop.as_str())
                .fetch_one(tx.conn()?)
                .await?;
        let ask_at = found.ask_again_at(others.unsigned_abs(), jitter);
        // A command may ask about an order that is not stored.
        sqlx::query(
            "INSERT INTO orders_not_found (shop, order_id, since, last_at, times, ask_at)
             SELECT shop, id, ?3, ?4, ?5, ?6 FROM orders WHERE shop = ?1 AND id = ?2
             ON CONFLICT (shop, order_id) DO UPDATE SET since = ?3, last_at = ?4, times = ?5, ask_at = ?6",
        )
        .bind(shop.as_str())
        .bind(order.as_str())
        .bind(ms(found.since))
        .bind(ms(found.last_at))
        .bind(found.times)
        .bind(ms(ask_at))
        .execute(tx.conn()?)
        .await?;
        tx.commit().await?;
        Ok(ask_at)
    }

    /// Writes the notice that Kaspi does not know these orders, once for each time that it begins. Returns whether
    /// it is news.
    pub async fn report_not_found(
        &self,
        shop: &ShopName,
        missing: NotFoundOrders,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let noted: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM audit WHERE shop = ? AND order_id IS NULL AND event = 'orders.not_found'
             AND at BETWEEN ? AND ? LIMIT 1",
        )
        .bind(shop.as_str())
        .bind(ms(missing.since))
        .bind(ms(now))
        .fetch_optional(tx.conn()?)
        .await?;
        if noted.is_none() {
            let facts = json!({ "orders": missing.count });
            tx.audit(
                now,
                "qabyl",
                (shop, None),
                "orders.not_found",
                facts.clone(),
            );
            let what = ms(missing.since).to_string();
            tx.notice(
                now,
                Notice::of_shop(Kind::OrdersNotFound, shop, &what, facts),
            );
        }
        tx.commit().await?;
        Ok(noted.is_none())
    }

    /// The orders that are still not found.
    pub async fn not_found_orders(
        &self,
        shop: &ShopName,
    ) -> Result<Option<NotFoundOrders>, StoreError> {
        let mut reader = self.read().await?;
        let (count, since): (i64, Option<i64>) = sqlx::query_as(
            "SELECT COUNT(*), MIN(n.since) FROM orders_not_found n
             JOIN orders o ON o.shop = n.shop AND o.id = n.order_id WHERE n.shop = ? AND n.last_at >= o.seen_at",
        )
        .bind(shop.as_str())
        .fetch_one(&mut *reader)
        .await?;
        let found = |since| {
            Ok(NotFoundOrders {
                count: count.unsigned_abs(),
                since: at(since)?,
            })
        };
        since.map(found).transpose()
    }
}

/// Orders that were not found, and were seen since.
pub(crate) async fn seen_since(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<String>, StoreError> {
    let seen = sqlx::query_scalar(
        "SELECT n.order_id FROM orders_not_found n
         JOIN orders o ON o.shop = n.shop AND o.id = n.order_id WHERE n.shop = ? AND n.last_at < o.seen_at",
    );
    Ok(seen.bind(shop.as_str()).fetch_all(connection).await?)
}

/// Deletes the row of an order.
pub(crate) async fn forget(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM orders_not_found WHERE shop = ? AND order_id = ?")
        .bind(shop.as_str())
        .bind(order)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
