//! The orders that a pass decides: a page of those that wait, oldest first, with all that is stored of each.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::facts::stored_lines;
use crate::domain::candidate::{NewestList, Sent, Waiting};
use crate::domain::decision::Decision;
use crate::domain::facts::ShortageSeen;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Line, Lines, Order};
use crate::domain::unaccounted::LinesState;
use crate::store::actions::parse_kind;
use crate::store::lines::parse_line;
use crate::store::namesakes;
use crate::store::orders::parse_order;
use crate::store::page::Page;
use crate::store::unaccounted::lines_state;
use crate::store::{StoreError, WriteTx, at};

/// An order to be decided.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) order: Order,
    pub(super) first_seen_at: Timestamp,
    pub(super) lines: Lines,
    pub(super) shortage: Option<ShortageSeen>,
    /// The newest decision, whoever made it, with its policy's digest: after a manual decision the engine's own
    /// is news again.
    pub(super) previous: Option<(Decision, String)>,
    /// What was once sent for it.
    pub(super) sent: Option<Sent>,
    /// Other orders of the shop with its number.
    pub(super) namesakes: Vec<OrderId>,
    /// The scan in which its shortage was last counted.
    pub(super) shortage_scan: Option<i64>,
    /// Whether its lines were not read yet.
    pub(super) awaits_lines: bool,
}

/// The newest complete scan, and a page of the orders to be decided from it. `None` where one of them is
/// missing.
pub(super) async fn candidates(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    page: &Page,
) -> Result<Option<(i64, Vec<Candidate>)>, StoreError> {
    let newest: Option<(i64, i64)> = sqlx::query_as(
        "SELECT id, window_from FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1
         ORDER BY id DESC LIMIT 1",
    )
    .bind(shop.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    let Some((scan, from)) = newest else {
        return Ok(None);
    };
    let from = at(from)?;
    let ids = to_be_decided(tx, shop, &NewestList { scan, from }, page).await?;
    if ids.is_empty() {
        return Ok(None);
    }
    let ids = json!(ids).to_string();
    let rows: Vec<Row> = sqlx::query_as(CANDIDATES)
        .bind(shop.as_str())
        .bind(&ids)
        .fetch_all(tx.conn()?)
        .await?;
    let mut lines = lines_of(tx, shop, &ids).await?;
    let sent = sent(tx, &rows).await?;
    let codes: Vec<&str> = rows.iter().map(|row| row.code.as_str()).collect();
    let same_number = namesakes::with_numbers(tx, shop, &codes).await?;
    let candidates = rows.into_iter().map(|row| {
        let lines = lines.remove(&row.id).unwrap_or_default();
        let sent = sent.get(&row.code).copied();
        let same_number = same_number.iter();
        let others = same_number.filter(|(code, id)| *code == row.code && id.as_str() != row.id);
        let namesakes = others.map(|(_, id)| id.clone()).collect();
        candidate(row, lines, (sent, namesakes))
    });
    Ok(Some((scan, candidates.collect::<Result<_, _>>()?)))
}

#[derive(FromRow)]
struct WaitingRow {
    id: String,
    created_at: i64,
    held_cause: Option<String>,
    listed_scan: Option<i64>,
    has_live_action: bool,
}

impl WaitingRow {
    fn order(&self) -> Result<Waiting, StoreError> {
        Ok(Waiting {
            created_at: at(self.created_at)?,
            is_held: self.held_cause.is_some(),
            listed_scan: self.listed_scan,
            has_live_action: self.has_live_action,
        })
    }
}

/// The orders that wait behind `(?2, ?3)`, oldest first.
pub(crate) const WAITING: &str = "
SELECT o.id, o.created_at, o.held_cause, o.listed_scan,
  a.id IS NOT NULL AS has_live_action
FROM orders o
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK' AND (o.created_at, o.id) > (?2, ?3)
ORDER BY o.created_at, o.id LIMIT ?4";

/// Ids of a page of the waiting orders that the list lets decide. Others may stand between them, as many as there are.
async fn to_be_decided(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    list: &NewestList,
    page: &Page,
) -> Result<Vec<String>, StoreError> {
    let limit = page.limit as usize;
    let mut behind = (page.created_at, page.id.clone());
    let mut ids = Vec::new();
    loop {
        let rows: Vec<WaitingRow> = sqlx::query_as(WAITING)
            .bind(shop.as_str())
            .bind(behind.0)
            .bind(&behind.1)
            .bind(page.limit)
            .fetch_all(tx.conn()?)
            .await?;
        let is_last = rows.len() < limit;
        if let Some(last) = rows.last() {
            behind = (last.created_at, last.id.clone());
        }
        for row in rows {
            if list.lets_decide(&row.order()?) {
                ids.push(row.id);
            }
        }
        if is_last || ids.len() >= limit {
            ids.truncate(limit);
            return Ok(ids);
        }
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    code: String,
    body: String,
    first_seen_at: i64,
    lines_state: String,
    lines_problem: Option<String>,
    lines_failures: i64,
    shortage_since: Option<i64>,
    shortage_scans: i64,
    shortage_scan: Option<i64>,
    decision: Option<String>,
    policy_digest: Option<String>,
}

/// What is stored of these orders (JSON), in their order.
pub(crate) const CANDIDATES: &str = "
SELECT o.id, o.code, o.body, o.first_seen_at, o.lines_state, o.lines_problem, o.lines_failures,
  o.shortage_since, o.shortage_scans, o.shortage_scan, d.body AS decision, d.policy_digest
FROM json_each(?2) j CROSS JOIN orders o ON o.shop = ?1 AND o.id = j.value
LEFT JOIN decisions d ON d.id = (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
ORDER BY j.key";

pub(crate) const LINES: &str = "
SELECT order_id, body FROM lines WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))
ORDER BY order_id, number, entry";

async fn lines_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ids: &str,
) -> Result<HashMap<String, Vec<Line>>, StoreError> {
    let found: Vec<(String, String)> = sqlx::query_as(LINES)
        .bind(shop.as_str())
        .bind(ids)
        .fetch_all(tx.conn()?)
        .await?;
    let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
    for (order, body) in found {
        lines.entry(order).or_default().push(parse_line(&body)?);
    }
    Ok(lines)
}

