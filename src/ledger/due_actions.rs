//! Read model: the unfinished actions of a shop, and which of them are due.

use jiff::Timestamp;
use sqlx::FromRow;

use crate::domain::action::{Action, Kind, OutcomeKind};
use crate::domain::ids::ShopName;
use crate::domain::order::{Order, State, Status};
use crate::store::actions::{FieldsRow, parse_kind};
use crate::store::attempts::parse_outcome;
use crate::store::orders::parse_order;
use crate::store::{Store, StoreError, at, ms};

/// An action that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its row.
    pub action: i64,
    /// The decision it comes from.
    pub decision: i64,
    /// The order, as stored.
    pub order: Order,
    /// What is asked.
    pub kind: Kind,
    /// Where it stands.
    pub stored: Action,
    /// Whether a person asked for it.
    pub by_person: bool,
    /// Whether that person knew that the order was accepted.
    pub cancels_accepted_order: bool,
    /// When it was decided.
    pub made_at: Timestamp,
    /// When the list that last showed the order as NEW was asked for.
    pub listed_at: Option<Timestamp>,
    /// How the last POST ended.
    pub last_outcome: Option<OutcomeKind>,
    /// POSTs that were handled, or may have been.
    pub attempts_towards_max: u32,
}

impl Due {
    /// POSTs that left, or may have left.
    pub const fn attempts(&self) -> u32 {
        self.stored.attempts()
    }

    /// Whether a POST of it may still leave: the action is what it was when it became due, and its order waits for it.
    pub(crate) fn is_still_due(
        &self,
        now: &Action,
        order: (&State, &Status),
        at: Timestamp,
    ) -> bool {
        let is_same =
            now.state() == self.stored.state() && now.attempts() == self.stored.attempts();
        let is_due = now.due_at().is_some_and(|due| due <= at);
        let is_awaited = match order {
            (State::New, Status::ApprovedByBank) => true,
            (_, Status::AcceptedByMerchant) => {
                self.by_person && matches!(self.kind, Kind::Cancel { .. })
            }
            _ => false,
        };
        is_same && is_due && is_awaited
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    decision_id: i64,
    body: String,
    kind: String,
    reason: Option<String>,
    comment: Option<String>,
    #[sqlx(flatten)]
    fields: FieldsRow,
    origin: String,
    made_at: i64,
    listed_at: Option<i64>,
    decided_status: Option<String>,
    outcomes: String,
}

pub(crate) const DUE: &str = "
SELECT a.id, a.decision_id, o.body, a.kind, a.reason, a.comment, a.state, a.attempts,
  a.due_at, a.needs_person, a.closed_at, a.why, a.origin, a.made_at, o.listed_at, d.facts ->> '$.order.status' AS decided_status,
  (SELECT json_group_array(outcome ORDER BY n) FROM attempts t WHERE t.action_id = a.id) AS outcomes
FROM actions a JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
JOIN decisions d ON d.id = a.decision_id
WHERE a.shop = ? AND a.state IN ('pending', 'sent', 'unknown') AND a.due_at <= ?
ORDER BY a.state = 'pending' DESC, a.kind = 'accept' DESC, o.created_at, o.id LIMIT ?";

/// Shops with an action that is due at `?1`, by the index of live ones.
pub(crate) const SHOPS_DUE: &str = "
SELECT DISTINCT shop FROM actions INDEXED BY actions_due
WHERE state IN ('pending', 'sent', 'unknown') AND due_at <= ?1";

/// Shops with orders that wait for the merchant.
pub(crate) const SHOPS_WAITING: &str = "
SELECT DISTINCT shop FROM orders INDEXED BY orders_waiting WHERE status = 'APPROVED_BY_BANK'";

/// The shops that have something to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShopsWithWork {
    /// Those with an action that is due.
    pub due: Vec<ShopName>,
    /// Those with orders that wait for the merchant.
    pub waiting: Vec<ShopName>,
}

