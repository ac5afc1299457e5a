//! act: the only stage that can change Kaspi. No POST leaves without its committed row, and none is
//! repeated before the order was read again.
//!
//! `plan` chooses the due actions to start, `attempt` sends them, `read_back` reads the outcome.

mod attempt;
mod plan;
mod read_back;

use std::collections::{BTreeSet, HashSet};

use futures_util::future::{BoxFuture, join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use self::plan::{ActPlan, Situation, plan};
use super::sending::Post;
use super::{Ctx, Mode, StageError, sweep};
use crate::domain::action::OutcomeKind;
use crate::domain::calendar;
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::domain::order::Order;
use crate::events::log_event;
use crate::kaspi::{ApiError, Blocked, RequestClass, Turn, Writer};
use crate::ledger::{Due, Ended};
use crate::mutant::mutant;
use crate::pipeline::plan::one_line;

/// Actions fetched from the database in one go.
pub const FETCH: u32 = 256;

/// What an act pass did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// POSTs sent.
    pub sent: usize,
    /// Of those, answered 2xx.
    pub applied: usize,
    /// Orders read back.
    pub orders_read: usize,
    /// Whether accepts wait for a fresh list of new orders.
    pub wants_poll: bool,
    /// Whether a cancel waits for accepted orders to be read again.
    pub wants_sweep: bool,
    /// Other shops whose sweep is waited for.
    pub wants_sweep_of: BTreeSet<ShopName>,
    /// Why it stopped early, if it did.
    pub stopped: Option<String>,
    /// When requests may be sent again, where it stopped because none may be now.
    pub blocked_until: Option<Timestamp>,
}

/// A completed request.
enum Completed<'a> {
    /// An order was read.
    Read(Box<OrderRead>),
    /// A POST may leave, or none may now.
    Admitted(Box<Admission<'a>>),
    /// A POST ended, sent or not.
    Posted(Box<Ended>),
}

/// The gate's answer for the POST of an action.
struct Admission<'a> {
    due: Due,
    /// When the reading was requested that the POST rests on.
    sighted: Timestamp,
    turn: Result<Turn<'a>, Blocked>,
    sending: Post<'a>,
}

/// An action whose POST may leave.
struct Admitted<'a> {
    due: Due,
    sighted: Timestamp,
    turn: Turn<'a>,
    sending: Post<'a>,
}

/// The reading of an order for its action.
struct OrderRead {
    due: Due,
    asked_at: Timestamp,
    answer: Result<Option<Order>, ApiError>,
}

/// Requests in flight.
type InFlight<'a> = FuturesUnordered<BoxFuture<'a, Completed<'a>>>;

/// People are notified once a day while another process acts for the shop: until one of them ends, the orders that the
/// other one does not handle wait.
async fn notify_acts_elsewhere(ctx: &Ctx) -> Result<(), StageError> {
    let now = ctx.clock.now();
    let day = calendar::local(now).date().to_string();
    let notice = Notice::of_shop(Kind::ShopElsewhere, &ctx.shop, &day, json!({}));
    Ok(ctx.store.add_notice(notice, now).await?)
}

/// Carries due actions out, until none is due or `stop` is cancelled. Requests in flight end before this
/// returns.
///
/// # Errors
/// A database error, or another process acts for this shop. Kaspi's answers are outcomes, not errors.
pub async fn run_once(
    ctx: &Ctx,
    writer: &Writer,
    stop: &CancellationToken,
) -> Result<Report, StageError> {
    if !writer.is_claimed() {
        if ctx.reader.acts_elsewhere() {
            notify_acts_elsewhere(ctx).await?;
        }
        return Err(StageError::Elsewhere);
    }
    ctx.repair_clock().await?;
    let lost = ctx
        .store
        .recover(&ctx.shop, ctx.settings.retry_policy.settle, ctx.clock.now())
        .await?;
    if lost > 0 {
        log_event!(
            ACTIONS_RECOVERED, shop = %ctx.shop, actions = lost,
            "requests were unfinished at the last stop; their orders are read first"
        );
    }
    let mut pass = Pass {
        ctx,
        writer,
        report: Report::default(),
        handled: HashSet::new(),
        swept_at: None,
        ready: Vec::new(),
        admitted: Vec::new(),
        ended: Vec::new(),
    };
    let mut in_flight = InFlight::new();
    let slots = ctx.settings.max_in_flight.max(1);
    loop {
        if pass.may_send(stop).await? {
            pass.send_admitted(&mut in_flight).await?;
            pass.start_due(&mut in_flight, slots).await?;
            pass.ask_for_turns(&mut in_flight, slots);
        } else {
            pass.admitted.clear();
        }
        // The last outcomes are written while the next requests are in flight.
        let (written, first) = join(pass.write_ends(), in_flight.next()).await;
        written?;
        let Some(first) = first else {
            break;
        };
        let mut completed = vec![first];
        while let Some(Some(next)) = futures_util::FutureExt::now_or_never(in_flight.next()) {
            completed.push(next);
        }
        pass.handle_completed(completed).await?;
    }
    Ok(pass.report)
}

struct Pass<'a> {
    ctx: &'a Ctx,
    writer: &'a Writer,
    report: Report,
    /// Actions started in this pass: each is started once.
    handled: HashSet<i64>,
    /// When this pass last swept for its cancels.
    swept_at: Option<Timestamp>,
    /// Actions with a fresh sighting, and when that was requested.
    ready: Vec<(Due, Timestamp)>,
    /// Actions whose POST may leave.
    admitted: Vec<Admitted<'a>>,
    /// POSTs that ended and are not written yet.
    ended: Vec<Ended>,
}

