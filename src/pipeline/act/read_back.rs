//! Reads an order back: before its first POST, and after a POST before anything else is done with it.

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::{Completed, OrderRead, Pass};
use crate::crash_point::crash_point;
use crate::domain::action::{Kind, OutcomeKind, is_of_unknown_order};
use crate::domain::hold::HoldCause;
use crate::domain::order::Status;
use crate::events::log_event;
use crate::kaspi::{ApiError, RequestClass};
use crate::ledger::{Due, Reading};
use crate::mutant::mutant;
use crate::pipeline::StageError;

/// When an order that could not be read is read again.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// When an order that neither awaits the merchant nor ends its action is read again.
const UNDECIDED_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// An order for which something was sent, and that Kaspi does not know for this long, does not exist.
const UNKNOWN_MAX: SignedDuration = SignedDuration::from_mins(30);
/// The same before anything was sent: a lagging replica shows a new order within this time.
const UNKNOWN_UNSENT_MAX: SignedDuration = SignedDuration::from_mins(2);
/// A cancel rests on lists that have shown the order for longer than a replica lags, so that this is enough.
const UNKNOWN_CANCEL_MAX: SignedDuration = SignedDuration::from_secs(10);

/// How long after its decision an order may be unknown to Kaspi.
fn unknown_max(due: &Due) -> SignedDuration {
    match due.kind {
        _ if due.attempts() > 0 || mutant("r15_unknown_order_waits") => UNKNOWN_MAX,
        Kind::Accept => UNKNOWN_UNSENT_MAX,
        Kind::Cancel { .. } => UNKNOWN_CANCEL_MAX,
    }
}

impl<'a> Pass<'a> {
    /// Reads the order of an action.
    pub(super) fn read_order(&self, class: RequestClass, due: Due) -> BoxFuture<'a, Completed<'a>> {
        let ctx = self.ctx;
        Box::pin(async move {
            let asked_at = ctx.clock.now();
            let reader = ctx.reader.of_class(class);
            let answer = reader.order(&due.order.id).await;
            Completed::Read(Box::new(OrderRead {
                due,
                asked_at,
                answer,
            }))
        })
    }

    /// Handles a reading of the order: its action is sent, put off, refused or left to a person.
    pub(super) async fn handle_reading(&mut self, read: OrderRead) -> Result<(), StageError> {
        let OrderRead {
            due,
            asked_at,
            answer,
        } = read;
        let now = self.ctx.clock.now();
        let order = match answer {
            Ok(Some(order)) => order,
            Ok(None) if now.duration_since(due.made_at) > unknown_max(&due) => {
                let why = ("Kaspi knows no such order", HoldCause::NotFound);
                return self.refuse(&due, why).await;
            }
            // A lagging reader may not know it yet, while lists go on showing it.
            Ok(None) => {
                let again = self.ctx.not_found(&due.order.id).await?;
                self.ctx.store.put_off(due.action, again, now).await?;
                return Ok(());
            }
            Err(ref error @ (ApiError::Snooze { until } | ApiError::Breaker { until })) => {
                self.block(until, &error.to_string());
                return Ok(());
            }
            Err(error) => {
                self.ctx.note_access(Some(&error)).await?;
                return self.put_off(&due, READ_AGAIN).await;
            }
        };
        self.report.orders_read += 1;
        crash_point("order.read_again");
        let reading = Reading {
            order: order.clone(),
            lines: None,
            asked_at,
            skew: self.ctx.kaspi_clock.skew(),
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
        // A cancel decided while the order was new does not apply once the order is accepted.
        let cancels_accepted = (due.cancels_accepted_order || mutant("r2_cancel_of_another_state"))
            && matches!(due.kind, Kind::Cancel { .. })
            && order.status == Status::AcceptedByMerchant;
        if order.awaits_merchant() || cancels_accepted {
            if due.attempts() == 0 {
                self.ready.push((due, asked_at));
                return Ok(());
            }
            return self.repeat(due, asked_at).await;
        }
        let is_cancel = matches!(due.kind, Kind::Cancel { .. });
        if is_cancel && order.status == Status::AcceptedByMerchant && due.attempts() > 0 {
            let why = "a cancel was sent, and Kaspi shows the order as accepted";
            return self.refuse(&due, (why, HoldCause::WithoutEffect)).await;
        }
        self.put_off(&due, UNDECIDED_AGAIN).await
    }

    /// Reads the order again after this time.
    async fn put_off(&self, due: &Due, after: SignedDuration) -> Result<(), StageError> {
        let now = self.ctx.clock.now();
        let until = now.saturating_add(after).unwrap_or(now);
        self.ctx.store.put_off(due.action, until, now).await?;
        Ok(())
    }

    /// The last POST had no effect: it is repeated, or left to a person.
    async fn repeat(&mut self, due: Due, asked_at: Timestamp) -> Result<(), StageError> {
        if due.last_outcome == Some(OutcomeKind::Rejected) && !self.was_unknown(&due).await? {
            let why = "Kaspi refused, and shows the order as it was";
            return self.refuse(&due, (why, HoldCause::Refused)).await;
        }
        if due.attempts_towards_max >= self.ctx.settings.retry_policy.attempts_max
            && !mutant("r4_repeat_for_ever")
        {
            log_event!(
                ACTION_STUCK, shop = %self.ctx.shop, order.code = %due.order.code,
                decision.id = due.decision, code = "A002", action = due.kind.word(), attempts = due.attempts_towards_max, hint = "handle the order in the cabinet before its deadline",
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

    /// Whether the last POST was refused because Kaspi did not know the order, which it shows now.
    async fn was_unknown(&self, due: &Due) -> Result<bool, StageError> {
        if mutant("r3_unknown_order_is_a_refusal") {
            return Ok(false);
        }
        let said = self.ctx.store.last_reply(due.action).await?;
        Ok(said.is_some_and(|said| is_of_unknown_order(&said)))
    }

    async fn refuse(&self, due: &Due, (why, cause): (&str, HoldCause)) -> Result<(), StageError> {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        // Another stage may have ended the action in the meantime.
        if !store.refuse(&self.ctx.shop, due, (why, cause), now).await? {
            return Ok(());
        }
        log_event!(
            ACTION_REFUSED, shop = %self.ctx.shop, order.code = %due.order.code,
            decision.id = due.decision, code = "A001", action = due.kind.word(), hint = "look at the order in the cabinet before its deadline", "{why}"
        );
        Ok(())
    }
}
