//! What is promised of a stock level.
//!
//! Every promise contributes to its level by a named figure ([`contributions`]): reserved, in doubt (and why), or
//! perhaps returned. An accept counts units in doubt as taken, a cancel counts them as free; the sums are
//! [`Promised`].

use std::collections::HashMap;

use jiff::Timestamp;

use super::ids::{OrderId, ShopName};
use super::order::{State, Status};
use super::reservation::Departure;
use super::stock::Semantics;
use super::stock_ledger::Promised;
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
pub struct Promise {
    /// The order's shop.
    pub shop: ShopName,
    /// The order.
    pub order: OrderId,
    /// How many, at least 1.
    pub quantity: i64,
    /// Where they are.
    pub units: Units,
    /// When Kaspi was first seen to show the order as accepted.
    pub confirmed_at: Option<Timestamp>,
    /// When the order was placed.
    pub placed_at: Timestamp,
    /// The order's state, as last read.
    pub state: State,
    /// The order's status, as last read.
    pub status: Status,
}

/// When a level was counted, and whether its number includes promised units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// When it was counted.
    pub as_of: Timestamp,
    /// What the number means.
    pub semantics: Semantics,
}

/// The last complete reading of a shop's accepted orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// When its first request was sent.
    pub started_at: Timestamp,
    /// When its last answer was in.
    pub finished_at: Timestamp,
}

/// For which shop's order a level is looked at, and what is known of the shops that share its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherShops {
    /// The shop of the order.
    pub own: ShopName,
    /// Another shop must have been read completely since then.
    pub read_since: Timestamp,
    /// The last complete sweep of each other shop that has promises.
    pub sweeps: HashMap<ShopName, Sweep>,
}

/// Why it is uncertain whether promised units are still in a level's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Kaspi does not show the order as accepted yet.
    NotConfirmed,
    /// The other shop's accepted orders were read before the count, or too long ago.
    OtherShopNotRead,
    /// The order is being cancelled, or its status is unknown: the units may be back.
    OrderUnsettled,
    /// It is unknown whether the units left.
    DepartureUnknown,
    /// The interval in which they left begins before the count.
    MayHaveLeftBefore,
    /// The shop delivers the order itself, so that Kaspi does not show when the goods leave, and it was
    /// placed before the count.
    DepartureNotShown,
    /// The source takes accepted orders off, and may have taken this one: placed before the count, first
    /// seen as accepted after it.
    MayBeTakenOff,
}

/// What a contribution does to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Taken, whatever is assumed.
    Reserved,
    /// Taken for an accept, free for a cancel.
    InDoubt(Doubt),
    /// Not in the number, but perhaps there: the source may have taken it off before it was given back.
    MaybeReturned,
}

/// One named figure of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// Where it comes from.
    pub promise: &'a Promise,
    /// What it does.
    pub kind: Kind,
}

/// All that promises contribute to a level. `others` is `None` where no shop's view is taken: every shop then
/// counts as read.
pub fn contributions<'a>(
    count: Count,
    promises: impl IntoIterator<Item = &'a Promise>,
    others: Option<&OtherShops>,
) -> impl Iterator<Item = Contribution<'a>> {
    promises.into_iter().flat_map(move |promise| {
        let taken = promise.is_taken_since(count).then(|| {
            let doubt = promise.doubt(count, others);
            doubt.map_or(Kind::Reserved, Kind::InDoubt)
        });
        let returned = promise
            .may_be_returned(count)
            .then_some(Kind::MaybeReturned);
        let kinds = [taken, returned].into_iter().flatten();
        kinds.map(move |kind| Contribution { promise, kind })
    })
}

impl<'a> FromIterator<Contribution<'a>> for Promised {
    fn from_iter<I: IntoIterator<Item = Contribution<'a>>>(contributions: I) -> Self {
        let mut sums = Self::default();
        for contribution in contributions {
            let sum = match contribution.kind {
                Kind::Reserved => &mut sums.confirmed,
                Kind::InDoubt(_) => &mut sums.in_doubt,
                Kind::MaybeReturned => &mut sums.returned,
            };
            *sum = sum.saturating_add(contribution.promise.quantity);
        }
        sums
    }
}

impl Promise {
    /// Whether the units are to be taken off the number, for certain or perhaps.
    fn is_taken_since(&self, count: Count) -> bool {
        match (count.semantics, self.units) {
            (_, Units::Released { .. }) => false,
            (Semantics::Physical, Units::Reserved) => true,
            (Semantics::Physical, Units::Left(_)) if mutant("r9_departed_goods_forgotten") => false,
            (Semantics::Physical, Units::Left(_)) if mutant("r9_departed_goods_twice") => true,
            (Semantics::Physical, Units::Left(departure)) => departure.by() > count.as_of,
            // The source knows of the orders that were accepted when it was made.
            (Semantics::Available, _) => self.confirmed_at.is_none_or(|at| at > count.as_of),
        }
    }

