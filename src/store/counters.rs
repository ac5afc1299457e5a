//! Read model: the orders and actions that count for the cancel budget and the hourly limits.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::actions::parse_state;
use super::orders::order_id;
use super::{Store, StoreError, ms};
use crate::domain::action::State;
use crate::domain::counters::{Counters, Stored};
use crate::domain::ids::ShopName;

/// Number of orders of the shop `?1` first seen since `?2`.
pub(crate) const ORDERS: &str =
    "SELECT COUNT(*) FROM orders WHERE shop = ?1 AND first_seen_at >= ?2";

/// Number of those that wait for the merchant, by the state of their live action.
pub(crate) const WAITING: &str = "
SELECT a.state, COUNT(*) FROM orders o INDEXED BY orders_waiting
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')
WHERE o.shop = ?1 AND o.status = 'APPROVED_BY_BANK' AND o.first_seen_at >= ?2 GROUP BY a.state";

/// Those cancelled because goods were missing.
pub(crate) const OUT_OF_STOCK: &str = "
SELECT id FROM orders INDEXED BY orders_out_of_stock
WHERE shop = ?1 AND first_seen_at >= ?2 AND cancellation_reason = 'MERCHANT_OUT_OF_STOCK'";

/// Those with a cancel, and its state.
pub(crate) const CANCELS: &str = "
SELECT o.id, a.state FROM actions a INDEXED BY actions_cancels
CROSS JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
WHERE a.shop = ?1 AND a.kind = 'cancel' AND a.made_at >= ?2 AND o.first_seen_at >= ?2";

/// Number of actions of the shop `?1` and the kind `?3` decided since `?2`, by state.
pub(crate) const LAST_HOUR: &str = "
SELECT state, COUNT(*) FROM actions INDEXED BY actions_made WHERE shop = ?1 AND made_at > ?2 AND kind = ?3 GROUP BY state";

/// A shop's counts: of the window of the cancel budget, and of the last hour.
pub(crate) async fn counters(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    window: SignedDuration,
    now: Timestamp,
) -> Result<Counters, StoreError> {
    let before = |span: SignedDuration| ms(now.saturating_sub(span).unwrap_or(Timestamp::MIN));
    let since = before(window);
    let orders: i64 = sqlx::query_scalar(ORDERS)
        .bind(shop.as_str())
        .bind(since)
        .fetch_one(&mut *connection)
        .await?;
    let waiting: Vec<(Option<String>, i64)> = sqlx::query_as(WAITING)
        .bind(shop.as_str())
        .bind(since)
        .fetch_all(&mut *connection)
        .await?;
    let out_of_stock: Vec<String> = sqlx::query_scalar(OUT_OF_STOCK)
        .bind(shop.as_str())
        .bind(since)
        .fetch_all(&mut *connection)
        .await?;
    let cancels: Vec<(String, String)> = sqlx::query_as(CANCELS)
        .bind(shop.as_str())
        .bind(since)
        .fetch_all(&mut *connection)
        .await?;
    let hour = before(SignedDuration::from_hours(1));
    let waiting = waiting.into_iter().map(|(live, orders)| {
        let live = live.as_deref().map(parse_state).transpose()?;
        Ok((live, orders.unsigned_abs()))
    });
    let cancels = cancels
        .iter()
        .map(|(id, state)| Ok((order_id(id)?, parse_state(state)?)));
    let stored = Stored {
        orders: orders.unsigned_abs(),
        waiting: waiting.collect::<Result<_, StoreError>>()?,
        out_of_stock: out_of_stock
            .iter()
            .map(|id| order_id(id))
            .collect::<Result<_, _>>()?,
        cancels: cancels.collect::<Result<_, StoreError>>()?,
        accepts_last_hour: last_hour(connection, shop, "accept", hour).await?,
        cancels_last_hour: last_hour(connection, shop, "cancel", hour).await?,
    };
    Ok(stored.counters())
}

async fn last_hour(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    kind: &str,
    since: i64,
) -> Result<Vec<(State, u64)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(LAST_HOUR)
        .bind(shop.as_str())
        .bind(since)
        .bind(kind)
        .fetch_all(connection)
        .await?;
    let count =
        |(state, actions): (String, i64)| Ok((parse_state(&state)?, actions.unsigned_abs()));
    rows.into_iter().map(count).collect()
}

impl Store {
    /// The shop's counts, as the cancel budget sees them.
    pub async fn counters(
        &self,
        shop: &ShopName,
        window: SignedDuration,
        now: Timestamp,
    ) -> Result<Counters, StoreError> {
        let mut reader = self.read().await?;
        counters(&mut reader, shop, window, now).await
    }
}
