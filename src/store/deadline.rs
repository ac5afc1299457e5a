//! Orders that wait for too long, and whether people were notified.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::orders::parse_order;
use super::overview::{because, waiting_facts};
use super::page::Page;
use super::{Store, StoreError, ms};
use crate::crash_point::crash_point;
use crate::domain::decision::Decision;
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
    /// What it waits for, as far as it is known.
    pub why: String,
    /// The same in words of a fixed list.
    pub because: Vec<String>,
}

#[derive(FromRow)]
struct Row {
    body: String,
    held_by: Option<String>,
    held_why: Option<String>,
    decision: Option<String>,
    verdict: Option<String>,
    rule: Option<String>,
}

pub(crate) const WAITING: &str = "
SELECT o.body, o.held_by, o.held_why, d.body AS decision, d.verdict, d.rule FROM orders o
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK'
  AND (o.created_at, o.id) > (?3, ?4) AND (o.created_at <= ?2 OR o.body ->> '$.express')
  AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.shop = o.shop AND a.order_id = o.id
                  AND a.event = 'order.deadline_near')
ORDER BY o.created_at, o.id LIMIT ?5";

impl Store {
    /// A page of the orders that wait since `since` or longer, and of express ones, that people were not
    /// notified of before, with the page behind it.
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
        let waiting = |row: Row| -> Result<Waiting, StoreError> {
            let held = row.held_why.is_some() || row.verdict.as_deref() == Some("hold");
            let decision = row.decision.as_deref();
            let decision: Option<Decision> =
                decision.and_then(|body| serde_json::from_str(body).ok());
            let because = because(row.held_by.as_deref(), decision.as_ref());
            let decided = row.verdict.zip(row.rule);
            let why = row
                .held_why
                .or(decided.map(|(verdict, rule)| format!("{verdict}: rule '{rule}'")));
            Ok(Waiting {
                order: parse_order(&row.body)?,
                held,
                why: why.unwrap_or_else(|| "not decided yet".to_owned()),
                because,
            })
        };
        let waiting: Vec<Waiting> = rows.into_iter().map(waiting).collect::<Result<_, _>>()?;
        let next = page.next(waiting.len(), waiting.last().map(|last| &last.order));
        Ok((waiting, next))
    }

    /// Records that people were notified of these orders.
    pub async fn deadline_notified(
        &self,
        shop: &ShopName,
        notified: &[&Waiting],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if notified.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for waiting in notified {
            let detail = json!({ "since": waiting.order.waiting_since(), "why": waiting.why });
            tx.audit(
                now,
                "qabyl",
                (shop, Some(&waiting.order.id)),
                "order.deadline_near",
                detail,
            );
            let order = &waiting.order;
            let (since, because) = (order.waiting_since(), &waiting.because);
            let facts = waiting_facts(&order.code, since, order.express, because);
            let what = order.id.as_str();
            tx.notice(now, Notice::of_shop(Kind::DeadlineNear, shop, what, facts));
        }
        crash_point("alert.before_commit");
        tx.commit().await?;
        crash_point("alert.after_commit");
        Ok(())
    }
}
