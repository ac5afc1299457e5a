//! Which of the orders that wait a pass decides, and what was sent for one before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::action::Kind;

/// An order that waits for the merchant, as far as it matters for whether it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// When it was placed.
    pub created_at: Timestamp,
    /// Whether a person is to decide it.
    pub is_held: bool,
    /// The last complete list that showed it.
    pub listed_scan: Option<i64>,
    /// Whether an accept or a cancel of it is to be carried out or under way.
    pub has_live_action: bool,
}

/// The newest complete list of new orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestList {
    /// Its number.
    pub scan: i64,
    /// Orders placed before are not in it.
    pub from: Timestamp,
}

impl NewestList {
    /// Whether a pass decides this order: the list showed it, or an earlier one did that reached further back;
    /// nobody holds it, and nothing is being sent for it (R7).
    pub fn lets_decide(&self, order: &Waiting) -> bool {
        let is_listed = order
            .listed_scan
            .is_some_and(|scan| scan == self.scan || order.created_at < self.from);
        is_listed && !order.is_held && !order.has_live_action
    }
}

/// What was sent for an order, by any of its actions: neither is ever followed by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// An accept.
    Accept,
    /// A cancel.
    Cancel,
    /// An accept and a cancel: people asked for the second one.
    Both,
}

impl Sent {
    /// What one action sent.
    pub const fn by(kind: &Kind) -> Self {
        match kind {
            Kind::Accept => Self::Accept,
            Kind::Cancel { .. } => Self::Cancel,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel => "cancel",
            Self::Both => "accept and a cancel",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(seconds, 0)
    }

    const LIST: NewestList = NewestList {
        scan: 7,
        from: Timestamp::constant(100, 0),
    };

    fn listed() -> Waiting {
        Waiting {
            created_at: at(100),
            is_held: false,
            listed_scan: Some(7),
            has_live_action: false,
        }
    }

    #[test]
    fn only_orders_that_the_newest_list_shows_or_does_not_reach_are_decided() {
        let of = |listed_scan, created_at| {
            let order = Waiting {
                listed_scan,
                created_at: at(created_at),
                ..listed()
            };
            LIST.lets_decide(&order)
        };
        assert!(of(Some(7), 100) && of(Some(6), 99));
        assert!(!of(Some(6), 100) && !of(None, 100) && !of(None, 99));
    }

    #[test]
    fn orders_that_are_held_or_on_their_way_are_not_decided() {
        assert!(LIST.lets_decide(&listed()));
        assert!(!LIST.lets_decide(&Waiting {
            is_held: true,
            ..listed()
        }));
        assert!(!LIST.lets_decide(&Waiting {
            has_live_action: true,
            ..listed()
        }));
    }

    #[test]
    fn an_accept_and_a_cancel_that_were_sent_count_as_both() {
        assert_eq!(Sent::Accept.and(Sent::Accept), Sent::Accept);
        assert_eq!(Sent::Accept.and(Sent::Cancel), Sent::Both);
        assert_eq!(Sent::Both.and(Sent::Cancel), Sent::Both);
    }
}
