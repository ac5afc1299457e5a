//! Orders that wait for too long, and whether people were notified.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::new_orders::{parse_cause, parse_verdict};
use super::orders::parse_order;
use super::overview::{parse_decision, waiting_facts};
use super::page::Page;
use super::{Store, StoreError, ms};
use crate::crash_point::crash_point;
use crate::domain::hold::{Progress, because};
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::domain::order::Order;

/// An order that still waits for the merchant.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The order.
    pub order: Order,
    /// Whether a rule or a person left it to a person.
    pub held: bool,
    /// What it waits for, in words of a fixed list: nothing that a person wrote.
    pub because: Vec<String>,
    /// The last of its deadline events that people were notified of.
    pub reported: Option<DeadlineEvent>,
    /// Whether an accept or a cancel of it is being sent or read back.
    pub on_its_way: bool,
}

#[derive(FromRow)]
struct Row {
    body: String,
    held_cause: Option<String>,
    decision: Option<String>,
    verdict: Option<String>,
    near_reported: bool,
    past_reported: bool,
    needs_person: Option<bool>,
    denied_at: Option<i64>,
    paused_at: Option<i64>,
}

impl Row {
    const fn reported(&self) -> Option<DeadlineEvent> {
        match (self.past_reported, self.near_reported) {
            (true, _) => Some(DeadlineEvent::Past),
            (false, true) => Some(DeadlineEvent::Near),
            (false, false) => None,
        }
    }

    /// Whether a live action of it goes on by itself: none does while its shop sends nothing.
    fn is_on_its_way(&self) -> bool {
        self.needs_person == Some(false) && self.denied_at.is_none() && self.paused_at.is_none()
    }
}

/// Which of an order's two deadline events is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineEvent {
    /// It is near.
    Near,
    /// It has passed.
    Past,
}

impl DeadlineEvent {
    const fn kind(self) -> Kind {
        match self {
            Self::Near => Kind::DeadlineNear,
            Self::Past => Kind::DeadlinePast,
        }
    }
}

/// The columns of a [`Row`].
macro_rules! columns {
    () => {
        "
SELECT o.body, o.held_cause, d.body AS decision, d.verdict,
  EXISTS (SELECT 1 FROM audit a WHERE a.shop = o.shop AND a.order_id = o.id
          AND a.event = 'order.deadline_near') AS near_reported,
  EXISTS (SELECT 1 FROM audit a WHERE a.shop = o.shop AND a.order_id = o.id
          AND a.event = 'order.deadline_past') AS past_reported,
  live.needs_person, s.denied_at, s.paused_at
FROM orders o JOIN shops s ON s.name = o.shop
LEFT JOIN actions live ON live.shop = o.shop AND live.order_id = o.id AND live.state IN ('pending', 'sent', 'unknown')
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'"
    };
}

pub(crate) const WAITING_ORDER: &str = concat!(columns!(), " AND o.code = ?2");

pub(crate) const WAITING: &str = concat!(
    columns!(),
    "
  AND (o.created_at, o.id) > (?3, ?4) AND (o.created_at <= ?2 OR o.body ->> '$.express')
ORDER BY o.created_at, o.id LIMIT ?5"
);

impl Store {
    /// A page of the orders that wait since `since` or longer, and of express ones, with the page behind it.
    pub async fn waiting(
        &self,
        shop: &ShopName,
        since: Timestamp,
        page: &Page,
    ) -> Result<(Vec<Waiting>, Option<Page>), StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(WAITING)
            .bind(shop.as_str())
            .bind(ms(since))
            .bind(page.created_at)
            .bind(&page.id)
            .bind(page.limit)
            .fetch_all(&mut *reader)
            .await?;
        drop(reader);
        let waiting: Vec<Waiting> = rows.iter().map(waiting).collect::<Result<_, _>>()?;
        let next = page.next(waiting.len(), waiting.last().map(|last| &last.order));
        Ok((waiting, next))
    }

    /// The order with this code, while it waits for the merchant.
    pub async fn waiting_order(
        &self,
        shop: &ShopName,
        code: &str,
    ) -> Result<Option<Waiting>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<Row> = sqlx::query_as(WAITING_ORDER)
            .bind(shop.as_str())
            .bind(code)
            .fetch_optional(&mut *reader)
            .await?;
        row.as_ref().map(waiting).transpose()
    }

    /// Records that people are notified of these orders, with their notices.
    pub async fn deadline_notified(
        &self,
        shop: &ShopName,
        event: DeadlineEvent,
        notified: &[&Waiting],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if notified.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for waiting in notified {
            let detail = json!({ "since": waiting.order.waiting_since(), "why": waiting.because });
            tx.audit(
                now,
                "qabyl",
                (shop, Some(&waiting.order.id)),
                event.kind().word(),
                detail,
            );
            let order = &waiting.order;
            let (since, because) = (order.waiting_since(), &waiting.because);
            let facts = waiting_facts(&order.code, since, order.express, because);
            let what = order.id.as_str();
            tx.notice(now, Notice::of_shop(event.kind(), shop, what, facts));
        }
        crash_point("alert.before_commit");
        tx.commit().await?;
        crash_point("alert.after_commit");
        Ok(())
    }
}

fn waiting(row: &Row) -> Result<Waiting, StoreError> {
    let cause = row.held_cause.as_deref().map(parse_cause).transpose()?;
    let verdict = row.verdict.as_deref().map(parse_verdict).transpose()?;
    let decision = row.decision.as_deref().map(parse_decision).transpose()?;
    Ok(Waiting {
        order: parse_order(&row.body)?,
        held: Progress::of(cause, verdict) == Progress::Held,
        because: because(cause, decision.as_ref()),
        reported: row.reported(),
        on_its_way: row.is_on_its_way(),
    })
}
