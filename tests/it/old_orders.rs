//! Orders placed long before the first start: accepted in the cabinet and still on the shelf, approved late, or opened
//! again.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl_sandbox::{DeliveryMode, OrderSeed, Settings, State, Status};
use rstest::rstest;

use crate::world::{TestWorld, world};

const HOUR: Duration = Duration::from_hours(1);

/// An order of the shop's own delivery, placed so many days ago and accepted in the cabinet the next day.
fn accepted_long_ago(world: &TestWorld, code: &str, (sku, units): (&str, u32), days: i64) {
    let day = SignedDuration::from_hours(24);
    let placed = world.now() - day * i32::try_from(days).unwrap();
    let order = OrderSeed::new(code, placed).line(sku, units);
    world.place(order.delivered(DeliveryMode::Local, false));
    assert!(world.kaspi().cabinet_accepts(code, placed + day));
}

/// Their goods still lie on the shelf that was counted: they are promised, however old they are.
#[rstest]
#[case(13)]
#[case(20)]
#[case(35)]
#[case(59)]
#[tokio::test]
async fn goods_of_orders_accepted_long_before_the_first_start_are_not_sold_again(
    #[case] days: i64,
) {
    let mut world = world(Settings::default()).begin().await;
    accepted_long_ago(&world, "350000001", ("A", 3), days);
    world.stock(&[("A", 3), ("B", 3)]).await;
    world.place_plain(&[("350000002", "A", 1), ("350000003", "B", 3)]);
    world.once().await;
    world.later(HOUR).await;
    assert_eq!(world.posts("350000002"), [""; 0]);
    let why = world.why("350000002").await;
    assert!(why.starts_with("hold"), "{why}");
    assert!(why.contains("350000001"), "the doubt is named: {why}");
    assert_eq!(world.posts("350000003"), ["accept"], "others go on");
    // The courier is back, and the shelf is counted without it.
    let now = world.now();
    assert!(world.kaspi().complete("350000001", now));
    world.later(Duration::from_mins(2)).await;
    world.stock(&[("A", 2), ("B", 3)]).await;
    world.quiet().await;
    assert_eq!(world.posts("350000002"), ["accept"]);
}

/// Kaspi shows the courier's date of an order that was placed days before the count and is over by the first start. The
/// count may be imported before the first sweep or after it, which reads no archive without one.
#[rstest]
#[case::imported_before_the_first_sweep(false)]
#[case::imported_after_it(true)]
#[tokio::test]
async fn goods_that_a_courier_took_since_the_count_are_missing_from_it(#[case] is_late: bool) {
    let mut world = world(Settings::default()).begin().await;
    let placed = world.now() - SignedDuration::from_hours(6 * 24);
    let order = OrderSeed::new("350000007", placed).line("A", 3);
    world.place(order.delivered(DeliveryMode::RegionalToDoor, true));
    let (accepted, now) = (placed + HOUR, world.now());
    assert!(world.kaspi().cabinet_accepts("350000007", accepted));
    let levels = [("A", 3), ("B", 3)];
    if !is_late {
        world.stock(&levels).await;
    }
    let taken = now + Duration::from_mins(30);
    assert!(world.kaspi().hand_over("350000007", taken));
    assert!(world.kaspi().complete("350000007", taken + HOUR));
    world.time.advance(2 * HOUR);
    if is_late {
        world.once().await;
        world.feed_of(&levels, now).await;
        world.time.advance(Duration::from_secs(5));
    }
    world.place_plain(&[("350000008", "A", 1), ("350000009", "B", 3)]);
    world.once().await;
    world.later(HOUR).await;
    assert_eq!(world.posts("350000008"), ["cancel"]);
    assert_eq!(world.posts("350000009"), ["accept"], "others go on");
}

/// The bank approves an order weeks after it was placed.
#[tokio::test]
async fn an_order_approved_weeks_after_it_was_placed_is_found_within_the_hour() {
    let world = world(Settings::default()).begin_with(&[("A", 5)]).await;
    world.once().await;
    let placed = world.now() - SignedDuration::from_hours(40 * 24);
    let order = OrderSeed::new("350000004", placed).line("A", 1);
    world.place(order.visible_at(world.now()));
    world.later(HOUR).await;
    world.quiet().await;
    assert_eq!(world.posts("350000004"), ["accept"]);
    world.finish().await;
}

/// An order that was finished before the first start is opened again in the cabinet.
#[tokio::test]
async fn an_old_order_that_is_opened_again_holds_its_goods() {
    let world = world(Settings::default()).begin_with(&[("A", 3)]).await;
    accepted_long_ago(&world, "350000005", ("A", 3), 30);
    let cancelled = world.now() - SignedDuration::from_hours(20 * 24);
    assert!(world.kaspi().cabinet_cancels("350000005", cancelled));
    world.once().await;
    let now = world.now();
    let accepted = (State::Delivery, Status::AcceptedByMerchant);
    assert!(
        world
            .kaspi()
            .force("350000005", accepted.0, accepted.1, now)
    );
    world.later(HOUR).await;
    world.place_plain(&[("350000006", "A", 1)]);
    world.once().await;
    world.later(HOUR).await;
    assert_eq!(world.posts("350000006"), [""; 0]);
}
