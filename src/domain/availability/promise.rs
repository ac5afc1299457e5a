//! What one promise does to a level: its units are taken, in doubt, or perhaps back.

use jiff::{SignedDuration, Timestamp};

use super::counts::rose_since;
use super::doubt::{ClosedBy, Reason};
use super::other_shops::OtherShops;
use super::overlap::{Changed, Overlap};
use super::{Count, Kind};
use crate::domain::ids::{OrderCode, OrderId, ShopName};
use crate::domain::order::{State, Status};
use crate::domain::reservation::Departure;
use crate::domain::semantics::Semantics;
use crate::mutant::mutant;

/// Where promised units are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// On the shelf.
    Reserved,
    /// They left the shelf, or it is unknown whether they did.
    Left(Departure),
    /// Promised no longer.
    Released {
        /// Since when.
        at: Timestamp,
    },
}

/// Units of one level promised to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Promise {
    /// The order's shop.
    pub shop: ShopName,
    /// The order.
    pub order: OrderId,
    /// Its number.
    pub code: OrderCode,
    /// How many, at least 1.
    pub quantity: i64,
    /// Where they are.
    pub units: Units,
    /// When it was made.
    pub made_at: Timestamp,
    /// When Kaspi was first seen to show the order as accepted, and as one of this level.
    pub confirmed_at: Option<Timestamp>,
    /// When the order was last shown as new, or else placed: its units were there then, and not promised.
    pub there_at: Timestamp,
    /// When the last reading of the order was asked for.
    pub seen_at: Timestamp,
    /// The order's state, as last read.
    pub state: State,
    /// The order's status, as last read.
    pub status: Status,
    /// Whether the order, or what it holds now, could not be read in full.
    pub is_unread: bool,
    /// Whether readings show the order in an earlier status than before, and it is not settled which is right.
    pub is_reverted: bool,
    /// Whether its shop has another order with the same number: the two may be one, or its goods the other's.
    pub has_namesake: bool,
    /// Whether Kaspi's couriers take the goods: it then shows when they do.
    pub kaspi_delivery: bool,
    /// Whether Kaspi showed a date of the hand-over, or a person said when it was.
    pub is_departure_dated: bool,
    /// Whether the goods are still to come to the shop.
    pub pre_order: bool,
    /// Whether the promise is certainly one of this level.
    pub place: Place,
    /// Units of it that may be another level's instead, since its order changed.
    pub overlap: Option<Overlap>,
}

/// Whether a promise is certainly one of the level it is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is.
    Here,
    /// The order's pickup point is unknown: its goods may lie at any.
    Unknown,
}

/// `at` minus `by`, saturating.
fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(at)
}

impl Promise {
    /// How these units count against the level; `None` where they were given back.
    pub(super) fn taken(&self, count: &Count<'_>, others: Option<&OtherShops>) -> Option<Kind> {
        let kind = match (count.semantics, self.units) {
            (_, Units::Released { .. }) => return None,
            (_, Units::Reserved) if self.awaits_goods() => self.of_pre_order(count)?,
            _ if self.is_reverted && !mutant("r9_reverted_status_is_certain") => {
                Kind::in_doubt(Reason::StatusReverted, ClosedBy::Sweep)
            }
            (_, Units::Reserved) if self.confirmed_at.is_none() => {
                Kind::in_doubt(Reason::NotConfirmed, ClosedBy::Sweep)
            }
            (Semantics::Physical, Units::Left(departure)) => self.left(count, departure)?,
            (Semantics::Physical, Units::Reserved) => self.reserved(count),
            (Semantics::Available, units) => self.of_feed(count, units)?,
        };
        if self.has_namesake && !mutant("r9_order_under_two_ids_is_certain") {
            return Some(Kind::in_doubt(Reason::SameNumber, ClosedBy::HandOver));
        }
        let is_other = others.is_some_and(|others| !others.has_read(&self.shop, count.as_of));
        Some(match (kind, self.place) {
            (Kind::Reserved, _) if is_other => {
                Kind::in_doubt(Reason::OtherShopNotRead, ClosedBy::Sweep)
            }
            (Kind::Reserved, Place::Unknown) => {
                Kind::in_doubt(Reason::PointUnknown, ClosedBy::Person)
            }
            (kind, _) => kind,
        })
    }

