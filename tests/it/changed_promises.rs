//! Promises whose order is understood otherwise than when they were made: a map of SKUs that changed, an SKU that is
//! listed itself, a pickup point that moved. What may be taken is not promised again, and what may be there is not
//! cancelled.

use std::time::Duration;

use jiff::SignedDuration;
use qabyl::domain::ids::Sku;
use qabyl::store::PartRow;
use qabyl_sandbox::{OrderSeed, Settings};
use rstest::rstest;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

impl TestWorld {
    async fn map(&self, rows: &[(&str, &str, i64)]) {
        let rows: Vec<PartRow> = rows
            .iter()
            .map(|(sku, part, each)| PartRow {
                stock: String::new(),
                sku: Sku::new(*sku).unwrap(),
                part: Sku::new(*part).unwrap(),
                each: *each,
            })
            .collect();
        let now = self.now();
        self.store.map_stock("", &rows, "test", now).await.unwrap();
    }

    /// Some passes, in which what can be decided is decided.
    async fn passes(&self) {
        for _ in 0..4 {
            self.later(3 * MINUTE).await;
        }
    }

    async fn places(&self, code: &str, sku: &str, units: u32) -> Vec<String> {
        self.place(OrderSeed::new(code, self.now()).line(sku, units));
        self.passes().await;
        self.posts(code)
    }
}

/// What becomes of the first order's goods before the map changes.
#[derive(Clone, Copy, PartialEq)]
enum Goods {
    Promised,
    Left,
}

/// A world in which `code` of `sku` was accepted in the cabinet, and its goods are promised, or left since the count.
async fn sold(
    levels: &[(&str, u32)],
    map: &[(&str, &str, i64)],
    (sku, goods): (&str, Goods),
) -> TestWorld {
    let mut world = world(Settings::default()).begin().await;
    world.stock(levels).await;
    world.map(map).await;
    world.once().await;
    let mut first = OrderSeed::new("981000001", world.now()).line(sku, 1);
    first.auto_accepted = true;
    world.place(first);
    world.later(2 * MINUTE).await;
    if goods == Goods::Left {
        let now = world.now();
        assert!(world.kaspi().hand_over("981000001", now));
        world.later(2 * MINUTE).await;
        assert!(
            world
                .kaspi()
                .complete("981000001", now + SignedDuration::from_secs(60))
        );
        world.later(2 * MINUTE).await;
    }
    world
}

const NOTHING: [&str; 0] = [];
const ACCEPT: [&str; 1] = ["accept"];
const CANCEL: [&str; 1] = ["cancel"];

#[rstest]
#[tokio::test]
async fn an_alias_that_is_added_takes_what_its_sku_was_sold_as(
    #[values(Goods::Promised, Goods::Left)] goods: Goods,
) {
    let world = sold(&[("A", 2)], &[], ("AL", goods)).await;
    world.map(&[("AL", "A", 1)]).await;
    assert_eq!(world.places("981000002", "A", 2).await, NOTHING);
    let why = world.why("981000002").await;
    assert!(
        why.contains("promised before the map of SKUs changed"),
        "{why}"
    );
    // The shelf is counted without goods that left; what is promised still lies there.
    world.feed(&[("A", 2)]).await;
    world.passes().await;
    let of_left = if goods == Goods::Left {
        &ACCEPT
    } else {
        &NOTHING[..]
    };
    assert_eq!(world.posts("981000002"), of_left);
}

#[rstest]
#[tokio::test]
async fn an_alias_that_is_removed_keeps_what_was_promised_by_it(
    #[values(Goods::Promised, Goods::Left)] goods: Goods,
) {
    let world = sold(&[("A", 2)], &[("AL", "A", 1)], ("AL", goods)).await;
    world.map(&[]).await;
    assert_eq!(world.places("981000002", "A", 2).await, NOTHING);
    assert_eq!(world.places("981000003", "A", 1).await, ACCEPT);
}

/// A kit that is packed and counted is itself, whatever the map says; once it is counted no longer, its parts count.
#[rstest]
#[tokio::test]
async fn a_kit_that_is_mapped_beside_its_own_level_keeps_what_it_was_sold_as(
    #[values(Goods::Promised, Goods::Left)] goods: Goods,
) {
    let world = sold(&[("SET", 1), ("A", 2)], &[], ("SET", goods)).await;
    world.map(&[("SET", "A", 2)]).await;
    assert_eq!(world.places("981000002", "SET", 1).await, CANCEL);
    assert_eq!(world.places("981000003", "A", 2).await, ACCEPT);
}

