//! The state of a shop's writes, kept in memory: whether Kaspi denied the last one, and when each action's
//! last POST ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::Clock;
use crate::kaspi::Reader;
use crate::net::Backoff;

/// Pauses after denied writes in a row, before one may probe.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(30), Duration::from_mins(5));

/// Whether a shop may write. All its times are ticks of the monotonic clock: a wall clock that jumps
/// ahead shortens no pause.
pub struct WriteAccess {
    clock: Clock,
    /// Identifies the token in use: a denial applies only to the token that was denied.
    reader: Reader,
    /// How long a POST may still take effect after it ended.
    settle: Duration,
    denial: Mutex<Option<WriteDenial>>,
    /// When each action's last POST ended.
    posted: Mutex<HashMap<i64, Duration>>,
}

/// A write that Kaspi denied. Successful reads prove nothing about writes, so that one write probes from time
/// to time.
#[derive(Debug, Clone, Copy)]
struct WriteDenial {
    /// When one write may probe.
    probe_at: Duration,
    /// Probes that were denied since the first denial.
    failed_probes: u32,
    /// The number of the token that was denied.
    token: u64,
}

impl WriteAccess {
    pub(super) fn new(clock: Clock, reader: Reader, settle: SignedDuration) -> Self {
        Self {
            clock,
            reader,
            settle: Duration::try_from(settle).unwrap_or_default(),
            denial: Mutex::default(),
            posted: Mutex::default(),
        }
    }

    /// Notes that Kaspi denied a write.
    pub(super) fn note_denied(&self) {
        let mut denial = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        let failed_probes = denial.map_or(0, |last| last.failed_probes.saturating_add(1));
        *denial = Some(WriteDenial {
            probe_at: self.clock.ticks() + BACKOFF.pause(failed_probes),
            failed_probes,
            token: self.reader.token_number(),
        });
    }

    /// Notes that Kaspi granted a write access.
    pub(super) fn note_allowed(&self) {
        *self.denial.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether Kaspi denied the last write that was sent with the token in use.
    pub(super) fn write_denied(&self) -> bool {
        self.denial().is_some()
    }

    /// Whether writes are denied and one may probe whether they still are.
    pub(super) fn write_probe_due(&self) -> bool {
        let denial = self.denial();
        denial.is_some_and(|denial| self.clock.ticks() >= denial.probe_at)
    }

    fn denial(&self) -> Option<WriteDenial> {
        let denial = self.denial.lock().unwrap_or_else(PoisonError::into_inner);
        denial.filter(|last| last.token == self.reader.token_number())
    }

    /// Notes that a POST of this action ended now.
    pub(super) fn note_posted(&self, action: i64) {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.ticks();
        posted.retain(|_, at| now.saturating_sub(*at) < self.settle);
        posted.insert(action, now);
    }

    /// How much of the settle time is left after this action's last POST, if any is.
    pub(super) fn settle_remaining(&self, action: i64) -> Option<Duration> {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.clock.ticks().saturating_sub(*posted.get(&action)?);
        let remaining = self.settle.checked_sub(since);
        remaining.filter(|remaining| !remaining.is_zero())
    }
}
