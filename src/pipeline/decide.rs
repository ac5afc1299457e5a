//! decide: from what is stored to decisions, reservations and actions, in one transaction.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Ctx, Mode, StageError};
use crate::domain::decision::{Decision, Verdict, decide};
use crate::domain::facts::{Counters, Facts, LineFacts, LinesFacts};
use crate::domain::ids::ShopName;
use crate::domain::ledger::Take;
use crate::events::log_event;
use crate::ledger::{Candidate, Deciding, NewDecision};
use crate::mutant::mutant;
use crate::store::Page;

/// Orders decided in one transaction; a longer queue is taken in several.
const BATCH: u32 = 1_000;

/// What a deciding pass did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Orders looked at.
    pub looked_at: usize,
    /// Decisions written.
    pub written: usize,
    /// Of those, accepts.
    pub accepts: usize,
    /// Of those, cancels.
    pub cancels: usize,
    /// Earliest time at which a waiting order is to be looked at again.
    pub next_at: Option<Timestamp>,
    /// Whether a cancel waits only for a fresh sweep of accepted orders.
    pub wants_sweep: bool,
}

/// Decides every order that waits, oldest first.
///
/// # Errors
/// What the database said; then nothing of the batch under way counts.
pub async fn run_once(ctx: &Ctx) -> Result<Report, StageError> {
    let mut report = Report::default();
    if ctx.mode == Mode::Observe {
        return Ok(report);
    }
    ctx.repair_clock().await?;
    let (mut page, mut proposed) = (Page::first(BATCH), Vec::new());
    loop {
        // As it is stored: decided again from what is stored, the same comes out.
        let now = crate::clock::to_ms(ctx.clock.now());
        let Some(mut pass) = ctx
            .store
            .begin_deciding(&ctx.shop, &ctx.deciding_input(), &page, now)
            .await?
        else {
            return Ok(report);
        };
        if ctx.mode != Mode::Act {
            meet(&mut pass, &report, &proposed);
        }
        let next = pass.next.take();
        let lines = decide_all(ctx, &mut pass, now, (&mut report, &mut proposed)).await?;
        pass.commit().await?;
        for line in &lines {
            line.log(ctx);
        }
        // Orders that are held or wait stay in the queue, whether that is news or not: what is behind
        // a full batch has its turn now.
        let Some(next) = next else {
            return Ok(report);
        };
        page = next;
    }
}

/// What is logged of a decision, once it counts.
struct Line {
    code: String,
    decision: Decision,
    age: Duration,
    /// How long Kaspi still waits for it; negative once that is past.
    left: SignedDuration,
    total_kzt: i64,
    lines: usize,
    express: bool,
    /// SKUs with less than is wanted, with commas between.
    short: String,
    id: i64,
    acts: bool,
}

impl Line {
    fn log(&self, ctx: &Ctx) {
        let why: Vec<&str> = self
            .decision
            .objections
            .iter()
            .map(|o| o.why.as_str())
            .chain(
                self.decision
                    .overruled
                    .is_some()
                    .then_some("its deadline is near"),
            )
            .collect();
        log_event!(
            ORDER_DECIDED, shop = %ctx.shop, order.code = %self.code, decision.id = self.id,
            verdict = self.decision.verdict.word(), rule = %self.decision.rule, acts = self.acts,
            age_s = self.age.as_secs(), left_s = self.left.as_secs(), total_kzt = self.total_kzt,
            lines = self.lines, express = self.express, short = %self.short, policy = ctx.policy().digest(),
            why = %why.join("; "), "order decided"
        );
    }
}

