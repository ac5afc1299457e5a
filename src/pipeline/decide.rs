//! decide: turns stored orders into decisions, reservations and actions; each batch is one transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Ctx, Mode, StageError};
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::ids::{ShopName, Sku};
use crate::domain::verdict::Verdict;
use crate::events::log_event;
use crate::ledger::{Decided, DecidingBatch, Proposed};
use crate::store::Page;

/// Orders decided in one transaction.
const BATCH: u32 = 1_000;

/// What a deciding pass did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Orders checked.
    pub checked: usize,
    /// Decisions written.
    pub written: usize,
    /// Of those, accepts.
    pub accepts: usize,
    /// Of those, cancels.
    pub cancels: usize,
    /// Earliest time at which a waiting order is to be decided again.
    pub next_at: Option<Timestamp>,
    /// Whether a cancel waits only for a fresh sweep of accepted orders.
    pub wants_sweep: bool,
    /// Other shops whose sweep is waited for.
    pub wants_sweep_of: BTreeSet<ShopName>,
}

/// Decides every order that waits, oldest first.
///
/// # Errors
/// A database error; then nothing of the current batch is stored.
pub async fn run_once(ctx: &Ctx) -> Result<Report, StageError> {
    let mut report = Report::default();
    if ctx.mode == Mode::Observe {
        return Ok(report);
    }
    ctx.repair_clock().await?;
    let policy = ctx.policy();
    let batch = DecidingBatch {
        shop: &ctx.shop,
        policy: &policy,
        input: ctx.deciding_input(),
        acts: ctx.mode == Mode::Act,
    };
    let (mut page, mut proposed) = (Page::first(BATCH), Proposed::default());
    loop {
        // Times as they are stored, so that a replay from the database gives the same decision.
        let now = crate::clock::to_ms(ctx.clock.now());
        let decided = ctx
            .store
            .decide_batch(&batch, &page, &mut proposed, now)
            .await?;
        let Some(decided) = decided else {
            return Ok(report);
        };
        for order in &decided.orders {
            report.add(&order.decision, batch.acts);
            if let Some(id) = order.written {
                report.written += 1;
                log(ctx, order, id, now);
            }
        }
        // Orders that are held or wait stay in the queue, so that the next batch begins behind them.
        let Some(next) = decided.next else {
            return Ok(report);
        };
        page = next;
    }
}

impl Report {
    fn add(&mut self, decision: &Decision, acts: bool) {
        self.checked += 1;
        match decision.verdict {
            Verdict::Accept => self.accepts += 1,
            Verdict::Cancel { .. } => self.cancels += 1,
            Verdict::Hold => {}
            Verdict::Wait { until } => {
                self.next_at = Some(self.next_at.map_or(until, |next| next.min(until)));
                // A proposal can wait for the next sweep.
                if acts {
                    self.wants_sweep |= decision.wants_sweep();
                    self.wants_sweep_of.extend(decision.swept_shops().cloned());
                }
            }
        }
    }
}

fn log(ctx: &Ctx, order: &Decided, id: i64, now: Timestamp) {
    let (facts, decision, policy) = (&order.facts, &order.decision, ctx.policy());
    let deadline = decision.overruled.is_some();
    let why: Vec<&str> = decision
        .objections
        .iter()
        .map(|objection| objection.why.as_str())
        .chain(deadline.then_some("its deadline is near"))
        .collect();
    let by_kaspi = facts.by_kaspi(now);
    let age = Duration::try_from(facts.age(by_kaspi)).unwrap_or_default();
    // Time left until Kaspi's deadline; negative after it.
    let left = policy.limits.schedule.left(&facts.order, by_kaspi);
    log_event!(
        ORDER_DECIDED, shop = %ctx.shop, order.code = %facts.order.code, decision.id = id,
        verdict = decision.verdict.word(), rule = %decision.rule, acts = ctx.mode == Mode::Act,
        age_s = age.as_secs(), left_s = left.as_secs(), total_kzt = facts.order.total.map(|total| total.tiyn() / 100),
        lines = facts.lines().len(), express = facts.order.express, short = %short(facts),
        policy = policy.digest(), why = %why.join("; "), "order decided"
    );
}

/// SKUs with too few units, separated by commas.
fn short(facts: &Facts) -> String {
    let lines = facts.lines().iter();
    let short = lines.filter(|line| line.shortage_for_accept().is_some_and(|units| units > 0));
    let skus: BTreeSet<&str> = short
        .filter_map(|line| line.line.sku.as_ref().map(Sku::as_str))
        .collect();
    skus.into_iter().collect::<Vec<_>>().join(",")
}