    /// How units that may belong to another level count against this one. Counts of this level do not settle that, whatever
    /// else is in doubt.
    pub(super) fn doubted(&self) -> Option<Kind> {
        let closed_by = match self.units {
            Units::Left(_) => ClosedBy::NextCount,
            Units::Reserved | Units::Released { .. } => ClosedBy::Departure,
        };
        self.overlap.map(|overlap| match overlap.changed {
            _ if mutant("r9_changed_promise_is_certain") => Kind::Reserved,
            Changed::Point if self.units == Units::Reserved => {
                Kind::in_doubt(Reason::PointMoved, ClosedBy::Sweep)
            }
            Changed::Point => Kind::in_doubt(Reason::PointMoved, closed_by),
            Changed::Map => Kind::in_doubt(Reason::MapChanged, closed_by),
            Changed::Stock => Kind::in_doubt(Reason::StockChanged, closed_by),
        })
    }

    /// Whether it is a pre-order whose goods were not reported as arrived.
    fn awaits_goods(&self) -> bool {
        self.pre_order && !self.has_arrived() && !mutant("r9_pre_orders_take_the_shelf")
    }

    fn has_arrived(&self) -> bool {
        self.status.as_str() == "ARRIVED"
    }

    /// Units of a pre-order: not of this shelf until the level rose by as many, and then perhaps.
    fn of_pre_order(&self, count: &Count<'_>) -> Option<Kind> {
        let may_have_come = count.as_of > self.made_at
            && rose_since(count.readings, self.made_at).is_none_or(|rose| rose >= self.quantity);
        may_have_come.then(|| Kind::in_doubt(Reason::PreOrder, ClosedBy::Arrival))
    }

    /// Units on the shelf of a count that includes promised ones, as far as Kaspi shows.
    fn reserved(&self, count: &Count<'_>) -> Kind {
        // A status that has not followed the state contradicts it: the order is accepted, or it is not.
        let is_behind = self.state.is_accepted_state() && !mutant("r9_status_behind_is_certain");
        let is_settled = match self.status {
            Status::AcceptedByMerchant => true,
            Status::ApprovedByBank => !is_behind,
            _ => self.pre_order && self.has_arrived(),
        };
        if self.is_unread && !mutant("r9_unread_order_is_certain") {
            return Kind::in_doubt(Reason::OrderUnread, ClosedBy::Sweep);
        }
        if !is_settled && !mutant("r9_being_cancelled_is_certain") {
            return Kind::in_doubt(Reason::OrderUnsettled, ClosedBy::Sweep);
        }
        if matches!(self.state, State::Other(_)) && self.there_at < count.as_of {
            return Kind::in_doubt(Reason::DepartureUnknown, ClosedBy::Departure);
        }
        let since = self.last_there(count);
        if since >= count.as_of || mutant("r9_promises_never_left") {
            return Kind::Reserved;
        }
        let (closed_by, by) = if self.shows_departure() {
            let by = count.as_of.saturating_add(count.courier_lag_max);
            (ClosedBy::Departure, Some(by.unwrap_or(count.as_of)))
        } else {
            (ClosedBy::HandOver, None)
        };
        Kind::InDoubt {
            why: Reason::MayHaveLeft,
            closed_by,
            by,
            since: Some(since),
        }
    }

    /// Since when the units may have left: Kaspi shows a courier's date so much later at most. What the shop
    /// delivers itself, or hands over itself, it may finish in the cabinet at any time.
    fn last_there(&self, count: &Count<'_>) -> Timestamp {
        if !self.shows_departure() && !mutant("r9_own_delivery_is_certain") {
            return self.there_at;
        }
        let lag = if mutant("r9_courier_lag_ignored") {
            SignedDuration::ZERO
        } else {
            count.courier_lag_max
        };
        self.there_at.max(before(self.seen_at, lag))
    }

