//! Repeated failures are logged at intervals with their number, not at every attempt.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// The same code is logged again after this long.
const LOG_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// A stage's failures since its last success.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    since: Option<Timestamp>,
    failures: u64,
    /// By code.
    logged: HashMap<String, Logged>,
}

#[derive(Debug)]
struct Logged {
    at: Timestamp,
    /// Failures since then.
    unreported: u64,
}

impl Troubles {
    /// Notes a failure. If it is to be logged now, returns how many failures of the same code were not logged.
    pub(super) fn failed(&mut self, code: &str, now: Timestamp) -> Option<u64> {
        self.since.get_or_insert(now);
        self.failures += 1;
        let unreported = match self.logged.get_mut(code) {
            Some(logged) if now.duration_since(logged.at).abs() < LOG_AGAIN => {
                logged.unreported += 1;
                return None;
            }
            Some(logged) => logged.unreported,
            None => 0,
        };
        let logged = Logged {
            at: now,
            unreported: 0,
        };
        self.logged.insert(code.to_owned(), logged);
        Some(unreported)
    }

    /// Notes a success. If it ends failures, returns their number and how long they lasted.
    pub(super) fn recovered(&mut self, now: Timestamp) -> Option<(u64, SignedDuration)> {
        let Self {
            since, failures, ..
        } = std::mem::take(self);
        Some((failures, now.duration_since(since?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_once_and_then_counted() {
        let mut troubles = Troubles::default();
        let start: Timestamp = "2026-03-02T06:00:00Z".parse().unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        assert_eq!(troubles.recovered(at(0)), None);
        let logged: Vec<_> = (0..600)
            .filter_map(|s| troubles.failed("K500", at(s)))
            .collect();
        assert_eq!(logged, [0, 299]);
        assert_eq!(troubles.failed("K401", at(600)), Some(0), "another code");
        let ended = troubles.recovered(at(610));
        assert_eq!(ended, Some((601, SignedDuration::from_secs(610))));
        assert_eq!(troubles.failed("K500", at(611)), Some(0), "a new failure");
    }
}
