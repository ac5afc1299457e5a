//! Counts of the shelf beside orders on their way: what no longer lies there is taken off once, and what a
//! count cannot tell cancels nothing.

use std::time::Duration;

use qabyl::pipeline::sweep;
use qabyl_sandbox::{
    DeliveryMode, Fault, IncludeSupport, OrderSeed, Script, Settings, State, Status,
};
use rstest::rstest;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn goods_departed_with_the_courier_are_counted_once() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 3)]).await;
    world.place_plain(&[("950000001", "A", 1)]);
    world.once().await;
    let now = world.now();
    world.kaspi().hand_over("950000001", now);
    world.later(2 * MINUTE).await;
    // The shelf is counted again, without what the courier took.
    world.stock(&[("A", 2)]).await;
    world.place_plain(&[
        ("950000002", "A", 1),
        ("950000003", "A", 1),
        ("950000004", "A", 1),
    ]);
    world.once().await;
    world.quiet().await;
    let accepted = world.kaspi().ledger().accepted_codes().len();
    assert_eq!(accepted, 3, "one before the count, two after");
}

/// Goods leave, the shelf is counted without them, and only then their order's lines can be read: they
/// are not taken off the count once more.
#[tokio::test]
async fn goods_departed_before_their_lines_were_read_are_counted_once() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 2)]).await;
    let unread = Script::once(Fault::Http500)
        .path("/entries")
        .order("950000005");
    world.kaspi().script(unread.times(1_000));
    let mut other = OrderSeed::new("950000005", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.time.advance(MINUTE);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    let now = world.now();
    assert!(world.kaspi().hand_over("950000005", now));
    world.time.advance(2 * MINUTE);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.time.advance(MINUTE);
    world.stock(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.kaspi().forget_scripts();
    world.place_plain(&[("950000006", "A", 1)]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("950000006"), ["accept"]);
}

/// Of an unknown state it is unknown too whether its goods were counted: no cancel rests
/// on that.
#[tokio::test]
async fn a_count_beside_an_order_in_an_unknown_state_cancels_nothing() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("950000007", "A", 1)]);
    world.once().await;
    let now = world.now();
    let somewhere = State::Other("ON_A_SHIP".to_owned());
    let status = Status::AcceptedByMerchant;
    assert!(world.kaspi().force("950000007", somewhere, status, now));
    world.time.advance(2 * MINUTE);
    // What was counted then was another unit.
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("950000008", "A", 1)]);
    world.later(5 * MINUTE).await;
    world.later(5 * MINUTE).await;
    assert_eq!(world.posts("950000008"), [""; 0]);
}

/// The shop brought the goods on an unknown day, and the shelf was counted in the meantime, with them or
/// without: no cancel rests on that.
#[tokio::test]
async fn goods_that_left_before_or_after_a_count_cancel_nothing() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    let own = OrderSeed::new("950000009", world.now()).line("A", 1);
    world.place(own.delivered(DeliveryMode::Local, false));
    world.once().await;
    assert_eq!(world.posts("950000009"), ["accept"]);
    let now = world.now();
    assert!(world.kaspi().hand_over("950000009", now));
    world.time.advance(10 * MINUTE);
    world.stock(&[("A", 1)]).await;
    world.time.advance(20 * MINUTE);
    let now = world.now();
    assert!(world.kaspi().complete("950000009", now));
    world.later(2 * MINUTE).await;
    world.place_plain(&[("950000010", "A", 1)]);
    for _ in 0..3 {
        world.later(5 * MINUTE).await;
    }
    assert_eq!(world.posts("950000010"), [""; 0]);
}

#[tokio::test]
async fn a_feed_that_breaks_cancels_nothing() {
    let mut world = world(Settings::default())
        .config("interlocks", "stock_collapse_share", "0.5")
        .begin()
        .await;
    let names: Vec<String> = (0..10).map(|n| format!("S{n}")).collect();
    let full: Vec<(&str, u32)> = names.iter().map(|n| (n.as_str(), 5)).collect();
    world.stock(&full).await;
    world.time.advance(MINUTE);
    world
        .feed(&names.iter().map(|n| (n.as_str(), 0)).collect::<Vec<_>>())
        .await;
    world.place_plain(&[("960000001", "S1", 1)]);
    world.later(15 * MINUTE).await;
    world.later(15 * MINUTE).await;
    assert_eq!(world.posts("960000001"), [""; 0]);
    assert!(
        world.why("960000001").await.contains("StockCollapse"),
        "{}",
        world.why("960000001").await
    );
    // The feed is whole again: the order goes out by itself.
    world.stock(&full).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("960000001"), ["accept"]);
    world.finish().await;
}