    /// Whether Kaspi shows when the goods leave.
    const fn shows_departure(&self) -> bool {
        self.kaspi_delivery
    }

    /// Since when units that left may have done so.
    pub(super) fn left_after(&self, count: &Count<'_>, after: Timestamp) -> Timestamp {
        if self.is_departure_dated {
            after
        } else if self.shows_departure() {
            after.min(self.there_at.max(before(after, count.courier_lag_max)))
        } else {
            after.min(self.there_at)
        }
    }

    /// Whether the merchant has taken the goods back from the buyer.
    fn may_be_back(&self) -> bool {
        matches!(self.status, Status::ReturnAccepted | Status::Returned)
            && !mutant("r9_returned_goods_stay_away")
    }

    /// Units that left the shelf of a count that includes promised ones.
    fn left(&self, count: &Count<'_>, departure: Departure) -> Option<Kind> {
        if mutant("r9_departed_goods_forgotten") {
            return None;
        }
        if mutant("r9_departed_goods_twice") {
            return Some(Kind::Reserved);
        }
        match departure {
            Departure::Unknown { by } if by <= count.as_of => None,
            Departure::Unknown { by } => Some(Kind::until_counted(Reason::DepartureUnknown, by)),
            Departure::Between { by, .. } if by <= before(count.as_of, count.posting_lag) => None,
            Departure::Between { after, .. } => {
                let after = self.left_after(count, after);
                if self.may_be_back() {
                    return Some(Kind::in_doubt(Reason::ComingBack, ClosedBy::NextCount));
                }
                let is_certain = after > count.as_of || mutant("r9_doubt_is_certain");
                Some(if is_certain {
                    Kind::Reserved
                } else {
                    Kind::until_counted(Reason::LeftNearCount, after)
                })
            }
        }
    }

    /// Units of a source that takes accepted orders off, some time after they were accepted.
    fn of_feed(&self, count: &Count<'_>, units: Units) -> Option<Kind> {
        let is_taken_off = self
            .confirmed_at
            .is_some_and(|at| at <= before(count.as_of, count.order_lag_max));
        if is_taken_off {
            return None;
        }
        let unknown = matches!(units, Units::Left(Departure::Unknown { .. }));
        Some(if unknown {
            Kind::in_doubt(Reason::DepartureUnknown, ClosedBy::NextCount)
        } else if self.there_at <= count.as_of {
            Kind::in_doubt(Reason::MayBeTakenOff, ClosedBy::NextCount)
        } else {
            Kind::Reserved
        })
    }

    /// Whether the source may have taken units of two levels off either of them: here or not, before the order changed or
    /// after.
    pub(super) fn may_be_taken_off_elsewhere(&self, count: &Count<'_>) -> bool {
        let is_open = match self.units {
            Units::Released { .. } => false,
            Units::Reserved => true,
            Units::Left(Departure::Between { by, .. } | Departure::Unknown { by }) => {
                by > before(count.as_of, count.order_lag_max)
            }
        };
        let has_moved = |overlap: Overlap| overlap.changed == Changed::Point;
        let is_of_two = self.overlap.is_some_and(has_moved) && !mutant("r9_feed_knows_the_level");
        is_of_two && is_open && count.semantics == Semantics::Available
    }

    /// Whether the source may have taken the units off before they were given back.
    pub(super) fn may_be_returned(&self, count: &Count<'_>) -> bool {
        let returned_after = match (count.semantics, self.units) {
            (
                Semantics::Available,
                Units::Released { at } | Units::Left(Departure::Unknown { by: at }),
            ) => at > before(count.as_of, count.order_lag_max),
            _ => false,
        };
        returned_after && self.there_at <= count.as_of
    }
}
