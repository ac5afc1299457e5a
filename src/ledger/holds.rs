//! Open holds and the notices of them. A hold is notified once: its notice is named after the decision that began
//! it, so that the same hold has one notice however often it is decided again, and one for another reason has
//! another.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection};

use crate::domain::decision::Decision;
use crate::domain::hold::{HoldCause, because};
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::domain::order::Order;
use crate::domain::verdict::VerdictKind;
use crate::store::new_orders::{NewOrder, new_order, new_orders, parse_verdict};
use crate::store::orders::parse_order;
use crate::store::overview::{parse_decision, waiting_facts};
use crate::store::{Store, StoreError, WriteTx};

/// Decisions of one order looked through for the one that began its hold.
const DECISIONS_MAX: i64 = 200;

/// An order that waits for a person now.
struct OpenHold {
    order: Order,
    origin: Origin,
    because: Vec<String>,
}

/// What an order's hold comes from.
enum Origin {
    /// The rules, by the decision that began it.
    Rules { began: i64 },
    /// A person asked for it.
    Person,
    /// Kaspi refused the order's newest action.
    Refused { action: Option<i64> },
    /// Another cause outside the rules, after the newest decision, if there was one.
    Outside {
        cause: HoldCause,
        decision: Option<i64>,
    },
}

#[derive(FromRow)]
struct DecisionRow {
    id: i64,
    verdict: String,
    body: String,
}

impl OpenHold {
    /// Its notice; `None` for a hold that a person asked for.
    fn notice(&self, shop: &ShopName) -> Option<Notice> {
        let order = &self.order;
        let what = match &self.origin {
            Origin::Person => return None,
            Origin::Refused { action } => {
                return action.map(|action| {
                    let facts = json!({ "order": order.code.as_str() });
                    Notice::of_shop(Kind::ActionRefused, shop, &action.to_string(), facts)
                });
            }
            Origin::Outside {
                cause,
                decision: Some(decision),
            } => format!("{}:{}:{decision}", order.id, cause.as_str()),
            Origin::Outside {
                cause,
                decision: None,
            } => format!("{}:{}", order.id, cause.as_str()),
            Origin::Rules { began } => format!("{}:{began}", order.id),
        };
        let since = order.waiting_since();
        let facts = waiting_facts(&order.code, since, order.express, &self.because);
        Some(Notice::of_shop(Kind::OrderHeld, shop, &what, facts))
    }
}

/// The holds among these orders.
async fn open_holds(
    connection: &mut SqliteConnection,
    orders: impl IntoIterator<Item = NewOrder>,
) -> Result<Vec<OpenHold>, StoreError> {
    let mut holds = Vec::new();
    for order in orders.into_iter().filter(NewOrder::awaits_person) {
        holds.push(open_hold(connection, &order).await?);
    }
    Ok(holds)
}

/// The hold of this order, if it waits for a person.
async fn hold_of(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    id: &str,
) -> Result<Option<OpenHold>, StoreError> {
    let order = new_order(connection, shop.as_str(), id).await?;
    Ok(open_holds(connection, order).await?.pop())
}

async fn open_hold(
    connection: &mut SqliteConnection,
    held: &NewOrder,
) -> Result<OpenHold, StoreError> {
    let body: String = sqlx::query_scalar("SELECT body FROM orders WHERE shop = ? AND id = ?")
        .bind(&held.shop)
        .bind(&held.id)
        .fetch_one(&mut *connection)
        .await?;
    let decisions: Vec<DecisionRow> = sqlx::query_as(
        "SELECT id, verdict, body FROM decisions WHERE shop = ? AND order_id = ? ORDER BY id DESC LIMIT ?",
    )
    .bind(&held.shop)
    .bind(&held.id)
    .bind(DECISIONS_MAX)
    .fetch_all(&mut *connection)
    .await?;
    let newest = decisions.first();
    let decision = newest.map(|row| parse_decision(&row.body)).transpose()?;
    let because = because(held.cause, decision.as_ref());
    let origin = match (held.cause, newest) {
        (Some(HoldCause::Person), _) => Origin::Person,
        (Some(HoldCause::Refused), _) => Origin::Refused {
            action: newest_action(connection, held).await?,
        },
        (Some(cause), newest) => Origin::Outside {
            cause,
            decision: newest.map(|row| row.id),
        },
        (None, Some(newest)) => Origin::Rules {
            began: began(&decisions, &because)?.unwrap_or(newest.id),
        },
        (None, None) => return Err(StoreError::corrupt("a hold without a cause", &held.id)),
    };
    Ok(OpenHold {
        order: parse_order(&body)?,
        origin,
        because,
    })
}

async fn newest_action(
    connection: &mut SqliteConnection,
    held: &NewOrder,
) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query_scalar(
        "SELECT id FROM actions WHERE shop = ? AND order_id = ? ORDER BY id DESC LIMIT 1",
    );
    let found = found.bind(&held.shop).bind(&held.id);
    Ok(found.fetch_optional(connection).await?)
}

/// The first of the newest decisions that hold the order for these reasons without interruption.
fn began(decisions: &[DecisionRow], reasons: &[String]) -> Result<Option<i64>, StoreError> {
    let mut first = None;
    for row in decisions {
        let decision: Decision = parse_decision(&row.body)?;
        let is_hold = parse_verdict(&row.verdict)? == VerdictKind::Hold;
        if !is_hold || because(None, Some(&decision)) != reasons {
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
        let hold = hold_of(self.conn()?, shop, order.id.as_str()).await?;
        if let Some(notice) = hold.and_then(|hold| hold.notice(shop)) {
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
        let orders = new_orders(tx.conn()?, Some(shop.as_str())).await?;
        let holds = open_holds(tx.conn()?, orders).await?;
        let held = holds.iter();
        let held = held.filter(|hold| !matches!(hold.origin, Origin::Refused { .. }));
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
        let hold = hold_of(&mut reader, shop, &id).await?;
        let notice = hold.and_then(|hold| hold.notice(shop));
        Ok(notice.is_some_and(|notice| notice.key == key))
    }
}
