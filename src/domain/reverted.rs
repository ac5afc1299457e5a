//! A status that Kaspi shows after a later one of the same order: a reader lags, or the order went back. Complete lists
//! settle it, either way, once enough of them in a row agree.

use jiff::{SignedDuration, Timestamp};

/// Lists that count are begun at least this far apart: a reader that lags has caught up by the next one.
const APART: SignedDuration = SignedDuration::from_secs(30);

/// An earlier status that readings show, and how many complete lists in a row agreed with it or with the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reverted {
    /// When the newest request that showed it was sent.
    pub shown_at: Timestamp,
    /// When the newest request that showed the stored status was sent.
    pub stored_seen_at: Timestamp,
    /// Lists in a row that showed it alone.
    pub lists: u32,
    /// Lists in a row that showed the stored status alone.
    pub lists_against: u32,
    /// When the last list that counted began.
    pub counted_at: Option<Timestamp>,
}

/// What complete lists agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The order went back: the earlier status is its present one.
    Believed,
    /// A reader lagged: the stored status is right.
    Dismissed,
}

impl Reverted {
    /// After a complete list whose first request was sent then, with what was read since.
    #[must_use]
    pub fn after_list(self, begun_at: Timestamp) -> Self {
        let is_apart = |at: Timestamp| begun_at.duration_since(at) >= APART;
        let (shown, stored) = (self.shown_at >= begun_at, self.stored_seen_at >= begun_at);
        if !(shown || stored) || self.counted_at.is_some_and(|at| !is_apart(at)) && shown != stored
        {
            return self;
        }
        Self {
            lists: if stored {
                0
            } else {
                self.lists.saturating_add(1)
            },
            lists_against: if shown {
                0
            } else {
                self.lists_against.saturating_add(1)
            },
            counted_at: Some(begun_at),
            ..self
        }
    }

    /// What so many lists in a row agree on.
    pub const fn settled(&self, needed: u32) -> Option<Settled> {
        if self.lists >= needed {
            Some(Settled::Believed)
        } else if self.lists_against >= needed {
            Some(Settled::Dismissed)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn first(shown: i64) -> Reverted {
        Reverted {
            shown_at: at(shown),
            stored_seen_at: at(0),
            lists: 0,
            lists_against: 0,
            counted_at: None,
        }
    }

    /// After lists begun at these seconds, each of which read the order a second later with that status.
    fn after(lists: &[(i64, bool)]) -> Reverted {
        lists.iter().fold(first(1), |known, (begun, shows_it)| {
            let read = at(begun + 1);
            let known = if *shows_it {
                Reverted {
                    shown_at: read,
                    ..known
                }
            } else {
                Reverted {
                    stored_seen_at: read,
                    ..known
                }
            };
            known.after_list(at(*begun))
        })
    }

    #[test]
    fn lists_in_a_row_that_agree_settle_it() {
        let lists = [(60, true), (120, true), (180, true)];
        assert_eq!(after(&lists[..2]).settled(3), None);
        assert_eq!(after(&lists).settled(3), Some(Settled::Believed));
        let against = [(60, true), (120, false), (180, false), (240, false)];
        assert_eq!(after(&against[..3]).settled(3), None);
        assert_eq!(after(&against).settled(3), Some(Settled::Dismissed));
    }

    #[test]
    fn lists_that_differ_begin_again() {
        let lists: Vec<(i64, bool)> = (1..60).map(|n| (n * 60, n % 3 > 0)).collect();
        assert_eq!(after(&lists).settled(3), None);
    }

    #[test]
    fn lists_close_together_are_one() {
        let lists = [(60, true), (61, true), (89, true), (90, true)];
        assert_eq!(after(&lists).lists, 2);
    }

    #[test]
    fn a_list_that_did_not_read_the_order_says_nothing() {
        assert_eq!(first(1).after_list(at(60)), first(1));
    }

    #[test]
    fn a_list_that_shows_both_agrees_with_neither() {
        let both = Reverted {
            shown_at: at(61),
            stored_seen_at: at(62),
            lists: 2,
            lists_against: 2,
            counted_at: Some(at(0)),
        };
        let after = both.after_list(at(60));
        assert_eq!((after.lists, after.lists_against), (0, 0));
    }
}