pub(crate) const NEXT_DUE: &str = "
SELECT MIN(due_at) FROM actions INDEXED BY actions_due
WHERE shop = ? AND state IN ('pending', 'sent', 'unknown')";

// The index holds live actions: all three states must be named for it to be used.
pub(crate) const UNCONFIRMED: &str = "
SELECT COUNT(*) FROM actions INDEXED BY actions_due
WHERE shop = ? AND state IN ('pending', 'sent', 'unknown') AND state <> 'pending'";

fn due(row: Row) -> Result<Due, StoreError> {
    let outcomes = outcomes(&row.outcomes)?;
    let counted = outcomes.iter().flatten().filter(|outcome| outcome.counts());
    Ok(Due {
        action: row.id,
        decision: row.decision_id,
        order: parse_order(&row.body)?,
        kind: parse_kind(&row.kind, row.reason.as_deref(), row.comment)?,
        stored: row.fields.action()?,
        by_person: row.origin == "person",
        cancels_accepted_order: cancels_accepted_order(
            Some(&row.origin),
            row.decided_status.as_deref(),
        ),
        made_at: at(row.made_at)?,
        listed_at: row.listed_at.map(at).transpose()?,
        last_outcome: outcomes.last().copied().flatten(),
        attempts_towards_max: u32::try_from(counted.count()).unwrap_or(u32::MAX),
    })
}

/// How the POSTs of an action ended, the oldest first; `None` for one that has not.
fn outcomes(words: &str) -> Result<Vec<Option<OutcomeKind>>, StoreError> {
    let words: Vec<Option<String>> = serde_json::from_str(words)
        .map_err(|_| StoreError::corrupt("outcomes of an action", words))?;
    let outcome = |word: Option<String>| word.as_deref().map(parse_outcome).transpose();
    words.into_iter().map(outcome).collect()
}

/// Whether a person asked for an action knowing that its order was accepted: `decided_status` is the status it
/// was decided with.
pub(crate) fn cancels_accepted_order(origin: Option<&str>, decided_status: Option<&str>) -> bool {
    origin == Some("person") && decided_status == Some(Status::AcceptedByMerchant.as_str())
}

impl Store {
    /// The shops that have something to do now.
    pub async fn shops_with_work(&self, now: Timestamp) -> Result<ShopsWithWork, StoreError> {
        let mut reader = self.read().await?;
        let due: Vec<String> = sqlx::query_scalar(SHOPS_DUE)
            .bind(ms(now))
            .fetch_all(&mut *reader)
            .await?;
        let waiting: Vec<String> = sqlx::query_scalar(SHOPS_WAITING)
            .fetch_all(&mut *reader)
            .await?;
        let names = |names: Vec<String>| {
            let name = |name: &String| {
                ShopName::new(name).map_err(|_| StoreError::corrupt("a shop", name))
            };
            names.iter().map(name).collect::<Result<Vec<_>, _>>()
        };
        Ok(ShopsWithWork {
            due: names(due)?,
            waiting: names(waiting)?,
        })
    }

    /// Live actions that are due now.
    pub async fn due_actions(
        &self,
        shop: &ShopName,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Due>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(DUE)
            .bind(shop.as_str())
            .bind(ms(now))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await?;
        rows.into_iter().map(due).collect()
    }

    /// When the next live action is due; `None` when there is none.
    pub async fn next_due(&self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let next: Option<i64> = sqlx::query_scalar(NEXT_DUE)
            .bind(shop.as_str())
            .fetch_one(&mut *reader)
            .await?;
        next.map(at).transpose()
    }

    /// Actions with a POST whose effect is still to be seen.
    pub async fn unconfirmed(&self, shop: &ShopName) -> Result<u64, StoreError> {
        let mut reader = self.read().await?;
        let count: i64 = sqlx::query_scalar(UNCONFIRMED)
            .bind(shop.as_str())
            .fetch_one(&mut *reader)
            .await?;
        Ok(count.unsigned_abs())
    }
}
