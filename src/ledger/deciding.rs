//! What a deciding pass reads, and what it writes, in one transaction: decision, reservation, action
//! and audit together (R1).

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use super::availability::{StockSettings, Viewpoint};
use super::reservations::{Origin, close_reservations, insert_reservations};
use crate::crash_point::crash_point;
use crate::domain::decision::{Decision, Verdict};
use crate::domain::facts::{Facts, ShortageSeen, Surroundings};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::ledger::{Ledger, Take};
use crate::domain::notice::{Kind, Notice};
use crate::domain::order::{Lines, Order};
use crate::domain::reservation::Event;
use crate::domain::stock::Semantics;
use crate::mutant::mutant;
use crate::store::orders::{
    from_vanished, is_strange, lies_with_accepted, lines_awaited, parse_line, parse_order,
};
use crate::store::page::Page;
use crate::store::watch::{because, waiting_facts};
use crate::store::{Store, StoreError, WriteTx, at, counters, ms};

/// What the pass needs to know beside the database.
#[derive(Debug, Clone, Copy)]
pub struct DecidingInput {
    /// What the stock numbers mean.
    pub semantics: Semantics,
    /// Units of each SKU kept back.
    pub safety_stock: i64,
    /// Window of the cancel budget.
    pub budget_window: SignedDuration,
    /// Kaspi's clock minus ours, in seconds.
    pub clock_skew_s: Option<i64>,
    /// A shop whose accepted orders were last read longer ago than this may have given units back since, to
    /// all that share its stock.
    pub others_fresh_for: SignedDuration,
}

impl DecidingInput {
    pub(crate) const fn stock_settings(&self) -> StockSettings {
        StockSettings {
            semantics: self.semantics,
            safety_stock: self.safety_stock,
        }
    }

    pub(crate) fn viewpoint<'a>(&self, shop: &'a ShopName, now: Timestamp) -> Viewpoint<'a> {
        let since = now.saturating_sub(self.others_fresh_for).unwrap_or(now);
        Viewpoint {
            shop: Some((shop, since)).filter(|_| !mutant("r8_other_shops_are_certain")),
            own: None,
        }
    }
}

/// An order to be decided.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The order.
    pub order: Order,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Its lines.
    pub lines: Lines,
    /// Its shortage so far.
    pub shortage: Option<ShortageSeen>,
    /// The newest decision, whoever made it, with its policy's digest: after a person's word the engine's
    /// own is news again.
    pub previous: Option<(Decision, String)>,
    /// The action once sent for it.
    pub sent: Option<String>,
    shortage_scan: Option<i64>,
}

/// A deciding pass under way: nothing it records counts before [`Deciding::commit`].
pub struct Deciding<'s> {
    tx: WriteTx<'s>,
    shop: ShopName,
    now: Timestamp,
    scan: i64,
    /// Orders to decide, oldest first.
    pub candidates: Vec<Candidate>,
    /// Where there may be more.
    pub next: Option<Page>,
    /// Stock of all their SKUs.
    pub ledger: Ledger,
    /// The world around them.
    pub around: Surroundings,
}

/// A decision to be written.
pub struct NewDecision<'a> {
    /// What it rests on.
    pub facts: &'a Facts,
    /// The decision.
    pub decision: &'a Decision,
    /// The policy's digest.
    pub policy_digest: &'a str,
    /// Units an accept takes; empty in a dry run.
    pub takes: &'a [Take],
    /// Whether it is to be carried out.
    pub act: bool,
}

#[derive(FromRow)]
struct Row {
    body: String,
    first_seen_at: i64,
    lines_state: String,
    lines_problem: Option<String>,
    shortage_since: Option<i64>,
    shortage_scans: i64,
    shortage_scan: Option<i64>,
    decision: Option<String>,
    policy_digest: Option<String>,
    sent: Option<String>,
    id: String,
}

pub(crate) const CANDIDATES: &str = "
SELECT o.id, o.body, o.first_seen_at, o.lines_state, o.lines_problem,
       o.shortage_since, o.shortage_scans, o.shortage_scan, d.body AS decision, d.policy_digest,
       (SELECT IIF(COUNT(DISTINCT kind) > 1, 'accept and a cancel', MAX(kind)) FROM actions a
        WHERE a.shop = o.shop AND a.order_id = o.id AND a.attempts > 0) AS sent
FROM orders o
JOIN (SELECT id, window_from FROM scans WHERE shop = ?1 AND kind = 'new' AND complete = 1
      ORDER BY id DESC LIMIT 1) s
LEFT JOIN decisions d ON d.id =
  (SELECT MAX(id) FROM decisions WHERE shop = o.shop AND order_id = o.id)
