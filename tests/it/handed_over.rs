//! `qabyl orders handed-over`: a person says that the goods of an accepted order left the shelf.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl_sandbox::{DeliveryMode, OrderSeed, Settings};
use rstest::rstest;

use crate::world::{TestWorld, start, world};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

async fn hand_over(world: &TestWorld, code: &str, ago: SignedDuration) -> Result<(), String> {
    let (shop, id) = world.store.find_order(code, None).await.unwrap();
    let now = world.now();
    let done = world
        .store
        .hand_over((&shop, &id), now - ago, "Aigul", now)
        .await;
    done.map_err(|error| error.to_string())
}

/// One of two units left with the shop's own delivery or at its counter before the count, which Kaspi does not show.
/// Whether another order gets the last unit is in doubt until a person says so.
#[rstest]
#[case::own_delivery(DeliveryMode::Local)]
#[case::pickup(DeliveryMode::Pickup)]
#[tokio::test]
async fn goods_that_a_person_handed_over_are_no_doubt(#[case] mode: DeliveryMode) {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    world.place(
        OrderSeed::new("980000201", start())
            .line("A", 1)
            .delivered(mode, false),
    );
    world.once().await;
    assert_eq!(world.posts("980000201"), ["accept"]);
    world.later(HOUR).await;
    world.stock(&[("A", 1)]).await;
    world.later(30 * MINUTE).await;
    world.place_plain(&[("980000202", "A", 1)]);
    for _ in 0..3 {
        world.later(5 * MINUTE).await;
    }
    assert_eq!(world.posts("980000202"), [""; 0], "in doubt");
    let why = world.why("980000202").await;
    assert!(why.contains("`qabyl orders handed-over`"), "{why}");
    // It left ten minutes before the count.
    hand_over(&world, "980000201", SignedDuration::from_mins(55))
        .await
        .unwrap();
    world.later(2 * MINUTE).await;
    assert_eq!(
        world.posts("980000202"),
        ["accept"],
        "{}",
        world.why("980000202").await
    );
    // What Kaspi shows later changes nothing.
    let now = world.now();
    assert!(world.kaspi().complete("980000201", now));
    world.later(2 * MINUTE).await;
    let levels = world.levels().await;
    assert_eq!(
        levels[0].promised.confirmed + levels[0].promised.in_doubt,
        1
    );
    let check = world.store.check_stock().await.unwrap();
    assert_eq!(check.differences, []);
}

/// Goods that left after the count are missing from the shelf that it saw.
#[tokio::test]
async fn goods_handed_over_since_the_count_are_not_sold_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    let order = OrderSeed::new("980000203", world.now()).line("A", 1);
    world.place(order.delivered(DeliveryMode::Pickup, false));
    world.once().await;
    world.later(HOUR).await;
    hand_over(&world, "980000203", SignedDuration::ZERO)
        .await
        .unwrap();
    world.place_plain(&[("980000204", "A", 1)]);
    world.quiet().await;
    assert_eq!(world.posts("980000204"), ["cancel"]);
}

#[tokio::test]
async fn only_goods_of_accepted_orders_are_handed_over() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("980000205", "A", 9)]);
    world.place_plain(&[("980000206", "A", 1)]);
    world.poll_and_decide().await;
    let refused = hand_over(&world, "980000205", SignedDuration::ZERO)
        .await
        .unwrap_err();
    assert!(refused.contains("accepted"), "{refused}");
    world.once().await;
    let early = hand_over(&world, "980000206", SignedDuration::from_hours(3))
        .await
        .unwrap_err();
    assert!(early.contains("placed"), "{early}");
    let late = hand_over(&world, "980000206", SignedDuration::from_hours(-1))
        .await
        .unwrap_err();
    assert!(late.contains("future"), "{late}");
    hand_over(&world, "980000206", SignedDuration::ZERO)
        .await
        .unwrap();
    let twice = hand_over(&world, "980000206", SignedDuration::ZERO)
        .await
        .unwrap_err();
    assert!(twice.contains("promised"), "{twice}");
    let rows = world.store.audit_rows(Some("980000206"), 50).await.unwrap();
    let by = rows
        .iter()
        .find(|row| row.event == "order.handed_over")
        .unwrap();
    assert_eq!(by.actor, "Aigul");
}
