//! What stands before every request of a shop: pace, concurrency, pauses Kaspi asks for, the
//! breaker; and what every answer tells beside itself: Kaspi's clock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::breaker::{Breaker, Pass};
use super::pace::Pace;
use super::retry_after;
use super::transport::{Method, TransportError, WireResponse};
use crate::clock::Clock;

/// A shop's pace (KASPI_API §6).
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Requests a second, on average.
    pub rate_per_second: f64,
    /// Requests under way at once.
    pub max_in_flight: usize,
}

/// What the breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go.
    Closed,
    /// Requests are held back.
    Open,
}

/// How a shop's requests are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateView {
    /// The breaker.
    pub breaker: BreakerState,
    /// Until when Kaspi asked to wait.
    pub paused_until: Option<Timestamp>,
    /// Kaspi's clock minus ours.
    pub skew: Option<SignedDuration>,
    /// Requests sent since the start.
    pub requests: u64,
    /// Of those, without a usable answer.
    pub outages: u64,
    /// Requests by method and by what came of them, in words.
    pub classes: BTreeMap<(&'static str, &'static str), u64>,
    /// Time that requests waited for their place in line.
    pub waited: Duration,
}

/// What may come of a request.
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

fn class(answer: &Result<WireResponse, TransportError>) -> &'static str {
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

#[derive(Debug)]
struct State {
    breaker: Breaker,
    pace: Pace,
    paused_until: Option<Duration>,
    skew: Option<SignedDuration>,
    requests: u64,
    outages: u64,
    classes: BTreeMap<(&'static str, &'static str), u64>,
    waited: Duration,
    /// Repeats of reads earned by requests, in tenths of one.
    retry_tenths: u32,
}

/// The gate of one shop.
#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    slots: Semaphore,
    state: Mutex<State>,
}

/// Why a request may not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    Paused { until: Timestamp },
    Breaker { until: Timestamp },
}

/// Repeats allowed before any are earned, and held at most, in tenths.
const RETRY_TENTHS_MAX: u32 = 100;
/// Each request earns a fifth of a repeat: at most 20 % of requests are repeats.
const RETRY_TENTHS_EARNED: u32 = 2;

impl Gate {
    pub(super) fn new(settings: &GateSettings, clock: Clock) -> Self {
        Self {
            clock,
            slots: Semaphore::new(settings.max_in_flight.max(1)),
            state: Mutex::new(State {
                breaker: Breaker::new(),
                pace: Pace::new(settings.rate_per_second),
                paused_until: None,
                skew: None,
                requests: 0,
                outages: 0,
                classes: BTreeMap::new(),
                waited: Duration::ZERO,
                retry_tenths: RETRY_TENTHS_MAX,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, ticks: Duration) -> Timestamp {
        let ahead = ticks.saturating_sub(self.clock.ticks());
        self.clock
            .now()
            .saturating_add(SignedDuration::try_from(ahead).unwrap_or_default())
            .unwrap_or(Timestamp::MAX)
    }

    /// Waits for a place in line, or says when to come back. Pauses are not waited for here.
    pub(super) async fn enter(&self, method: Method) -> Result<SemaphorePermit<'_>, Shut> {
        self.is_open()?;
        let came = self.clock.ticks();
        let Ok(permit) = self.slots.acquire().await else {
            return Err(Shut::Paused {
                until: self.clock.now(),
            });
        };
        // Ticks are passed in, which is why the pace is kept here: a test's time must count for it too.
        while let Err(wait) = self.take_slot() {
            self.clock.sleep(wait).await;
        }
        self.is_open()?;
        let mut state = self.state();
        state.waited += self.clock.ticks().saturating_sub(came);
        match state.breaker.ask(method == Method::Get, self.clock.ticks()) {
            Pass::Go => {
                state.requests += 1;
                state.retry_tenths =
                    (state.retry_tenths + RETRY_TENTHS_EARNED).min(RETRY_TENTHS_MAX);
                drop(state);
                Ok(permit)
            }
            Pass::NotBefore(ticks) => {
                drop(state);
                Err(Shut::Breaker {
                    until: self.at(ticks),
                })
            }
        }
    }

    fn take_slot(&self) -> Result<(), Duration> {
        let now = self.clock.ticks();
        self.state().pace.take(now)
    }

    fn is_open(&self) -> Result<(), Shut> {
        let now = self.clock.ticks();
        let paused = self.state().paused_until.filter(|until| now < *until);
        paused.map_or(Ok(()), |until| {
            Err(Shut::Paused {
                until: self.at(until),
            })
        })
    }

    /// Whether a read may be repeated now.
    pub(super) fn may_retry(&self) -> bool {
        let mut state = self.state();
        let may = state.retry_tenths >= 10;
        if may {
            state.retry_tenths -= 10;
        }
        may
    }

    /// Learns from an answer, or from its absence: its date, a pause it asks for, an outage.
    pub(super) fn learn(&self, method: Method, answer: &Result<WireResponse, TransportError>) {
        let now = self.clock.now();
        let ticks = self.clock.ticks();
        let mut state = self.state();
        let word = match method {
            Method::Get => "read",
            Method::Post => "write",
        };
        *state.classes.entry((word, class(answer))).or_default() += 1;
        if let Ok(answer) = answer {
            if let Some(date) = answer.date.as_deref().and_then(retry_after::http_date) {
                state.skew = Some(date.duration_since(now));
            }
            if answer.status == 429 {
                let kaspi_now = now
                    .saturating_add(state.skew.unwrap_or_default())
                    .unwrap_or(now);
                let pause = retry_after::pause(answer.retry_after.as_deref(), kaspi_now);
                state.paused_until = Some(ticks + pause);
            }
            if answer.status >= 500 || answer.status == 408 {
                state.outages += 1;
                state.breaker.failed(ticks);
            } else {
                state.breaker.answered();
            }
        } else {
            state.outages += 1;
            state.breaker.failed(ticks);
        }
    }

    /// Kaspi's clock minus ours, to the second of its `Date`; small differences are none.
    pub(super) fn skew(&self) -> Option<SignedDuration> {
        self.state().skew.map(|skew| {
            if skew.abs() < SignedDuration::from_secs(3) {
                SignedDuration::ZERO
            } else {
                skew
            }
        })
    }

    /// Whether no outage stops requests.
    pub(super) fn is_well(&self) -> bool {
        self.state().breaker.is_closed()
    }

    /// When a pause Kaspi asked for ends.
    pub(super) fn paused_until(&self) -> Option<Timestamp> {
        let now = self.clock.ticks();
        let until = self.state().paused_until.filter(|until| now < *until);
        until.map(|until| self.at(until))
    }

    pub(super) fn view(&self) -> GateView {
        let paused_until = self.paused_until();
        let skew = self.skew();
        let state = self.state();
        let breaker = if state.breaker.is_closed() {
            BreakerState::Closed
        } else {
            BreakerState::Open
        };
        GateView {
            breaker,
            paused_until,
            skew,
            requests: state.requests,
            outages: state.outages,
            classes: state.classes.clone(),
            waited: state.waited,
        }
    }
}
