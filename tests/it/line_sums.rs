//! Lines that contradict their order's total, or what lists show later, are not believed.

use std::time::Duration;

use qabyl_sandbox::{EntriesForm, IncludeSupport, OrderSeed, Part, Settings};
use serde_json::{Value, json};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

async fn shop(include_support: IncludeSupport, levels: &[(&str, u32)]) -> TestWorld {
    let settings = Settings {
        include_support,
        entries_form: EntriesForm::Data,
        ..Settings::default()
    };
    let world = world(settings).begin_with(levels).await;
    world.once().await;
    world.time.advance(MINUTE);
    world
}

fn put(world: &TestWorld, code: &str, (part, pointer): (Part, &str), value: Value) {
    assert!(world.kaspi().put_value(code, part, pointer, Some(value)));
}

/// The first line as the only one.
fn leave_out_a_line(world: &TestWorld, code: &str) {
    let entry = json!([{"type": "orderentries", "id": "one", "attributes":
        {"quantity": 1, "basePrice": 1000, "totalPrice": 1000, "offer": {"code": "A"}}}]);
    put(world, code, (Part::Entries, ""), entry);
}

#[tokio::test]
async fn an_order_whose_answer_leaves_a_line_out_is_held_until_it_is_whole() {
    let world = shop(IncludeSupport::Ignored, &[("A", 9), ("B", 0), ("C", 9)]).await;
    world.place_plain(&[("971000001", "C", 1)]);
    world.minutes(1).await;
    let seed = OrderSeed::new("971000002", world.now())
        .line("A", 1)
        .line("B", 2);
    world.place(seed);
    leave_out_a_line(&world, "971000002");
    world.minutes(8).await;
    assert_eq!(world.posts("971000002"), [""; 0]);
    let why = world.why("971000002").await;
    assert!(why.starts_with("hold") && why.contains("add up"), "{why}");
    world.kaspi().forget_values("971000002");
    world.later(20 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("971000002"), ["cancel"], "there is no B");
}

#[tokio::test]
async fn a_line_left_out_of_an_accepted_order_is_not_sold_again() {
    let world = shop(IncludeSupport::Ignored, &[("A", 9), ("B", 2), ("C", 9)]).await;
    world.place_plain(&[("971000011", "C", 1)]);
    world.minutes(1).await;
    let mut seed = OrderSeed::new("971000012", world.now())
        .line("A", 1)
        .line("B", 2);
    seed.auto_accepted = true;
    world.place(seed);
    leave_out_a_line(&world, "971000012");
    world.place_plain(&[("971000013", "B", 1)]);
    world.minutes(9).await;
    assert_eq!(world.posts("971000013"), [""; 0]);
    world.kaspi().forget_values("971000012");
    world.later(20 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("971000013"), ["cancel"]);
    world.finish().await;
}

#[tokio::test]
async fn a_total_with_the_delivery_in_it_is_understood_at_once() {
    let world = shop(IncludeSupport::Ignored, &[("A", 9)]).await;
    world.place(OrderSeed::new("971000021", world.now()).line("A", 1));
    put(
        &world,
        "971000021",
        (Part::Order, "/attributes/totalPrice"),
        json!(1500),
    );
    put(
        &world,
        "971000021",
        (Part::Order, "/attributes/deliveryCost"),
        json!(500),
    );
    world.minutes(1).await;
    assert_eq!(world.posts("971000021"), ["accept"]);
}

/// Totals of a shop may contain what nobody documented: two readings that agree are believed then.
#[tokio::test]
async fn lines_read_twice_are_believed_where_no_order_ever_added_up() {
    let world = shop(IncludeSupport::Ignored, &[("A", 9)]).await;
    world.place(OrderSeed::new("971000031", world.now()).line("A", 1));
    put(
        &world,
        "971000031",
        (Part::Order, "/attributes/totalPrice"),
        json!(1234),
    );
    world.minutes(1).await;
    assert_eq!(world.posts("971000031"), [""; 0]);
    world.minutes(2).await;
    assert_eq!(world.posts("971000031"), ["accept"]);
}

/// The same total, another SKU: what is promised follows.
#[tokio::test]
async fn an_order_that_a_list_shows_with_other_lines_holds_those() {
    let world = shop(IncludeSupport::Yes, &[("A", 9), ("B", 9)]).await;
    world.place_plain(&[("971000041", "A", 2)]);
    world.minutes(2).await;
    assert_eq!(world.posts("971000041"), ["accept"]);
    let offer = json!({"code": "B", "name": "B"});
    put(
        &world,
        "971000041",
        (Part::Entry(0), "/attributes/offer"),
        offer,
    );
    world.minutes(2).await;
    let view = world.view("971000041").await;
    let skus: Vec<&str> = view
        .lines
        .iter()
        .filter_map(|line| line.sku.as_ref())
        .map(qabyl::domain::ids::Sku::as_str)
        .collect();
    assert_eq!(skus, ["B"]);
    world.place_plain(&[("971000042", "B", 8)]);
    world.minutes(1).await;
    assert_eq!(world.posts("971000042"), [""; 0], "seven are left");
}

/// A part of an accepted order was cancelled, and what is left of it cannot be read: the rest may be free.
#[tokio::test]
async fn an_accepted_order_that_changed_and_cannot_be_read_cancels_no_other() {
    let world = shop(IncludeSupport::Ignored, &[("A", 4)]).await;
    world.place_plain(&[("971000051", "A", 3)]);
    world.minutes(2).await;
    assert_eq!(world.posts("971000051"), ["accept"]);
    put(
        &world,
        "971000051",
        (Part::Order, "/attributes/totalPrice"),
        json!(1000),
    );
    put(
        &world,
        "971000051",
        (Part::Entry(0), "/attributes/quantity"),
        json!(null),
    );
    world.minutes(1).await;
    world.place_plain(&[("971000052", "A", 3)]);
    world.minutes(20).await;
    assert_eq!(world.posts("971000052"), [""; 0]);
    for (pointer, value) in [
        ("/attributes/quantity", 1),
        ("/attributes/totalPrice", 1000),
    ] {
        put(&world, "971000051", (Part::Entry(0), pointer), json!(value));
    }
    world.minutes(30).await;
    assert_eq!(world.posts("971000052"), ["accept"], "one of four is taken");
}