/// A feed of ten beside one of a hundred, six of the ten counted by hand since.
#[tokio::test]
async fn a_small_feed_that_breaks_beside_a_large_one_cancels_nothing() {
    let (mut world, small) = two_feeds().await;
    let full: Vec<(&str, u32)> = small.iter().map(|n| (n.as_str(), 5)).collect();
    let none: Vec<(&str, u32)> = small.iter().map(|n| (n.as_str(), 0)).collect();
    world.feed_from("small", &full).await;
    world.time.advance(MINUTE);
    world.stock(&full[..6]).await;
    world.time.advance(MINUTE);
    world.feed_from("small", &none).await;
    world.place_plain(&[("960000002", "S1", 1)]);
    world.later(15 * MINUTE).await;
    world.later(15 * MINUTE).await;
    assert_eq!(world.posts("960000002"), [""; 0]);
    let why = world.why("960000002").await;
    assert!(
        why.contains("StockCollapse") && why.contains("10 of 10 SKUs"),
        "{why}"
    );
    // The feed is whole again: the order goes out by itself.
    world.stock(&full).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("960000002"), ["accept"]);
    world.finish().await;
}

/// What a source may lose at once is not known before it gave anything: its first list is measured by all.
#[tokio::test]
async fn a_first_list_of_what_is_sold_out_is_measured_by_all_stock() {
    let (world, small) = two_feeds().await;
    let full: Vec<(&str, u32)> = small.iter().map(|n| (n.as_str(), 5)).collect();
    world.feed_from("small", &full).await;
    world.time.advance(MINUTE);
    let none: Vec<(&str, u32)> = small.iter().map(|n| (n.as_str(), 0)).collect();
    world.feed_from("sold out", &none).await;
    world.place_plain(&[("960000003", "S1", 1)]);
    world.later(15 * MINUTE).await;
    world.later(15 * MINUTE).await;
    assert_eq!(world.posts("960000003"), ["cancel"]);
}

/// A large feed was taken in; the names of a small one.
async fn two_feeds() -> (TestWorld, Vec<String>) {
    let world = world(Settings::default())
        .config("interlocks", "stock_collapse_share", "0.5")
        .begin()
        .await;
    let large: Vec<String> = (0..100).map(|n| format!("L{n}")).collect();
    let full: Vec<(&str, u32)> = large.iter().map(|n| (n.as_str(), 5)).collect();
    world.feed_from("large", &full).await;
    (world, (0..10).map(|n| format!("S{n}")).collect())
}

#[tokio::test]
async fn stock_of_yesterday_decides_nothing() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 0), ("B", 5)]).await;
    world.time.advance(Duration::from_hours(13));
    world.place_plain(&[("970000001", "A", 1), ("970000002", "B", 1)]);
    world.later(15 * MINUTE).await;
    for code in ["970000001", "970000002"] {
        assert_eq!(world.posts(code), [""; 0]);
        assert!(
            world.why(code).await.contains("StockAge"),
            "{}",
            world.why(code).await
        );
    }
    world.stock(&[("A", 1), ("B", 5)]).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("970000002"), ["accept"]);
    world.finish().await;
}

/// An order was accepted elsewhere before any stock was imported, and then the shelves of each pickup point
/// are: its unit is promised at the point it leaves from, and is not sold again. It may be missing from that count
/// already, so that no cancel rests on it.
#[rstest]
#[case::by_its_whole_name("10000001_PP1")]
#[case::by_its_short_name("PP1")]
#[tokio::test]
async fn units_promised_before_the_first_import_lie_at_their_pickup_point(#[case] point: &str) {
    let world = world(Settings::default()).begin().await;
    let mut other = OrderSeed::new("950000011", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.once().await;
    world.time.advance(MINUTE);
    world.feed_at(point, &[("A", 1)]).await;
    world.place_plain(&[("950000012", "A", 1)]);
    world.later(MINUTE).await;
    world.later(5 * MINUTE).await;
    assert_eq!(world.posts("950000012"), [""; 0]);
    let why = world.why("950000012").await;
    assert!(why.contains("may have left before the count"), "{why}");
    let check = world.store.check_stock().await.unwrap();
    assert_eq!(check.differences, []);
}

/// A clock that ran ahead when an accept was confirmed leaves no confirmation in the future: a count made after the
/// clock was put right has taken that order off.
#[tokio::test]
async fn a_clock_put_right_leaves_no_confirmation_ahead_of_a_count() {
    let settings = world(Settings::default());
    let mut world = settings
        .config("stock", "semantics", "\"available\"")
        .begin()
        .await;
    world.stock(&[("A", 2)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("960000090", "A", 1)]);
    let hours_s = 3 * 60 * 60;
    world.set_clock(hours_s);
    world.once().await;
    assert_eq!(world.posts("960000090"), ["accept"]);
    world.set_clock(-hours_s);
    world.later(MINUTE).await;
    world.feed(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    world.place_plain(&[("960000091", "A", 1)]);
    for _ in 0..5 {
        world.later(2 * MINUTE).await;
    }
    let why = world.why("960000091").await;
    assert_eq!(world.posts("960000091"), ["accept"], "{why}");
}
