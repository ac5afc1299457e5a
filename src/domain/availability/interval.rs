//! What is available, between what is certain and what is possible.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest number of units that may be available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Possible {
    /// So many.
    Bounded(i64),
    /// Any number: nothing bounds it.
    Unbounded,
}

impl Possible {
    /// Whether so many units may be available.
    pub fn covers(self, wanted: i64) -> bool {
        match self {
            Self::Bounded(units) => units >= wanted,
            Self::Unbounded => true,
        }
    }

    /// The smaller of both.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        match (self, other) {
            (Self::Bounded(mine), Self::Bounded(theirs)) => Self::Bounded(mine.min(theirs)),
            (Self::Unbounded, bounded) | (bounded, Self::Unbounded) => bounded,
        }
    }
}

impl fmt::Display for Possible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounded(units) => units.fmt(f),
            Self::Unbounded => f.write_str("any number"),
        }
    }
}

/// The units available of one SKU at one warehouse. Every unit in doubt counts as taken in `certain` and as free
/// in `possible`. An accept needs `certain` to cover what is wanted; a cancel for stock needs `possible` not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// At least so many; negative where more may be promised than lies there.
    pub certain: i64,
    /// At most so many.
    pub possible: Possible,
}

/// What an interval says about a number of units that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// They are there.
    Covered,
    /// They may be there or not.
    InDoubt,
    /// They are not there.
    Missing,
}

impl Interval {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        certain: 0,
        possible: Possible::Unbounded,
    };

    /// Whether so many units are there.
    pub fn coverage(self, wanted: i64) -> Coverage {
        if self.certain >= wanted {
            Coverage::Covered
        } else if self.possible.covers(wanted) {
            Coverage::InDoubt
        } else {
            Coverage::Missing
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.possible == Possible::Bounded(self.certain) {
            return self.certain.fmt(f);
        }
        write!(f, "{} to {}", self.certain, self.possible)
    }
}

/// The bound that a question is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// What is certain: for an accept.
    Certain,
    /// What is possible: for a cancel.
    Possible,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_units_is_covered_in_doubt_or_missing() {
        let interval = Interval {
            certain: 2,
            possible: Possible::Bounded(4),
        };
        let of = |wanted| interval.coverage(wanted);
        assert_eq!([of(2), of(3)], [Coverage::Covered, Coverage::InDoubt]);
        assert_eq!([of(4), of(5)], [Coverage::InDoubt, Coverage::Missing]);
        assert_eq!(Interval::UNKNOWN.coverage(i64::MAX), Coverage::InDoubt);
    }

    #[test]
    fn it_reads_as_one_number_where_nothing_is_in_doubt() {
        let words = |certain, possible| Interval { certain, possible }.to_string();
        assert_eq!(words(3, Possible::Bounded(3)), "3");
        assert_eq!(words(-1, Possible::Bounded(2)), "-1 to 2");
        assert_eq!(words(0, Possible::Unbounded), "0 to any number");
    }
}