WHERE o.shop = ?1 AND o.state = 'NEW' AND o.status = 'APPROVED_BY_BANK' AND o.held_by IS NULL
  AND (o.created_at, o.id) > (?3, ?4) AND o.lines_state <> 'unread'
  AND (o.listed_scan = s.id OR (o.listed_scan IS NOT NULL AND o.created_at < s.window_from))
  AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id
                  AND a.state IN ('pending', 'sent', 'unknown'))
ORDER BY o.created_at, o.id LIMIT ?2";

impl Store {
    /// Starts a deciding pass over a page of the orders that wait. `None` when none does, or no
    /// complete scan is there to decide from (R7).
    pub async fn begin_deciding(
        &self,
        shop: &ShopName,
        input: &DecidingInput,
        page: &Page,
        now: Timestamp,
    ) -> Result<Option<Deciding<'_>>, StoreError> {
        let mut tx = self.write().await?;
        let scan: Option<i64> = sqlx::query_scalar(
            "SELECT MAX(id) FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1",
        )
        .bind(shop.as_str())
        .fetch_one(tx.conn()?)
        .await?;
        let rows: Vec<Row> = sqlx::query_as(CANDIDATES)
            .bind(shop.as_str())
            .bind(page.limit)
            .bind(page.created_at)
            .bind(&page.id)
            .fetch_all(tx.conn()?)
            .await?;
        let (Some(scan), false) = (scan, rows.is_empty()) else {
            tx.commit().await?;
            return Ok(None);
        };
        let mut lines = lines_of(&mut tx, shop, &rows).await?;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in rows {
            let lines = lines.remove(&row.id).unwrap_or_default();
            candidates.push(candidate(row, lines)?);
        }
        let next = page.next(candidates.len(), candidates.last().map(|c| &c.order));
        let skus: Vec<&str> = candidates.iter().flat_map(|c| skus(&c.lines)).collect();
        let ledger = tx
            .stock(input.stock_settings(), &skus, input.viewpoint(shop, now))
            .await?;
        let around = tx.surroundings(shop, input, now).await?;
        Ok(Some(Deciding {
            tx,
            shop: shop.clone(),
            now,
            scan,
            candidates,
            next,
            ledger,
            around,
        }))
    }
}

type LinesById = std::collections::HashMap<String, Vec<crate::domain::order::Line>>;

pub(crate) const LINES: &str = "
SELECT order_id, body FROM lines WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))
ORDER BY order_id, number, entry";

async fn lines_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    rows: &[Row],
) -> Result<LinesById, StoreError> {
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let found: Vec<(String, String)> = sqlx::query_as(LINES)
        .bind(shop.as_str())
        .bind(json!(ids).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    let mut lines = LinesById::new();
    for (order, body) in found {
        lines.entry(order).or_default().push(parse_line(&body)?);
    }
    Ok(lines)
}

fn candidate(row: Row, lines: Vec<crate::domain::order::Line>) -> Result<Candidate, StoreError> {
    let lines = match row.lines_state.as_str() {
        "known" => Lines::Known(lines),
        _ => Lines::Unreadable(row.lines_problem.unwrap_or_default()),
    };
    let shortage = row
        .shortage_since
        .map(|since| -> Result<ShortageSeen, StoreError> {
            let scans = u32::try_from(row.shortage_scans).unwrap_or(u32::MAX);
            Ok(ShortageSeen {
                since: at(since)?,
                scans,
            })
        })
        .transpose()?;
    let previous = match (row.decision, row.policy_digest) {
        (Some(body), Some(digest)) => serde_json::from_str(&body).ok().map(|d| (d, digest)),
        _ => None,
    };
    let order = parse_order(&row.body)?;
    Ok(Candidate {
        order,
        first_seen_at: at(row.first_seen_at)?,
        lines,
        shortage,
        previous,
        sent: row.sent,
        shortage_scan: row.shortage_scan,
    })
}

pub(crate) fn skus(lines: &Lines) -> impl Iterator<Item = &str> {
    let lines = match lines {
        Lines::Known(lines) => lines.as_slice(),
        Lines::Unreadable(_) => &[],
    };
    lines
        .iter()
        .filter_map(|line| line.sku.as_ref())
        .map(crate::domain::ids::Sku::as_str)
}

impl Deciding<'_> {
    /// What is known of one candidate's shortage once this pass has seen it: counted once for each
    /// complete scan, forgotten as soon as it is covered.
    pub async fn note_shortage(
        &mut self,
        index: usize,
        is_short: bool,
    ) -> Result<Option<ShortageSeen>, StoreError> {
        let candidate = &self.candidates[index];
        let id = candidate.order.id.clone();
        let seen = match (is_short, candidate.shortage) {
            (false, None) => return Ok(None),
            (true, Some(seen)) if candidate.shortage_scan == Some(self.scan) => {
                return Ok(Some(seen));
            }
            (false, Some(_)) => None,
            (true, None) => Some(ShortageSeen {
                since: self.now,
                scans: 1,
            }),
            (true, Some(seen)) => Some(ShortageSeen {
                since: seen.since,
                scans: seen.scans.saturating_add(1),
            }),
        };
        sqlx::query(
            "UPDATE orders SET shortage_since = ?, shortage_scans = ?, shortage_scan = ?
             WHERE shop = ? AND id = ?",
        )
        .bind(seen.map(|seen| ms(seen.since)))
        .bind(seen.map_or(0, |seen| i64::from(seen.scans)))
        .bind(seen.map(|_| self.scan))
        .bind(self.shop.as_str())
        .bind(id.as_str())
        .execute(self.tx.conn()?)
        .await?;
        Ok(seen)
    }

    /// Writes a decision with its reservation and its action.
    pub async fn record(&mut self, new: &NewDecision<'_>) -> Result<i64, StoreError> {
        let (shop, now) = (self.shop.clone(), self.now);
        record(&mut self.tx, &shop, new, "qabyl", now).await
    }

    /// Makes the pass count.
    pub async fn commit(self) -> Result<(), StoreError> {
        crash_point("deciding.before_commit");
        self.tx.commit().await?;
        crash_point("deciding.after_commit");
        Ok(())
    }
}

