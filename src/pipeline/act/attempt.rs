//! Sends attempts: the attempt's row is written first, then the POST is sent, then its outcome is written.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::SignedDuration;

use super::plan::is_fresh;
use super::{Admission, Admitted, Completed, InFlight, Pass};
use crate::crash_point::crash_point;
use crate::domain::action::{Kind, Outcome};
use crate::domain::denial::Denial;
use crate::events::log_event;
use crate::kaspi::Turn;
use crate::ledger::{Ended, Recheck, StartedAttempt};
use crate::pipeline::StageError;
use crate::pipeline::sending::Post;

impl<'a> Pass<'a> {
    /// Asks the gate for the turns of actions that are ready. Their attempts are written only then: what may not be
    /// sent now is no attempt.
    pub(super) fn ask_for_turns(&mut self, in_flight: &mut InFlight<'a>, slots: usize) {
        self.put_back_stale();
        let room = slots.saturating_sub(in_flight.len()).min(self.ready.len());
        let (ctx, writer) = (self.ctx, self.writer);
        for (due, sighted) in self.ready.drain(..room) {
            in_flight.push(Box::pin(async move {
                // Before the turn: what waits for a list to be read must not keep that list from being asked for.
                let sending = ctx.sending.begin().await;
                let turn = writer.turn().await;
                Completed::Admitted(Box::new(Admission {
                    due,
                    sighted,
                    turn,
                    sending,
                }))
            }));
        }
    }

    /// Takes no turn for what may not be sent any more: at a slow pace a list shows more orders than can be accepted while it
    /// is fresh. Another list shows them again.
    fn put_back_stale(&mut self) {
        let (now, limit) = (self.ctx.clock.now(), self.ctx.settings.sighting_age_max);
        let stale = self
            .ready
            .extract_if(.., |(_, sighted)| !is_fresh(Some(*sighted), limit, now));
        for (due, _) in stale {
            self.handled.remove(&due.action);
            self.report.wants_poll = true;
        }
    }

    pub(super) fn note_admission(&mut self, admission: Admission<'a>) {
        let Admission {
            due,
            sighted,
            turn,
            sending,
        } = admission;
        match turn {
            Ok(turn) => self.admitted.push(Admitted {
                due,
                sighted,
                turn,
                sending,
            }),
            Err(blocked) => self.block(blocked.until(), blocked.why()),
        }
    }

