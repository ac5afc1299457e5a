//! act: the only stage that can change Kaspi. No POST leaves without its committed row, and none is
//! repeated before the order was read again.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join};
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Ctx, Mode, StageError, sweep};
use crate::crash_point::crash_point;
use crate::domain::action::{Kind, Outcome, State};
use crate::domain::order::{Order, Status};
use crate::kaspi::{ApiError, Writer};
use crate::ledger::{Begun, Due, Ended, Reading, Recheck};
use crate::mutant::mutant;

/// When an order that could not be read is read again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// An order that Kaspi does not know for so long is gone.
const GONE_FOR_GOOD: SignedDuration = SignedDuration::from_mins(30);

/// Actions fetched from the database in one go.
const FETCH: u32 = 256;

/// With no more stale sightings than this, orders are read singly rather than listed again.
const SINGLES_MAX: usize = 2;

/// What an act pass did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// POSTs sent.
    pub sent: usize,
    /// Of those, answered 2xx.
    pub applied: usize,
    /// Orders read back.
    pub looked: usize,
    /// Actions that need a fresh list of new orders before they may leave.
    pub wants_poll: bool,
    /// Whether a cancel waits for accepted orders to be read again.
    pub wants_sweep: bool,
    /// Why it stopped early, if it did.
    pub stopped: Option<String>,
}

/// Something under way, and how it ended.
enum Landed {
    Looked {
        due: Box<Due>,
        asked_at: Timestamp,
        answer: Box<Result<Option<Order>, ApiError>>,
    },
    Posted(Box<Ended>),
}

/// Carries due actions out, until none is due or `stop` is asked for. What is under way then ends
/// before this returns.
///
/// # Errors
/// What the database said, or that another process acts for this shop. Kaspi's answers are outcomes,
/// not errors.
pub async fn run_once(
    ctx: &Ctx,
    writer: &Writer,
    stop: &CancellationToken,
) -> Result<Report, StageError> {
    let mut pass = Pass {
        ctx,
        writer,
        report: Report::default(),
        handled: HashSet::new(),
        swept: None,
        ready: Vec::new(),
        ended: Vec::new(),
    };
    if !writer.is_claimed() {
        return Err(StageError::Elsewhere);
    }
    ctx.repair_clock().await?;
    let lost = ctx
        .store
        .recover(&ctx.shop, ctx.settings.patience.settle, ctx.clock.now())
        .await?;
    if lost > 0 {
        tracing::warn!(
            event = "actions.recovered", shop = %ctx.shop, actions = lost,
            "requests were under way when work stopped; their orders are read before anything else"
        );
    }
    let mut flights: FuturesUnordered<BoxFuture<'_, Landed>> = FuturesUnordered::new();
    let slots = ctx.settings.max_in_flight.max(1);
    loop {
        if pass.may_go_on(stop).await? {
            pass.fetch(&mut flights, slots).await?;
            pass.launch(&mut flights, slots).await?;
        }
        // The last outcomes are written while the next requests are on their way.
        let (written, first) = join(pass.write_ends(), flights.next()).await;
        written?;
        let Some(first) = first else {
            break;
        };
        let mut landed = vec![first];
        while let Some(Some(next)) = futures_util::FutureExt::now_or_never(flights.next()) {
            landed.push(next);
        }
        pass.land(landed).await?;
    }
    Ok(pass.report)
}

struct Pass<'a> {
    ctx: &'a Ctx,
    writer: &'a Writer,
    report: Report,
    /// Each action is taken up once in a pass.
    handled: HashSet<i64>,
    /// When this pass last read accepted orders, for cancels to rest on.
    swept: Option<Timestamp>,
    /// Actions with a fresh sighting, and when it was asked for.
    ready: Vec<(Due, Timestamp)>,
    /// POSTs that ended and are not written yet.
    ended: Vec<Ended>,
}