#[rstest]
#[tokio::test]
async fn a_kit_whose_parts_change_takes_the_old_ones_and_the_new_ones(
    #[values(Goods::Promised, Goods::Left)] goods: Goods,
) {
    let levels = [("A", 2), ("B", 1), ("C", 1)];
    let parts = [("SET", "A", 2), ("SET", "B", 1)];
    let world = sold(&levels, &parts, ("SET", goods)).await;
    world
        .map(&[("SET", "A", 1), ("SET", "B", 1), ("SET", "C", 1)])
        .await;
    // One of the two is taken by both maps; the other one, and C, by one of them.
    assert_eq!(world.places("981000002", "A", 2).await, CANCEL);
    assert_eq!(world.places("981000003", "A", 1).await, NOTHING);
    assert_eq!(world.places("981000004", "B", 1).await, CANCEL);
    assert_eq!(world.places("981000005", "C", 1).await, NOTHING);
}

#[rstest]
#[case::promised(Goods::Promised)]
#[case::left(Goods::Left)]
#[tokio::test]
async fn a_kit_that_is_listed_itself_may_have_been_taken_from_its_parts(#[case] goods: Goods) {
    let world = sold(&[("A", 2)], &[("SET", "A", 2)], ("SET", goods)).await;
    world.feed(&[("SET", 1)]).await;
    let listed_since = goods == Goods::Left;
    let of_set = world.places("981000002", "SET", 1).await;
    if listed_since {
        assert_eq!(of_set, ACCEPT, "what left before is not in its count");
    } else {
        assert_eq!(of_set, NOTHING);
    }
    assert_eq!(world.places("981000003", "A", 1).await, NOTHING);
}

/// An order that is amended after the map changed still holds what it was packed with.
#[tokio::test]
async fn an_amended_order_gives_nothing_up_that_an_older_map_took() {
    let world = sold(
        &[("A", 1), ("B", 5)],
        &[("AL", "A", 1)],
        ("AL", Goods::Promised),
    )
    .await;
    world.map(&[("AL", "B", 1)]).await;
    assert!(world.kaspi().amend("981000001", &[("AL", 2)]));
    world.passes().await;
    assert_eq!(world.places("981000002", "A", 1).await, NOTHING);
    assert_eq!(world.places("981000003", "B", 4).await, NOTHING);
    assert_eq!(world.places("981000004", "B", 3).await, ACCEPT);
}

/// Until another reading shows the same point, the goods lie at the one or at the other.
#[tokio::test]
async fn an_order_that_moves_holds_its_units_at_both_points_until_it_is_read_again() {
    let world = world(Settings::default()).begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    let mut first = OrderSeed::new("981000001", world.now()).line("A", 1);
    first.pickup_point = Some("10000001_PP1".to_owned());
    world.place(first);
    world.once().await;
    assert_eq!(world.posts("981000001"), ACCEPT);
    world.later(2 * MINUTE).await;
    assert!(world.kaspi().move_to("981000001", "10000001_PP2"));
    let at = |code: &str, point: &str| {
        let mut order = OrderSeed::new(code, world.now()).line("A", 1);
        order.pickup_point = Some(point.to_owned());
        order
    };
    world.place(at("981000002", "10000001_PP1"));
    world.place(at("981000003", "10000001_PP2"));
    world.poll_and_decide().await;
    for code in ["981000002", "981000003"] {
        let why = world.why(code).await;
        assert!(why.contains("its pickup point moved"), "{why}");
    }
    world.quiet().await;
    assert_eq!(world.posts("981000002"), ACCEPT);
    assert_eq!(world.posts("981000003"), CANCEL);
}

