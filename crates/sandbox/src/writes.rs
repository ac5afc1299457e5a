//! Writes: parsing, whether they are allowed, and their effect (KASPI_API §5).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    ledger::Cause,
    message::{Reply, Request},
    route::Call,
    settings::SuccessForm,
    terms::{State, Status},
    world::{Event, World},
};

/// How long a cancel in transit takes to become final.
const CANCEL_IN_TRANSIT: Duration = Duration::from_hours(24);

/// The longest `cancellationComment`, in characters.
const COMMENT_CHARS_MAX: usize = 1000;

/// The one refusal of a change that is known (KASPI_API §5).
const NOT_ALLOWED: &str = "The current order status does not allow this action";

/// The reasons a merchant may give.
const WRITABLE_REASONS: [&str; 3] = [
    "MERCHANT_OUT_OF_STOCK",
    "BUYER_CANCELLATION_BY_MERCHANT",
    "BUYER_NOT_REACHABLE",
];

/// A requested change of an order.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Accept,
    Cancel {
        reason: String,
        comment: Option<String>,
    },
}

/// When a write takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Now,
    Later,
    Never,
}

impl World {
    pub(super) fn write(
        &mut self,
        now: Timestamp,
        request: &Request,
        call: &Call,
        when: When,
    ) -> Reply {
        if call.write.is_none() {
            return Reply::error(404, "Not Found");
        }
        let Some(body) = call.body.as_ref() else {
            return Reply::error(400, "Request body is not valid JSON");
        };
        let (index, action) = match self.parse_write(now, body) {
            Ok(parsed) => parsed,
            Err(reply) => return reply,
        };
        let unnamed = |uid: &String| request.header("x-merchant-uid") != Some(uid);
        let when = match &self.settings.require_merchant_uid {
            Some(uid) if unnamed(uid) => When::Never,
            _ => when,
        };
        let number = self.request_number();
        match when {
            When::Now => {
                self.carry_out(index, &action, Cause::Api, number, now);
            }
            When::Later => {
                let due = now.saturating_add(self.settings.late_by).unwrap_or(now);
                self.schedule(
                    due,
                    Event::Late {
                        index,
                        action,
                        request: number,
                    },
                );
            }
            When::Never => {}
        }
        self.success(body)
    }

    /// Parses a write's body: the order, and the action on it.
    fn parse_write(&self, now: Timestamp, body: &Value) -> Result<(usize, Action), Reply> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let bad = |title: &str| Reply::error(400, title);
        if text("/data/type") != Some("orders") {
            return Err(bad("Resource type must be orders"));
        }
        let id = text("/data/id").ok_or_else(|| bad("Order id is required"))?;
        let status =
            text("/data/attributes/status").ok_or_else(|| bad("Order status is required"))?;
        let index = self
            .visible(id, now)
            .ok_or_else(|| Reply::error(404, "Order not found"))?;
        let code = body
            .pointer("/data/attributes/code")
            .filter(|code| !code.is_null());
        if code.is_some_and(|code| code.as_str() != Some(self.orders[index].code())) {
            return Err(bad("Order code does not match order id"));
        }
        let action = match status {
            "ACCEPTED_BY_MERCHANT" => Action::Accept,
            "CANCELLED" => cancel_action(body).map_err(bad)?,
            _ => return Err(bad("Order status is not supported")),
        };
        if !self.allows(index, &action) {
            return Err(bad(NOT_ALLOWED));
        }
        Ok((index, action))
    }

    fn allows(&self, index: usize, action: &Action) -> bool {
        let status = &self.orders[index].status;
        match action {
            Action::Accept => *status == Status::ApprovedByBank,
            Action::Cancel { .. } => {
                matches!(status, Status::ApprovedByBank | Status::AcceptedByMerchant)
            }
        }
    }

    /// Applies an action, if the order still allows it.
    pub(super) fn carry_out(
        &mut self,
        index: usize,
        action: &Action,
        cause: Cause,
        request: u64,
        at: Timestamp,
    ) {
        if !self.allows(index, action) {
            return;
        }
        match action {
            Action::Accept => {
                self.accept(index, cause, Some(request), at);
            }
            Action::Cancel { reason, comment } => {
                self.orders[index].cancellation_comment.clone_from(comment);
                self.cancel(index, reason, cause, Some(request), at);
            }
        }
    }

    /// Accepts an order that still awaits the merchant.
    pub(super) fn accept(
        &mut self,
        index: usize,
        cause: Cause,
        request: Option<u64>,
        at: Timestamp,
    ) -> bool {
        let order = &mut self.orders[index];
        if order.status != Status::ApprovedByBank {
            return false;
        }
        order.accepted_at = Some(at);
        let state = order.accepted_state();
        self.change(index, state, Status::AcceptedByMerchant, cause, request, at);
        true
    }

    /// Cancels an order; one handed over goes through `CANCELLING` first.
    pub(super) fn cancel(
        &mut self,
        index: usize,
        reason: &str,
        cause: Cause,
        request: Option<u64>,
        at: Timestamp,
    ) {
        let order = &mut self.orders[index];
        order.cancelled_at = Some(at);
        order.cancellation_reason = Some(reason.to_owned());
        if order.handed_over_at.is_none() {
            self.change(index, State::Archive, Status::Cancelled, cause, request, at);
            return;
        }
        let state = order.state.clone();
        self.change(index, state, Status::Cancelling, cause, request, at);
        self.schedule(
            at.saturating_add(CANCEL_IN_TRANSIT).unwrap_or(at),
            Event::CancelDone(index),
        );
    }

    /// The answer to an accepted write: an echo of what was sent.
    fn success(&self, body: &Value) -> Reply {
        let status = match self.settings.success {
            SuccessForm::Echo200 => 200,
            SuccessForm::Created201 => 201,
            SuccessForm::NoContent204 => return Reply::empty(204),
        };
        let mut attributes = Map::new();
        for name in [
            "code",
            "status",
            "cancellationReason",
            "cancellationComment",
        ] {
            let sent = body.pointer(&format!("/data/attributes/{name}"));
            attributes.extend(sent.map(|value| (name.to_owned(), value.clone())));
        }
        let id = body.pointer("/data/id");
        Reply::json(
            status,
            &json!({"data": {"type": "orders", "id": id, "attributes": attributes}}),
        )
    }
}

fn cancel_action(body: &Value) -> Result<Action, &'static str> {
    let reason = body
        .pointer("/data/attributes/cancellationReason")
        .and_then(Value::as_str);
    let reason = reason.filter(|reason| WRITABLE_REASONS.contains(reason));
    let reason = reason
        .ok_or("Cancellation reason is not supported")?
        .to_owned();
    let comment = match body.pointer("/data/attributes/cancellationComment") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.chars().count() <= COMMENT_CHARS_MAX => {
            Some(text.clone())
        }
        Some(Value::String(_)) => return Err("Cancellation comment is too long"),
        Some(_) => return Err("Cancellation comment is not a text"),
    };
    Ok(Action::Cancel { reason, comment })
}