/// The actions that were sent for orders with these numbers (JSON), from whichever shop.
pub(crate) const SENT: &str = "
SELECT o.code, a.kind, a.reason, a.comment
FROM json_each(?1) j CROSS JOIN orders o INDEXED BY orders_code ON o.code = j.value
JOIN actions a ON a.shop = o.shop AND a.order_id = o.id
WHERE a.attempts > 0";

async fn sent(tx: &mut WriteTx<'_>, rows: &[Row]) -> Result<HashMap<String, Sent>, StoreError> {
    let codes: Vec<&str> = rows.iter().map(|row| row.code.as_str()).collect();
    let actions: Vec<(String, String, Option<String>, Option<String>)> = sqlx::query_as(SENT)
        .bind(json!(codes).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    let mut sent: HashMap<String, Sent> = HashMap::new();
    for (code, kind, reason, comment) in actions {
        let by = Sent::by(&parse_kind(&kind, reason.as_deref(), comment)?);
        let all = sent.entry(code).or_insert(by);
        *all = all.and(by);
    }
    Ok(sent)
}

fn candidate(
    row: Row,
    lines: Vec<Line>,
    (sent, namesakes): (Option<Sent>, Vec<OrderId>),
) -> Result<Candidate, StoreError> {
    let shortage = row.shortage_since.map(at).transpose()?;
    let shortage = shortage.map(|since| ShortageSeen {
        since,
        scans: u32::try_from(row.shortage_scans).unwrap_or(u32::MAX),
    });
    let previous = match (row.decision, row.policy_digest) {
        (Some(body), Some(digest)) => serde_json::from_str(&body).ok().map(|d| (d, digest)),
        _ => None,
    };
    let state = lines_state(&row.lines_state)?;
    let in_vain = || format!("{} requests for them failed", row.lines_failures);
    let in_vain = (row.lines_failures > 0).then(in_vain);
    Ok(Candidate {
        order: parse_order(&row.body)?,
        first_seen_at: at(row.first_seen_at)?,
        lines: stored_lines(state, lines, row.lines_problem.or(in_vain)),
        awaits_lines: state == LinesState::Unread,
        shortage,
        previous,
        sent,
        namesakes,
        shortage_scan: row.shortage_scan,
    })
}