pub(crate) async fn record(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    new: &NewDecision<'_>,
    actor: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let order = &new.facts.order;
    let json = |value: serde_json::Result<String>| {
        value.map_err(|_| StoreError::corrupt("a decision", order.code.as_str()))
    };
    let wait_until = match new.decision.verdict {
        Verdict::Wait { until } => Some(ms(until)),
        _ => None,
    };
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO decisions (shop, order_id, at, verdict, wait_until, rule, actor, policy_digest, body, facts)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(ms(now))
    .bind(new.decision.verdict.word())
    .bind(wait_until)
    .bind(&new.decision.rule)
    .bind(actor)
    .bind(new.policy_digest)
    .bind(json(serde_json::to_string(new.decision))?)
    .bind(json(serde_json::to_string(new.facts))?)
    .fetch_one(tx.conn()?)
    .await?;
    crash_point("decision.inserted");
    if new.act {
        // What it was seen to hold by a word that nobody knew is what it takes.
        if !new.takes.is_empty() {
            close_reservations(
                tx,
                shop,
                order,
                Event::Released("decided anew".to_owned()),
                now,
            )
            .await?;
        }
        if !mutant("r1_reservations_lost") {
            insert_reservations(tx, shop, order, new.takes, Origin::Decision, now).await?;
        }
        let origin = if actor == "qabyl" { "engine" } else { "person" };
        super::action_changes::insert(tx, shop, &order.id, id, &new.decision.verdict, origin, now)
            .await?;
    }
    if new.act && new.decision.verdict == Verdict::Hold {
        let because = because(None, Some(new.decision));
        let since = order.waiting_since();
        let facts = waiting_facts(&order.code, since, order.express, &because);
        let notice = Notice::of_shop(Kind::OrderHeld, shop, order.id.as_str(), facts);
        tx.notice(now, notice);
    }
    let detail = json!({
        "decision": id, "verdict": new.decision.verdict.word(), "rule": new.decision.rule,
        "policy": new.policy_digest, "acts": new.act,
    });
    tx.audit(now, actor, (shop, Some(&order.id)), "order.decided", detail);
    Ok(id)
}

