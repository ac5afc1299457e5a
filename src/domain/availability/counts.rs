//! Counts as evidence: an SKU that did not fall between two counts lost nothing between them.

use jiff::{SignedDuration, Timestamp};

/// One count of a level, by the source it has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// When it was counted.
    pub at: Timestamp,
    /// Units; `None` where no usable number was given, or another source gave it.
    pub on_hand: Option<i64>,
}

/// Counts further apart may hide a departure behind goods that came in.
const APART_MAX: SignedDuration = SignedDuration::from_hours(1);

/// At most how many units left between `since` and the last count; `None` where the counts do not say. `counts` in
/// order of time; each pair of them that ends after `since` must be close together, and the level must not rise.
pub fn fell_since(counts: &[Reading], since: Timestamp) -> Option<i64> {
    let first = counts.iter().rposition(|count| count.at <= since)?;
    let mut fell: i64 = 0;
    for pair in counts[first..].windows(2) {
        let [before, after] = pair else { continue };
        let gap = after.at.duration_since(before.at);
        let lost = before.on_hand?.checked_sub(after.on_hand?)?;
        if lost < 0 || gap > APART_MAX {
            return None;
        }
        fell = fell.saturating_add(lost);
    }
    Some(fell)
}

/// How many units came in since then, at least; `None` where the counts do not say, as they do not reach back so far.
pub(super) fn rose_since(counts: &[Reading], since: Timestamp) -> Option<i64> {
    let first = counts.iter().rposition(|count| count.at <= since)?;
    let mut rose: i64 = 0;
    for pair in counts[first..].windows(2) {
        let [before, after] = pair else { continue };
        rose = rose.saturating_add((after.on_hand? - before.on_hand?).max(0));
    }
    Some(rose)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::constant(1_764_000_000 + minutes * 60, 0)
    }

    fn fell(counts: &[(i64, Option<i64>)], since: i64) -> Option<i64> {
        let counts: Vec<Reading> = counts
            .iter()
            .map(|(minutes, on_hand)| Reading {
                at: at(*minutes),
                on_hand: *on_hand,
            })
            .collect();
        fell_since(&counts, at(since))
    }

    #[test]
    fn what_did_not_fall_lost_nothing() {
        assert_eq!(
            fell(&[(0, Some(3)), (60, Some(3)), (90, Some(3))], 10),
            Some(0)
        );
        assert_eq!(fell(&[(0, Some(3))], 0), Some(0));
    }

    #[test]
    fn what_fell_is_what_may_have_left() {
        let counts = [(0, Some(9)), (60, Some(8)), (120, Some(5))];
        assert_eq!(fell(&counts, 30), Some(4));
        assert_eq!(fell(&counts, 60), Some(3));
    }

    #[test]
    fn counts_that_say_nothing_are_no_evidence() {
        assert_eq!(fell(&[], 0), None);
        assert_eq!(
            fell(&[(5, Some(3)), (6, Some(3))], 0),
            None,
            "nothing before"
        );
        assert_eq!(
            fell(&[(0, Some(3)), (61, Some(3))], 0),
            None,
            "too far apart"
        );
        assert_eq!(
            fell(&[(0, Some(3)), (60, Some(4))], 0),
            None,
            "goods came in"
        );
        assert_eq!(fell(&[(0, Some(3)), (30, None), (60, Some(3))], 0), None);
    }

    #[test]
    fn counts_before_the_window_do_not_matter() {
        let counts = [(-300, Some(1)), (0, Some(9)), (60, Some(9))];
        assert_eq!(fell(&counts, 0), Some(0));
    }
}
