//! What commands and the status page show.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::actions::{parse_kind, parse_state};
use super::attempts::parse_outcome;
use super::lines::parse_line;
use super::listed::{OrderFilter, listed};
use super::new_orders::{new_orders, parse_cause};
use super::orders::parse_order;
use super::{Store, StoreError, at};
use crate::domain::action::{Kind, OutcomeKind, State};
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::hold::{HoldCause, Progress};
use crate::domain::ids::ShopName;
use crate::domain::order::{Line, Order};
use crate::domain::verdict::CancelReason;

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
    pub state: State,
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
    /// The cause of the hold outside the rules.
    pub held_cause: Option<HoldCause>,
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
    held_cause: Option<String>,
    decision_id: Option<i64>,
    decision_at: Option<i64>,
    actor: Option<String>,
    decision: Option<String>,
    facts: Option<String>,
    policy_digest: Option<String>,
    present_why: Option<String>,
}

/// These orders (JSON: shop and id of each), in their order.
pub(crate) const VIEWED: &str = "
SELECT o.shop, o.id, o.body, o.lines_problem, o.seen_at, o.held_by, o.held_why, o.held_cause, d.id AS decision_id,
       d.at AS decision_at, d.actor, d.body AS decision, d.facts, d.policy_digest,
       p.why AS present_why
FROM json_each(?1) j CROSS JOIN orders o ON o.shop = j.value ->> 0 AND o.id = j.value ->> 1
LEFT JOIN present_reasons p ON p.shop = o.shop AND p.order_id = o.id
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
ORDER BY j.key";

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
WITH a AS (SELECT a.* FROM shops s CROSS JOIN actions a INDEXED BY actions_due
  WHERE a.shop = s.name AND a.state IN ('pending', 'sent', 'unknown') AND (?1 IS NULL OR s.name = ?1)),
c AS (SELECT c.what, c.n FROM shops s CROSS JOIN counts_by_hour c
  WHERE c.shop = s.name AND (?1 IS NULL OR s.name = ?1))
SELECT (SELECT COALESCE(SUM(n), 0) FROM c WHERE what = 'seen') AS orders,
 (SELECT COALESCE(SUM(n), 0) FROM c WHERE what = 'accept') AS accepted,
 (SELECT COALESCE(SUM(n), 0) FROM c WHERE what = 'cancel') AS cancelled,
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
        let listed = listed(&mut reader, filter).await?;
        let listed: Vec<_> = listed.iter().map(|key| (&key.shop, &key.id)).collect();
        let rows: Vec<Row> = sqlx::query_as(VIEWED)
            .bind(json!(listed).to_string())
            .fetch_all(&mut *reader)
            .await?;
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
                held_cause: row.held_cause.as_deref().map(parse_cause).transpose()?,
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
