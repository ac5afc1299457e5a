//! Readings that contradict each other: each is a hold or doubt with its reason, at once.

use std::time::Duration;

use qabyl_sandbox::{IncludeSupport, OrderSeed, Part, Settings, State, Status};
use serde_json::json;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const CODE: &str = "970000301";

fn shows(world: &TestWorld, code: &str, pointer: &str, value: serde_json::Value) {
    assert!(
        world
            .kaspi()
            .put_value(code, Part::Order, pointer, Some(value))
    );
}

#[tokio::test]
async fn an_order_whose_total_differs_from_reading_to_reading_is_held() {
    let world = world(Settings::default())
        .rules("[[rule]]\nname = \"later\"\nthen = { wait = \"2h\" }\n")
        .begin_with(&[("A", 5)])
        .await;
    world.place(OrderSeed::new(CODE, world.now()).line("A", 1));
    for price in 0..8 {
        shows(
            &world,
            CODE,
            "/attributes/totalPrice",
            json!(2_000 + price % 2),
        );
        world.minutes(1).await;
    }
    let held = world.view(CODE).await.held.expect("it is held");
    assert!(held.1.contains("changed 3 times"), "{held:?}");
    assert_eq!(
        world
            .store
            .held_now(&world.shop.ctx.shop)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.posts(CODE), [""; 0]);
}

/// It lies where accepted orders do, and its status has not followed: its lines are read, and its
/// unit is neither sold nor missed.
#[tokio::test]
async fn an_order_delivered_before_its_status_follows_holds_its_units() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let world = world(settings).begin_with(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    world.place_plain(&[(CODE, "A", 1)]);
    let now = world.now();
    assert!(
        world
            .kaspi()
            .force(CODE, State::KaspiDelivery, Status::ApprovedByBank, now)
    );
    world.place_plain(&[("970000303", "A", 1)]);
    world.minutes(15).await;
    let why = world.why("970000303").await;
    assert_eq!(world.posts("970000303"), [""; 0], "{why}");
}

/// Lists show it under an id that Kaspi answers 404 for.
#[tokio::test]
async fn an_order_that_is_unknown_before_its_cancel_is_held_at_once() {
    let world = world(Settings::default()).begin_with(&[("A", 0)]).await;
    world.time.advance(MINUTE);
    world.place(OrderSeed::new(CODE, world.now()).line("A", 1));
    shows(&world, CODE, "/id", json!("unknown-to-single-reads"));
    world.minutes(5).await;
    assert_eq!(world.posts(CODE), [""; 0]);
    let held = world
        .view(CODE)
        .await
        .held
        .unwrap_or_else(|| panic!("it is held"));
    assert!(held.1.contains("knows no such order"), "{held:?}");
}