impl<'a> Pass<'a> {
    /// Whether new requests may leave: nobody paused the shop, and Kaspi lets it in.
    async fn may_go_on(&mut self, stop: &CancellationToken) -> Result<bool, StageError> {
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
        } else if self.ctx.may_knock() {
            None
        } else {
            state.denied.map(|(_, why)| why)
        };
        Ok(self.report.stopped.is_none())
    }

    /// Takes up due actions: those with a fresh sighting are ready, the others' orders are read.
    async fn fetch(
        &mut self,
        flights: &mut FuturesUnordered<BoxFuture<'a, Landed>>,
        slots: usize,
    ) -> Result<(), StageError> {
        if !self.ready.is_empty() || flights.len() >= slots {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        let due = self
            .ctx
            .store
            .due_actions(&self.ctx.shop, now, FETCH)
            .await?;
        let mut due: Vec<Due> = due
            .into_iter()
            .filter(|due| !self.handled.contains(&due.action))
            .collect();
        if !mutant("r4_settle_ignored") {
            self.put_off_unsettled(&mut due).await?;
        }
        self.gather_evidence(&mut due, flights.is_empty()).await?;
        let limit = self.ctx.settings.sighting_age_max;
        let is_stale = |due: &Due| plain_accept(due) && !is_fresh(due.listed_at, limit, now);
        let stale = due.iter().filter(|due| is_stale(due)).count();
        if stale > SINGLES_MAX {
            // One list costs less than many single reads, and shows them all.
            self.report.wants_poll = true;
            due.retain(|due| !is_stale(due));
        }
        for due in due {
            match due.listed_at {
                Some(listed_at) if plain_accept(&due) && is_fresh(Some(listed_at), limit, now) => {
                    self.handled.insert(due.action);
                    self.ready.push((due, listed_at));
                }
                _ if due.attempts > 0 && mutant("r4_repeat_without_reading") => {
                    self.handled.insert(due.action);
                    self.ready.push((due, now));
                }
                _ if flights.len() < slots => {
                    self.handled.insert(due.action);
                    flights.push(self.look(due));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A cancel rests on accepted orders read just before it (R8): one may have freed the units. All
    /// other work goes first; then they are read, once for as many cancels as follow closely.
    async fn gather_evidence(
        &mut self,
        due: &mut Vec<Due>,
        is_idle: bool,
    ) -> Result<(), StageError> {
        let needs = |due: &Due| !due.by_person && matches!(due.kind, Kind::Cancel { .. });
        if !due.iter().any(needs) {
            return Ok(());
        }
        let limit = self.ctx.policy().limits.cancel_sweep_age_max;
        let now = self.ctx.clock.now();
        if is_fresh(self.swept, limit, now) {
            return Ok(());
        }
        if !is_idle || !due.iter().all(needs) {
            due.retain(|due| !needs(due));
            return Ok(());
        }
        match sweep::run_once(self.ctx, true).await {
            // Without it the cancels are put off; the stage for it meets the same failure and tells.
            Ok(_) | Err(StageError::Api(_)) => {}
            Err(error) => return Err(error),
        }
        let now = self.ctx.clock.now();
        self.swept = Some(now);
        // The reading may have ended some of them, or begun another round of deciding.
        let still = self
            .ctx
            .store
            .due_actions(&self.ctx.shop, now, FETCH)
            .await?;
        due.retain(|due| still.iter().any(|still| still.action == due.action));
        Ok(())
    }

    /// Puts actions off whose last POST is too young to be judged, whatever the wall clock says. A
    /// definite answer may be read back at once.
    async fn put_off_unsettled(&self, due: &mut Vec<Due>) -> Result<(), StageError> {
        let now = self.ctx.clock.now();
        let young = |due: &Due| {
            let is_open = matches!(due.last_outcome.as_deref(), Some("applied" | "unknown"));
            self.ctx.unsettled(due.action).filter(|_| is_open)
        };
        for (action, left) in due.iter().filter_map(|due| Some((due.action, young(due)?))) {
            let until = now.saturating_add(left).unwrap_or(now);
            self.ctx.store.put_off(action, Some(until)).await?;
        }
        due.retain(|due| young(due).is_none());
        Ok(())
    }

    fn look(&self, due: Due) -> BoxFuture<'a, Landed> {
        let ctx = self.ctx;
        let due = Box::new(due);
        Box::pin(async move {
            let asked_at = ctx.clock.now();
            let answer = Box::new(ctx.reader.order(&due.order.id).await);
            Landed::Looked {
                due,
                asked_at,
                answer,
            }
        })
    }

    /// Writes the attempts of what is ready, then sends them.
    async fn launch(
        &mut self,
        flights: &mut FuturesUnordered<BoxFuture<'a, Landed>>,
        slots: usize,
    ) -> Result<(), StageError> {
        let room = slots.saturating_sub(flights.len()).min(self.ready.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        let ticks = self.ctx.clock.ticks();
        let limit = self.ctx.settings.sighting_age_max;
        let mut wanted = Vec::with_capacity(room);
        let mut good_until = Vec::with_capacity(room);
        let mut looked_for = SignedDuration::ZERO;
        for (due, sighted) in self.ready.drain(..room) {
            if !is_fresh(Some(sighted), limit, now) {
                self.report.wants_poll = true;
                continue;
            }
            let age = now.duration_since(sighted);
            if matches!(due.kind, Kind::Cancel { .. }) {
                looked_for = looked_for.max(age);
            }
            let left = limit - age;
            good_until.push((
                due.action,
                ticks + Duration::try_from(left).unwrap_or_default(),
            ));
            wanted.push(due);
        }
        let policy = self.ctx.policy();
        let recheck = Recheck {
            policy: &policy,
            input: self.ctx.deciding_input(),
            accept_fresh_for: self.ctx.settings.sighting_age_max,
            looked_for,
        };
        let launch = self
            .ctx
            .store
            .begin_attempts(&self.ctx.shop, &wanted, &recheck, now)
            .await?;
        self.report.wants_sweep |= launch.wants_sweep;
        for begun in launch.begun {
            let until = good_until
                .iter()
                .find(|(action, _)| *action == begun.due.action);
            let until = until.map_or(ticks, |(_, until)| *until);
            self.report.sent += 1;
            flights.push(self.post(begun, until));
        }
        Ok(())
    }

    fn post(&self, begun: Begun, good_until: Duration) -> BoxFuture<'a, Landed> {
        let (ctx, writer) = (self.ctx, self.writer);
        Box::pin(async move {
            let order = &begun.due.order;
            let left_at = ctx.clock.ticks();
            let outcome = match &begun.due.kind {
                Kind::Accept => {
                    writer
                        .accept(&order.id, &order.code, Some(good_until))
                        .await
                }
                Kind::Cancel { reason, comment } => {
                    writer
                        .cancel(&order.id, &order.code, *reason, comment, Some(good_until))
                        .await
                }
            };
            crash_point("outcome.known");
            let jitter = ctx.jitter();
            let took = ctx.clock.ticks().saturating_sub(left_at);
            Landed::Posted(Box::new(Ended {
                begun,
                outcome,
                took,
                jitter,
            }))
        })
    }

    async fn land(&mut self, landed: Vec<Landed>) -> Result<(), StageError> {
        for landed in landed {
            match landed {
                Landed::Posted(one) => self.ended.push(*one),
                Landed::Looked {
                    due,
                    asked_at,
                    answer,
                } => self.looked(*due, asked_at, *answer).await?,
            }
        }
        // Trouble is written before anything else is sent: it may be a reason to stop.
        let smooth = |ended: &Ended| ended.outcome == Outcome::Applied;
        if self.ended.iter().all(smooth) {
            return Ok(());
        }
        self.write_ends().await
    }

    async fn write_ends(&mut self) -> Result<(), StageError> {
        let ended = std::mem::take(&mut self.ended);
        if ended.is_empty() {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        self.ctx
            .store
            .end_attempts(&self.ctx.shop, &ended, &self.ctx.settings.patience, now)
            .await?;
        for ended in &ended {
            self.ctx.posted(ended.begun.due.action);
            self.posted(ended).await?;
        }
        Ok(())
    }

    async fn posted(&mut self, ended: &Ended) -> Result<(), StageError> {
        let due = &ended.begun.due;
        let detail = match &ended.outcome {
            Outcome::Applied => {
                self.report.applied += 1;
                ""
            }
            Outcome::Rejected(why)
            | Outcome::Denied(why)
            | Outcome::Unknown(why)
            | Outcome::Snoozed { why, .. }
            | Outcome::NotSent { why, .. } => why.as_str(),
        };
        let since = due.order.approved_at.unwrap_or(due.order.created_at);
        let age = self.ctx.kaspi_now().duration_since(since);
        if (&due.kind, &ended.outcome) == (&Kind::Accept, &Outcome::Applied) {
            self.ctx.meter.accepted(age);
        }
        tracing::info!(
            event = "attempt.ended", shop = %self.ctx.shop, order.code = %due.order.code,
            decision.id = due.decision, by_person = due.by_person, action = due.kind.word(), attempt.n = ended.begun.n,
            outcome = ended.outcome.word(), took_ms = millis(ended.took), age_s = age.as_secs(), detail,
            "request ended"
        );
        match &ended.outcome {
            Outcome::Denied(why) => self.denied(why).await?,
            Outcome::Applied | Outcome::Rejected(_) if self.ctx.shut_out().is_some() => {
                self.ctx.note_write(false);
                self.ctx.note_access(None).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The shop stops; one write asks again after a while, as reads may go well all the time.
    async fn denied(&mut self, why: &str) -> Result<(), StageError> {
        self.ctx.note_write(true);
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        if store.set_denied(&self.ctx.shop, Some(why), now).await? {
            tracing::error!(
                event = "shop.denied", shop = %self.ctx.shop, code = "K401",
                hint = "make a new token in the cabinet: Settings, API token, Generate; or call 2323",
                "Kaspi refuses this shop's writes: {why}"
            );
        }
        self.report.stopped = Some(why.to_owned());
        Ok(())
    }

    /// What a reading of the order means for its action.
    async fn looked(
        &mut self,
        due: Due,
        asked_at: Timestamp,
        answer: Result<Option<Order>, ApiError>,
    ) -> Result<(), StageError> {
        self.report.looked += 1;
        let now = self.ctx.clock.now();
        let later = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
        let order = match answer {
            Ok(Some(order)) => order,
            Ok(None) if now.duration_since(due.made_at) > GONE_FOR_GOOD => {
                return self.refuse(&due, "Kaspi knows no such order").await;
            }
            // One that lags may not know it yet: lists may go on showing it.
            Ok(None) => {
                let slow = now.saturating_add(LOOK_AGAIN * 4).unwrap_or(now);
                self.ctx.store.put_off(due.action, Some(slow)).await?;
                return Ok(());
            }
            Err(error) => {
                self.ctx.note_access(Some(&error)).await?;
                self.ctx.store.put_off(due.action, Some(later)).await?;
                return Ok(());
            }
        };
        crash_point("order.looked_at");
        let reading = Reading {
            order: order.clone(),
            lines: None,
            asked_at,
            skew: self.ctx.reader.skew(),
        };
        let observed = self
            .ctx
            .store
            .record_reading(&self.ctx.shop, reading, now)
            .await?;
        self.ctx.log_action_ends(&observed);
        if observed
            .ended
            .iter()
            .any(|(code, ..)| code == order.code.as_str())
        {
            return Ok(());
        }
        // A cancel asked for while it waited says nothing about one accepted since.
        let cancels_accepted = (due.of_accepted || mutant("r2_cancel_of_another_state"))
            && matches!(due.kind, Kind::Cancel { .. })
            && order.status == Status::AcceptedByMerchant;
        if order.awaits_merchant() || cancels_accepted {
            if due.attempts == 0 {
                self.ready.push((due, asked_at));
                return Ok(());
            }
            return self.repeat(due, asked_at).await;
        }
        let is_cancel = matches!(due.kind, Kind::Cancel { .. });
        if is_cancel && order.status == Status::AcceptedByMerchant && due.attempts > 0 {
            return self
                .refuse(
                    &due,
                    "a cancel was sent, and Kaspi shows the order as accepted",
                )
                .await;
        }
        let slow = now.saturating_add(LOOK_AGAIN * 12).unwrap_or(now);
        self.ctx.store.put_off(due.action, Some(slow)).await?;
        Ok(())
    }

    /// The last POST had no effect: the same again, or a person.
    async fn repeat(&mut self, due: Due, asked_at: Timestamp) -> Result<(), StageError> {
        if due.last_outcome.as_deref() == Some("rejected") {
            return self
                .refuse(&due, "Kaspi refused, and shows the order as it was")
                .await;
        }
        if due.counted >= self.ctx.settings.patience.attempts_max && !mutant("r4_repeat_for_ever") {
            tracing::error!(
                event = "action.stuck", shop = %self.ctx.shop, order.code = %due.order.code,
                decision.id = due.decision, code = "A002", action = due.kind.word(), attempts = due.counted, hint = "handle the order in the cabinet before its deadline",
                "the request has no effect, however often it is sent"
            );
            let now = self.ctx.clock.now();
            let store = &self.ctx.store;
            store.leave_to_person(&self.ctx.shop, &due, now).await?;
            return Ok(());
        }
        self.ready.push((due, asked_at));
        Ok(())
    }

    async fn refuse(&self, due: &Due, why: &str) -> Result<(), StageError> {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        // Another stage may have read its end meanwhile.
        if !store.refuse(&self.ctx.shop, due, why, now).await? {
            return Ok(());
        }
        tracing::error!(
            event = "action.refused", shop = %self.ctx.shop, order.code = %due.order.code,
            decision.id = due.decision, code = "A001", action = due.kind.word(), hint = "look at the order in the cabinet before its deadline", "{why}"
        );
        Ok(())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An accept not sent yet: the list that shows its order is sighting enough (R4).
fn plain_accept(due: &Due) -> bool {
    due.kind == Kind::Accept && due.state == State::Pending && due.attempts == 0
}

fn is_fresh(sighted: Option<Timestamp>, limit: SignedDuration, now: Timestamp) -> bool {
    sighted.is_some_and(|at| {
        let age = now.duration_since(at);
        age >= -LOOK_AGAIN && age <= limit
    })
}
