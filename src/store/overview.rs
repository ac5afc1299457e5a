//! What people see of a shop: held orders, the day and its cancel budget, broken stock, failing lists.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::orders::parse_order;
use super::stock::{COLLAPSE_SKUS_MIN, COLLAPSES, CollapseRow};
use super::{Store, StoreError, at, ms};
use crate::domain::decision::Decision;
use crate::domain::facts::Collapse;
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
    /// Why, in words of a fixed list: interlocks' names, `rule:NAME`, `person`, `refused`.
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
/// interlocks, `rule:NAME`, `person`, `refused`, `undecided`. They include no text that a person wrote.
pub(crate) fn because(held_by: Option<&str>, decision: Option<&Decision>) -> Vec<String> {
    match (held_by, decision) {
        (Some("qabyl"), _) => vec!["refused".to_owned()],
        (Some(_), _) => vec!["person".to_owned()],
        (None, None) => vec!["undecided".to_owned()],
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
    held_by: Option<String>,
    decision: Option<String>,
}

pub(crate) const HELD: &str = "
SELECT o.body, o.held_by, d.body AS decision
FROM orders o INDEXED BY orders_open
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
WHERE o.shop = ? AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.held_by IS NOT NULL OR d.verdict = 'hold')
ORDER BY o.created_at LIMIT 1000";

pub(crate) const DAY: &str = "
SELECT (SELECT COUNT(*) FROM orders INDEXED BY orders_seen WHERE shop = ?1 AND first_seen_at >= ?2) AS new,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_made
  WHERE shop = ?1 AND made_at >= ?2 AND kind = 'accept' AND state = 'confirmed') AS accepted,
 (SELECT COUNT(*) FROM actions INDEXED BY actions_made
  WHERE shop = ?1 AND made_at >= ?2 AND kind = 'cancel' AND state = 'confirmed') AS cancelled";

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
            let decision = row.decision.as_deref().map(decision).transpose()?;
            Ok(HeldNow {
                waiting_since: order.waiting_since(),
                express: order.express,
                because: because(row.held_by.as_deref(), decision.as_ref()),
                code: order.code,
            })
        });
        held.collect()
    }

    /// What a shop's orders and actions count up to since `since`.
    pub async fn day(&self, shop: &ShopName, since: Timestamp) -> Result<DaySeen, StoreError> {
        let mut reader = self.read().await?;
        Ok(sqlx::query_as(DAY)
            .bind(shop.as_str())
            .bind(ms(since))
            .fetch_one(&mut *reader)
            .await?)
    }

    /// The sharpest fall of stock still in force.
    pub async fn collapse_now(&self) -> Result<Option<Collapse>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<CollapseRow> = sqlx::query_as(COLLAPSES)
            .bind(COLLAPSE_SKUS_MIN)
            .fetch_optional(&mut *reader)
            .await?;
        row.map(CollapseRow::collapse).transpose()
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

    /// Since when new orders of a shop have not been listed completely, where the last try failed,
    /// and why.
    pub async fn lists_failing(
        &self,
        shop: &ShopName,
    ) -> Result<Option<(Timestamp, String)>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<(i64, String)> = sqlx::query_as(
            "SELECT COALESCE(
               (SELECT started_at FROM scans WHERE shop = ?1 AND kind = 'new' AND complete = 1 ORDER BY id DESC LIMIT 1),
               (SELECT started_at FROM scans WHERE shop = ?1 AND kind = 'new' ORDER BY id LIMIT 1)), problem
             FROM scans WHERE id = (SELECT MAX(id) FROM scans WHERE shop = ?1 AND kind = 'new') AND complete = 0",
        )
        .bind(shop.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        row.map(|(since, why)| Ok((at(since)?, why))).transpose()
    }
}

fn decision(body: &str) -> Result<Decision, StoreError> {
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