impl<'a> Pass<'a> {
    /// Stops the pass: no request may leave now.
    fn block(&mut self, until: Timestamp, why: &str) {
        let later = self.report.blocked_until.map_or(until, |at| at.max(until));
        self.report.blocked_until = Some(later);
        self.report.stopped = Some(why.to_owned());
    }

    /// Whether new requests may be sent: the shop is not paused, and Kaspi does not deny it access.
    async fn may_send(&mut self, stop: &CancellationToken) -> Result<bool, StageError> {
        if self.report.stopped.is_some() {
            return Ok(false);
        }
        let state = self.ctx.store.shop_state(&self.ctx.shop).await?;
        self.report.stopped = if self.ctx.mode != Mode::Act {
            Some("the shop's mode is not act".to_owned())
        } else if stop.is_cancelled() {
            Some("stopping".to_owned())
        } else if let Some(why) = state.paused {
            Some(format!("paused: {why}"))
        } else if let Some(why) = state.mismatch {
            Some(why)
        } else if self.ctx.write_access.write_probe_due() {
            None
        } else {
            state.denied.map(|(_, why)| why)
        };
        Ok(self.report.stopped.is_none())
    }

    /// Starts due actions as planned.
    async fn start_due(
        &mut self,
        in_flight: &mut InFlight<'a>,
        slots: usize,
    ) -> Result<(), StageError> {
        if !self.ready.is_empty() || in_flight.len() >= slots {
            return Ok(());
        }
        let mut due = self.due().await?;
        due.retain(|due| !self.handled.contains(&due.action));
        if !mutant("r4_settle_ignored") {
            self.postpone_until_settled(&mut due).await?;
        }
        let mut situation = Situation {
            now: self.ctx.clock.now(),
            sighting_age_max: self.ctx.settings.sighting_age_max,
            cancel_sweep_age_max: self.ctx.policy().limits.freshness.cancel_age_max,
            swept_at: self.swept_at,
            newest_list_at: self.ctx.store.newest_list_at(&self.ctx.shop).await?,
            free_slots: slots - in_flight.len(),
            is_idle: in_flight.is_empty(),
        };
        let mut plan = plan(due, &situation);
        if plan.sweep_first {
            situation.now = self.sweep().await?;
            situation.swept_at = self.swept_at;
            // The sweep may have ended some of them, or started another decision.
            let still = self.due().await?;
            let mut due = plan.wait;
            due.retain(|due| still.iter().any(|still| still.action == due.action));
            plan = self::plan(due, &situation);
        }
        if !plan.is_empty() {
            log_event!(
                ACT_PLANNED, shop = %self.ctx.shop, plan = %one_line(&plan.steps()), "an act pass was planned"
            );
        }
        self.report.wants_poll |= !plan.wait_for_poll.is_empty();
        let taken = plan.ready.iter().map(|(due, _)| due).chain(&plan.read);
        self.handled.extend(taken.map(|due| due.action));
        self.ready.extend(plan.ready);
        for due in plan.read {
            let is_listed = plan::is_in_newest_list(&due, &situation);
            let class = if is_listed {
                RequestClass::Act
            } else {
                RequestClass::Singles
            };
            in_flight.push(self.read_order(class, due));
        }
        Ok(())
    }

    async fn due(&self) -> Result<Vec<Due>, StageError> {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        Ok(store.due_actions(&self.ctx.shop, now, FETCH).await?)
    }

    /// Sweeps for the cancels that wait. Returns when it ended.
    async fn sweep(&mut self) -> Result<Timestamp, StageError> {
        match sweep::run_once(self.ctx, true).await {
            // Without a sweep the cancels are put off. The sweep stage fails in the same way and logs it.
            Ok(_) | Err(StageError::Api(_)) => {}
            Err(error) => return Err(error),
        }
        let now = self.ctx.clock.now();
        self.swept_at = Some(now);
        Ok(now)
    }

    /// Puts off actions whose last POST may still take effect, measured by the monotonic clock. An order
    /// with a definite answer may be read back at once.
    async fn postpone_until_settled(&self, due: &mut Vec<Due>) -> Result<(), StageError> {
        let now = self.ctx.clock.now();
        let remaining = |due: &Due| {
            let is_open = due.last_outcome.is_some_and(OutcomeKind::may_still_apply);
            let remaining = self.ctx.write_access.settle_remaining(due.action);
            remaining.filter(|_| is_open)
        };
        for (action, left) in due
            .iter()
            .filter_map(|due| Some((due.action, remaining(due)?)))
        {
            let until = now.saturating_add(left).unwrap_or(now);
            self.ctx.store.put_off(action, until, now).await?;
        }
        due.retain(|due| remaining(due).is_none());
        Ok(())
    }

    async fn handle_completed(&mut self, completed: Vec<Completed<'a>>) -> Result<(), StageError> {
        for completed in completed {
            match completed {
                Completed::Posted(ended) => self.ended.push(*ended),
                Completed::Admitted(admission) => self.note_admission(*admission),
                Completed::Read(read) => self.handle_reading(*read).await?,
            }
        }
        // Any outcome but "applied" is written before anything else is sent: it may be a reason to stop.
        if self.ended.iter().all(attempt::was_applied) {
            return Ok(());
        }
        self.write_ends().await
    }
}
