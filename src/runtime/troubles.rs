//! The same trouble is told once in a while with how often it came, not at every try.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

/// The same code is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// What a stage has met since it last worked.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    since: Option<Timestamp>,
    failures: u64,
    /// When a code was last told, and how often it came since.
    told: HashMap<String, (Timestamp, u64)>,
}

impl Troubles {
    /// A failure. Gives how often its code came untold, where it is to be told now.
    pub(super) fn failed(&mut self, code: &str, now: Timestamp) -> Option<u64> {
        self.since.get_or_insert(now);
        self.failures += 1;
        if let Some((at, untold)) = self.told.get_mut(code)
            && now.duration_since(*at).abs() < TELL_AGAIN
        {
            *untold += 1;
            return None;
        }
        let before = self.told.insert(code.to_owned(), (now, 0));
        Some(before.map_or(0, |(_, untold)| untold))
    }

    /// It works. Gives how often it failed before, and for how long, where it did.
    pub(super) fn over(&mut self, now: Timestamp) -> Option<(u64, SignedDuration)> {
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
    fn a_flood_is_told_once_and_then_counted() {
        let mut troubles = Troubles::default();
        let start: Timestamp = "2026-03-02T06:00:00Z".parse().unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        assert_eq!(troubles.over(at(0)), None);
        let told: Vec<_> = (0..600)
            .filter_map(|s| troubles.failed("K500", at(s)))
            .collect();
        assert_eq!(told, [0, 299]);
        assert_eq!(troubles.failed("K401", at(600)), Some(0), "another trouble");
        let over = troubles.over(at(610));
        assert_eq!(over, Some((601, SignedDuration::from_secs(610))));
        assert_eq!(troubles.failed("K500", at(611)), Some(0), "it begins anew");
    }
}
