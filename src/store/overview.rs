//! What people see of a shop: held orders, the day and its cancel budget, broken stock, failing lists.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::new_orders::{NewOrder, new_order, new_orders};
use super::orders::parse_order;
use super::{Store, StoreError, at, ms};
use crate::domain::decision::Decision;
use crate::domain::hold::because;
use crate::domain::ids::{OrderCode, OrderId, ShopName};

/// An order that waits and is held for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldNow {
    /// Kaspi's id.
    pub id: OrderId,
    /// The number people say.
    pub code: OrderCode,
    /// Since when it could be handled.
    pub waiting_since: Timestamp,
    /// Whether it must be packed within the hour.
    pub express: bool,
    /// Why, in words of a fixed list: interlocks' names, `rule:NAME`, causes of a hold.
    pub because: Vec<String>,
}

/// What happened in a shop in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct DaySeen {
    /// Orders first seen.
    pub new: i64,
    /// Accepts that Kaspi confirmed.
    pub accepted: i64,
    /// Cancels in the same time.
    pub cancelled: i64,
}

#[derive(FromRow)]
struct HeldRow {
    body: String,
    decision: Option<String>,
}

/// An order and its newest decision.
pub(crate) const DECIDED: &str = "
SELECT o.body, (SELECT body FROM decisions d WHERE d.shop = o.shop AND d.order_id = o.id ORDER BY d.id DESC LIMIT 1)
  AS decision
FROM orders o WHERE o.shop = ? AND o.id = ?";

pub(crate) const DAY: &str = "
SELECT (SELECT COUNT(*) FROM orders INDEXED BY orders_seen
  WHERE shop = ?1 AND first_seen_at >= ?2 AND first_seen_at < ?3) AS new,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_confirmed WHERE shop = ?1 AND state = 'confirmed'
  AND closed_at >= ?2 AND closed_at < ?3 AND kind = 'accept') AS accepted,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_confirmed WHERE shop = ?1 AND state = 'confirmed'
  AND closed_at >= ?2 AND closed_at < ?3 AND kind = 'cancel') AS cancelled";

impl Store {
    /// Orders of a shop that wait for a person, the oldest first.
    pub async fn held_now(&self, shop: &ShopName) -> Result<Vec<HeldNow>, StoreError> {
        let mut reader = self.read().await?;
        let orders = new_orders(&mut reader, Some(shop.as_str())).await?;
        let orders = orders.into_iter().filter(NewOrder::awaits_person);
        let mut held = Vec::new();
        for NewOrder { id, cause, .. } in orders {
            let found = sqlx::query_as(DECIDED).bind(shop.as_str()).bind(id);
            let row: HeldRow = found.fetch_one(&mut *reader).await?;
            let order = parse_order(&row.body)?;
            let decision = row.decision.as_deref().map(parse_decision).transpose()?;
            held.push(HeldNow {
                waiting_since: order.waiting_since(),
                express: order.express,
                because: because(cause, decision.as_ref()),
                code: order.code,
                id: order.id,
            });
        }
        Ok(held)
    }

    /// Why an order waits for a person, in words that messages translate; `None` where it does not.
    pub async fn why_held(
        &self,
        shop: &ShopName,
        id: &OrderId,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let mut reader = self.read().await?;
        let order = new_order(&mut reader, shop.as_str(), id.as_str()).await?;
        let Some(order) = order.filter(NewOrder::awaits_person) else {
            return Ok(None);
        };
        let found = sqlx::query_as(DECIDED)
            .bind(shop.as_str())
            .bind(id.as_str());
        let row: HeldRow = found.fetch_one(&mut *reader).await?;
        let decision = row.decision.as_deref().map(parse_decision).transpose()?;
        Ok(Some(because(order.cause, decision.as_ref())))
    }

    /// What a shop's orders and actions count up to since `since`.
    pub async fn day(&self, shop: &ShopName, since: Timestamp) -> Result<DaySeen, StoreError> {
        self.day_between(shop, since, Timestamp::MAX).await
    }

    /// The same in a span of time: each order counts when it was first seen, each action when it was confirmed.
    pub async fn day_between(
        &self,
        shop: &ShopName,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<DaySeen, StoreError> {
        let mut reader = self.read().await?;
        Ok(sqlx::query_as(DAY)
            .bind(shop.as_str())
            .bind(ms(from))
            .bind(ms(until))
            .fetch_one(&mut *reader)
            .await?)
    }

    /// Whether there are levels, and not one of them has units.
    pub async fn is_all_stock_zero(&self) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let (levels, stocked): (i64, i64) = sqlx::query_as(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE on_hand IS NULL OR on_hand > 0) FROM stock",
        )
        .fetch_one(&mut *reader)
        .await?;
        Ok(levels > 0 && stocked == 0)
    }

    /// Bytes of the database file, its log left out.
    pub fn file_bytes(&self) -> u64 {
        self.path.metadata().map_or(0, |file| file.len())
    }

    /// When each kind of list was last read completely, of a shop: new orders, then accepted ones.
    pub async fn lists_read(
        &self,
        shop: &ShopName,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
        use super::ScanKind;
        let new = self.last_complete_scan(shop, ScanKind::New, Timestamp::MAX);
        let sweep = self.last_complete_scan(shop, ScanKind::Sweep, Timestamp::MAX);
        let started = |scan: Option<super::Scan>| scan.map(|scan| scan.started_at);
        Ok((started(new.await?), started(sweep.await?)))
    }

    /// Since when every try to list new orders of a shop has failed, and why the first of them did.
    pub async fn lists_failing(
        &self,
        shop: &ShopName,
    ) -> Result<Option<(Timestamp, String)>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<(i64, String)> = sqlx::query_as(
            "SELECT started_at, problem FROM scans WHERE shop = ?1 AND kind = 'new' AND complete = 0
               AND id > COALESCE((SELECT MAX(id) FROM scans WHERE shop = ?1 AND kind = 'new' AND complete = 1), 0)
             ORDER BY id LIMIT 1",
        )
        .bind(shop.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        row.map(|(since, why)| Ok((at(since)?, why))).transpose()
    }
}

pub(crate) fn parse_decision(body: &str) -> Result<Decision, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::corrupt("a decision", body))
}

/// What a message needs to state how much time is left.
pub(crate) fn waiting_facts(
    code: &OrderCode,
    waiting_since: Timestamp,
    express: bool,
    because: &[String],
) -> Value {
    serde_json::json!({
        "order": code.as_str(), "waiting_since": waiting_since, "express": express, "because": because,
    })
}
