//! Orders that may hold units which no reservation counts: accepted ones whose lines are unread, and waiting
//! ones that the newest list of new orders does not show.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::stamp;
use super::ids::{OrderCode, OrderId, ShopName, Sku};
use super::not_found::NotFound;
use super::order::{State, Status};
use crate::mutant::mutant;

/// SKUs of which an order may hold units.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayHold {
    /// Its lines are unknown: of any.
    #[default]
    Any,
    /// Its lines name these, with what they are in the warehouse.
    Of(Vec<Sku>),
}

impl MayHold {
    /// Whether it may hold units of this SKU.
    pub fn includes(&self, sku: &Sku) -> bool {
        match self {
            Self::Any => true,
            Self::Of(held) => held.contains(sku),
        }
    }
}

/// An SKU that an order wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Which.
    pub sku: &'a Sku,
    /// When its stock was counted, where it is known.
    pub counted_at: Option<Timestamp>,
}

/// Why an order may hold units that no reservation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was accepted elsewhere, and its lines are still to be read.
    LinesAwaited,
    /// It is accepted, and its lines could not be read in several requests: until they are read, or a person says
    /// what it holds.
    LinesUnreadable,
    /// It left the list of new orders and was not read since.
    MissingFromNewList {
        /// When the first list without it was complete. It blocks accepts for as long as a sweep may be old:
        /// one that is asked about in vain, again and again, must not stop the shop.
        since: Timestamp,
    },
}

/// An order that may hold units that no reservation counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unaccounted {
    /// The other shop that it is an order of; `None`: the shop's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<ShopName>,
    /// Its id.
    pub order: OrderId,
    /// Its number.
    pub code: OrderCode,
    /// Why.
    pub cause: Cause,
    /// What it may hold.
    #[serde(default)]
    pub may_hold: MayHold,
    /// When its goods had left the shelf at the latest: a count made after that lacks them. `None` while they may be
    /// there.
    #[serde(default)]
    pub left_by: Option<Timestamp>,
}

impl Unaccounted {
    /// Whether units of this SKU that its level counts as there may be this order's.
    pub fn may_hold_now(&self, wanted: Wanted<'_>) -> bool {
        let is_counted_since = self
            .left_by
            .is_some_and(|left| wanted.counted_at.is_some_and(|at| at > left));
        self.may_hold.includes(wanted.sku) && !is_counted_since
    }

    /// Whether a person must say what it holds: waiting does not help.
    pub const fn needs_person(&self) -> bool {
        matches!(self.cause, Cause::LinesUnreadable)
    }
}

impl Unaccounted {
    /// What settles it, after "closed by".
    pub const fn closed_by(&self) -> &'static str {
        match self.cause {
            Cause::LinesAwaited => "reading its lines",
            Cause::LinesUnreadable => "`qabyl orders resolve`, or reading its lines after all",
            Cause::MissingFromNewList { .. } => "reading it",
        }
    }
}

impl fmt::Display for Unaccounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = &self.code;
        if let Some(shop) = &self.shop {
            write!(f, "shop {shop}: ")?;
        }
        match self.cause {
            Cause::LinesAwaited => write!(f, "{code} was accepted elsewhere"),
            Cause::LinesUnreadable => write!(
                f,
                "the lines of {code} cannot be read; look at it in the cabinet, then `qabyl orders resolve {code} \
                 --lines SKU=N` or `--holds-nothing`"
            ),
            Cause::MissingFromNewList { since } => {
                write!(f, "{code} left the list of new orders by {}", stamp(since))
            }
        }
    }
}

/// An order that keeps accepts back for this long is named to people, by every check and in a message: lines are asked
/// for every quarter of a minute, and most that could not be read come with the next request or the one after.
pub const NAMED_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// Number of failed requests for an order's lines after which waiting for them is of no use: a person says what it
/// holds, unless they can be read after all.
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
    /// They could not be read, and a person said what it holds.
    Resolved,
    /// Its goods left before the shelf was counted.
    NotNeeded,
}

impl LinesState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unread,
        Self::Known,
        Self::Unreadable,
        Self::Resolved,
        Self::NotNeeded,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Known => "known",
            Self::Unreadable => "unreadable",
            Self::Resolved => "resolved",
            Self::NotNeeded => "not_needed",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether it is unknown what the order holds.
    pub const fn are_unknown(self) -> bool {
        matches!(self, Self::Unread | Self::Unreadable)
    }

    /// Whether it is known what the order holds.
    pub const fn are_known(self) -> bool {
        matches!(self, Self::Known | Self::Resolved)
    }

    /// Whether another request for the lines may help, after so many that failed.
    pub const fn are_awaited(self, failures: u32) -> bool {
        self.are_unknown() && failures < LINES_REQUESTS_MAX
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
    /// Since when it has been seen in its status.
    pub status_since: Timestamp,
}