    /// Whether the source may have taken the units off before they were given back.
    fn may_be_returned(&self, count: Count) -> bool {
        let returned_after = match (count.semantics, self.units) {
            (
                Semantics::Available,
                Units::Released { at } | Units::Left(Departure::Unknown { by: at }),
            ) => at > count.as_of,
            _ => false,
        };
        returned_after && self.placed_at <= count.as_of
    }

    /// Why it is uncertain that units to be taken off are still in the number.
    fn doubt(&self, count: Count, others: Option<&OtherShops>) -> Option<Doubt> {
        if self.confirmed_at.is_none() {
            return Some(Doubt::NotConfirmed);
        }
        if others.is_some_and(|others| !others.has_read(&self.shop, count.as_of)) {
            return Some(Doubt::OtherShopNotRead);
        }
        let is_settled = matches!(
            self.status,
            Status::ApprovedByBank | Status::AcceptedByMerchant
        );
        let placed_before = self.placed_at <= count.as_of;
        match (count.semantics, self.units) {
            (_, Units::Reserved) if !is_settled && !mutant("r9_being_cancelled_is_certain") => {
                Some(Doubt::OrderUnsettled)
            }
            (_, Units::Left(Departure::Unknown { .. })) => Some(Doubt::DepartureUnknown),
            (Semantics::Available, _) if placed_before => Some(Doubt::MayBeTakenOff),
            (Semantics::Physical, Units::Left(Departure::Between { after, .. }))
                if after <= count.as_of && !mutant("r9_doubt_is_certain") =>
            {
                Some(Doubt::MayHaveLeftBefore)
            }
            (Semantics::Physical, Units::Reserved)
                if placed_before
                    && !self.is_departure_shown()
                    && !mutant("r9_own_delivery_is_certain") =>
            {
                Some(Doubt::DepartureNotShown)
            }
            _ => None,
        }
    }

    /// Whether Kaspi shows when the goods leave: a courier or the buyer fetches them (KASPI_API §3). Of any
    /// other state that is unknown.
    fn is_departure_shown(&self) -> bool {
        matches!(
            self.state,
            State::New
                | State::SignRequired
                | State::Pickup
                | State::KaspiDelivery
                | State::Archive
        )
    }
}

