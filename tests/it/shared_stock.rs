//! Several shops that sell from one stock: orders of the one that are not read, or cannot be, hold what they may hold
//! for the others too.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl::pipeline::sweep;
use qabyl::runtime::build::ShopParts;
use qabyl_sandbox::{IncludeSupport, OrderSeed, Part, Server, Settings};
use serde_json::json;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// An order of the second shop that somebody accepts in its cabinet.
fn accepted_there(world: &TestWorld, kaspi: &Server, code: &str, sku: &str) {
    let mut order = OrderSeed::new(code, world.now()).line(sku, 1);
    order.pickup_point = Some("20000002_PP1".to_owned());
    assert!(kaspi.world().place(order));
    assert!(kaspi.world().cabinet_accepts(code, world.now()));
}

#[tokio::test]
async fn a_shop_that_was_never_read_keeps_accepts_of_its_stock_back() {
    let mut world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.stock(&[("A", 1), ("B", 0)]).await;
    accepted_there(&world, &kaspi, "982000001", "A");
    world.place_plain(&[("982000002", "A", 1), ("982000003", "B", 1)]);
    for _ in 0..4 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    assert_eq!(world.posts("982000002"), [""; 0]);
    let why = world.why("982000002").await;
    assert!(
        why.contains("accepted orders of second were never read completely"),
        "{why}"
    );
    assert_eq!(
        world.posts("982000003"),
        ["cancel"],
        "what no order can be given is not in doubt"
    );
    for _ in 0..4 {
        world.time.advance(MINUTE);
        sweep::run_once(&second.ctx, true).await.unwrap();
        world.brief().await;
    }
    assert_eq!(
        world.posts("982000002"),
        ["cancel"],
        "the other shop has promised the unit"
    );
}

#[tokio::test]
async fn an_order_of_another_shop_that_cannot_be_read_keeps_accepts_back() {
    let mut world = world(Settings::default()).begin().await;
    let bare = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let (kaspi, second) = world.neighbour_at(bare).await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    sweep::run_once(&second.ctx, true).await.unwrap();
    accepted_there(&world, &kaspi, "982000011", "A");
    let quantity = (Part::Entries, "/0/attributes/quantity");
    assert!(
        kaspi
            .world()
            .put_value("982000011", quantity.0, quantity.1, Some(json!(null)))
    );
    for _ in 0..7 {
        world.time.advance(MINUTE);
        sweep::run_once(&second.ctx, true).await.unwrap();
    }
    world.place_plain(&[("982000012", "A", 1), ("982000013", "B", 1)]);
    for _ in 0..3 {
        world.time.advance(MINUTE);
        sweep::run_once(&second.ctx, true).await.unwrap();
        world.brief().await;
    }
    assert_eq!(world.posts("982000012"), [""; 0]);
    let why = world.why("982000012").await;
    assert!(why.contains("shop second: the lines of 982000011"), "{why}");
    assert_eq!(world.posts("982000013"), ["accept"]);
}

