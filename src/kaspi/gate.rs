//! Admission of a shop's requests: pace, concurrency, pauses that Kaspi asks for, circuit breaker. All requests come
//! out of one budget, the most urgent class first. Every result updates the pace, and Kaspi's clock with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::blocked::Blocked;
use super::breaker::{Breaker, Permission};
use super::pace::Pace;
use super::rate_limit::RateLimit;
use super::request_class::RequestClass;
use super::transport::{Method, TransportError, WireResponse};
use super::view::{BreakerState, GateView, class};
use crate::clock::Clock;
use crate::net;

/// A shop's limits (KASPI_API §6).
#[derive(Debug, Clone, Copy)]
pub struct GateSettings {
    /// Requests per second at the first start.
    pub rate_start: f64,
    /// Most requests per second.
    pub rate_per_second: f64,
    /// Requests in flight at once.
    pub max_in_flight: usize,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    pace: Pace,
    rate_limit: RateLimit,
    /// Requests that wait for their turn: the most urgent first, then the oldest.
    waiting: BTreeSet<Place>,
    /// Requests that asked for a turn so far.
    asked: u64,
    /// Turns taken so far.
    turns: u64,
    in_flight: usize,
    paused_until: Option<Duration>,
    skew: Option<SignedDuration>,
    requests: u64,
    outages: u64,
    classes: BTreeMap<(&'static str, &'static str), u64>,
    waited: Duration,
    /// Repeats of reads that may be made, in tenths of one.
    retry_tenths: u32,
}

/// A request's place among those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    class: RequestClass,
    /// Its number: older requests have lower ones.
    number: u64,
}

/// Every so many turns, the request that has waited longest goes first, of whatever class: none waits for ever.
const TURNS_BY_CLASS: u64 = 8;

/// Admits one shop's requests.
#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    slots: usize,
    /// Most requests a second.
    most: f64,
    state: Mutex<State>,
    /// A turn was taken or ended, or a pause began.
    changed: Notify,
}

/// The right to send one request. Unless it is marked as sent, it is given back when dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    gate: &'a Gate,
    sent_at: Option<Duration>,
}

impl Turn<'_> {
    /// Notes that the request is sent now.
    pub(super) fn sent(&mut self) {
        self.sent_at = Some(self.gate.clock.ticks());
        self.gate.state().requests += 1;
    }

    /// Records the request's result.
    pub(super) fn record(self, method: Method, answer: &Result<WireResponse, TransportError>) {
        let took = self
            .sent_at
            .map(|at| self.gate.clock.ticks().saturating_sub(at));
        self.gate.record(method, answer, took.unwrap_or_default());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        if self.sent_at.is_none() {
            state.rate_limit.give_back();
        }
        drop(state);
        self.gate.changed.notify_waiters();
    }
}

/// A request that waits. It leaves its place when dropped.
struct Waiting<'a> {
    gate: &'a Gate,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.state().waiting.remove(&self.place);
        self.gate.changed.notify_waiters();
    }
}

/// What a waiting request does next.
enum Next {
    /// It is sent.
    Go,
    /// It is the next one, and the pace allows it after this long.
    In(Duration),
    /// It waits for a change.
    Later,
}

/// The pause after a 429 without a usable `Retry-After`.
const PAUSE_DEFAULT: Duration = Duration::from_secs(2);
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
            slots: settings.max_in_flight.max(1),
            most: settings.rate_per_second,
            changed: Notify::new(),
            state: Mutex::new(State {
                breaker: Breaker::new(),
                pace: Pace::new(settings.rate_start, settings.rate_per_second),
                rate_limit: RateLimit::default(),
                waiting: BTreeSet::new(),
                asked: 0,
                turns: 0,
                in_flight: 0,
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

    /// Waits for this request's turn. Pauses are not waited for: the error says when they end.
    pub(super) async fn acquire(
        &self,
        method: Method,
        class: RequestClass,
    ) -> Result<Turn<'_>, Blocked> {
        self.check_pause()?;
        let asked_at = self.clock.ticks();
        let waiting = self.wait_in_line(class);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.next(waiting.place) {
                Next::Go => break,
                // The shop's own clock, so that a test's time counts for the pace too. A turn that is given back counts
                // as well.
                Next::In(wait) => {
                    tokio::select! {
                        () = self.clock.sleep(wait) => {}
                        () = changed => {}
                    }
                }
                Next::Later => changed.await,
            }
            self.check_pause()?;
        }
        let turn = Turn {
            gate: self,
            sent_at: None,
        };
        drop(waiting);
        let mut state = self.state();
        let now = self.clock.ticks();
        state.waited += now.saturating_sub(asked_at);
        match state.breaker.request(method == Method::Get, now) {
            Permission::Granted => {
                state.retry_tenths =
                    (state.retry_tenths + RETRY_TENTHS_EARNED).min(RETRY_TENTHS_MAX);
                drop(state);
                Ok(turn)
            }
            Permission::NotBefore(ticks) => {
                drop(state);
                Err(Blocked::Breaker {
                    until: self.at(ticks),
                })
            }
        }
    }

    fn wait_in_line(&self, class: RequestClass) -> Waiting<'_> {
        let mut state = self.state();
        state.asked += 1;
        let place = Place {
            class,
            number: state.asked,
        };
        state.waiting.insert(place);
        Waiting { gate: self, place }
    }

    fn next(&self, place: Place) -> Next {
        let mut state = self.state();
        let first = if state.turns % TURNS_BY_CLASS == TURNS_BY_CLASS - 1 {
            state.waiting.iter().min_by_key(|place| place.number)
        } else {
            state.waiting.first()
        };
        if first != Some(&place) || state.in_flight >= self.slots {
            return Next::Later;
        }
        let (now, rate) = (self.clock.ticks(), state.pace.rate());
        match state.rate_limit.take(now, rate, self.most) {
            Ok(()) => {
                state.turns += 1;
                state.in_flight += 1;
                Next::Go
            }
            Err(wait) => {
                state.pace.waited(now);
                Next::In(wait)
            }
        }
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

    /// Starts from a pace that was good before. Only before the first request.
    pub(super) fn start_from(&self, rate: f64) {
        self.state().pace.start_from(rate);
    }

    /// Records a request's result: Kaspi's clock, the pace, a pause Kaspi asks for, an outage.
    fn record(
        &self,
        method: Method,
        answer: &Result<WireResponse, TransportError>,
        took: Duration,
    ) {
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
                state.pace.refused(ticks, took);
                self.changed.notify_waiters();
            } else if answer.status < 500 && answer.status != 408 {
                state.pace.answered(ticks, took, answer.body.len());
            }
            if answer.status >= 500 || answer.status == 408 {
                state.pace.failed(ticks, took);
                state.outages += 1;
                state.breaker.failed(ticks);
            } else {
                state.breaker.succeeded();
            }
        } else {
            if matches!(answer, Err(TransportError::Timeout)) {
                state.pace.timed_out(ticks);
            }
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
            pace: state.pace.rate(),
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
            (None, 2),
            (Some("soon"), 2),
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
