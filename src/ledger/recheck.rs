//! The last check before a POST is sent: whether its decision would be the same now.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::availability::Stock;
use super::due_actions::Due;
use super::facts::{DecidingInput, skus};
use super::transitions::close;
use crate::domain::action::{End, Kind};
use crate::domain::decision::{Decision, decide};
use crate::domain::facts::{Facts, LinesFacts, ShortageSeen};
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Lines, Order};
use crate::domain::policy::Policy;
use crate::domain::reservation::Event;
use crate::domain::verdict::Verdict;
use crate::mutant::mutant;
use crate::store::reservations::close_reservations;
use crate::store::{StoreError, WriteTx, at, orders};

/// What to check again before a POST leaves.
pub struct Recheck<'a> {
    /// The rules and limits in force.
    pub policy: &'a Policy,
    /// How stock is read.
    pub input: DecidingInput,
    /// An accept decided longer ago than this is decided again first, as is one whose units are no
    /// longer there; a cancel always is.
    pub accept_fresh_for: SignedDuration,
    /// Age of the oldest single read that these cancels rest on. Their sweep was fresh at that time and may be
    /// older by as much: otherwise slow single reads would keep a shop from cancelling at all.
    pub oldest_reading_age: SignedDuration,
}

impl Recheck<'_> {
    fn policy_for(&self, kind: &Kind) -> Policy {
        let mut policy = self.policy.clone();
        if matches!(kind, Kind::Cancel { .. }) {
            policy.limits.freshness.cancel_age_max += self.oldest_reading_age;
        }
        policy
    }
}

/// What the order would be decided now, compared with its decision.
pub(crate) enum Rechecked {
    /// The same.
    StillValid,
    /// The same, as soon as its evidence is fresh again.
    WaitForEvidence {
        /// When to look again.
        until: Timestamp,
        /// Other shops whose sweep is waited for.
        sweeps_of: Vec<ShopName>,
    },
    /// Something else, and why.
    Changed(String),
}

/// The orders of several actions and the stock that they need, as stored: good until a promise changes. Many orders may
/// want one SKU, and each reads all promises of it.
pub(crate) struct Stored {
    orders: HashMap<OrderId, (Order, Lines)>,
    stock: Stock,
}

impl Stored {
    pub(crate) async fn load(
        tx: &mut WriteTx<'_>,
        shop: &ShopName,
        wanted: &[Due],
        recheck: &Recheck<'_>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut orders = HashMap::new();
        for due in wanted {
            if let Some(stored) = tx.order_and_lines(shop, &due.order.id).await? {
                orders.insert(due.order.id.clone(), stored);
            }
        }
        let names: Vec<&str> = orders.values().flat_map(|(_, lines)| skus(lines)).collect();
        let viewpoint = recheck.input.viewpoint(shop, now);
        let stock = tx.stock(recheck.input.stock, (shop, &names), viewpoint, now);
        let stock = stock.await?;
        Ok(Self { orders, stock })
    }
}

pub(crate) async fn decide_again(
    tx: &mut WriteTx<'_>,
    (shop, due): (&ShopName, &Due),
    stored: &Stored,
    recheck: &Recheck<'_>,
    now: Timestamp,
) -> Result<Rechecked, StoreError> {
    let Some((order, lines)) = stored.orders.get(&due.order.id) else {
        return Ok(Rechecked::Changed("the order was not found".to_owned()));
    };
    let ledger = stored.stock.ledger(Some((shop, &due.order.id)));
    let lines = ledger.facts(lines, order.pickup_point.as_ref());
    let fresh = now.duration_since(due.made_at) <= recheck.accept_fresh_for;
    // An accept that was sent not long ago, or decided just now, need not be decided again: unless its units
    // went to another order since, or off the shelf (I2).
    let doubt_max = recheck.policy.limits.doubt_max;
    let is_settled = due.kind == Kind::Accept
        && if due.attempts() > 0 {
            !is_in_doubt_for_long(tx, due, doubt_max, now).await?
        } else {
            fresh
        };
    if mutant("r8_not_decided_again")
        || is_settled && (order.pre_order || covers(&lines) || mutant("r9_stock_not_rechecked"))
    {
        return Ok(Rechecked::StillValid);
    }
    let mut shop_facts = tx.shop_facts(shop, &recheck.input, now).await?;
    // The action itself is counted there already.
    let counters = &mut shop_facts.counters;
    counters.decided = counters.decided.saturating_sub(1);
    let (all, hour) = match due.kind {
        Kind::Accept => (&mut 0, &mut counters.accepted_last_hour),
        Kind::Cancel { .. } => (&mut counters.cancelled, &mut counters.cancelled_last_hour),
    };
    *all = all.saturating_sub(1);
    *hour = hour.saturating_sub(1);
    let mut facts = Facts {
        shop: Some(shop.clone()),
        lines,
        order: order.clone(),
        // Its decision already checked that a sweep began after the order was first seen.
        first_seen_at: None,
        shortage: shortage(tx, shop, due, recheck.policy, now).await?,
        sent: None,
        // Asked before every POST.
        namesakes: Vec::new(),
        shop_facts,
    };
    facts.shop_facts.evidence = facts.shop_facts.evidence.about(&facts.lines.wanted());
    let decision = decide(&facts, &recheck.policy_for(&due.kind), now);
    let same_rule = decision.proposed.word() == due.kind.word();
    let waits_only_for_readings = decision.waits_only_for_readings();
    Ok(match decision.verdict {
        _ if decision.verdict.word() == due.kind.word() => Rechecked::StillValid,
        // One that was sent can only wait; one that was not is decided again for any other reason.
        Verdict::Wait { until }
            if same_rule
                && if due.attempts() > 0 {
                    waits_only_for_readings && due.kind == Kind::Accept
                        || !is_in_doubt_for_long(tx, due, doubt_max, now).await?
                } else {
                    waits_only_for_readings
                } =>
        {
            Rechecked::WaitForEvidence {
                until,
                sweeps_of: decision.swept_shops().cloned().collect(),
            }
        }
        _ => Rechecked::Changed(words(&decision)),
    })
}

