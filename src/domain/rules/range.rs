//! A range with an open lower and upper bound, as `{ over = 5, under = 10 }` in a rule.

use serde::Serialize;

/// Values strictly over and strictly under the bounds that are given; `exactly` one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Range<T> {
    /// This value alone.
    Exactly(T),
    /// Between the bounds, both excluded.
    Between {
        /// Values must be greater than this.
        over: Option<T>,
        /// Values must be less than this.
        under: Option<T>,
    },
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether the value lies within.
    pub fn contains(&self, value: T) -> bool {
        match self {
            Self::Exactly(wanted) => value == *wanted,
            Self::Between { over, under } => {
                over.is_none_or(|bound| value > bound) && under.is_none_or(|bound| value < bound)
            }
        }
    }

    /// Whether a whole number can lie within: `over` below `under`.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Between { over: Some(over), under: Some(under) } if over >= under)
    }
}
