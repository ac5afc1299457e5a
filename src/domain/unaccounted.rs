//! Orders that may hold units which no reservation counts: accepted ones whose lines are unread, and waiting
//! ones that the newest list of new orders does not show.

use jiff::Timestamp;

use super::order::{State, Status};

/// Number of failed requests for an order's lines after which verdicts no longer wait for them. That takes some sweeps:
/// one order must not stop a shop for longer.
pub const LINES_REQUESTS_MAX: u32 = 5;

/// How far an order's lines are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinesState {
    /// Not yet.
    Unread,
    /// All are stored.
    Known,
    /// They could not be read.
    Unreadable,
    /// Its goods left before the shelf was counted.
    NotNeeded,
}

impl LinesState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unread, Self::Known, Self::Unreadable, Self::NotNeeded];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Known => "known",
            Self::Unreadable => "unreadable",
            Self::NotNeeded => "not_needed",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether verdicts wait for the lines, after so many requests for them that failed.
    pub const fn is_awaited(self, failures: u32) -> bool {
        matches!(self, Self::Unread | Self::Unreadable) && failures < LINES_REQUESTS_MAX
    }
}

/// An order as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderWithoutLines {
    /// Its state.
    pub state: State,
    /// Its status.
    pub status: Status,
    /// How far its lines are read.
    pub lines: LinesState,
    /// Requests for them that failed.
    pub failures: u32,
}

impl OrderWithoutLines {
    /// Whether it is accepted, or may be by its unknown status, and its lines are awaited.
    pub fn is_unaccounted(&self) -> bool {
        self.is_accepted() && self.lines.is_awaited(self.failures)
    }

    /// Whether it is accepted by its status, or has an unknown status in a state of accepted orders.
    pub fn is_accepted(&self) -> bool {
        match self.status {
            Status::AcceptedByMerchant => true,
            _ => has_unknown_status(&self.state, &self.status) && self.state.is_accepted_state(),
        }
    }
}

/// Whether the state or status of an order says less than is needed: it is read singly until it is understood.
pub fn has_unknown_status(state: &State, status: &Status) -> bool {
    match (state, status) {
        (State::Archive, _) => false,
        (_, Status::Other(_)) | (State::Other(_), Status::ApprovedByBank) => true,
        _ => false,
    }
}

/// A complete list of new orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewList {
    /// Its number: later lists have higher ones.
    pub scan: i64,
    /// When its first request was sent.
    pub started_at: Timestamp,
    /// Orders placed before are not in it.
    pub from: Timestamp,
}

/// A waiting order, by what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingOrder {
    /// The last complete list that showed it.
    pub listed_scan: Option<i64>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When the newest request that showed it was sent.
    pub seen_at: Timestamp,
}

impl WaitingOrder {
    /// Whether the list should show it and does not: the buyer cancelled it, or a person handled it elsewhere.
    pub fn is_missing_from(&self, list: &NewList) -> bool {
        self.listed_scan.is_none_or(|scan| scan < list.scan)
            && self.created_at >= list.from
            && self.seen_at < list.started_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(state: &str, status: &str) -> OrderWithoutLines {
        OrderWithoutLines {
            state: State::from(state),
            status: Status::from(status),
            lines: LinesState::Unread,
            failures: 0,
        }
    }

    #[test]
    fn an_accepted_order_without_lines_is_unaccounted() {
        assert!(order("DELIVERY", "ACCEPTED_BY_MERCHANT").is_unaccounted());
        assert!(!order("NEW", "APPROVED_BY_BANK").is_unaccounted());
        assert!(!order("DELIVERY", "CANCELLING").is_unaccounted());
        assert!(!order("ARCHIVE", "COMPLETED").is_unaccounted());
    }

    #[test]
    fn an_unknown_status_counts_as_accepted_where_accepted_orders_lie() {
        for state in ["PICKUP", "DELIVERY", "KASPI_DELIVERY"] {
            assert!(order(state, "SOMETHING_NEW").is_unaccounted(), "{state}");
        }
        for state in ["NEW", "SIGN_REQUIRED", "ARCHIVE", "SOMEWHERE"] {
            assert!(!order(state, "SOMETHING_NEW").is_unaccounted(), "{state}");
        }
    }

    #[test]
    fn an_order_is_unknown_by_its_status_or_its_state() {
        let is_unknown = |state: &str, status: &str| {
            has_unknown_status(&State::from(state), &Status::from(status))
        };
        assert!(is_unknown("DELIVERY", "SOMETHING_NEW"));
        assert!(is_unknown("SOMEWHERE", "APPROVED_BY_BANK"));
        assert!(!is_unknown("SOMEWHERE", "ACCEPTED_BY_MERCHANT"));
        assert!(!is_unknown("ARCHIVE", "SOMETHING_NEW"));
        assert!(!is_unknown("NEW", "APPROVED_BY_BANK"));
    }

    #[test]
    fn lines_are_awaited_until_five_requests_failed() {
        for (state, awaited) in [
            (LinesState::Unread, true),
            (LinesState::Unreadable, true),
            (LinesState::Known, false),
            (LinesState::NotNeeded, false),
        ] {
            assert_eq!(state.is_awaited(4), awaited, "{state:?}");
            assert!(!state.is_awaited(5), "{state:?}");
        }
    }

    #[test]
    fn an_order_is_missing_only_from_a_later_list_that_covers_it() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let list = NewList {
            scan: 7,
            started_at: at(100),
            from: at(10),
        };
        let order = WaitingOrder {
            listed_scan: Some(6),
            created_at: at(10),
            seen_at: at(99),
        };
        let missing = |order: WaitingOrder| order.is_missing_from(&list);
        assert!(missing(order.clone()));
        assert!(missing(WaitingOrder {
            listed_scan: None,
            ..order.clone()
        }));
        assert!(!missing(WaitingOrder {
            listed_scan: Some(7),
            ..order.clone()
        }));
        assert!(!missing(WaitingOrder {
            created_at: at(9),
            ..order.clone()
        }));
        assert!(!missing(WaitingOrder {
            seen_at: at(100),
            ..order
        }));
    }
}
