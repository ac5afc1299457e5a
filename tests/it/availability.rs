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

/// The count after a departure that Kaspi does not show yet is as high as before: nothing left.
#[tokio::test]
async fn a_level_that_did_not_fall_lost_nothing() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place(order("980000007"));
    world.once().await;
    assert_eq!(world.posts("980000007"), ["accept"]);
    for _ in 0..3 {
        world.later(30 * MINUTE).await;
        world.stock(&[("A", 1)]).await;
    }
    world.place_plain(&[("980000008", "A", 1)]);
    world.quiet().await;
    assert_eq!(
        world.posts("980000008"),
        ["cancel"],
        "the shelf holds one, and it is promised"
    );
}

#[tokio::test]
async fn a_pre_order_takes_nothing_of_todays_shelf() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    let mut pre_order = order("980000009");
    pre_order.pre_order = true;
    pre_order.auto_accepted = true;
    world.place(pre_order);
    world.once().await;
    world.place_plain(&[("980000010", "A", 1)]);
    for _ in 0..4 {
        world.later(5 * MINUTE).await;
    }
    assert_eq!(world.posts("980000010"), ["accept"]);
    // The goods come: whether one of the two units is the pre-order's is unknown.
    world.later(30 * MINUTE).await;
    world.stock(&[("A", 3)]).await;
    world.place_plain(&[("980000011", "A", 2)]);
    for _ in 0..4 {
        world.later(5 * MINUTE).await;
    }
    assert_eq!(world.posts("980000011"), [""; 0]);
    let why = world.why("980000011").await;
    assert!(
        why.contains("a pre-order whose goods may have come"),
        "{why}"
    );
}

#[tokio::test]
async fn an_order_that_moves_takes_its_units_from_its_new_point() {
    let world = world(Settings::default()).begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    world.place(order("980000012"));
    world.once().await;
    assert_eq!(world.posts("980000012"), ["accept"]);
    assert!(world.kaspi().move_to("980000012", "10000001_PP2"));
    world.later(2 * MINUTE).await;
    let now = world.now();
    let mut second = OrderSeed::new("980000013", now).line("A", 1);
    second.pickup_point = Some("10000001_PP2".to_owned());
    world.place(second);
    world.place(OrderSeed::new("980000014", now).line("A", 1));
    world.quiet().await;
    assert_eq!(world.posts("980000013"), ["cancel"], "its unit is promised");
    assert_eq!(
        world.posts("980000014"),
        ["accept"],
        "its unit is free again"
    );
}

/// Eighteen of twenty are accepted in the cabinet after the last sweep.
#[tokio::test]
async fn an_accept_that_a_large_order_could_overtake_waits_for_a_sweep() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    world.once().await;
    let mut large = OrderSeed::new("980000015", world.now()).line("A", 18);
    large.auto_accepted = true;
    world.place(large);
    world.time.advance(Duration::from_secs(20));
    world.place_plain(&[("980000016", "A", 3)]);
    qabyl::pipeline::poll::run_once(&world.shop.ctx)
        .await
        .unwrap();
    qabyl::pipeline::decide::run_once(&world.shop.ctx)
        .await
        .unwrap();
    world.act().await;
    assert_eq!(world.posts("980000016"), [""; 0]);
    world.quiet().await;
    assert_eq!(world.posts("980000016"), ["cancel"]);
}
