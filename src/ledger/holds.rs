//! Open holds and the notices of them. A hold is notified once: its notice is named after the decision that began
//! it, so that the same hold has one notice however often it is decided again, and one for another reason has
//! another.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection};

use crate::domain::decision::Decision;
use crate::domain::hold::HoldCause;
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::domain::order::Order;
use crate::store::orders::parse_order;
use crate::store::overview::{because, parse_decision, waiting_facts};
use crate::store::{Store, StoreError, WriteTx};

/// Decisions of one order looked through for the one that began its hold.
const DECISIONS_MAX: i64 = 200;

/// An order that waits for a person now.
struct OpenHold {
    order: Order,
    cause: Option<HoldCause>,
    /// The decision that began a hold by the rules; the newest one of any other hold.
    decision: i64,
    action: Option<i64>,
    because: Vec<String>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    body: String,
    held_cause: Option<String>,
    action: Option<i64>,
}

#[derive(FromRow)]
struct DecisionRow {
    id: i64,
    verdict: String,
    body: String,
}

pub(crate) const OPEN_HOLDS: &str = "
SELECT o.id, o.body, o.held_cause,
  (SELECT MAX(id) FROM actions WHERE shop = o.shop AND order_id = o.id) AS action
FROM orders o INDEXED BY orders_open
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.held_cause IS NOT NULL OR (SELECT verdict FROM decisions WHERE shop = o.shop AND order_id = o.id
    ORDER BY id DESC LIMIT 1) = 'hold')
ORDER BY o.created_at";

pub(crate) const OPEN_HOLD: &str = "
SELECT o.id, o.body, o.held_cause,
  (SELECT MAX(id) FROM actions WHERE shop = o.shop AND order_id = o.id) AS action
FROM orders o
WHERE o.shop = ?1 AND o.id = ?2 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.held_cause IS NOT NULL OR (SELECT verdict FROM decisions WHERE shop = o.shop AND order_id = o.id
    ORDER BY id DESC LIMIT 1) = 'hold')";

impl OpenHold {
    /// Its notice; `None` for a hold that a person asked for.
    fn notice(&self, shop: &ShopName) -> Option<Notice> {
        let order = &self.order;
        let what = match self.cause {
            Some(HoldCause::Person) => return None,
            Some(HoldCause::Refused) => {
                return self.action.map(|action| {
                    let facts = json!({ "order": order.code.as_str() });
                    Notice::of_shop(Kind::ActionRefused, shop, &action.to_string(), facts)
                });
            }
            Some(cause) => format!("{}:{}:{}", order.id, cause.as_str(), self.decision),
            None => format!("{}:{}", order.id, self.decision),
        };
        let since = order.waiting_since();
        let facts = waiting_facts(&order.code, since, order.express, &self.because);
        Some(Notice::of_shop(Kind::OrderHeld, shop, &what, facts))
    }
}

/// The orders of a shop that wait for a person, or the one with this id.
async fn open_holds(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    id: Option<&str>,
) -> Result<Vec<OpenHold>, StoreError> {
    let statement = if id.is_some() { OPEN_HOLD } else { OPEN_HOLDS };
    let rows: Vec<Row> = sqlx::query_as(statement)
        .bind(shop.as_str())
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let mut holds = Vec::with_capacity(rows.len());
    for row in rows {
        let decisions: Vec<DecisionRow> = sqlx::query_as(
            "SELECT id, verdict, body FROM decisions WHERE shop = ? AND order_id = ? ORDER BY id DESC LIMIT ?",
        )
        .bind(shop.as_str())
        .bind(&row.id)
        .bind(DECISIONS_MAX)
        .fetch_all(&mut *connection)
        .await?;
        let cause = row.held_cause.as_deref().map(cause).transpose()?;
        let newest = decisions.first();
        let decision = newest.map(|d| parse_decision(&d.body)).transpose()?;
        let because = because(cause, decision.as_ref());
        let newest = newest.map_or(0, |newest| newest.id);
        let decision = match cause {
            None => began(&decisions, &because)?.unwrap_or(newest),
            Some(_) => newest,
        };
        holds.push(OpenHold {
            order: parse_order(&row.body)?,
            cause,
            decision,
            action: row.action,
            because,
        });
    }
    Ok(holds)
}

fn cause(word: &str) -> Result<HoldCause, StoreError> {
    HoldCause::parse(word).ok_or_else(|| StoreError::corrupt("the cause of a hold", word))
}

/// The first of the newest decisions that hold the order for these reasons without interruption.
fn began(decisions: &[DecisionRow], reasons: &[String]) -> Result<Option<i64>, StoreError> {
    let mut first = None;
    for row in decisions {
        let decision: Decision = parse_decision(&row.body)?;
        if row.verdict != "hold" || because(None, Some(&decision)) != reasons {
            break;
        }
        first = Some(row.id);
    }
    Ok(first)
}

impl WriteTx<'_> {
    /// Writes the notice of an order's hold, unless it has one already.
    pub(crate) async fn notice_hold(
        &mut self,
        shop: &ShopName,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let holds = open_holds(self.conn()?, shop, Some(order.id.as_str())).await?;
        for notice in holds.iter().filter_map(|hold| hold.notice(shop)) {
            self.notice(now, notice);
        }
        Ok(())
    }
}

impl Store {
    /// Writes the notices that open holds of a shop do not have yet: those decided while it only proposed, and
    /// those of a restored database. For the start of a shop that acts.
    pub async fn notice_open_holds(
        &self,
        shop: &ShopName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let holds = open_holds(tx.conn()?, shop, None).await?;
        let held = holds
            .iter()
            .filter(|hold| hold.cause != Some(HoldCause::Refused));
        for notice in held.filter_map(|hold| hold.notice(shop)) {
            tx.notice(now, notice);
        }
        tx.commit().await
    }

    /// Whether a notice of a hold still says what is so. One about an order that is not known yet counts as true.
    pub async fn is_hold_current(
        &self,
        shop: &ShopName,
        key: &str,
        facts: &Value,
    ) -> Result<bool, StoreError> {
        let Some(code) = facts["order"].as_str() else {
            return Ok(true);
        };
        let mut reader = self.read().await?;
        let id: Option<String> =
            sqlx::query_scalar("SELECT id FROM orders WHERE code = ? AND shop = ?")
                .bind(code)
                .bind(shop.as_str())
                .fetch_optional(&mut *reader)
                .await?;
        let Some(id) = id else {
            return Ok(true);
        };
        let holds = open_holds(&mut reader, shop, Some(&id)).await?;
        let mut notices = holds.iter().filter_map(|hold| hold.notice(shop));
        Ok(notices.any(|notice| notice.key == key))
    }
}
