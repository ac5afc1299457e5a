//! Orders and lines that come in forms nobody documented: an accepted order holds what it holds, a new one is held
//! for a person, and no other order waits for them longer than it must.

use std::time::Duration;

use qabyl::domain::ids::Sku;
use qabyl::domain::verdict::Verdict;
use qabyl::ledger::Resolution;
use qabyl_sandbox::{IncludeSupport, OrderSeed, Part, Settings};
use serde_json::{Value, json};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// One way in which a part of an order is not as documented.
struct Way {
    part: Part,
    pointer: &'static str,
    value: Option<Value>,
}

fn way(part: Part, pointer: &'static str, value: Value) -> Way {
    Way {
        part,
        pointer,
        value: Some(value),
    }
}

const fn absent(part: Part, pointer: &'static str) -> Way {
    Way {
        part,
        pointer,
        value: None,
    }
}

/// Fields of the order that say nothing about what it holds.
fn ways_of_orders() -> Vec<Way> {
    let order = |pointer, value| way(Part::Order, pointer, value);
    vec![
        order("/attributes/totalPrice", json!(null)),
        order("/attributes/totalPrice", json!("12 990")),
        order("/attributes/totalPrice", json!({"amount": 1})),
        order("/attributes/totalPrice", json!(-5)),
        absent(Part::Order, "/attributes/totalPrice"),
        order("/attributes/pickupPointId", json!(30_000_001)),
        order("/attributes/pickupPointId", json!(["10000001_PP1"])),
        order("/attributes/creationDate", json!("2026-03-02T05:59:00Z")),
        order("/attributes/creationDate", json!(null)),
        absent(Part::Order, "/attributes/creationDate"),
        order("/attributes/isKaspiDelivery", json!("true")),
        order("/attributes/isKaspiDelivery", json!(1)),
        order("/attributes/preOrder", json!("no")),
        order("/attributes/signatureRequired", json!(0)),
        order("/attributes/approvedByBankDate", json!("вчера")),
        order("/attributes/plannedDeliveryDate", json!(true)),
        order("/attributes/paymentMode", json!(7)),
        order("/attributes/creditTerm", json!("three")),
        order("/attributes/deliveryMode", json!({})),
        order("/attributes/kaspiDelivery", json!("soon")),
        order("/attributes/kaspiDelivery", json!({"express": "maybe"})),
        order(
            "/attributes/kaspiDelivery",
            json!({"courierTransmissionDate": "today"}),
        ),
        order("/attributes/cancellationReason", json!(4)),
        order("/attributes/code", json!(970_000_101)),
        order("/attributes/status", json!(5)),
        order("/attributes/state", json!(null)),
        absent(Part::Order, "/attributes/status"),
    ]
}

/// Entries that do not say what they are, in full.
fn ways_of_entries() -> Vec<Way> {
    let entry = |pointer, value| way(Part::Entry(0), pointer, value);
    vec![
        entry("/attributes/quantity", json!(null)),
        entry("/attributes/quantity", json!(3.5)),
        entry("/attributes/quantity", json!("many")),
        entry("/attributes/quantity", json!(-3)),
        entry("/attributes/quantity", json!([3])),
        absent(Part::Entry(0), "/attributes/quantity"),
        entry("/attributes/offer", json!({"code": {"sku": "A"}})),
        entry("/attributes/offer", json!("A")),
        entry("/attributes", json!(null)),
        entry("/attributes", json!([])),
        entry("/id", json!({})),
        way(Part::Entries, "", json!([])),
        way(Part::Entries, "", json!(null)),
        way(Part::Entries, "", json!({"id": "one"})),
        way(Part::Entries, "", json!([7])),
    ]
}

impl Way {
    fn words(&self) -> String {
        format!("{:?} {} = {:?}", self.part, self.pointer, self.value)
    }

    fn put(&self, world: &TestWorld, code: &str) {
        let value = self.value.clone();
        assert!(
            world
                .kaspi()
                .put_value(code, self.part, self.pointer, value)
        );
    }
}

/// Lists without lines, so that what `/entries` says counts.
fn bare() -> Settings {
    Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    }
}

async fn shop(levels: &[(&str, u32)]) -> TestWorld {
    let world = world(bare()).begin_with(levels).await;
    world.once().await;
    world.time.advance(MINUTE);
    world
}

/// An order accepted in the cabinet, which shows `way` from the beginning.
fn accepted_in_the_cabinet(world: &TestWorld, code: &str, way: &Way) {
    let mut order = OrderSeed::new(code, world.now()).line("A", 3);
    order.auto_accepted = true;
    world.place(order);
    way.put(world, code);
}

