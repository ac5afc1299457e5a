//! What commands and the status page show.

use jiff::Timestamp;
use sqlx::FromRow;

use super::actions::{parse_kind, parse_state};
use super::attempts::parse_outcome;
use super::lines::parse_line;
use super::new_orders::{NewOrder, new_orders};
use super::orders::parse_order;
use super::{Store, StoreError, at};
use crate::domain::action::{Kind, OutcomeKind, State as ActionState};
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::hold::Progress;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Line, Order, State};
use crate::domain::verdict::CancelReason;

/// Which orders to list.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of one shop.
    pub shop: Option<String>,
    /// With one id.
    pub id: Option<OrderId>,
    /// In one of Kaspi's states.
    pub state: Option<String>,
    /// In one of Kaspi's statuses.
    pub status: Option<String>,
    /// Created at or after.
    pub since: Option<i64>,
    /// Only those that need a person.
    pub held: bool,
    /// Maximum number, newest first; those that need a person oldest first, as they have the least time.
    pub limit: u32,
}

/// A decision as stored.
#[derive(Debug, Clone)]
pub struct DecisionView {
    /// Its row.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// `qabyl` or a person.
    pub actor: String,
    /// The decision.
    pub decision: Decision,
    /// What it rested on.
    pub facts: Facts,
    /// The policy's digest.
    pub policy_digest: String,
}

/// One POST.
#[derive(Debug, Clone)]
pub struct AttemptView {
    /// From 1.
    pub n: i64,
    /// When it was about to be sent.
    pub begun_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the answer proves.
    pub outcome: Option<OutcomeKind>,
    /// Its words.
    pub detail: Option<String>,
}

/// An action with its POSTs.
#[derive(Debug, Clone)]
pub struct ActionView {
    /// What is asked of Kaspi.
    pub kind: Kind,
    /// Where it stands.
    pub state: ActionState,
    /// When it was decided.
    pub made_at: Timestamp,
    /// When it is looked at next.
    pub due_at: Option<Timestamp>,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Why it ended.
    pub why: Option<String>,
    /// Its POSTs.
    pub attempts: Vec<AttemptView>,
}

impl ActionView {
    /// Why, for a cancel.
    pub const fn reason(&self) -> Option<CancelReason> {
        match self.kind {
            Kind::Accept => None,
            Kind::Cancel { reason, .. } => Some(reason),
        }
    }
}

/// An order as Qabyl knows it.
#[derive(Debug, Clone)]
pub struct OrderView {
    /// Its shop.
    pub shop: String,
    /// The order.
    pub order: Order,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Why the lines are not known.
    pub lines_problem: Option<String>,
    /// When it was last read.
    pub seen_at: Timestamp,
    /// Who holds it and why.
    pub held: Option<(String, String)>,
    /// Its newest decision.
    pub decision: Option<DecisionView>,
    /// Why it is held or waits, as of the last pass.
    pub present_why: Option<String>,
    /// Its actions, oldest first.
    pub actions: Vec<ActionView>,
}

#[derive(FromRow)]
struct Row {
    shop: String,
    id: String,
    body: String,
    lines_problem: Option<String>,
    seen_at: i64,
    held_by: Option<String>,
    held_why: Option<String>,
    decision_id: Option<i64>,
    decision_at: Option<i64>,
    actor: Option<String>,
    decision: Option<String>,
    facts: Option<String>,
    policy_digest: Option<String>,
    present_why: Option<String>,
}

macro_rules! columns {
    () => {
        "
SELECT o.shop, o.id, o.body, o.lines_problem, o.seen_at, o.held_by, o.held_why, d.id AS decision_id,
       d.at AS decision_at, d.actor, d.body AS decision, d.facts, d.policy_digest,
       p.why AS present_why
FROM orders o
LEFT JOIN present_reasons p ON p.shop = o.shop AND p.order_id = o.id
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id) "
    };
}

const ORDERS: &str = concat!(
    columns!(),
    "
WHERE (?1 IS NULL OR o.shop = ?1) AND (?2 IS NULL OR o.id = ?2) AND (?3 IS NULL OR o.state = ?3)
  AND (?4 IS NULL OR o.status = ?4) AND (?5 IS NULL OR o.created_at >= ?5)
ORDER BY o.created_at DESC, o.id DESC LIMIT ?6"
);

