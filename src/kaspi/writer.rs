//! Accepts and cancels orders: one POST per call, never repeated here. Only a failure to connect proves that nothing
//! was sent; after any other error the outcome is unknown (KASPI_API §5).

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::blocked::Blocked;
use super::gate::Turn;
use super::transport::{Method, TransportError, WireResponse};
use super::{RequestClass, Shared, convert, json, reader, wire};
use crate::domain::action::Outcome;
use crate::domain::denial::Denial;
use crate::domain::ids::{OrderCode, OrderId};
use crate::domain::verdict::CancelReason;
use crate::mutant::mutant;

/// Pause before an attempt that was not sent is repeated.
const NOT_SENT_PAUSE: SignedDuration = SignedDuration::from_secs(3);

/// Accepts and cancels one shop's orders.
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Whether this process may write for the shop: no other process of this machine does.
    pub fn is_claimed(&self) -> bool {
        let claim = self.shared.claim.as_ref();
        claim.is_none_or(super::claim::Claim::acquire)
    }

    /// Waits for the turn of one POST. Take it before the attempt is written, so that a request which may not be
    /// sent does not count as one.
    ///
    /// # Errors
    /// Kaspi asked for a pause, or is out of order.
    pub async fn turn(&self) -> Result<Turn<'_>, Blocked> {
        self.shared
            .gate
            .acquire(Method::Post, RequestClass::Act)
            .await
    }

    /// Accepts an order. Not sent once the clock has passed `send_by` ticks.
    pub async fn accept(
        &self,
        turn: Turn<'_>,
        id: &OrderId,
        code: &OrderCode,
        send_by: Option<Duration>,
    ) -> Outcome {
        let attributes = wire::WriteAttributes {
            code: code.as_str(),
            status: "ACCEPTED_BY_MERCHANT",
            cancellation_reason: None,
            cancellation_comment: None,
        };
        self.post(turn, id, attributes, send_by).await
    }

    /// Cancels an order. Not sent once the clock has passed `send_by` ticks.
    pub async fn cancel(
        &self,
        turn: Turn<'_>,
        (id, code): (&OrderId, &OrderCode),
        reason: CancelReason,
        comment: &str,
        send_by: Option<Duration>,
    ) -> Outcome {
        let attributes = wire::WriteAttributes {
            code: code.as_str(),
            status: "CANCELLED",
            cancellation_reason: Some(reason.as_str()),
            cancellation_comment: Some(comment),
        };
        self.post(turn, id, attributes, send_by).await
    }

    async fn post(
        &self,
        mut turn: Turn<'_>,
        id: &OrderId,
        attributes: wire::WriteAttributes<'_>,
        send_by: Option<Duration>,
    ) -> Outcome {
        let write = wire::Write {
            data: wire::WriteData {
                kind: "orders",
                id: id.as_spelled(),
                attributes,
            },
        };
        let body = match serde_json::to_vec(&write) {
            Ok(body) => body,
            Err(error) => {
                return Outcome::Rejected(format!("the request could not be written: {error}"));
            }
        };
        let mut request = self.shared.request(
            Method::Post,
            "/v2/orders".to_owned(),
            Vec::new(),
            Some(body),
        );
        request.send_by = send_by;
        turn.sent();
        let answer = self.shared.transport.send(&request).await;
        turn.record(Method::Post, &answer);
        match answer {
            Ok(answer) => self.judge(&answer, id),
            Err(TransportError::NotSent(why)) => self.not_sent(why),
            Err(error) if mutant("r3_lost_reply_is_not_sent") => self.not_sent(error.to_string()),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }

    fn not_sent(&self, why: String) -> Outcome {
        let now = self.shared.clock.now();
        Outcome::NotSent {
            until: now.saturating_add(NOT_SENT_PAUSE).unwrap_or(now),
            why,
        }
    }

    fn judge(&self, answer: &WireResponse, id: &OrderId) -> Outcome {
        let describe = |what: &str| {
            let title = convert::error_title(&answer.body);
            if title.is_empty() {
                format!("HTTP {}{what}", answer.status)
            } else {
                format!("HTTP {}: {title}", answer.status)
            }
        };
        match answer.status {
            200..=299 if is_empty(&answer.body) => Outcome::Applied,
            200..=299 if !json::is_json(&answer.body) => {
                Outcome::Unknown(describe(" with a body that is not JSON"))
            }
            200..=299 if convert::contradicts(&answer.body, id) => {
                Outcome::Unknown(describe(" about another order"))
            }
            200..=299 => Outcome::Applied,
            401 | 403 => Outcome::Denied {
                denial: if answer.status == 401 {
                    Denial::Token
                } else {
                    Denial::Forbidden
                },
                why: describe(""),
            },
            429 => {
                let until = self
                    .shared
                    .gate
                    .paused_until()
                    .unwrap_or_else(|| self.shared.clock.now());
                Outcome::Snoozed {
                    until,
                    why: describe(""),
                }
            }
            status if reader::is_refusal(status) => Outcome::Rejected(describe("")),
            _ => Outcome::Unknown(describe("")),
        }
    }
}

fn is_empty(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}