/// In shares that run at the same time: each of the ways takes more than a second.
#[rstest::rstest]
#[tokio::test]
async fn an_accepted_order_that_cannot_be_read_never_sells_its_units_again(
    #[values(0, 1, 2, 3)] share: usize,
) {
    let ways = ways_of_orders().into_iter().chain(ways_of_entries());
    for way in &ways.skip(share).step_by(4).collect::<Vec<_>>() {
        let world = shop(&[("A", 4), ("B", 9)]).await;
        accepted_in_the_cabinet(&world, "970000101", way);
        world.time.advance(Duration::from_secs(20));
        world.place_plain(&[("970000102", "A", 2)]);
        world.minutes(10).await;
        let posts = world.posts("970000102");
        assert!(!posts.contains(&"accept".to_owned()), "{}", way.words());
        let unread = world
            .store
            .unread_orders(&world.shop.ctx.shop)
            .await
            .unwrap();
        let named = unread
            .iter()
            .any(|order| order.code.as_str() == "970000101");
        assert!(named, "{}: {unread:?}", way.words());
    }
}

#[tokio::test]
async fn a_new_order_that_cannot_be_read_is_held_and_decided_once_it_can() {
    for way in ways_of_orders().iter().chain(&ways_of_entries()) {
        let world = shop(&[("A", 4)]).await;
        world.place(OrderSeed::new("970000101", world.now()).line("A", 2));
        way.put(&world, "970000101");
        world.minutes(2).await;
        let why = world.why("970000101").await;
        assert!(why.starts_with("hold"), "{}: {why}", way.words());
        assert_eq!(world.posts("970000101"), [""; 0]);
        let totals = world.store.totals(None).await.unwrap();
        assert!(totals.held == 1 && totals.needs_person());
        world.kaspi().forget_values("970000101");
        world.later(MINUTE).await;
        world.quiet().await;
        assert_eq!(world.posts("970000101"), ["accept"], "{}", way.words());
    }
}

/// What is known of its lines is the SKU alone: other SKUs go on at once.
#[tokio::test]
async fn an_order_of_unknown_quantity_holds_up_its_own_skus_alone() {
    let world = shop(&[("A", 9), ("B", 9)]).await;
    let way = way(Part::Entry(0), "/attributes/quantity", json!(null));
    accepted_in_the_cabinet(&world, "970000111", &way);
    world.place_plain(&[("970000112", "B", 1), ("970000113", "A", 1)]);
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("970000112"), ["accept"]);
    world.minutes(8).await;
    assert_eq!(world.posts("970000113"), [""; 0]);
    let why = world.why("970000113").await;
    assert!(
        why.starts_with("hold") && why.contains("orders resolve 970000111"),
        "{why}"
    );
}

/// The same from the first start on: an order accepted before that cannot be read does not keep the first sweep from
/// being complete.
#[tokio::test]
async fn unreadable_lines_found_by_the_first_sweep_hold_up_their_own_skus_alone() {
    let world = world(bare()).begin_with(&[("A", 9), ("B", 9)]).await;
    world.time.advance(Duration::from_secs(5));
    let way = way(Part::Entry(0), "/attributes/quantity", json!(3.5));
    accepted_in_the_cabinet(&world, "970000114", &way);
    world.time.advance(Duration::from_secs(15));
    world.poll_and_decide().await;
    world.place_plain(&[("970000115", "B", 1), ("970000116", "A", 1)]);
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(
        world.posts("970000115"),
        ["accept"],
        "{}",
        world.why("970000115").await
    );
    world.minutes(8).await;
    assert_eq!(world.posts("970000116"), [""; 0]);
}

