//! Admission of a shop's requests: rate limit, concurrency, pauses that Kaspi asks for, circuit breaker.
//! Every result updates them, and Kaspi's clock with them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::breaker::{Breaker, Permission};
use super::rate_limit::RateLimit;
use super::transport::{Method, TransportError, WireResponse};
use super::view::{BreakerState, GateView, class};
use crate::clock::Clock;
use crate::net;

/// A shop's limits (KASPI_API §6).
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Requests per second.
    pub rate_per_second: f64,
    /// Requests in flight at once.
    pub max_in_flight: usize,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    rate_limit: RateLimit,
    paused_until: Option<Duration>,
    skew: Option<SignedDuration>,
    requests: u64,
    outages: u64,
    classes: BTreeMap<(&'static str, &'static str), u64>,
    waited: Duration,
    /// Repeats of reads that may be made, in tenths of one.
    retry_tenths: u32,
}

/// Admits one shop's requests.
#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    slots: Semaphore,
    state: Mutex<State>,
}

/// Why a request is not admitted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Kaspi asked for a pause.
    Paused { until: Timestamp },
    /// The circuit breaker is open.
    Breaker { until: Timestamp },
}

/// The pause after a 429 without a usable `Retry-After`.
const PAUSE_DEFAULT: Duration = Duration::from_secs(5);
/// The shortest pause after a 429.
const PAUSE_SHORTEST: Duration = Duration::from_secs(1);
/// The longest pause after a 429: a server's mistake must not stop a shop for a day.
const PAUSE_LONGEST: Duration = Duration::from_mins(15);

/// The pause a 429 asks for by its `Retry-After`, from `now` by Kaspi's clock.
pub(super) fn pause_after_429(header: Option<&str>, now: Timestamp) -> Duration {
    let asked = header.and_then(|header| net::retry_after(header, now));
    let pause = asked.unwrap_or(PAUSE_DEFAULT);
    pause.clamp(PAUSE_SHORTEST, PAUSE_LONGEST)
}

/// Repeats available at the start, and the most that can be saved up, in tenths.
const RETRY_TENTHS_MAX: u32 = 100;
/// Each request adds a fifth of a repeat: at most 20 % of requests are repeats.
const RETRY_TENTHS_EARNED: u32 = 2;

impl Gate {
    pub(super) fn new(settings: &GateSettings, clock: Clock) -> Self {
        Self {
            clock,
            slots: Semaphore::new(settings.max_in_flight.max(1)),
            state: Mutex::new(State {
                breaker: Breaker::new(),
                rate_limit: RateLimit::new(settings.rate_per_second),
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

    /// Waits for the rate limit and a free slot. Pauses are not waited for: the error says when they end.
    pub(super) async fn acquire(&self, method: Method) -> Result<SemaphorePermit<'_>, Blocked> {
        self.check_pause()?;
        let asked_at = self.clock.ticks();
        let Ok(permit) = self.slots.acquire().await else {
            return Err(Blocked::Paused {
                until: self.clock.now(),
            });
        };
        // The shop's own clock, so that a test's time counts for the rate limit too.
        while let Err(wait) = self.take_turn() {
            self.clock.sleep(wait).await;
        }
        self.check_pause()?;
        let mut state = self.state();
        state.waited += self.clock.ticks().saturating_sub(asked_at);
        match state
            .breaker
            .request(method == Method::Get, self.clock.ticks())
        {
            Permission::Granted => {
                state.requests += 1;
                state.retry_tenths =
                    (state.retry_tenths + RETRY_TENTHS_EARNED).min(RETRY_TENTHS_MAX);
                drop(state);
                Ok(permit)
            }
            Permission::NotBefore(ticks) => {
                drop(state);
                Err(Blocked::Breaker {
                    until: self.at(ticks),
                })
            }
        }
    }

    fn take_turn(&self) -> Result<(), Duration> {
        let now = self.clock.ticks();
        self.state().rate_limit.take(now)
    }

    fn check_pause(&self) -> Result<(), Blocked> {
        let now = self.clock.ticks();
        let paused = self.state().paused_until.filter(|until| now < *until);
        paused.map_or(Ok(()), |until| {
            Err(Blocked::Paused {
                until: self.at(until),
            })
        })
    }

    /// Takes one repeat of a read, where one is available.
    pub(super) fn take_retry(&self) -> bool {
        let mut state = self.state();
        let is_available = state.retry_tenths >= 10;
        if is_available {
            state.retry_tenths -= 10;
        }
        is_available
    }

    /// Records a request's result: Kaspi's clock, a pause it asks for, an outage.
    pub(super) fn record(&self, method: Method, answer: &Result<WireResponse, TransportError>) {
        let now = self.clock.now();
        let ticks = self.clock.ticks();
        let mut state = self.state();
        let word = match method {
            Method::Get => "read",
            Method::Post => "write",
        };
        *state.classes.entry((word, class(answer))).or_default() += 1;
        if let Ok(answer) = answer {
            if let Some(date) = answer.date.as_deref().and_then(net::http_date) {
                state.skew = Some(date.duration_since(now));
            }
            if answer.status == 429 {
                let kaspi_now = now
                    .saturating_add(state.skew.unwrap_or_default())
                    .unwrap_or(now);
                let pause = pause_after_429(answer.retry_after.as_deref(), kaspi_now);
                state.paused_until = Some(ticks + pause);
            }
            if answer.status >= 500 || answer.status == 408 {
                state.outages += 1;
                state.breaker.failed(ticks);
            } else {
                state.breaker.succeeded();
            }
        } else {
            state.outages += 1;
            state.breaker.failed(ticks);
        }
    }

    /// Kaspi's clock minus ours. Kaspi's `Date` has whole seconds, so less than 3 s count as none.
    pub(super) fn skew(&self) -> Option<SignedDuration> {
        self.state().skew.map(|skew| {
            if skew.abs() < SignedDuration::from_secs(3) {
                SignedDuration::ZERO
            } else {
                skew
            }
        })
    }

    /// Whether the circuit breaker lets requests through.
    pub(super) fn is_closed(&self) -> bool {
        self.state().breaker.is_closed()
    }

    /// When the pause ends that Kaspi asked for.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_asked_within_limits() {
        let now: Timestamp = "2026-11-24T01:00:00Z".parse().unwrap();
        for (header, seconds) in [
            (None, 5),
            (Some("soon"), 5),
            (Some("7"), 7),
            (Some("0"), 1),
            (Some("86400"), 900),
            (Some("99999999999999999999999"), 900),
            (Some("Tue, 24 Nov 2026 00:00:00 GMT"), 1),
        ] {
            let expected = Duration::from_secs(seconds);
            assert_eq!(pause_after_429(header, now), expected, "{header:?}");
        }
    }
}
