//! What promises contribute to a level: reserved, in doubt and why, or perhaps given back.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::availability::{
    Count, OtherShops, Place, Promise, Promised, Reading, Reason, Sweep, Units, contributions,
};
use qabyl::domain::ids::{OrderCode, OrderId, ShopName};
use qabyl::domain::order::{State, Status};
use qabyl::domain::reservation::Departure;
use qabyl::domain::stock::Semantics;

/// A moment, in minutes after the count.
fn at(minutes: i64) -> Timestamp {
    Timestamp::constant(1_764_000_000 + minutes * 60, 0)
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn count(semantics: Semantics) -> Count<'static> {
    Count {
        as_of: at(0),
        semantics,
        posting_lag: SignedDuration::ZERO,
        order_lag_max: SignedDuration::ZERO,
        courier_lag_max: HOUR * 6,
        readings: &[],
        counts_are_evidence: true,
    }
}

/// An order of `shop`, last seen as new before the count, seen as accepted after it, waiting for Kaspi's courier seven
/// hours after it.
fn promise() -> Promise {
    Promise {
        shop: ShopName::new("main").unwrap(),
        order: OrderId::new("id").unwrap(),
        code: OrderCode::new("900000001").unwrap(),
        quantity: 3,
        units: Units::Reserved,
        made_at: at(-9),
        confirmed_at: Some(at(5)),
        there_at: at(-10),
        seen_at: at(7 * 60),
        state: State::KaspiDelivery,
        status: Status::AcceptedByMerchant,
        is_unread: false,
        is_reverted: false,
        has_namesake: false,
        kaspi_delivery: true,
        is_departure_dated: true,
        pre_order: false,
        place: Place::Here,
        overlap: None,
    }
}

/// What each contribution is: `None` where it is certain.
fn found(count: &Count<'_>, promise: &Promise) -> Vec<Option<Reason>> {
    let found = contributions(count, [promise], None);
    let of = found.iter().map(|one| one.doubt().map(|doubt| doubt.why));
    of.collect()
}

fn physical(promise: &Promise) -> Vec<Option<Reason>> {
    found(&count(Semantics::Physical), promise)
}

fn available(promise: &Promise) -> Vec<Option<Reason>> {
    found(&count(Semantics::Available), promise)
}

const RESERVED: [Option<Reason>; 1] = [None];

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
fn an_order_that_kaspi_shows_long_enough_after_the_count_is_reserved() {
    assert_eq!(physical(&promise()), RESERVED);
}

/// Kaspi shows a courier's date hours late: a newer count may lack the goods, or not.
#[test]
fn an_order_older_than_the_count_may_have_left_before_it() {
    let lately = Promise {
        seen_at: at(6 * 60 - 1),
        ..promise()
    };
    let all = contributions(&count(Semantics::Physical), [&lately], None);
    let doubt = all[0].doubt().unwrap();
    assert_eq!(
        (doubt.why, doubt.by),
        (Reason::MayHaveLeft, Some(at(6 * 60)))
    );
    assert_eq!((all[0].certain(), all[0].possible()), (-3, 0));
    let shown_at_the_limit = Promise {
        seen_at: at(6 * 60),
        ..promise()
    };
    assert_eq!(physical(&shown_at_the_limit), RESERVED);
    let new_since = Promise {
        there_at: at(1),
        ..lately
    };
    assert_eq!(physical(&new_since), RESERVED);
}

#[test]
fn an_accept_that_kaspi_does_not_show_yet_is_in_doubt() {
    let promise = Promise {
        confirmed_at: None,
        there_at: at(1),
        ..promise()
    };
    assert_eq!(physical(&promise), [Some(Reason::NotConfirmed)]);
    assert_eq!(available(&promise), [Some(Reason::NotConfirmed)]);
}

#[test]
fn units_that_left_are_compared_with_the_count() {
    assert_eq!(physical(&left(1, 2)), RESERVED);
    assert_eq!(physical(&left(-2, 0)), []);
    for after in [-1, 0] {
        assert_eq!(physical(&left(after, 1)), [Some(Reason::LeftNearCount)]);
    }
}

