//! What the status page and the metrics show of a shop's requests.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::transport::{TransportError, WireResponse};

/// State of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests are sent.
    Closed,
    /// Requests are held back.
    Open,
}

/// Counters and state of a shop's requests.
#[derive(Debug, Clone, PartialEq)]
pub struct GateView {
    /// State of the circuit breaker.
    pub breaker: BreakerState,
    /// When the pause ends that Kaspi asked for.
    pub paused_until: Option<Timestamp>,
    /// Kaspi's clock minus ours.
    pub skew: Option<SignedDuration>,
    /// Requests a second that are sent at most now.
    pub pace: f64,
    /// Requests sent since the start.
    pub requests: u64,
    /// Requests without a usable answer.
    pub outages: u64,
    /// Requests by kind (`read`, `write`) and result (one of [`CLASSES`]).
    pub classes: BTreeMap<(&'static str, &'static str), u64>,
    /// Total time that requests waited for the rate limit and a free slot.
    pub waited: Duration,
}

/// Results of a request, in metrics and in the hourly log line.
pub const CLASSES: [&str; 8] = [
    "ok",
    "denied",
    "refused",
    "asked_to_wait",
    "server_error",
    "not_sent",
    "timeout",
    "broken",
];

pub(super) fn class(answer: &Result<WireResponse, TransportError>) -> &'static str {
    match answer {
        Ok(answer) => match answer.status {
            200..=299 => "ok",
            401 | 403 => "denied",
            429 => "asked_to_wait",
            408 | 500.. => "server_error",
            _ => "refused",
        },
        Err(TransportError::NotSent(_)) => "not_sent",
        Err(TransportError::Timeout) => "timeout",
        Err(TransportError::Broken(_) | TransportError::TooLarge { .. }) => "broken",
    }
}