/// When there was last an order that may hold units nobody has counted. While the lines of one are waited
/// for, that is now.
pub(crate) const UNREAD_HOLDER: &str = concat!(
    "
SELECT MAX(at) FROM (
  SELECT MAX(?2) AS at FROM orders INDEXED BY orders_lines_wanted
  WHERE shop = ?1 AND status = 'ACCEPTED_BY_MERCHANT' AND ",
    lines_awaited!(),
    "
  UNION ALL
  SELECT MAX(?2) AS at FROM orders INDEXED BY orders_unknown_status WHERE shop = ?1 AND ",
    is_strange!(),
    " AND ",
    lies_with_accepted!(),
    " AND ",
    lines_awaited!(),
    "
  UNION ALL
  SELECT MAX((SELECT finished_at FROM scans
    WHERE shop = ?1 AND kind = 'new' AND complete = 1 AND id > COALESCE(o.listed_scan, 0) ORDER BY id LIMIT 1))",
    from_vanished!(),
    ")"
);

impl WriteTx<'_> {
    pub(crate) async fn surroundings(
        &mut self,
        shop: &ShopName,
        input: &DecidingInput,
        now: Timestamp,
    ) -> Result<Surroundings, StoreError> {
        let counters = counters::counters(self.conn()?, shop, input.budget_window, now).await?;
        let swept = self.swept(shop).await?;
        let unread = self.unread_holder(shop, now).await?;
        let paused: Option<Option<String>> =
            sqlx::query_scalar("SELECT paused_why FROM shops WHERE name = ?")
                .bind(shop.as_str())
                .fetch_optional(self.conn()?)
                .await?;
        Ok(Surroundings {
            counters,
            collapse: self.collapse().await?,
            swept_at: swept.map(|(start, _)| start),
            swept_until: swept.map(|(_, end)| end),
            over_swept_until: self.over_swept(shop).await?,
            unread_holder_at: unread,
            restored_at: self.restored_at(shop).await?,
            clock_skew_s: input.clock_skew_s,
            paused: paused.flatten(),
        })
    }

    /// When what is over was last read too, where the last complete sweep did not.
    async fn over_swept(&mut self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let ends: Vec<(i64, bool)> = sqlx::query_as(
            "SELECT * FROM (SELECT finished_at, archive_read FROM scans WHERE shop = ?1 AND kind = 'sweep'
               AND complete = 1 ORDER BY id DESC LIMIT 1)
             UNION ALL
             SELECT * FROM (SELECT finished_at, archive_read FROM scans WHERE shop = ?1 AND kind = 'sweep'
               AND complete = 1 AND archive_read = 1 ORDER BY id DESC LIMIT 1)",
        )
        .bind(shop.as_str())
        .fetch_all(self.conn()?)
        .await?;
        match ends.as_slice() {
            [(_, false)] => Ok(Some(Timestamp::UNIX_EPOCH)),
            [(_, false), (whole, _)] => at(*whole).map(Some),
            _ => Ok(None),
        }
    }

    /// When all accepted orders were last read completely: from when until when.
    pub(crate) async fn swept(
        &mut self,
        shop: &ShopName,
    ) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let swept: Option<(i64, i64)> = sqlx::query_as(
            "SELECT started_at, finished_at FROM scans WHERE shop = ? AND kind = 'sweep' AND complete = 1
             ORDER BY id DESC LIMIT 1",
        )
        .bind(shop.as_str())
        .fetch_optional(self.conn()?)
        .await?;
        swept
            .map(|(start, end)| Ok((at(start)?, at(end)?)))
            .transpose()
    }

    /// When an order was last seen that may hold units nobody has counted: accepted with its lines
    /// unread, or gone from the list of new ones and not read since.
    pub(crate) async fn unread_holder(
        &mut self,
        shop: &ShopName,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let seen: Option<i64> = sqlx::query_scalar(UNREAD_HOLDER)
            .bind(shop.as_str())
            .bind(ms(now))
            .fetch_one(self.conn()?)
            .await?;
        seen.map(at).transpose()
    }

    /// One order's shortage so far.
    pub(crate) async fn shortage(
        &mut self,
        shop: &ShopName,
        id: &OrderId,
    ) -> Result<Option<ShortageSeen>, StoreError> {
        let row: Option<(Option<i64>, i64)> = sqlx::query_as(
            "SELECT shortage_since, shortage_scans FROM orders WHERE shop = ? AND id = ?",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_optional(self.conn()?)
        .await?;
        let Some((Some(since), scans)) = row else {
            return Ok(None);
        };
        Ok(Some(ShortageSeen {
            since: at(since)?,
            scans: u32::try_from(scans).unwrap_or(u32::MAX),
        }))
    }

    /// The order and lines of one order, as stored.
    pub(crate) async fn order_and_lines(
        &mut self,
        shop: &ShopName,
        id: &OrderId,
    ) -> Result<Option<(Order, Lines)>, StoreError> {
        let row: Option<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT body, lines_state, lines_problem FROM orders WHERE shop = ? AND id = ?",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_optional(self.conn()?)
        .await?;
        let Some((body, state, problem)) = row else {
            return Ok(None);
        };
        let lines = match state.as_str() {
            "known" => Lines::Known(crate::store::orders::known_lines(self, shop, id).await?),
            _ => Lines::Unreadable(problem.unwrap_or_else(|| "not read yet".to_owned())),
        };
        Ok(Some((parse_order(&body)?, lines)))
    }
}
