//! Availability as an interval, at the edge: what may be there is not cancelled, and what may be gone is not promised.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl_sandbox::{DeliveryMode, OrderSeed, Settings};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// One of two units was accepted an hour ago. The courier takes it, the shelf is counted without it, and Kaspi shows
/// nothing of that yet.
async fn taken_unseen(order: OrderSeed) -> TestWorld {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    let code = order.code.clone();
    world.place(order);
    world.once().await;
    assert_eq!(world.posts(&code), ["accept"]);
    world.later(HOUR).await;
    world.stock(&[("A", 1)]).await;
    world.later(30 * MINUTE).await;
    world
}

fn order(code: &str) -> OrderSeed {
    OrderSeed::new(code, crate::world::start()).line("A", 1)
}

#[tokio::test]
async fn goods_that_left_unseen_before_a_count_cancel_nothing() {
    let world = taken_unseen(order("980000001")).await;
    world.place_plain(&[("980000002", "A", 1)]);
    for _ in 0..4 {
        world.later(5 * MINUTE).await;
    }
    assert_eq!(world.posts("980000002"), [""; 0]);
    let why = world.why("980000002").await;
    assert!(
        why.contains("0 to 1 available: order 980000001, 1 unit: the goods may have left"),
        "{why}"
    );
    // Kaspi shows at last when the courier came: before the count.
    let counted = world.now() - SignedDuration::from_mins(50);
    let took = counted - SignedDuration::from_mins(10);
    assert!(world.kaspi().hand_over("980000001", took));
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("980000002"), ["accept"]);
}

/// Once Kaspi has shown the goods there for longer than it may lag, they were in the count.
#[tokio::test]
async fn goods_that_kaspi_shows_for_longer_than_it_lags_were_counted() {
    let world = taken_unseen(order("980000003")).await;
    world.later(7 * HOUR).await;
    world.place_plain(&[("980000004", "A", 1)]);
    world.quiet().await;
    assert_eq!(world.posts("980000004"), ["cancel"]);
}

/// What the shop brings itself may have left at any time before Kaspi shows it as finished.
#[tokio::test]
async fn goods_of_an_own_delivery_or_pickup_are_in_doubt_until_they_are_finished() {
    for mode in [DeliveryMode::Local, DeliveryMode::Pickup] {
        let world = taken_unseen(order("980000005").delivered(mode, false)).await;
        world.later(7 * HOUR).await;
        world.place_plain(&[("980000006", "A", 1)]);
        for _ in 0..4 {
            world.later(5 * MINUTE).await;
        }
        assert_eq!(world.posts("980000006"), [""; 0]);
        let now = world.now();
        assert!(world.kaspi().complete("980000005", now));
        world.later(5 * MINUTE).await;
        // It may have left after the count all the same.
        assert_eq!(world.posts("980000006"), [""; 0]);
    }
}
