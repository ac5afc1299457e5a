//! Goods that Kaspi showed as gone and that are there after all, or again.

use std::time::Duration;

use qabyl_sandbox::{Part, Settings};
use serde_json::json;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// Two of three were accepted, and Kaspi showed when the courier took them.
async fn taken_by_the_courier(code: &str) -> TestWorld {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 3)]).await;
    world.place_plain(&[(code, "A", 2)]);
    world.once().await;
    assert_eq!(world.posts(code), ["accept"]);
    world.time.advance(10 * MINUTE);
    assert!(world.kaspi().hand_over(code, world.now()));
    world.later(2 * MINUTE).await;
    world
}

#[tokio::test]
async fn goods_whose_courier_date_was_taken_back_are_promised_still() {
    let world = taken_by_the_courier("983100001").await;
    let date = "/attributes/kaspiDelivery/courierTransmissionDate";
    assert!(
        world
            .kaspi()
            .put_value("983100001", Part::Order, date, Some(json!(null)))
    );
    world.later(2 * MINUTE).await;
    // All three are counted: the two are among them.
    world.feed(&[("A", 3)]).await;
    world.place_plain(&[("983100002", "A", 2)]);
    for _ in 0..3 {
        world.later(2 * MINUTE).await;
    }
    assert_ne!(
        world.posts("983100002"),
        ["accept"],
        "{}",
        world.why("983100002").await
    );
}

#[tokio::test]
async fn goods_that_the_buyer_returned_since_the_count_cancel_nothing() {
    let world = taken_by_the_courier("983100011").await;
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().complete("983100011", now));
    world.later(MINUTE).await;
    let status = ("/attributes/status", Some(json!("RETURNED")));
    assert!(
        world
            .kaspi()
            .put_value("983100011", Part::Order, status.0, status.1)
    );
    world.later(MINUTE).await;
    world.place_plain(&[("983100012", "A", 2), ("983100013", "A", 4)]);
    for _ in 0..3 {
        world.later(2 * MINUTE).await;
    }
    let why = world.why("983100012").await;
    assert_eq!(world.posts("983100012"), [""; 0], "{why}");
    assert!(why.contains("the goods may be back"), "{why}");
    assert_eq!(
        world.posts("983100013"),
        ["cancel"],
        "never were there four"
    );
}

/// The date was a mistake, and is corrected to one after a count: the goods were in it.
#[tokio::test]
async fn goods_whose_courier_date_is_corrected_left_at_the_later_date() {
    let world = taken_by_the_courier("983100041").await;
    world.feed(&[("A", 3)]).await;
    world.time.advance(10 * MINUTE);
    let later = world.now().as_millisecond();
    let date = "/attributes/kaspiDelivery/courierTransmissionDate";
    assert!(
        world
            .kaspi()
            .put_value("983100041", Part::Order, date, Some(json!(later)))
    );
    world.later(2 * MINUTE).await;
    world.place_plain(&[("983100042", "A", 2), ("983100043", "A", 1)]);
    for _ in 0..3 {
        world.later(2 * MINUTE).await;
    }
    let why = world.why("983100042").await;
    assert_ne!(world.posts("983100042"), ["accept"], "{why}");
    assert_eq!(world.posts("983100043"), ["accept"]);
}