async fn decide_all(
    ctx: &Ctx,
    pass: &mut Deciding<'_>,
    now: Timestamp,
    (report, proposed): (&mut Report, &mut Vec<Take>),
) -> Result<Vec<Line>, StageError> {
    let policy = ctx.policy();
    let mut lines = Vec::new();
    for index in 0..pass.candidates.len() {
        let candidate = pass.candidates[index].clone();
        let mut facts = gather(&ctx.shop, pass, &candidate);
        facts.shortage = pass.note_shortage(index, facts.is_short()).await?;
        let decision = decide(&facts, &policy, now);
        report.looked_at += 1;
        let acts = ctx.mode == Mode::Act;
        note_wait(&decision, report, acts);
        let takes = match decision.verdict {
            Verdict::Accept => pass
                .ledger
                .takes(&candidate.lines, facts.order.pickup_point.as_ref()),
            _ => Vec::new(),
        };
        count(&decision, pass, report);
        if !acts {
            proposed.extend_from_slice(&takes);
        }
        if !mutant("r1_promised_twice") {
            pass.ledger.promise(&takes);
        }
        if is_known(&candidate, &decision, policy.digest(), now, acts) {
            continue;
        }
        let id = pass
            .record(&NewDecision {
                facts: &facts,
                decision: &decision,
                policy_digest: policy.digest(),
                takes: &takes,
                act: acts,
            })
            .await?;
        report.written += 1;
        let age = Duration::try_from(facts.age(now)).unwrap_or_default();
        lines.push(Line {
            total_kzt: facts.order.total.tiyn() / 100,
            lines: known(&facts).len(),
            express: facts.order.express,
            short: short(&facts),
            code: facts.order.code.as_str().to_owned(),
            decision,
            age,
            left: policy.limits.schedule.left(&facts.order, now),
            id,
            acts,
        });
    }
    Ok(lines)
}

fn known(facts: &Facts) -> &[LineFacts] {
    match &facts.lines {
        LinesFacts::Known(lines) => lines,
        LinesFacts::Unreadable(_) => &[],
    }
}

fn short(facts: &Facts) -> String {
    let lines = known(facts).iter();
    let short = lines.filter(|line| line.shortage().is_some_and(|units| units > 0));
    let skus: BTreeSet<&str> = short
        .filter_map(|line| line.line.sku.as_ref().map(crate::domain::ids::Sku::as_str))
        .collect();
    skus.into_iter().collect::<Vec<_>>().join(",")
}

fn gather(shop: &ShopName, pass: &Deciding<'_>, candidate: &Candidate) -> Facts {
    Facts {
        shop: Some(shop.clone()),
        order: candidate.order.clone(),
        first_seen_at: Some(candidate.first_seen_at),
        lines: pass
            .ledger
            .facts(&candidate.lines, candidate.order.pickup_point.as_ref()),
        shortage: candidate.shortage,
        sent: candidate.sent.clone(),
        around: pass.around.clone(),
    }
}

/// Whether writing the decision would say nothing new. An accept or cancel that acts is always
/// written: it has no live action, or the order would not be a candidate.
fn is_known(
    candidate: &Candidate,
    decision: &Decision,
    digest: &str,
    now: Timestamp,
    acts: bool,
) -> bool {
    let Some((previous, known_digest)) = &candidate.previous else {
        return false;
    };
    // What was proposed stands while it merely waits for the next sweep.
    let is_proposed =
        previous.verdict == previous.proposed && previous.proposed == decision.proposed;
    if !acts && decision.waits_only_for_readings() && is_proposed && known_digest == digest {
        return true;
    }
    let lapsed = matches!(previous.verdict, Verdict::Wait { until } if until <= now)
        && decision.objections.is_empty();
    let carried_out = acts && matches!(decision.verdict, Verdict::Accept | Verdict::Cancel { .. });
    previous.same_as(decision) && known_digest == digest && !lapsed && !carried_out
}

fn note_wait(decision: &Decision, report: &mut Report, acts: bool) {
    if let Verdict::Wait { until } = decision.verdict {
        report.next_at = Some(report.next_at.map_or(until, |next| next.min(until)));
        // A proposal can wait for the next sweep.
        report.wants_sweep |= acts && decision.wants_sweep();
    }
}

/// Counts an action of this pass, so that the next order meets the caps with it counted.
fn count(decision: &Decision, pass: &mut Deciding<'_>, report: &mut Report) {
    let (accepts, cancels) = match decision.verdict {
        Verdict::Accept => (1, 0),
        Verdict::Cancel { .. } => (0, 1),
        Verdict::Hold | Verdict::Wait { .. } => return,
    };
    report.accepts += accepts;
    report.cancels += cancels;
    add(&mut pass.around.counters, accepts, cancels);
}

fn add(counters: &mut Counters, accepts: usize, cancels: usize) {
    let (accepts, cancels) = (accepts as u64, cancels as u64);
    counters.decided += accepts + cancels;
    counters.cancelled += cancels;
    counters.accepted_last_hour += accepts;
    counters.cancelled_last_hour += cancels;
}

/// A dry run leaves no promise and no action behind: a later batch meets those of the earlier ones here.
fn meet(pass: &mut Deciding<'_>, report: &Report, proposed: &[Take]) {
    add(&mut pass.around.counters, report.accepts, report.cancels);
    pass.ledger.promise(proposed);
}
