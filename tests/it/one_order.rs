//! One order is one order, however Kaspi spells its id; and two ids with one number are no two promises.

use std::time::Duration;

use qabyl_sandbox::{OrderSeed, Part, Settings};
use rstest::rstest;
use serde_json::json;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const FIRST: &str = "930000101";
const SECOND: &str = "930000102";
const NEXT: &str = "930000103";

/// A shop with five units of `A`.
async fn shop() -> TestWorld {
    let world = world(Settings::default()).begin_with(&[("A", 5)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    world
}

async fn promised(world: &TestWorld) -> i64 {
    let levels = world.levels().await;
    let units = levels
        .iter()
        .map(|level| level.promised.confirmed + level.promised.in_doubt);
    units.sum()
}

/// Kaspi shows an accepted order's id with padding from now on, and knows it by that alone: its units stay promised
/// once, and the rest of the shelf is sold.
#[rstest]
#[case::with_padding("{}==")]
#[case::with_blanks(" {}= ")]
#[tokio::test]
async fn an_id_that_is_spelled_otherwise_is_the_same_order(#[case] spelling: &str) {
    let world = shop().await;
    world.place_plain(&[(FIRST, "A", 3)]);
    world.once().await;
    world.minutes(2).await;
    assert_eq!(world.posts(FIRST), ["accept"]);
    let id = world.view(FIRST).await.order.id;
    let spelled = spelling.replace("{}", id.as_str());
    assert!(world.kaspi().set_id(FIRST, &spelled));
    world.minutes(3).await;
    assert_eq!(world.views().await.len(), 1);
    assert_eq!(promised(&world).await, 3);
    world.place_plain(&[(NEXT, "A", 2)]);
    world.minutes(3).await;
    assert_eq!(world.posts(NEXT), ["accept"], "{}", world.why(NEXT).await);
    assert_eq!(promised(&world).await, 5);
    // Read singly, as the lists do not show it any more.
    let now = world.now();
    assert!(world.kaspi().buyer_cancels(FIRST, now));
    world.minutes(3).await;
    assert_eq!(promised(&world).await, 2);
    world.finish().await;
}

/// A new order whose id is spelled otherwise before it is answered is answered by the spelling that Kaspi knows.
#[tokio::test]
async fn a_request_names_an_order_as_kaspi_spelled_it_last() {
    let world = shop().await;
    world.place_plain(&[(FIRST, "A", 3)]);
    world.poll_and_decide().await;
    let id = world.view(FIRST).await.order.id;
    assert!(world.kaspi().set_id(FIRST, &format!("{id}=")));
    world.minutes(3).await;
    assert_eq!(world.posts(FIRST), ["accept"]);
    assert_eq!(world.at_kaspi(FIRST), "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT");
    assert_eq!(promised(&world).await, 3);
    world.finish().await;
}

/// The second order shows the number of the first.
fn give_the_number_of_the_first(world: &TestWorld) {
    let number = Some(json!(FIRST));
    let is_put = world
        .kaspi()
        .put_value(SECOND, Part::Order, "/attributes/code", number);
    assert!(is_put);
}

async fn named(world: &TestWorld) -> Vec<String> {
    let unread = world.store.unread_orders(&world.shop.ctx.shop).await;
    unread.unwrap().iter().map(ToString::to_string).collect()
}

/// An accepted order appears under another id: perhaps it is the same one. Its units may be promised twice or once, so
/// the next order is neither accepted nor cancelled, and people see why.
#[tokio::test]
async fn an_accepted_order_under_two_ids_sells_nothing_and_cancels_nothing() {
    let world = shop().await;
    world.place_plain(&[(FIRST, "A", 2)]);
    world.once().await;
    world.minutes(2).await;
    let mut second = OrderSeed::new(SECOND, world.now()).line("A", 2);
    second.auto_accepted = true;
    world.place(second);
    give_the_number_of_the_first(&world);
    world.minutes(3).await;
    let said = named(&world).await;
    assert!(
        said.iter().any(|words| words.contains("several ids")),
        "{said:?}"
    );
    world.place_plain(&[(NEXT, "A", 2)]);
    world.minutes(20).await;
    assert_eq!(world.posts(NEXT), [""; 0], "{}", world.why(NEXT).await);
}

/// Two new orders with one number are not both answered: a person looks at them, and names one by its id.
#[tokio::test]
async fn two_new_orders_with_one_number_are_held_and_named_by_their_ids() {
    let world = shop().await;
    for code in [FIRST, SECOND] {
        world.place(OrderSeed::new(code, world.now()).line("A", 1));
    }
    give_the_number_of_the_first(&world);
    world.minutes(5).await;
    for code in [FIRST, SECOND] {
        assert_eq!(world.posts(code), [""; 0]);
    }
    let store = &world.store;
    let refused = store.find_order(FIRST, Some("main")).await.unwrap_err();
    let refused = refused.to_string();
    for view in world.views().await {
        let id = view.order.id;
        assert!(refused.contains(id.as_str()), "{refused}");
        for spelled in [id.to_string(), format!("{id}=")] {
            let (_, found) = store.find_order(&spelled, None).await.unwrap();
            assert_eq!(found, id);
        }
    }
    assert!(refused.contains("by its id"), "{refused}");
}

/// An accept that is not sent yet is decided again when another order shows its number.
#[tokio::test]
async fn an_accept_is_not_sent_once_another_order_has_its_number() {
    let world = shop().await;
    world.place_plain(&[(FIRST, "A", 1)]);
    world.poll_and_decide().await;
    world.place(OrderSeed::new(SECOND, world.now()).line("A", 1));
    give_the_number_of_the_first(&world);
    qabyl::pipeline::poll::run_once(&world.shop.ctx)
        .await
        .unwrap();
    world.act().await;
    world.minutes(3).await;
    for code in [FIRST, SECOND] {
        assert_eq!(world.posts(code), [""; 0]);
    }
}
