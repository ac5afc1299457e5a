//! Read model: how many orders were recently decided, and how.

use jiff::{SignedDuration, Timestamp};
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, ms};
use crate::domain::facts::Counters;
use crate::domain::ids::ShopName;

/// All orders of the window count as decided, except those that wait without a live action.
pub(crate) const COUNTERS: &str = "
WITH undecided AS (
   SELECT o.id FROM orders o INDEXED BY orders_waiting
   WHERE o.shop = ?1 AND o.status = 'APPROVED_BY_BANK' AND o.first_seen_at >= ?2
     AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id
                     AND a.state IN ('pending', 'sent', 'unknown'))),
 cancelled AS (
   SELECT id FROM orders INDEXED BY orders_out_of_stock
   WHERE shop = ?1 AND first_seen_at >= ?2 AND cancellation_reason = 'MERCHANT_OUT_OF_STOCK'
   UNION
   SELECT o.id FROM actions a INDEXED BY actions_cancels
   CROSS JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
   WHERE a.shop = ?1 AND a.kind = 'cancel' AND a.made_at >= ?2 AND o.first_seen_at >= ?2
     AND a.state IN ('pending', 'sent', 'unknown', 'confirmed'))
SELECT
 (SELECT COUNT(*) FROM orders WHERE shop = ?1 AND first_seen_at >= ?2) - (SELECT COUNT(*) FROM undecided)
    AS decided,
 (SELECT COUNT(*) FROM cancelled) AS cancelled,
 (SELECT COUNT(*) FROM actions WHERE shop = ?1 AND made_at > ?3 AND kind = 'cancel' AND state <> 'superseded')
    AS cancelled_last_hour,
 (SELECT COUNT(*) FROM actions WHERE shop = ?1 AND made_at > ?3 AND kind = 'accept' AND state <> 'superseded')
    AS accepted_last_hour";

#[derive(FromRow)]
struct CountersRow {
    decided: i64,
    cancelled: i64,
    cancelled_last_hour: i64,
    accepted_last_hour: i64,
}

impl CountersRow {
    fn counters(&self) -> Counters {
        Counters {
            decided: self.decided.unsigned_abs(),
            cancelled: self.cancelled.unsigned_abs(),
            cancelled_last_hour: self.cancelled_last_hour.unsigned_abs(),
            accepted_last_hour: self.accepted_last_hour.unsigned_abs(),
        }
    }
}

/// A shop's counts: of the window of the cancel budget, and of the last hour.
pub(crate) async fn counters(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    window: SignedDuration,
    now: Timestamp,
) -> Result<Counters, StoreError> {
    let before = |span: SignedDuration| ms(now.saturating_sub(span).unwrap_or(Timestamp::MIN));
    let row: CountersRow = sqlx::query_as(COUNTERS)
        .bind(shop.as_str())
        .bind(before(window))
        .bind(before(SignedDuration::from_hours(1)))
        .fetch_one(connection)
        .await?;
    Ok(row.counters())
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
