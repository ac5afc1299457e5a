//! Which orders may be deleted after their retention period: none that still counts.

use jiff::Timestamp;

use super::order::{State, Status};

/// An order as it is stored, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    /// Its state.
    pub state: State,
    /// Its status.
    pub status: Status,
    /// When it was placed, first seen and last seen, the latest of these.
    pub newest: Timestamp,
    /// Whether an accept or a cancel of it is to be carried out or under way.
    pub has_live_action: bool,
    /// Its reservations.
    pub reservations: Vec<StoredReservation>,
}

/// A reservation of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredReservation {
    /// When Kaspi was first seen to show the order as accepted.
    pub confirmed_at: Option<Timestamp>,
    /// When it was closed; `None` while it is active.
    pub closed_at: Option<Timestamp>,
    /// The oldest count of its level; `None` where the level is in no source.
    pub counted_at: Option<Timestamp>,
}

impl StoredReservation {
    /// Whether it counts against its level: while it is active, and after it was confirmed or closed until the level is
    /// counted again.
    fn counts(&self) -> bool {
        let is_newer = |at: Option<Timestamp>| {
            let pair = at.zip(self.counted_at);
            pair.is_some_and(|(at, counted)| at > counted)
        };
        self.closed_at.is_none() || is_newer(self.closed_at) || is_newer(self.confirmed_at)
    }
}

impl StoredOrder {
    /// Whether it may be deleted: it is finished, nothing was seen of it since, nothing is being sent for it, and none
    /// of its reservations counts.
    pub fn may_be_deleted(&self, before: Timestamp) -> bool {
        self.newest < before
            && is_finished(&self.state, &self.status)
            && !self.has_live_action
            && !self.reservations.iter().any(StoredReservation::counts)
    }
}

/// Whether an order is over: nothing can follow that changes stock or needs the merchant.
pub fn is_finished(state: &State, status: &Status) -> bool {
    *state == State::Archive && status.is_final()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(seconds, 0)
    }

    fn finished() -> StoredOrder {
        StoredOrder {
            state: State::Archive,
            status: Status::Completed,
            newest: at(100),
            has_live_action: false,
            reservations: Vec::new(),
        }
    }

    #[test]
    fn an_order_is_deleted_once_it_is_finished_and_nothing_was_seen_of_it_since() {
        assert!(finished().may_be_deleted(at(101)));
        assert!(!finished().may_be_deleted(at(100)));
        for status in [
            Status::ReturnRequested,
            Status::Cancelling,
            Status::from("NEW_WORD"),
        ] {
            let order = StoredOrder {
                status,
                ..finished()
            };
            assert!(!order.may_be_deleted(at(101)), "{order:?}");
        }
        let elsewhere = StoredOrder {
            state: State::Delivery,
            ..finished()
        };
        assert!(!elsewhere.may_be_deleted(at(101)));
        let live = StoredOrder {
            has_live_action: true,
            ..finished()
        };
        assert!(!live.may_be_deleted(at(101)));
    }

    #[test]
    fn an_order_stays_while_its_reservation_counts_against_a_level() {
        let with = |closed_at, confirmed_at, counted_at| {
            let reservation = StoredReservation {
                confirmed_at,
                closed_at,
                counted_at,
            };
            let order = StoredOrder {
                reservations: vec![reservation],
                ..finished()
            };
            order.may_be_deleted(at(101))
        };
        assert!(!with(None, None, None), "active");
        assert!(
            !with(Some(at(50)), None, Some(at(49))),
            "closed since the count"
        );
        assert!(
            !with(Some(at(50)), Some(at(60)), Some(at(55))),
            "confirmed since the count"
        );
        assert!(
            with(Some(at(50)), Some(at(40)), Some(at(50))),
            "counted since"
        );
        assert!(with(Some(at(50)), Some(at(40)), None), "in no source");
    }
}
