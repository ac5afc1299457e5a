//! What people see of a shop: held orders, the day and its cancel budget, broken stock, failing lists.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::orders::parse_order;
use super::{Store, StoreError, at, ms};
use crate::domain::decision::{Decision, SAID_BY_PERSON};
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderCode, ShopName};

/// An order that waits and is held for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldNow {
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

/// Why an order waits, in words of a fixed list that a message can translate: names of
/// interlocks, `rule:NAME`, causes of a hold, `undecided`. They include no text that a person wrote.
pub(crate) fn because(cause: Option<HoldCause>, decision: Option<&Decision>) -> Vec<String> {
    match (cause, decision) {
        (Some(cause), _) => vec![cause.as_str().to_owned()],
        (None, None) => vec!["undecided".to_owned()],
        (None, Some(decision)) if decision.rule == SAID_BY_PERSON => {
            vec![HoldCause::Person.as_str().to_owned()]
        }
        (None, Some(decision)) if decision.objections.is_empty() => {
            vec![format!("rule:{}", decision.rule)]
        }
        (None, Some(decision)) => {
            let objections = decision.objections.iter();
            objections
                .map(|objection| objection.interlock.as_str().to_owned())
                .collect()
        }
    }
}

#[derive(FromRow)]
struct HeldRow {
    body: String,
    held_cause: Option<String>,
    decision: Option<String>,
}

pub(crate) const HELD: &str = "
SELECT o.body, o.held_cause, d.body AS decision
FROM orders o INDEXED BY orders_open
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
WHERE o.shop = ? AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.held_by IS NOT NULL OR d.verdict = 'hold')
ORDER BY o.created_at LIMIT 10000";

// An action is read back within days of its making: ?4.
pub(crate) const DAY: &str = "
SELECT (SELECT COUNT(*) FROM orders INDEXED BY orders_seen
  WHERE shop = ?1 AND first_seen_at >= ?2 AND first_seen_at < ?3) AS new,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_made WHERE shop = ?1 AND made_at >= ?4
  AND kind = 'accept' AND state = 'confirmed' AND closed_at >= ?2 AND closed_at < ?3) AS accepted,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_made WHERE shop = ?1 AND made_at >= ?4
  AND kind = 'cancel' AND state = 'confirmed' AND closed_at >= ?2 AND closed_at < ?3) AS cancelled";

/// An action confirmed in a span of time was made this long before it at the earliest: Kaspi's lists reach no
/// further back.
const READ_BACK_MAX_MS: i64 = 15 * 24 * 60 * 60 * 1000;

impl Store {
    /// Orders of a shop that wait for a person, the oldest first.
    pub async fn held_now(&self, shop: &ShopName) -> Result<Vec<HeldNow>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<HeldRow> = sqlx::query_as(HELD)
            .bind(shop.as_str())
            .fetch_all(&mut *reader)
            .await?;
        let held = rows.into_iter().map(|row| {
            let order = parse_order(&row.body)?;
            let decision = row.decision.as_deref().map(parse_decision).transpose()?;
            let cause = row.held_cause.as_deref().and_then(HoldCause::parse);
            Ok(HeldNow {
                waiting_since: order.waiting_since(),
                express: order.express,
                because: because(cause, decision.as_ref()),
                code: order.code,
            })
        });
        held.collect()
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
            .bind(ms(from) - READ_BACK_MAX_MS)
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