impl OtherShops {
    /// Whether promises of this shop are as well known as our own: it was read completely since the count,
    /// and not too long ago.
    fn has_read(&self, shop: &ShopName, as_of: Timestamp) -> bool {
        let is_fresh =
            |sweep: &Sweep| sweep.finished_at >= self.read_since && sweep.started_at >= as_of;
        *shop == self.own || self.sweeps.get(shop).is_some_and(is_fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment, in minutes after the count.
    fn at(minutes: i64) -> Timestamp {
        let count = Timestamp::from_second(1_764_000_000).unwrap();
        count
            .saturating_add(jiff::SignedDuration::from_mins(minutes))
            .unwrap()
    }

    fn count(semantics: Semantics) -> Count {
        Count {
            as_of: at(0),
            semantics,
        }
    }

    /// An order of `shop`, placed before the count, seen as accepted after it, waiting for Kaspi's courier.
    fn promise() -> Promise {
        Promise {
            shop: ShopName::new("main").unwrap(),
            order: OrderId::new("id").unwrap(),
            quantity: 3,
            units: Units::Reserved,
            confirmed_at: Some(at(5)),
            placed_at: at(-10),
            state: State::KaspiDelivery,
            status: Status::AcceptedByMerchant,
        }
    }

    fn kinds(semantics: Semantics, promise: &Promise) -> Vec<Kind> {
        contributions(count(semantics), [promise], None)
            .map(|contribution| contribution.kind)
            .collect()
    }

    fn with(units: Units) -> Promise {
        Promise { units, ..promise() }
    }

    fn left(after: i64, by: i64) -> Promise {
        with(Units::Left(Departure::Between {
            after: at(after),
            by: at(by),
        }))
    }

    #[test]
    fn an_accepted_order_is_reserved_of_a_physical_count() {
        assert_eq!(kinds(Semantics::Physical, &promise()), [Kind::Reserved]);
    }

    #[test]
    fn an_accept_that_kaspi_does_not_show_yet_is_in_doubt() {
        let promise = Promise {
            confirmed_at: None,
            placed_at: at(1),
            ..promise()
        };
        for semantics in [Semantics::Physical, Semantics::Available] {
            assert_eq!(
                kinds(semantics, &promise),
                [Kind::InDoubt(Doubt::NotConfirmed)]
            );
        }
    }

    #[test]
    fn units_that_left_are_compared_with_the_count() {
        assert_eq!(kinds(Semantics::Physical, &left(1, 2)), [Kind::Reserved]);
        assert_eq!(kinds(Semantics::Physical, &left(-2, 0)), []);
        for after in [-1, 0] {
            assert_eq!(
                kinds(Semantics::Physical, &left(after, 1)),
                [Kind::InDoubt(Doubt::MayHaveLeftBefore)]
            );
        }
    }

    #[test]
    fn released_units_are_free_of_a_physical_count() {
        let released = with(Units::Released { at: at(1) });
        assert_eq!(kinds(Semantics::Physical, &released), []);
    }

    #[test]
    fn a_feed_that_takes_accepted_orders_off_may_lack_what_was_given_back_since() {
        let released = with(Units::Released { at: at(1) });
        assert_eq!(
            kinds(Semantics::Available, &released),
            [Kind::MaybeReturned]
        );
        let before = with(Units::Released { at: at(0) });
        assert_eq!(kinds(Semantics::Available, &before), []);
        let placed_since = Promise {
            placed_at: at(1),
            ..released
        };
        assert_eq!(kinds(Semantics::Available, &placed_since), []);
    }

    #[test]
    fn a_feed_that_takes_accepted_orders_off_knows_of_those_seen_before_it() {
        let seen_before = Promise {
            confirmed_at: Some(at(0)),
            ..promise()
        };
        assert_eq!(kinds(Semantics::Available, &seen_before), []);
        assert_eq!(
            kinds(Semantics::Available, &promise()),
            [Kind::InDoubt(Doubt::MayBeTakenOff)]
        );
        let placed_since = Promise {
            placed_at: at(1),
            ..promise()
        };
        assert_eq!(kinds(Semantics::Available, &placed_since), [Kind::Reserved]);
    }

    #[test]
    fn units_whose_departure_is_unknown_are_in_doubt_until_the_next_count() {
        let unknown = with(Units::Left(Departure::Unknown { by: at(1) }));
        assert_eq!(
            kinds(Semantics::Physical, &unknown),
            [Kind::InDoubt(Doubt::DepartureUnknown)]
        );
        assert_eq!(
            kinds(Semantics::Available, &unknown),
            [Kind::InDoubt(Doubt::DepartureUnknown), Kind::MaybeReturned]
        );
        let counted = with(Units::Left(Departure::Unknown { by: at(0) }));
        assert_eq!(kinds(Semantics::Physical, &counted), []);
    }

    #[test]
    fn an_order_being_cancelled_or_of_unknown_status_is_in_doubt() {
        for status in [Status::Cancelling, Status::from("SOMETHING_NEW")] {
            let promise = Promise {
                status,
                ..promise()
            };
            assert_eq!(
                kinds(Semantics::Physical, &promise),
                [Kind::InDoubt(Doubt::OrderUnsettled)]
            );
        }
    }

    #[test]
    fn own_delivery_placed_before_the_count_may_have_left() {
        for state in [State::Delivery, State::from("SOMETHING_NEW")] {
            let own = Promise { state, ..promise() };
            assert_eq!(
                kinds(Semantics::Physical, &own),
                [Kind::InDoubt(Doubt::DepartureNotShown)]
            );
            let placed_since = Promise {
                placed_at: at(1),
                ..own
            };
            assert_eq!(kinds(Semantics::Physical, &placed_since), [Kind::Reserved]);
        }
    }

    #[test]
    fn another_shop_is_believed_only_where_it_was_read_since_the_count_and_lately() {
        let promise = promise();
        let kind = |own: &str, sweep: Option<(i64, i64)>| {
            let sweep = sweep.map(|(started, finished)| Sweep {
                started_at: at(started),
                finished_at: at(finished),
            });
            let others = OtherShops {
                own: ShopName::new(own).unwrap(),
                read_since: at(10),
                sweeps: sweep
                    .into_iter()
                    .map(|sweep| (promise.shop.clone(), sweep))
                    .collect(),
            };
            let found = contributions(count(Semantics::Physical), [&promise], Some(&others));
            found.map(|c| c.kind).collect::<Vec<_>>()
        };
        let doubtful = [Kind::InDoubt(Doubt::OtherShopNotRead)];
        assert_eq!(kind("main", None), [Kind::Reserved]);
        assert_eq!(kind("other", Some((0, 10))), [Kind::Reserved]);
        assert_eq!(kind("other", None), doubtful);
        assert_eq!(kind("other", Some((-1, 10))), doubtful);
        assert_eq!(kind("other", Some((0, 9))), doubtful);
    }

    #[test]
    fn the_sums_are_those_of_the_contributions() {
        let promises = [
            promise(),
            left(0, 1),
            with(Units::Released { at: at(1) }),
            with(Units::Left(Departure::Unknown { by: at(1) })),
        ];
        let sums = |semantics| {
            let found = contributions(count(semantics), &promises, None);
            found.collect::<Promised>()
        };
        assert_eq!(
            sums(Semantics::Physical),
            Promised {
                confirmed: 3,
                in_doubt: 6,
                returned: 0
            }
        );
        assert_eq!(
            sums(Semantics::Available),
            Promised {
                confirmed: 0,
                in_doubt: 9,
                returned: 6
            }
        );
    }
}