    /// Writes the attempts of actions whose turn it is, then sends them.
    pub(super) async fn send_admitted(
        &mut self,
        in_flight: &mut InFlight<'a>,
    ) -> Result<(), StageError> {
        if self.admitted.is_empty() {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        let ticks = self.ctx.clock.ticks();
        let limit = self.ctx.settings.sighting_age_max;
        let mut wanted = Vec::with_capacity(self.admitted.len());
        let mut turns = HashMap::with_capacity(self.admitted.len());
        let mut oldest_reading_age = SignedDuration::ZERO;
        for Admitted {
            due,
            sighted,
            turn,
            sending,
        } in self.admitted.drain(..)
        {
            if !is_fresh(Some(sighted), limit, now) {
                self.handled.remove(&due.action);
                self.report.wants_poll = true;
                continue;
            }
            let age = now.duration_since(sighted);
            if matches!(due.kind, Kind::Cancel { .. }) {
                oldest_reading_age = oldest_reading_age.max(age);
            }
            let left = limit - age;
            let send_by = ticks + Duration::try_from(left).unwrap_or_default();
            turns.insert(due.action, (turn, sending, send_by));
            wanted.push(due);
        }
        let policy = self.ctx.policy();
        let recheck = Recheck {
            policy: &policy,
            input: self.ctx.deciding_input(),
            accept_fresh_for: self.ctx.settings.sighting_age_max,
            oldest_reading_age,
        };
        let started = self
            .ctx
            .store
            .begin_attempts(&self.ctx.shop, &wanted, &recheck, now)
            .await?;
        self.report.wants_sweep |= started.wants_sweep;
        self.report.wants_sweep_of.extend(started.wants_sweep_of);
        for attempt in started.attempts {
            let Some((turn, sending, send_by)) = turns.remove(&attempt.due.action) else {
                continue;
            };
            self.report.sent += 1;
            in_flight.push(self.post(attempt, (turn, sending), send_by));
        }
        Ok(())
    }

    fn post(
        &self,
        attempt: StartedAttempt,
        (turn, sending): (Turn<'a>, Post<'a>),
        send_by: Duration,
    ) -> BoxFuture<'a, Completed<'a>> {
        let (ctx, writer) = (self.ctx, self.writer);
        Box::pin(async move {
            let order = &attempt.due.order;
            let sent_at = ctx.clock.ticks();
            let outcome = match &attempt.due.kind {
                Kind::Accept => {
                    let send_by = Some(send_by);
                    writer.accept(turn, &order.id, &order.code, send_by).await
                }
                Kind::Cancel { reason, comment } => {
                    writer
                        .cancel(
                            turn,
                            (&order.id, &order.code),
                            *reason,
                            comment,
                            Some(send_by),
                        )
                        .await
                }
            };
            if outcome == Outcome::Applied {
                ctx.sending.note_applied(order);
            }
            drop(sending);
            crash_point("outcome.known");
            let jitter = ctx.jitter();
            let took = ctx.clock.ticks().saturating_sub(sent_at);
            Completed::Posted(Box::new(Ended {
                attempt,
                outcome,
                took,
                jitter,
            }))
        })
    }

    pub(super) async fn write_ends(&mut self) -> Result<(), StageError> {
        let ended = std::mem::take(&mut self.ended);
        if ended.is_empty() {
            return Ok(());
        }
        let now = self.ctx.clock.now();
        self.ctx
            .store
            .end_attempts(&self.ctx.shop, &ended, &self.ctx.settings.retry_policy, now)
            .await?;
        for ended in &ended {
            self.ctx.write_access.note_posted(ended.attempt.due.action);
            self.note_outcome(ended).await?;
        }
        Ok(())
    }

    async fn note_outcome(&mut self, ended: &Ended) -> Result<(), StageError> {
        let due = &ended.attempt.due;
        if ended.outcome == Outcome::Applied {
            self.report.applied += 1;
        }
        let detail = ended.outcome.why().unwrap_or_default();
        let since = due.order.approved_at.unwrap_or(due.order.created_at);
        let age = self.ctx.kaspi_clock.now().duration_since(since);
        if (&due.kind, &ended.outcome) == (&Kind::Accept, &Outcome::Applied) {
            self.ctx.meter.accepted(age);
        }
        log_event!(
            ATTEMPT_ENDED, shop = %self.ctx.shop, order.code = %due.order.code,
            decision.id = due.decision, by_person = due.by_person, action = due.kind.word(), attempt.n = ended.attempt.n,
            outcome = ended.outcome.word(), took_ms = millis(ended.took), age_s = age.as_secs(), detail,
            "POST ended"
        );
        match &ended.outcome {
            Outcome::Denied { denial, why } => self.denied(*denial, why).await?,
            Outcome::Applied | Outcome::Rejected(_) if self.ctx.write_access.write_denied() => {
                self.ctx.write_access.note_allowed();
                self.ctx.note_access(None).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Stops the shop. One write probes after a pause, as reads may succeed throughout.
    async fn denied(&mut self, denial: Denial, why: &str) -> Result<(), StageError> {
        self.ctx.write_access.note_denied();
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        if store
            .set_denied(&self.ctx.shop, Some((denial, why)), now)
            .await?
        {
            log_event!(
                SHOP_DENIED, shop = %self.ctx.shop, code = denial.code(), hint = denial.hint(),
                "Kaspi refuses this shop's writes: {why}"
            );
        }
        self.report.stopped = Some(why.to_owned());
        Ok(())
    }
}

/// Whether Kaspi applied it: any other outcome may be a reason to stop.
pub(super) fn was_applied(ended: &Ended) -> bool {
    ended.outcome == Outcome::Applied
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