/// Without a date, the reading that last showed the goods there may be hours late, and the shop's own may be late
/// without bound.
#[test]
fn a_departure_without_a_date_may_be_older_than_it_was_shown() {
    let undated = Promise {
        is_departure_dated: false,
        ..left(5 * 60, 6 * 60)
    };
    assert_eq!(physical(&undated), [Some(Reason::LeftNearCount)]);
    let later = Promise {
        is_departure_dated: false,
        ..left(6 * 60 + 1, 7 * 60)
    };
    assert_eq!(physical(&later), RESERVED);
    let own = Promise {
        kaspi_delivery: false,
        ..later
    };
    assert_eq!(physical(&own), [Some(Reason::LeftNearCount)]);
}

#[test]
fn a_departure_that_the_source_may_not_have_booked_is_in_doubt() {
    let late = Count {
        posting_lag: HOUR,
        ..count(Semantics::Physical)
    };
    assert_eq!(found(&late, &left(-59, -59)), [Some(Reason::LeftNearCount)]);
    assert_eq!(found(&late, &left(-60, -60)), []);
}

#[test]
fn released_units_are_free_of_a_physical_count() {
    assert_eq!(physical(&with(Units::Released { at: at(1) })), []);
}

#[test]
fn a_feed_that_takes_accepted_orders_off_may_lack_what_was_given_back_since() {
    let released = with(Units::Released { at: at(1) });
    assert_eq!(available(&released), [Some(Reason::GivenBack)]);
    let before = with(Units::Released { at: at(0) });
    assert_eq!(available(&before), []);
    let new_since = Promise {
        there_at: at(1),
        ..released
    };
    assert_eq!(available(&new_since), []);
}

#[test]
fn a_feed_that_takes_accepted_orders_off_knows_of_those_seen_before_it() {
    let seen_before = Promise {
        confirmed_at: Some(at(0)),
        ..promise()
    };
    assert_eq!(available(&seen_before), []);
    assert_eq!(available(&promise()), [Some(Reason::MayBeTakenOff)]);
    let new_since = Promise {
        there_at: at(1),
        ..promise()
    };
    assert_eq!(available(&new_since), RESERVED);
}

#[test]
fn a_feed_may_take_an_accepted_order_off_late() {
    let late = Count {
        order_lag_max: HOUR,
        ..count(Semantics::Available)
    };
    let accepted = |minutes| Promise {
        confirmed_at: Some(at(minutes)),
        there_at: at(-120),
        ..promise()
    };
    assert_eq!(found(&late, &accepted(-59)), [Some(Reason::MayBeTakenOff)]);
    assert_eq!(found(&late, &accepted(-60)), []);
}

#[test]
fn units_whose_departure_is_unknown_are_in_doubt_until_the_next_count() {
    let unknown = with(Units::Left(Departure::Unknown { by: at(1) }));
    assert_eq!(physical(&unknown), [Some(Reason::DepartureUnknown)]);
    assert_eq!(
        available(&unknown),
        [Some(Reason::DepartureUnknown), Some(Reason::GivenBack)]
    );
    let counted = with(Units::Left(Departure::Unknown { by: at(0) }));
    assert_eq!(physical(&counted), []);
}

#[test]
fn an_order_being_cancelled_or_of_unknown_status_is_in_doubt() {
    for status in [Status::Cancelling, Status::from("SOMETHING_NEW")] {
        let promise = Promise {
            status,
            ..promise()
        };
        assert_eq!(physical(&promise), [Some(Reason::OrderUnsettled)]);
    }
}

#[test]
fn what_the_shop_brings_or_hands_over_itself_may_have_left_at_any_time() {
    let unknown = State::from("SOMETHING_NEW");
    for (state, kaspi_delivery, reason) in [
        (State::Delivery, false, Reason::MayHaveLeft),
        (State::Pickup, false, Reason::MayHaveLeft),
        (unknown, true, Reason::DepartureUnknown),
    ] {
        let own = Promise {
            state,
            kaspi_delivery,
            ..promise()
        };
        assert_eq!(physical(&own), [Some(reason)]);
        let new_since = Promise {
            there_at: at(1),
            ..own
        };
        assert_eq!(physical(&new_since), RESERVED);
    }
}