/// Whether the last POST of an action was sent so long ago that a person must resolve its doubt. A clock set by as
/// much has the same effect.
async fn is_in_doubt_for_long(
    tx: &mut WriteTx<'_>,
    due: &Due,
    doubt_max: SignedDuration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT MAX(begun_at) FROM attempts WHERE action_id = ?")
            .bind(due.action)
            .fetch_one(tx.conn()?)
            .await?;
    let last = last.map(at).transpose()?;
    Ok(last.is_some_and(|last| now.duration_since(last).abs() > doubt_max))
}

/// How long the order has been short. A cancel that was sent rested on a confirmed shortage, and scans are not counted
/// for an order with a live action, so time lost to a clock set back is not waited for again. Whether the order is
/// short now is still checked.
async fn shortage(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<ShortageSeen>, StoreError> {
    let stored = tx.shortage(shop, &due.order.id).await?;
    if due.attempts() == 0 {
        return Ok(stored);
    }
    let confirm_after = policy.limits.cancel_confirm_after.unwrap_or_default();
    let confirmed_by = now.saturating_sub(confirm_after).unwrap_or(now);
    let first = due.made_at.min(confirmed_by);
    Ok(Some(ShortageSeen {
        since: stored.map_or(first, |seen| seen.since.min(first)),
        scans: stored.map_or(2, |seen| seen.scans.max(2)),
    }))
}

/// Whether every unit is known to be there.
fn covers(lines: &LinesFacts) -> bool {
    match lines {
        LinesFacts::Known(lines) => lines
            .iter()
            .all(|line| line.shortage_for_accept() == Some(0)),
        LinesFacts::Unreadable(_) => false,
    }
}

fn words(decision: &Decision) -> String {
    let why: Vec<&str> = decision.objections.iter().map(|o| o.why.as_str()).collect();
    let because = if why.is_empty() {
        String::new()
    } else {
        format!(" ({})", why.join("; "))
    };
    format!(
        "rule '{}' now says {}{because}",
        decision.rule,
        decision.verdict.word()
    )
}

/// Withdraws an action. One that was never sent is superseded and its units are released; one that was sent is left
/// to a person, as its effect may still come.
pub(crate) async fn withdraw(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let end = if due.attempts() > 0 {
        End::Refused
    } else {
        End::Superseded
    };
    if !close(tx, due.action, end, why, now).await? {
        return Ok(());
    }
    if end == End::Refused {
        let cause = (why, HoldCause::Withdrawn);
        orders::hold(tx, (shop, &due.order.id), cause, "qabyl", now).await?;
        tx.notice_hold(shop, &due.order, now).await?;
    } else {
        close_reservations(
            tx,
            shop,
            &due.order,
            Event::Released("withdrawn before sending".to_owned()),
            now,
        )
        .await?;
    }
    let detail = json!({ "action": due.action, "kind": due.kind.word(), "why": why });
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&due.order.id)),
        "action.withdrawn",
        detail,
    );
    Ok(())
}
