//! The stages of one shop: which stages a run wakes, and what is logged and shown of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Spawner;
use super::stage_loop::{Run, SNOOZE_MIN, StageLoop};
use super::wakes::{Completed, Rerun, ShopWakes, Urgency, Wakes};
use crate::events::log_event;
use crate::pipeline::stages::{self, Stage};
use crate::pipeline::{Ctx, StageError, act, alert, decide, poll, sweep};
use crate::runtime::build::ShopParts;

/// A poll that is incomplete, or lacks lines, is repeated after this long.
const POLL_AGAIN: Duration = Duration::from_secs(5);
/// Longest time after which the sweep stage looks whether a sweep is due.
const SWEEP_ASKED: Duration = Duration::from_secs(15);
/// Shortest time between two forced sweeps.
const SWEEP_SPACING: Duration = Duration::from_secs(3);

pub(super) fn spawn(shop: ShopParts, all: &Arc<ShopWakes>, spawner: &Spawner<'_>) {
    let Some(wakes) = all.get(&shop.ctx.shop).cloned() else {
        return;
    };
    let shop = Arc::new(shop);
    for declared in stages::ALL.iter().filter(|stage| shop.runs(stage.scope)) {
        let stage = declared.stage;
        let stage_loop = StageLoop {
            credentials: Some(shop.credentials.clone()),
            ..spawner.stage(stage, shop.ctx.shop.to_string(), &shop.ctx.clock)
        };
        let (shop, wakes, all) = (Arc::clone(&shop), Arc::clone(&wakes), Arc::clone(all));
        spawner.tracker.spawn(async move {
            stage_loop
                .repeat(
                    || wakes.woken(stage),
                    async || {
                        let completed = run(&stage_loop, &shop, &wakes).await?;
                        wakes.follow(&all, stage, &completed);
                        Ok(completed)
                    },
                )
                .await;
        });
    }
}

async fn run(of: &StageLoop, shop: &ShopParts, wakes: &Wakes) -> Run {
    let ctx = &*shop.ctx;
    Ok(match of.stage {
        Stage::Poll => after_poll(ctx, &poll::run_once(ctx).await?),
        Stage::Sweep => sweep_once(ctx, wakes).await?,
        Stage::Decide => after_decide(&decide::run_once(ctx).await?),
        Stage::Alert => {
            let reported = alert::run_once(ctx).await?;
            Completed::of(Stage::Alert, json!({ "reported": reported }))
        }
        Stage::Act => match &shop.writer {
            Some(writer) => after_act(ctx, &act::run_once(ctx, writer, &of.stop).await?),
            None => Completed::of(Stage::Act, Value::Null),
        },
        // These are no shop's.
        stage
        @ (Stage::Stock | Stage::Watch | Stage::Notify | Stage::Housekeep | Stage::Listen) => {
            Completed::of(stage, Value::Null)
        }
    })
}

fn after_poll(ctx: &Ctx, report: &poll::Report) -> Completed {
    if report.is_news() {
        log_event!(
            POLL_NEWS, shop = %ctx.shop, listed = report.listed, new = report.observed.new,
            changed = report.observed.changed, lines_read = report.lines_read, "new orders were read"
        );
    }
    if let Some(problem) = &report.problem {
        log_event!(POLL_INCOMPLETE, shop = %ctx.shop, why = %problem, "nothing is decided from this list: {problem}");
    }
    let did = json!({
        "listed": report.listed, "new": report.observed.new, "changed": report.observed.changed,
        "lines_read": report.lines_read, "lines_failed": report.lines_failed, "problem": report.problem,
    });
    // With nothing listed there is nothing to decide; what waits all the same is looked at in its own time.
    let wakes = if report.listed > 0 || report.is_news() {
        vec![Stage::Decide, Stage::Act]
    } else {
        Vec::new()
    };
    let completed = Completed {
        wakes,
        ..Completed::of(Stage::Poll, did)
    };
    if report.lines_left > 0 {
        completed.within(Duration::ZERO)
    } else if report.lines_failed > 0 || report.problem.is_some() {
        completed.within(POLL_AGAIN)
    } else {
        completed
    }
}

fn after_decide(report: &decide::Report) -> Completed {
    let did = json!({
        "checked": report.checked, "written": report.written, "accepts": report.accepts,
        "cancels": report.cancels, "next_at": report.next_at,
    });
    let mut completed = Completed::of(Stage::Decide, did);
    if report.accepts + report.cancels > 0 {
        completed.wakes.push(Stage::Act);
    }
    completed.force_sweep = report.wants_sweep.then_some(Urgency::AtOnce);
    completed.force_sweep_of.clone_from(&report.wants_sweep_of);
    completed
}

async fn sweep_once(ctx: &Ctx, wakes: &Wakes) -> Result<Completed, StageError> {
    let force = wakes.take_forced_sweep();
    let begun = ctx.clock.ticks();
    let since_last = wakes.swept_at().map(|at| begun.saturating_sub(at));
    let is_early = since_last.is_some_and(|since| since < SWEEP_SPACING);
    let report = match sweep::run_once(ctx, force).await {
        Ok(report) => report,
        Err(error) => {
            if force {
                wakes.keep_forced_sweep();
            }
            return Err(error);
        }
    };
    wakes.note_swept(report.swept.then(|| ctx.clock.ticks()));
    Ok(after_sweep(&report, is_early, ctx.clock.now()))
}

fn after_sweep(report: &sweep::Report, is_early: bool, now: Timestamp) -> Completed {
    let did = json!({
        "listed": report.listed, "singles": report.singles, "new": report.observed.new,
        "changed": report.observed.changed, "problem": report.problem,
    });
    let did = if report.swept { did } else { Value::Null };
    let mut completed = Completed::of(Stage::Sweep, did);
    if let Some(next_at) = report.next_at {
        // The clock may be set in the meantime.
        let wait = Duration::try_from(next_at.duration_since(now)).unwrap_or_default();
        completed.rerun = Rerun::Within(wait.clamp(Stage::Sweep.declared().period, SWEEP_ASKED));
    }
    if report.swept {
        // Orders may wait for no more than this sweep, the first one above all.
        completed.wakes.extend([Stage::Decide, Stage::Act]);
        // Orders accepted elsewhere hold stock once their lines are read.
        if report.observed.new > 0 {
            completed.wakes.push(Stage::Poll);
        }
        // Once, a decision need not wait for the spacing: what it waits for was seen after this sweep began.
        completed.rerun = if is_early {
            Rerun::After(SWEEP_SPACING)
        } else {
            Rerun::Within(SWEEP_SPACING)
        };
    }
    completed
}

fn after_act(ctx: &Ctx, report: &act::Report) -> Completed {
    let did = json!({
        "sent": report.sent, "applied": report.applied, "orders_read": report.orders_read,
        "stopped": report.stopped,
    });
    let mut completed = Completed::of(Stage::Act, did);
    if report.wants_poll {
        completed.wakes.push(Stage::Poll);
    }
    if report.sent > 0 || report.orders_read > 0 || report.wants_sweep {
        completed.force_sweep = Some(Urgency::Soon);
        completed.wakes.push(Stage::Decide);
    }
    completed.force_sweep_of.clone_from(&report.wants_sweep_of);
    if let Some(until) = report.blocked_until {
        let wait = Duration::try_from(until.duration_since(ctx.clock.now())).unwrap_or_default();
        completed.rerun = Rerun::After(wait.max(SNOOZE_MIN));
    }
    completed
}