const ORDER: &str = concat!(columns!(), "WHERE o.shop = ? AND o.id = ?");

#[derive(FromRow)]
struct ActionRow {
    id: i64,
    kind: String,
    reason: Option<String>,
    comment: Option<String>,
    state: String,
    made_at: i64,
    due_at: Option<i64>,
    closed_at: Option<i64>,
    why: Option<String>,
}

#[derive(FromRow)]
struct AttemptRow {
    n: i64,
    begun_at: i64,
    ended_at: Option<i64>,
    outcome: Option<String>,
    detail: Option<String>,
}

/// Counts for a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Orders known.
    pub orders: i64,
    /// Accepted, as Kaspi shows.
    pub accepted: i64,
    /// Cancelled by a confirmed action of ours.
    pub cancelled: i64,
    /// Waiting for the merchant with a hold.
    pub held: i64,
    /// Waiting for the merchant with a wait.
    pub waiting: i64,
    /// Waiting for the merchant and not decided.
    pub undecided: i64,
    /// POSTs whose outcome is not known yet, or not yet seen.
    pub open_actions: i64,
    /// POSTs for which it is unknown whether they took effect.
    pub unknown: i64,
    /// Live actions that only a person can end.
    pub stuck: i64,
}

impl Totals {
    /// Whether something needs a person: holds, and unknown outcomes.
    pub const fn needs_person(&self) -> bool {
        self.held + self.unknown + self.stuck > 0
    }
}

pub(crate) const TOTALS: &str = "
WITH a AS (SELECT * FROM actions INDEXED BY actions_due
  WHERE state IN ('pending', 'sent', 'unknown') AND (?1 IS NULL OR shop = ?1))
SELECT (SELECT COUNT(*) FROM orders WHERE ?1 IS NULL OR shop = ?1) AS orders,
 (SELECT COUNT(*) FROM actions WHERE kind = 'accept' AND state = 'confirmed' AND (?1 IS NULL OR shop = ?1))
   AS accepted,
 (SELECT COUNT(*) FROM actions WHERE kind = 'cancel' AND state = 'confirmed' AND (?1 IS NULL OR shop = ?1))
   AS cancelled,
 (SELECT COUNT(*) FROM a) AS open_actions,
 (SELECT COUNT(*) FROM a WHERE state = 'unknown') AS unknown,
 (SELECT COUNT(*) FROM a WHERE needs_person = 1) AS stuck";

impl Store {
    /// Counts, of one shop or of all.
    pub async fn totals(&self, shop: Option<&ShopName>) -> Result<Totals, StoreError> {
        let mut reader = self.read().await?;
        let shop = shop.map(ShopName::as_str);
        let row: TotalsRow = sqlx::query_as(TOTALS)
            .bind(shop)
            .fetch_one(&mut *reader)
            .await?;
        let open = new_orders(&mut reader, shop).await?;
        let count = |progress| {
            let open = open.iter().filter(|order| order.awaits_merchant());
            let found = open.filter(|order| order.progress == progress).count();
            i64::try_from(found).unwrap_or(i64::MAX)
        };
        Ok(Totals {
            orders: row.orders,
            accepted: row.accepted,
            cancelled: row.cancelled,
            held: count(Progress::Held),
            waiting: count(Progress::Waits),
            undecided: count(Progress::Undecided),
            open_actions: row.open_actions,
            unknown: row.unknown,
            stuck: row.stuck,
        })
    }

    /// Orders with their newest decision and all their actions, newest order first; those that need a person
    /// oldest first.
    pub async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        let mut reader = self.read().await?;
        let rows = if filter.held {
            held(&mut reader, filter).await?
        } else {
            sqlx::query_as(ORDERS)
                .bind(filter.shop.as_deref())
                .bind(filter.id.as_ref().map(OrderId::as_str))
                .bind(filter.state.as_deref())
                .bind(filter.status.as_deref())
                .bind(filter.since)
                .bind(filter.limit)
                .fetch_all(&mut *reader)
                .await?
        };
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let lines: Vec<String> = sqlx::query_scalar(
                "SELECT body FROM lines WHERE shop = ? AND order_id = ? ORDER BY number, entry",
            )
            .bind(&row.shop)
            .bind(&row.id)
            .fetch_all(&mut *reader)
            .await?;
            let actions = actions(&mut reader, &row.shop, &row.id).await?;
            views.push(OrderView {
                order: parse_order(&row.body)?,
                lines: lines
                    .iter()
                    .map(|body| parse_line(body))
                    .collect::<Result<_, _>>()?,
                seen_at: at(row.seen_at)?,
                decision: decision(&row)?,
                held: row.held_by.zip(row.held_why),
                lines_problem: row.lines_problem,
                present_why: row.present_why,
                shop: row.shop,
                actions,
            });
        }
        Ok(views)
    }
}

