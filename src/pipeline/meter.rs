//! What is counted while the process runs, for the metrics page: how long accepts took.

use std::sync::{Mutex, PoisonError};

use jiff::SignedDuration;

/// Upper ends of the buckets, in seconds: a poll takes a quarter of a minute, the deadline is hours.
pub const BUCKETS_S: [u32; 11] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 1_800, 10_800];

/// A histogram as OpenMetrics has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Observations up to each end; those above the last are in `count` alone.
    pub counts: [u64; BUCKETS_S.len()],
    /// All of them.
    pub count: u64,
    /// Their sum, in seconds.
    pub sum_s: f64,
}

/// The counts of one shop.
#[derive(Debug, Default)]
pub struct Meter {
    accepts: Mutex<Histogram>,
}

impl Meter {
    /// An order was accepted so long after it could be seen.
    pub(super) fn accepted(&self, took: SignedDuration) {
        let seconds = took.as_secs_f64().max(0.0);
        let mut accepts = self.accepts.lock().unwrap_or_else(PoisonError::into_inner);
        accepts.count += 1;
        accepts.sum_s += seconds;
        for (count, end) in accepts.counts.iter_mut().zip(BUCKETS_S) {
            *count += u64::from(seconds <= f64::from(end));
        }
    }

    /// How long accepts took so far.
    pub fn accepts(&self) -> Histogram {
        let accepts = self.accepts.lock();
        accepts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