/// It may be of any SKU, however long that lasts; it is no reason to cancel; and when it can be read, it counts.
#[tokio::test]
async fn an_order_without_lines_holds_up_accepts_until_it_is_read() {
    let world = shop(&[("A", 4), ("B", 0)]).await;
    accepted_in_the_cabinet(&world, "970000121", &way(Part::Entries, "", json!([])));
    world.place_plain(&[("970000122", "A", 2), ("970000123", "B", 1)]);
    world.minutes(15).await;
    assert_eq!(world.posts("970000122"), [""; 0]);
    assert_eq!(world.posts("970000123"), ["cancel"], "there is none of it");
    world.kaspi().forget_values("970000121");
    world.later(20 * MINUTE).await;
    world.quiet().await;
    assert_eq!(
        world.posts("970000122"),
        ["cancel"],
        "three of four are taken"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_person_says_what_an_unreadable_order_holds() {
    for (resolution, verdict) in [
        (Resolution::HoldsNothing, "accept"),
        (
            Resolution::Lines(vec![(Sku::new("A").unwrap(), 1)]),
            "accept",
        ),
        (
            Resolution::Lines(vec![(Sku::new("A").unwrap(), 3)]),
            "cancel",
        ),
    ] {
        let world = shop(&[("A", 4)]).await;
        accepted_in_the_cabinet(&world, "970000131", &way(Part::Entries, "", json!([])));
        world.place_plain(&[("970000132", "A", 2)]);
        world.minutes(8).await;
        assert_eq!(world.posts("970000132"), [""; 0]);
        let (shop, id) = world.store.find_order("970000131", None).await.unwrap();
        let (store, now) = (&world.store, world.now());
        let resolved = store.resolve_order(&shop, &id, &resolution, "person", now);
        resolved.await.unwrap();
        world.minutes(5).await;
        assert_eq!(world.posts("970000132"), [verdict], "{resolution:?}");
        let rows = world
            .store
            .audit_rows(Some("970000131"), 100)
            .await
            .unwrap();
        assert!(rows.iter().any(|row| row.event == "order.resolved"));
        assert!(store.unread_orders(&shop).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_order_that_was_read_is_not_resolved_by_a_person() {
    let world = shop(&[("A", 4)]).await;
    world.place_plain(&[("970000141", "A", 2)]);
    world.once().await;
    let (shop, id) = world.store.find_order("970000141", None).await.unwrap();
    let (store, now) = (&world.store, world.now());
    let resolved = store.resolve_order(&shop, &id, &Resolution::HoldsNothing, "person", now);
    assert!(
        resolved
            .await
            .unwrap_err()
            .to_string()
            .contains("970000141")
    );
}

/// It left before anybody could read what it was: the next count shows it.
#[tokio::test]
async fn what_an_unreadable_order_took_is_known_with_the_next_count() {
    let mut world = shop(&[("A", 4)]).await;
    accepted_in_the_cabinet(&world, "970000151", &way(Part::Entries, "", json!([])));
    world.minutes(8).await;
    let now = world.now();
    assert!(world.kaspi().complete("970000151", now));
    world.place_plain(&[("970000152", "A", 1)]);
    world.minutes(5).await;
    assert_eq!(world.posts("970000152"), [""; 0]);
    world.stock(&[("A", 1)]).await;
    world.minutes(5).await;
    assert_eq!(world.posts("970000152"), ["accept"]);
}

/// A manual decision is not held up: the person has looked.
#[tokio::test]
async fn a_person_accepts_an_order_that_cannot_be_read() {
    let world = shop(&[("A", 4)]).await;
    world.place(OrderSeed::new("970000161", world.now()).line("A", 2));
    way(Part::Order, "/attributes/totalPrice", json!(null)).put(&world, "970000161");
    world.minutes(2).await;
    let (shop, id) = world.store.find_order("970000161", None).await.unwrap();
    let input = world.shop.ctx.deciding_input();
    let (store, now) = (&world.store, world.now());
    let accept = store.order_by_person(&shop, &id, &Verdict::Accept, &input, "person", now);
    accept.await.unwrap();
    world.minutes(2).await;
    assert_eq!(world.posts("970000161"), ["accept"]);
}

/// A line of no units is nothing, and no reason to ask a person.
#[tokio::test]
async fn a_line_of_no_units_is_no_line() {
    let world = shop(&[("A", 4), ("B", 4)]).await;
    let seed = OrderSeed::new("970000171", world.now())
        .line("A", 2)
        .line("B", 2);
    world.place(seed);
    for pointer in ["/attributes/quantity", "/attributes/totalPrice"] {
        way(Part::Entry(0), pointer, json!(0)).put(&world, "970000171");
    }
    way(Part::Order, "/attributes/totalPrice", json!(2000)).put(&world, "970000171");
    world.minutes(2).await;
    assert_eq!(world.posts("970000171"), ["accept"]);
    let levels = world.levels().await;
    let reserved = levels.iter().map(|level| {
        let promised = &level.promised;
        (
            level.listing.sku.as_str(),
            promised.confirmed + promised.in_doubt,
        )
    });
    assert_eq!(reserved.collect::<Vec<_>>(), [("A", 0), ("B", 2)]);
}