#[derive(FromRow)]
struct TotalsRow {
    orders: i64,
    accepted: i64,
    cancelled: i64,
    open_actions: i64,
    unknown: i64,
    stuck: i64,
}

/// The orders of the filter that need a person, oldest first.
async fn held(
    reader: &mut sqlx::SqliteConnection,
    filter: &OrderFilter,
) -> Result<Vec<Row>, StoreError> {
    let is_wanted = |order: &NewOrder| {
        order.needs_person()
            && filter.id.as_ref().is_none_or(|id| id.as_str() == order.id)
            && filter
                .state
                .as_ref()
                .is_none_or(|state| state == State::New.as_str())
            && filter
                .status
                .as_ref()
                .is_none_or(|status| status == order.status.as_str())
            && filter.since.is_none_or(|since| order.created_at >= since)
    };
    let mut orders = new_orders(reader, filter.shop.as_deref()).await?;
    orders.retain(is_wanted);
    orders.sort_by(|a, b| (a.created_at, &b.id).cmp(&(b.created_at, &a.id)));
    orders.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
    let mut rows = Vec::with_capacity(orders.len());
    for order in orders {
        let row = sqlx::query_as(ORDER).bind(order.shop).bind(order.id);
        rows.push(row.fetch_one(&mut *reader).await?);
    }
    Ok(rows)
}

fn decision(row: &Row) -> Result<Option<DecisionView>, StoreError> {
    let (Some(id), Some(when), Some(actor), Some(body), Some(facts), Some(digest)) = (
        row.decision_id,
        row.decision_at,
        &row.actor,
        &row.decision,
        &row.facts,
        &row.policy_digest,
    ) else {
        return Ok(None);
    };
    let mut facts: Facts =
        serde_json::from_str(facts).map_err(|_| StoreError::corrupt("facts", facts))?;
    if facts.shop.is_none() {
        facts.shop = ShopName::new(&row.shop).ok();
    }
    Ok(Some(DecisionView {
        id,
        at: at(when)?,
        actor: actor.clone(),
        decision: serde_json::from_str(body)
            .map_err(|_| StoreError::corrupt("a decision", body))?,
        facts,
        policy_digest: digest.clone(),
    }))
}

async fn actions(
    reader: &mut sqlx::SqliteConnection,
    shop: &str,
    order: &str,
) -> Result<Vec<ActionView>, StoreError> {
    let rows: Vec<ActionRow> = sqlx::query_as(
        "SELECT id, kind, reason, comment, state, made_at, due_at, closed_at, why FROM actions
         WHERE shop = ? AND order_id = ? ORDER BY id",
    )
    .bind(shop)
    .bind(order)
    .fetch_all(&mut *reader)
    .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let attempts: Vec<AttemptRow> = sqlx::query_as(
            "SELECT n, begun_at, ended_at, outcome, detail FROM attempts WHERE action_id = ? ORDER BY n",
        )
        .bind(row.id)
        .fetch_all(&mut *reader)
        .await?;
        views.push(ActionView {
            kind: parse_kind(&row.kind, row.reason.as_deref(), row.comment)?,
            state: parse_state(&row.state)?,
            made_at: at(row.made_at)?,
            due_at: row.due_at.map(at).transpose()?,
            closed_at: row.closed_at.map(at).transpose()?,
            why: row.why,
            attempts: attempts
                .into_iter()
                .map(attempt)
                .collect::<Result<_, _>>()?,
        });
    }
    Ok(views)
}

fn attempt(row: AttemptRow) -> Result<AttemptView, StoreError> {
    Ok(AttemptView {
        n: row.n,
        begun_at: at(row.begun_at)?,
        ended_at: row.ended_at.map(at).transpose()?,
        outcome: row.outcome.as_deref().map(parse_outcome).transpose()?,
        detail: row.detail,
    })
}
