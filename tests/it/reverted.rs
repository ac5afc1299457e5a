//! A status that Kaspi shows after a later one of the same order: until complete lists agree it is doubt, and then the
//! newer truth wins.

use std::time::Duration;

use qabyl_sandbox::{OrderSeed, Settings, State, Status};
use rstest::rstest;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

fn becomes(world: &TestWorld, code: &str, state: State, status: Status) {
    let now = world.now();
    assert!(world.kaspi().force(code, state, status, now));
}

/// A world whose one unit was promised to `970000101`, which Kaspi shows as accepted.
async fn accepted_order() -> TestWorld {
    let world = world(Settings::default()).begin_with(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000101", "A", 1)]);
    world.once().await;
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("970000101"), ["accept"]);
    world
}

async fn named(world: &TestWorld, code: &str) -> Option<String> {
    let unread = world
        .store
        .unread_orders(&world.shop.ctx.shop)
        .await
        .unwrap();
    let found = unread.iter().find(|order| order.code.as_str() == code);
    found.map(ToString::to_string)
}

/// The units of an order whose cancel or completion is taken back are promised again; until that is settled they are
/// neither sold nor a reason to cancel.
#[rstest]
#[case::after_a_cancel(Status::Cancelled, &["cancel"])]
#[case::after_its_completion(Status::Completed, &["cancel"])]
#[tokio::test]
async fn units_of_an_order_that_is_accepted_again_are_not_sold_twice(
    #[case] ended: Status,
    #[case] finally: &[&str],
) {
    let world = accepted_order().await;
    becomes(&world, "970000101", State::Archive, ended);
    world.later(MINUTE).await;
    // The next count, which the goods of a completed order would be missing from.
    world.time.advance(MINUTE);
    world.feed(&[("A", 1)]).await;
    world.later(MINUTE).await;
    becomes(
        &world,
        "970000101",
        State::KaspiDelivery,
        Status::AcceptedByMerchant,
    );
    world.time.advance(MINUTE);
    world.brief().await;
    let words = named(&world, "970000101")
        .await
        .expect("the contradiction is named");
    assert!(words.contains("ACCEPTED_BY_MERCHANT"), "{words}");
    world.place_plain(&[("970000102", "A", 1)]);
    world.brief().await;
    assert_eq!(
        world.posts("970000102"),
        [""; 0],
        "{}",
        world.why("970000102").await
    );
    for _ in 0..8 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(
        world.view("970000101").await.order.status.as_str(),
        "ACCEPTED_BY_MERCHANT"
    );
    assert_eq!(named(&world, "970000101").await, None);
    assert_eq!(
        world.posts("970000102"),
        finally,
        "{}",
        world.why("970000102").await
    );
    assert_eq!(world.posts("970000101"), ["accept"]);
}

/// An accepted order that Kaspi shows as new again is decided again, and its unit is promised once.
#[tokio::test]
async fn an_order_that_is_new_again_is_decided_again() {
    let world = accepted_order().await;
    becomes(&world, "970000101", State::New, Status::ApprovedByBank);
    world.time.advance(MINUTE);
    world.brief().await;
    assert_eq!(world.posts("970000101"), ["accept"], "one list may lag");
    let words = named(&world, "970000101")
        .await
        .expect("the contradiction is named");
    assert!(words.contains("NEW + APPROVED_BY_BANK"), "{words}");
    for _ in 0..8 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(
        world.posts("970000101"),
        ["accept", "accept"],
        "{}",
        world.why("970000101").await
    );
    assert_eq!(
        world.at_kaspi("970000101"),
        "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT"
    );
    let levels = world.levels().await;
    let promised = &levels[0].promised;
    assert_eq!(promised.confirmed + promised.in_doubt, 1);
    let check = world.store.check_stock().await.unwrap();
    assert_eq!(check.differences, []);
}

/// The same twice: a person looks at it, and nothing is sent a third time.
#[tokio::test]
async fn an_order_that_is_new_again_twice_is_held() {
    let world = accepted_order().await;
    for _ in 0..2 {
        becomes(&world, "970000101", State::New, Status::ApprovedByBank);
        for _ in 0..8 {
            world.time.advance(MINUTE);
            world.brief().await;
        }
    }
    assert_eq!(world.posts("970000101"), ["accept", "accept"]);
    let held = world.view("970000101").await.held.expect("it is held");
    assert!(held.1.contains("again"), "{held:?}");
}

/// An order that was cancelled and is new again never gets an accept after its cancel.
#[tokio::test]
async fn an_order_that_is_new_again_after_our_cancel_is_held() {
    let mut world = world(Settings::default()).begin_with(&[("A", 0)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000103", "A", 1)]);
    for _ in 0..4 {
        world.later(MINUTE).await;
    }
    assert_eq!(world.posts("970000103"), ["cancel"]);
    world.stock(&[("A", 5)]).await;
    world.later(MINUTE).await;
    becomes(&world, "970000103", State::New, Status::ApprovedByBank);
    for _ in 0..8 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(world.posts("970000103"), ["cancel"]);
    let why = world.why("970000103").await;
    assert!(
        why.starts_with("hold") && why.contains("AlreadySent"),
        "{why}"
    );
}

/// A reader that lags now and then settles nothing: no request follows, and the contradiction stays named until lists
/// agree.
#[tokio::test]
async fn a_status_that_changes_to_and_fro_makes_no_requests() {
    let world = accepted_order().await;
    for round in 0..12 {
        if round % 2 == 0 {
            becomes(&world, "970000101", State::New, Status::ApprovedByBank);
        } else {
            becomes(
                &world,
                "970000101",
                State::KaspiDelivery,
                Status::AcceptedByMerchant,
            );
        }
        world.time.advance(MINUTE);
        world.brief().await;
        assert!(named(&world, "970000101").await.is_some(), "round {round}");
    }
    assert_eq!(world.posts("970000101"), ["accept"]);
    for _ in 0..8 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(named(&world, "970000101").await, None);
    assert_eq!(world.posts("970000101"), ["accept"]);
    world.place(OrderSeed::new("970000104", world.now()).line("A", 1));
    world.later(MINUTE).await;
    assert_ne!(world.posts("970000104"), ["accept"]);
}

/// A completed order that is not accepted again, but new: its unit lies on the shelf.
#[tokio::test]
async fn a_completed_order_that_is_new_again_is_decided_again() {
    let world = accepted_order().await;
    becomes(&world, "970000101", State::Archive, Status::Completed);
    world.later(MINUTE).await;
    becomes(&world, "970000101", State::New, Status::ApprovedByBank);
    for _ in 0..8 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(
        world.posts("970000101"),
        ["accept", "accept"],
        "{}",
        world.why("970000101").await
    );
    let check = world.store.check_stock().await.unwrap();
    assert_eq!(check.differences, []);
}