/// Its token died: what people accepted there since then is unknown, until it is read again or a person waives it.
#[tokio::test]
async fn a_shop_that_is_read_no_longer_keeps_accepts_back_until_it_is_waived() {
    let patience = SignedDuration::from_mins(30);
    let mut world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.stock(&[("A", 5)]).await;
    sweep::run_once(&second.ctx, true).await.unwrap();
    for _ in 0..4 {
        world.time.advance(5 * MINUTE);
        world.brief().await;
    }
    world.place_plain(&[("982000021", "A", 1)]);
    world.brief().await;
    assert_eq!(world.posts("982000021"), [""; 0]);
    let why = world.why("982000021").await;
    assert!(
        why.contains("accepted orders of second were last read"),
        "{why}"
    );
    assert_eq!(
        world
            .store
            .silent_shops(patience, world.now())
            .await
            .unwrap(),
        []
    );
    world.time.advance(12 * MINUTE);
    world.brief().await;
    let silent = world
        .store
        .silent_shops(patience, world.now())
        .await
        .unwrap();
    assert_eq!(silent.len(), 1);
    assert_eq!(silent[0].shop, second.ctx.shop);
    assert_eq!(silent[0].waiting, [world.shop.ctx.shop.clone()]);
    let store = &world.store;
    store
        .waive_shop(&second.ctx.shop, true, "Aigul", world.now())
        .await
        .unwrap();
    assert_eq!(store.silent_shops(patience, world.now()).await.unwrap(), []);
    world.time.advance(MINUTE);
    world.brief().await;
    assert_eq!(
        world.posts("982000021"),
        ["accept"],
        "{}",
        world.why("982000021").await
    );
    // It is read again: the waiver has ended.
    sweep::run_once(&second.ctx, true).await.unwrap();
    let ended = store
        .waive_shop(&second.ctx.shop, false, "Aigul", world.now())
        .await;
    assert!(ended.is_err());
    drop(kaspi);
}

#[tokio::test]
async fn a_shop_of_another_stock_keeps_nothing_back() {
    let mut world = world(Settings::default()).begin().await;
    let (_kaspi, second) = world.neighbour().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("982000031", "A", 1)]);
    world.brief().await;
    assert_eq!(world.posts("982000031"), [""; 0], "never read");
    world
        .store
        .set_stock_groups(&[(&second.ctx.shop, "outlet")])
        .await
        .unwrap();
    world.time.advance(MINUTE);
    world.brief().await;
    assert_eq!(
        world.posts("982000031"),
        ["accept"],
        "{}",
        world.why("982000031").await
    );
}

/// The second shop was read, and a minute later somebody accepts four of the five units there.
async fn four_of_five_promised_unseen() -> (TestWorld, Server, ShopParts) {
    let mut world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.stock(&[("A", 5), ("B", 500)]).await;
    sweep::run_once(&second.ctx, true).await.unwrap();
    // What was not ordered lately may be ordered as a whole.
    world.neighbours.push(second);
    world.place_plain(&[("982000040", "B", 1)]);
    world.brief().await;
    assert_eq!(world.posts("982000040"), ["accept"]);
    let second = world.neighbours.remove(0);
    world.time.advance(MINUTE);
    let mut order = OrderSeed::new("982000041", world.now()).line("A", 4);
    order.pickup_point = Some("20000002_PP1".to_owned());
    assert!(kaspi.world().place(order));
    assert!(kaspi.world().cabinet_accepts("982000041", world.now()));
    world.place_plain(&[("982000042", "A", 2), ("982000043", "B", 1)]);
    (world, kaspi, second)
}

#[tokio::test]
async fn the_last_units_wait_for_a_fresh_reading_of_every_shop_of_the_stock() {
    let (world, _kaspi, second) = four_of_five_promised_unseen().await;
    world.brief().await;
    assert_eq!(world.posts("982000042"), [""; 0]);
    let why = world.why("982000042").await;
    assert!(
        why.contains("shop second: it takes the last units, and accepted orders were last read"),
        "{why}"
    );
    assert_eq!(
        world.posts("982000043"),
        ["accept"],
        "plenty is left of the other SKU"
    );
    for _ in 0..4 {
        world.time.advance(MINUTE);
        sweep::run_once(&second.ctx, true).await.unwrap();
        world.brief().await;
    }
    assert_eq!(world.posts("982000042"), ["cancel"], "one unit is left");
}

#[tokio::test]
async fn a_pass_reads_the_other_shops_that_an_order_waits_for() {
    let (mut world, _kaspi, second) = four_of_five_promised_unseen().await;
    world.neighbours.push(second);
    world.place_plain(&[("982000044", "A", 1)]);
    world.brief().await;
    assert_eq!(world.posts("982000044"), ["accept"], "one unit is left");
    assert_eq!(world.posts("982000042"), [""; 0]);
}