/// The source has taken the order off at the point that it left: it says nothing yet of the one that it came to.
#[tokio::test]
async fn an_order_that_moves_after_the_source_took_it_off_is_in_doubt_at_both_points() {
    let world = world(Settings::default()).config("stock", "semantics", "\"available\"");
    let world = world.begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    let at = |code: &str, point: &str| {
        let mut order = OrderSeed::new(code, world.now()).line("A", 1);
        order.pickup_point = Some(point.to_owned());
        order
    };
    world.place(at("981000001", "10000001_PP1"));
    world.once().await;
    assert_eq!(world.posts("981000001"), ACCEPT);
    world.later(2 * MINUTE).await;
    world.feed_at("PP1", &[("A", 0)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    world.time.advance(MINUTE);
    assert!(world.kaspi().move_to("981000001", "10000001_PP2"));
    world.place(at("981000002", "10000001_PP1"));
    world.place(at("981000003", "10000001_PP2"));
    world.poll_and_decide().await;
    for code in ["981000002", "981000003"] {
        let why = world.why(code).await;
        assert!(why.contains("its pickup point moved"), "{why}");
    }
    world.later(30 * MINUTE).await;
    // The unit of the first point is free and listed as taken; that of the second is taken and listed as free.
    assert_eq!(world.posts("981000002"), NOTHING);
    assert_eq!(world.posts("981000003"), NOTHING);
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 0)]).await;
    world.quiet().await;
    assert_eq!(world.posts("981000002"), ACCEPT);
    assert_eq!(world.posts("981000003"), CANCEL);
}

/// The order comes back to a point whose source has put its unit back: it was taken off there, and is not any more.
#[tokio::test]
async fn an_order_that_comes_back_after_the_source_put_it_back_is_in_doubt_there() {
    let world = world(Settings::default()).config("stock", "semantics", "\"available\"");
    let world = world.begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    let at_first = |code: &str| {
        let mut order = OrderSeed::new(code, world.now()).line("A", 1);
        order.pickup_point = Some("10000001_PP1".to_owned());
        order
    };
    world.place(at_first("981000001"));
    world.once().await;
    assert_eq!(world.posts("981000001"), ACCEPT);
    world.later(2 * MINUTE).await;
    world.time.advance(30 * MINUTE);
    assert!(world.kaspi().move_to("981000001", "10000001_PP2"));
    world.poll_and_decide().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 0)]).await;
    world.place(at_first("981000002"));
    world.poll_and_decide().await;
    assert_eq!(world.posts("981000002"), NOTHING);
    assert!(world.kaspi().move_to("981000001", "10000001_PP1"));
    world.later(2 * MINUTE).await;
    world.later(2 * MINUTE).await;
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("981000002"), NOTHING);
}

/// A replica that lags shows the old point again: that is no second reading of the new one.
#[tokio::test]
async fn an_order_that_moves_to_and_fro_stays_in_doubt() {
    let world = world(Settings::default()).begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    world.place(OrderSeed::new("981000001", world.now()).line("A", 1));
    world.once().await;
    for (n, point) in ["PP2", "PP1", "PP2"].into_iter().enumerate() {
        let point = format!("10000001_{point}");
        assert!(world.kaspi().move_to("981000001", &point));
        world.later(2 * MINUTE).await;
        let levels = world.levels().await;
        let doubts: Vec<i64> = levels.iter().map(|level| level.promised.in_doubt).collect();
        assert_eq!(doubts, [1, 1], "{n}");
    }
    world.later(2 * MINUTE).await;
    let levels = world.levels().await;
    let held = levels
        .iter()
        .map(|level| (level.promised.confirmed, level.promised.in_doubt));
    assert_eq!(held.collect::<Vec<_>>(), [(0, 0), (1, 0)]);
}

/// The goods leave before another reading shows the point: either level may lack them.
#[tokio::test]
async fn goods_of_an_order_that_moved_and_left_are_in_doubt_until_the_next_count() {
    let world = world(Settings::default()).begin().await;
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 1)]).await;
    world.place(OrderSeed::new("981000001", world.now()).line("A", 1));
    world.once().await;
    world.later(2 * MINUTE).await;
    let now = world.now();
    assert!(world.kaspi().move_to("981000001", "10000001_PP2"));
    assert!(world.kaspi().complete("981000001", now));
    world.passes().await;
    let doubts = |levels: &[qabyl::ledger::StockView]| -> Vec<i64> {
        levels.iter().map(|level| level.promised.in_doubt).collect()
    };
    assert_eq!(doubts(&world.levels().await), [1, 1]);
    world.feed_at("PP1", &[("A", 1)]).await;
    world.feed_at("PP2", &[("A", 0)]).await;
    assert_eq!(doubts(&world.levels().await), [0, 0]);
}
