//! What a fresh reading of an order means for its action and its reservation.

use super::action::{Kind, State as ActionState};
use super::order::{Order, State, Status};
use crate::mutant::mutant;

/// The live action of an order, as far as a reading can judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveAction {
    /// What was asked.
    pub kind: Kind,
    /// Where it stands.
    pub state: ActionState,
    /// Whether a POST of it was ever sent.
    pub attempted: bool,
    /// Whether a person cancelled the order knowing that it was accepted.
    pub cancels_accepted_order: bool,
}

/// How a reading of its order ends the live action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionEnd {
    /// Not at all yet.
    Keep,
    /// Kaspi shows its effect.
    Confirmed,
    /// A POST was sent, and the order shows something else.
    Refused,
    /// Nothing was sent, and nothing needs to be.
    Superseded,
}

/// What a reading of the order does to its reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationEffect {
    /// Nothing: they stay as a decision made them.
    Keep,
    /// The order is accepted, by whomever: its units are reserved.
    Reserve,
    /// They are consumed: the units left the shelf.
    Consume,
    /// They are released: the order was cancelled before the units left the shelf.
    Release,
    /// The order is finished, and it is unknown where its units are.
    Doubt,
}

/// How late in its life an order is: by its status, or, where the status is unknown, by its state.
pub fn rank(order: &Order) -> Option<u8> {
    let place = match order.state {
        State::Archive => Status::Cancelling.rank(),
        _ if order.is_in_accepted_state() => Status::AcceptedByMerchant.rank(),
        _ => None,
    };
    order.status.rank().or(place)
}

/// Whether the reading is newer than what is stored: a lower rank is a stale reading (R11).
pub fn overtakes(stored: Option<u8>, read: Option<u8>) -> bool {
    match (stored, read) {
        (Some(stored), Some(read)) => read >= stored || mutant("r11_any_status_overwrites"),
        // An unknown status counts as newer than any, and every known one as newer than it.
        _ => true,
    }
}

/// What the reading means for the live action.
pub fn action_end(order: &Order, live: &LiveAction) -> ActionEnd {
    let missed = if live.attempted {
        ActionEnd::Refused
    } else {
        ActionEnd::Superseded
    };
    match (&live.kind, &order.status) {
        // An unknown status in a state of accepted orders.
        (Kind::Accept, Status::Other(_)) if order.is_in_accepted_state() && live.attempted => {
            ActionEnd::Confirmed
        }
        (_, Status::ApprovedByBank | Status::Other(_)) => ActionEnd::Keep,
        (Kind::Accept, Status::Cancelled | Status::Cancelling) => missed,
        (Kind::Accept, _) if live.attempted => ActionEnd::Confirmed,
        (Kind::Accept, _) => ActionEnd::Superseded,
        (Kind::Cancel { .. }, Status::Cancelled | Status::Cancelling) if live.attempted => {
            ActionEnd::Confirmed
        }
        // Accepted by a person while our cancel may be under way: it could still cancel
        // (KASPI_API §5), so it stays open until a reading after settle.
        (Kind::Cancel { .. }, Status::AcceptedByMerchant)
            if live.attempted || live.cancels_accepted_order =>
        {
            ActionEnd::Keep
        }
        (Kind::Cancel { .. }, _) => missed,
    }
}

/// What the reading means for the order's reservations.
pub fn reservation_effect(order: &Order) -> ReservationEffect {
    match order.status {
        Status::Cancelled if mutant("r9_courier_goods_return_at_once") => {
            ReservationEffect::Release
        }
        // Units that the courier took are not back on the shelf because of a status: the next count shows them.
        Status::AcceptedByMerchant | Status::Cancelling | Status::Cancelled
            if order.handed_over_at.is_some() =>
        {
            ReservationEffect::Consume
        }
        Status::Cancelled if mutant("r5_cancelled_keeps_units") => ReservationEffect::Keep,
        Status::Cancelled => ReservationEffect::Release,
        Status::Completed | Status::ReturnRequested | Status::ReturnAccepted | Status::Returned => {
            ReservationEffect::Consume
        }
        // Units of an order with an unknown status are not available.
        Status::Other(_) if order.state == State::Archive => ReservationEffect::Doubt,
        // So are those of one in a state of accepted orders whose status has not followed.
        Status::Other(_) | Status::ApprovedByBank
            if order.is_in_accepted_state() && !mutant("r6_unknown_status_holds_nothing") =>
        {
            if order.handed_over_at.is_some() {
                ReservationEffect::Consume
            } else {
                ReservationEffect::Reserve
            }
        }
        Status::AcceptedByMerchant if mutant("r5_accepted_releases_units") => {
            ReservationEffect::Release
        }
        Status::AcceptedByMerchant => ReservationEffect::Reserve,
        Status::ApprovedByBank | Status::Cancelling | Status::Other(_) => ReservationEffect::Keep,
    }
}