impl OrderWithoutLines {
    /// Whether it is accepted, or may be by its unknown status, or has left, and its lines are not known: until they
    /// are read or a person says what it holds. Lines of orders that left are asked for by the sweep that finds them,
    /// which is not complete before.
    pub fn is_unaccounted(&self) -> bool {
        let is_lasting = !self.lines.are_awaited(self.failures);
        let is_forgotten = is_lasting && mutant("r6_unreadable_order_forgotten");
        self.lines.are_unknown()
            && !is_forgotten
            && (self.is_accepted() || is_lasting && self.has_departed())
    }

    /// Whether its goods have left, by its status.
    fn has_departed(&self) -> bool {
        matches!(
            self.status,
            Status::Completed | Status::ReturnRequested | Status::ReturnAccepted | Status::Returned
        )
    }

    /// When its goods had left at the latest; `None` while they may be there.
    pub fn left_by(&self) -> Option<Timestamp> {
        self.has_departed().then_some(self.status_since)
    }

    /// Why it is not accounted for, where it is not.
    pub fn cause(&self) -> Cause {
        if self.failures < LINES_REQUESTS_MAX {
            Cause::LinesAwaited
        } else {
            Cause::LinesUnreadable
        }
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
        // Its state is one of accepted orders, and its status has not followed.
        (state, Status::ApprovedByBank) => {
            state.is_accepted_state() && !mutant("r6_status_behind_holds_nothing")
        }
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
    /// Whether an accept of ours is to be carried out or under way: its units are reserved.
    pub is_accepting: bool,
    /// Whether Kaspi answered that accept with success: then it explains why the order left the list.
    pub is_accepted_by_us: bool,
    /// Kaspi's answers that it does not know the order, since it was last seen.
    pub not_found: Option<NotFound>,
    /// When it is asked about again after such an answer.
    pub ask_at: Option<Timestamp>,
}

impl WaitingOrder {
    /// Whether the list should show it and does not: the buyer cancelled it, or a person handled it elsewhere.
    pub fn is_missing_from(&self, list: &NewList) -> bool {
        self.listed_scan.is_none_or(|scan| scan < list.scan)
            && self.created_at >= list.from
            && self.seen_at < list.started_at
    }

    /// Whether it may hold units that no reservation counts, once it is missing from a list. An accept of ours
    /// was decided with its reservation: accepted or not, its units are counted. An order that Kaspi does not know
    /// holds nothing that is not counted either, once that is certain.
    pub fn is_unaccounted(&self) -> bool {
        let not_found = self
            .not_found
            .is_some_and(|not_found| self.is_accepting || not_found.is_believed());
        !self.is_accepted_by_us && !not_found
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
            status_since: Timestamp::UNIX_EPOCH,
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
        assert!(is_unknown("KASPI_DELIVERY", "APPROVED_BY_BANK"));
        assert!(!is_unknown("NEW", "APPROVED_BY_BANK"));
    }

    #[test]
    fn an_order_is_unaccounted_until_its_lines_are_read_or_a_person_resolves_it() {
        for (lines, unaccounted) in [
            (LinesState::Unread, true),
            (LinesState::Unreadable, true),
            (LinesState::Known, false),
            (LinesState::Resolved, false),
            (LinesState::NotNeeded, false),
        ] {
            for (failures, cause) in [
                (0, Cause::LinesAwaited),
                (4, Cause::LinesAwaited),
                (5, Cause::LinesUnreadable),
                (1_000, Cause::LinesUnreadable),
            ] {
                let order = OrderWithoutLines {
                    lines,
                    failures,
                    ..order("DELIVERY", "ACCEPTED_BY_MERCHANT")
                };
                assert_eq!(order.is_unaccounted(), unaccounted, "{lines:?} {failures}");
                assert_eq!(order.cause(), cause);
            }
        }
    }

    #[test]
    fn an_order_that_left_is_unaccounted_once_its_lines_were_asked_for_in_vain() {
        let left = |failures| OrderWithoutLines {
            failures,
            ..order("ARCHIVE", "COMPLETED")
        };
        assert!(!left(4).is_unaccounted());
        assert!(left(5).is_unaccounted());
        assert_eq!(left(5).left_by(), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(order("DELIVERY", "ACCEPTED_BY_MERCHANT").left_by(), None);
    }

    #[test]
    fn an_order_may_hold_what_its_lines_name_or_anything() {
        let sku = |text| Sku::new(text).unwrap();
        let (a, b) = (sku("A"), sku("B"));
        assert!(MayHold::Any.includes(&a));
        let of_a = MayHold::Of(vec![a.clone()]);
        assert!(of_a.includes(&a) && !of_a.includes(&b));
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
            is_accepting: false,
            is_accepted_by_us: false,
            not_found: None,
            ask_at: None,
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