#[test]
fn another_shop_is_believed_only_where_it_was_read_since_the_count_and_lately() {
    let promise = promise();
    let reason = |own: &str, sweep: Option<(i64, i64)>| {
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
                .collect::<HashMap<_, _>>(),
        };
        let found = contributions(&count(Semantics::Physical), [&promise], Some(&others));
        found[0].doubt().map(|doubt| doubt.why)
    };
    let doubtful = Some(Reason::OtherShopNotRead);
    assert_eq!(reason("main", None), None);
    assert_eq!(reason("other", Some((0, 10))), None);
    assert_eq!(reason("other", None), doubtful);
    assert_eq!(reason("other", Some((-1, 10))), doubtful);
    assert_eq!(reason("other", Some((0, 9))), doubtful);
}

#[test]
fn a_promise_without_a_point_may_lie_at_each() {
    let unplaced = Promise {
        place: Place::Unknown,
        ..promise()
    };
    assert_eq!(physical(&unplaced), [Some(Reason::PointUnknown)]);
}

/// A pre-order promises goods that are still to come.
#[test]
fn a_pre_order_takes_nothing_until_the_level_rose_by_its_units() {
    let pre_order = Promise {
        pre_order: true,
        made_at: at(-90),
        ..promise()
    };
    let of = |counts: &[(i64, i64)]| {
        let found = evidence(counts, std::slice::from_ref(&pre_order));
        (found.confirmed, found.in_doubt)
    };
    assert_eq!(of(&[(-120, 1), (-60, 1), (0, 1)]), (0, 0));
    assert_eq!(of(&[(-120, 1), (-60, 3), (0, 2)]), (0, 0), "two came in");
    assert_eq!(of(&[(-120, 1), (-60, 4), (0, 3)]), (0, 3));
    assert_eq!(
        of(&[(-60, 1), (0, 1)]),
        (0, 3),
        "it is unknown what came in"
    );
    let arrived = Promise {
        status: Status::from("ARRIVED"),
        ..pre_order.clone()
    };
    assert_eq!(physical(&arrived), RESERVED);
    let made_since = Promise {
        made_at: at(1),
        ..pre_order
    };
    assert_eq!(physical(&made_since), []);
}

/// The counts of this level, by minutes before the last one.
fn evidence(counts: &[(i64, i64)], promises: &[Promise]) -> Promised {
    let readings: Vec<Reading> = counts
        .iter()
        .map(|(minutes, units)| Reading {
            at: at(*minutes),
            on_hand: Some(*units),
        })
        .collect();
    let count = Count {
        readings: &readings,
        ..count(Semantics::Physical)
    };
    contributions(&count, promises, None).into_iter().collect()
}

/// Seen as accepted a minute ago; last seen as new four hours before the count.
fn on_its_way(quantity: i64) -> Promise {
    Promise {
        quantity,
        there_at: at(-240),
        seen_at: at(1),
        ..promise()
    }
}

const STEADY: [(i64, i64); 6] = [(-300, 9), (-240, 9), (-180, 9), (-120, 9), (-60, 9), (0, 9)];

#[test]
fn what_did_not_fall_since_lost_nothing() {
    let steady = evidence(&STEADY, &[on_its_way(3)]);
    assert_eq!((steady.confirmed, steady.in_doubt), (3, 0));
    assert_eq!(steady.doubts, []);
}

#[test]
fn what_may_have_left_is_at_most_what_the_counts_fell_by() {
    let mut fell = STEADY;
    fell[4].1 = 8;
    fell[5].1 = 7;
    let promises = [on_its_way(3), on_its_way(2)];
    let found = evidence(&fell, &promises);
    assert_eq!((found.confirmed, found.in_doubt), (3, 2));
    // Two of the others are known to have left then.
    let known = Promise {
        quantity: 2,
        ..left(-90, -90)
    };
    let found = evidence(&fell, &[on_its_way(3), known]);
    assert_eq!((found.confirmed, found.in_doubt), (3, 0));
}

#[test]
fn counts_that_rose_or_are_far_apart_are_no_evidence() {
    let mut rose = STEADY;
    rose[3].1 = 10;
    for counts in [&rose[..], &[(-300, 9), (0, 9)], &STEADY[2..]] {
        let found = evidence(counts, &[on_its_way(3)]);
        assert_eq!((found.confirmed, found.in_doubt), (0, 3), "{counts:?}");
    }
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
        let found = contributions(&count(semantics), &promises, None);
        let sums: Promised = found.into_iter().collect();
        (sums.confirmed, sums.in_doubt, sums.returned)
    };
    assert_eq!(sums(Semantics::Physical), (3, 6, 0));
    assert_eq!(sums(Semantics::Available), (0, 9, 6));
}
