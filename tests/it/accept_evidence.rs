//! What an accept rests on: readings that came late, came twice, came without lines, or were halted.

use std::time::Duration;

use qabyl::domain::ids::{OrderCode, OrderId};
use qabyl::ledger::Reading;
use qabyl::pipeline::{decide, poll, sweep};
use qabyl_sandbox::{
    DeliveryMode, EndpointKind, Fault, IncludeSupport, Method, OrderSeed, Script, Settings, State,
    Status,
};
use rstest::rstest;

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// Lists that carry no lines.
fn bare() -> Settings {
    Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    }
}

/// Somebody's order comes to be picked up at the shop, and is accepted in the cabinet.
fn taken_in_the_cabinet(world: &TestWorld, order: OrderSeed) {
    let code = order.code.clone();
    world.place(order.delivered(DeliveryMode::Pickup, false));
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts(&code, now));
}

async fn reading(world: &TestWorld, code: &str) -> Reading {
    Reading {
        order: world.view(code).await.order,
        lines: None,
        asked_at: world.now(),
        skew: None,
    }
}

/// Its lines cannot be read when it is found, and by the next look the buyer has it.
#[tokio::test]
async fn goods_that_left_before_their_lines_were_read_are_not_sold_again() {
    let mut world = world(bare()).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.once().await;
    let failing = Script::once(Fault::Http500).on(Method::Get).path("entries");
    world
        .kaspi()
        .script(failing.order("970000001").times(1_000));
    taken_in_the_cabinet(
        &world,
        OrderSeed::new("970000001", world.now()).line("A", 1),
    );
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    // Another sweep knows the order, so that the next one need not look for it.
    world.time.advance(MINUTE);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    assert!(world.view("970000001").await.lines.is_empty());
    world.kaspi().forget_scripts();
    let now = world.now();
    assert!(world.kaspi().complete("970000001", now));
    world.place_plain(&[("970000002", "A", 1), ("970000003", "B", 1)]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("970000002"), ["cancel"]);
    assert_eq!(world.posts("970000003"), ["accept"], "others go on");
    world.finish().await;
}

/// An answer without a line is as good as none: asked for again, and what it took is unknown until it is read.
#[tokio::test]
async fn an_answer_without_lines_is_asked_for_again_before_anything_is_accepted() {
    let mut world = world(bare()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.once().await;
    taken_in_the_cabinet(&world, OrderSeed::new("970000004", world.now()));
    world.place_plain(&[("970000005", "A", 1)]);
    let round = async || {
        world.time.advance(MINUTE);
        sweep::run_once(&world.shop.ctx, true).await.unwrap();
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
        world.posts("970000005").len()
    };
    for _ in 0..4 {
        assert_eq!(round().await, 0);
    }
    for _ in 0..4 {
        round().await;
    }
    assert_eq!(world.posts("970000005"), [""; 0]);
    let why = world.why("970000005").await;
    assert!(why.starts_with("hold"), "{why}");
}

/// A count between the decision and its POST shows that the units have left the shelf.
#[tokio::test]
async fn an_accept_whose_units_left_the_shelf_since_is_not_sent() {
    let world = world(Settings::default()).begin_with(&[("A", 50)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    world.place_plain(&[("970000031", "A", 1), ("970000032", "A", 1)]);
    world.poll_and_decide().await;
    for code in ["970000031", "970000032"] {
        let why = world.why(code).await;
        assert!(why.starts_with("accept"), "{why}");
    }
    world.feed(&[("A", 1)]).await;
    world.act().await;
    let posts = [world.posts("970000031"), world.posts("970000032")];
    assert_eq!(posts.concat(), ["accept"], "{posts:?}");
}

/// The answer was on its way for an hour, as when the machine was halted: what it shows was so then.
#[tokio::test]
async fn a_reading_is_dated_by_its_request() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    let order = OrderSeed::new("970000006", world.now()).line("A", 1);
    world.place(order.delivered(DeliveryMode::Pickup, false));
    poll::run_once(&world.shop.ctx).await.unwrap();
    let halted = reading(&world, "970000006").await;
    let asked_at = halted.asked_at;
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("970000006", now));
    world.time.advance(2 * MINUTE);
    let now = world.now();
    assert!(world.kaspi().complete("970000006", now));
    world.time.advance(2 * MINUTE);
    // Of two there is one left.
    world.feed(&[("A", 1)]).await;
    world.time.advance(55 * MINUTE);
    let (shop, now) = (&world.shop.ctx.shop, world.now());
    world.store.record_reading(shop, halted, now).await.unwrap();
    let seen_at = world.view("970000006").await.seen_at.as_millisecond();
    assert_eq!(
        seen_at,
        asked_at.as_millisecond(),
        "it is as old as its request"
    );
    world.place_plain(&[("970000007", "A", 1)]);
    for _ in 0..12 {
        world.later(MINUTE).await;
    }
    assert!(!world.posts("970000007").contains(&"cancel".to_owned()));
    world.feed(&[("A", 1)]).await;
    world.quiet().await;
    assert_eq!(world.posts("970000007"), ["accept"]);
}

/// A sweep is halted before its last list; an order is accepted in the cabinet in the meantime, which its first ones did not show.
#[tokio::test]
async fn units_accepted_during_a_halted_sweep_are_not_sold_again() {
    let mut world = world(Settings::default())
        .config("kaspi", "max_in_flight", "1")
        .begin()
        .await;
    world.stock(&[("A", 1)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    let lists = || world.kaspi().ledger().requests_of(EndpointKind::List);
    let before = lists();
    let hanging = Script::once(Fault::Hang).on(Method::Get).path("orders");
    let halted = async {
        while lists() < before + 4 {
            tokio::task::yield_now().await;
        }
        world.kaspi().script(hanging);
        while lists() < before + 5 {
            tokio::task::yield_now().await;
        }
        world.time.advance(2 * MINUTE);
        taken_in_the_cabinet(
            &world,
            OrderSeed::new("970000008", world.now()).line("A", 1),
        );
        world.time.advance(8 * MINUTE);
    };
    let (swept, ()) = tokio::join!(sweep::run_once(&world.shop.ctx, true), halted);
    let _ = swept;
    world.place_plain(&[("970000009", "A", 1)]);
    world.time.advance(Duration::from_secs(1));
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("970000009"), [""; 0]);
    world.quiet().await;
    assert_eq!(world.posts("970000009"), ["cancel"]);
    world.finish().await;
}

/// The courier has it, and then it is cancelled: it is on its way back, and not on the shelf.
#[tokio::test]
async fn an_order_cancelled_with_the_courier_is_not_back_on_the_shelf() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("970000010", "A", 1)]);
    world.once().await;
    assert_eq!(world.posts("970000010"), ["accept"]);
    world.time.advance(10 * MINUTE);
    let now = world.now();
    assert!(world.kaspi().hand_over("970000010", now));
    world.time.advance(MINUTE);
    let now = world.now();
    let (state, status) = (State::Archive, Status::Cancelled);
    assert!(world.kaspi().force("970000010", state, status, now));
    world.place_plain(&[("970000011", "A", 1)]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("970000011"), ["cancel"]);
}

/// It moved while the states were listed one after another: one order, and one promise.
#[tokio::test]
async fn an_order_in_two_lists_of_a_sweep_is_one_order() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    taken_in_the_cabinet(
        &world,
        OrderSeed::new("970000012", world.now()).line("A", 1),
    );
    world.once().await;
    let mut first = reading(&world, "970000012").await;
    first.lines = Some(world.view("970000012").await.lines);
    first.order.id = OrderId::new("another").unwrap();
    first.order.code = OrderCode::new("970000013").unwrap();
    let mut second = first.clone();
    second.order.state = "KASPI_DELIVERY".into();
    let (shop, now) = (&world.shop.ctx.shop, world.now());
    let both = [first, second];
    let observed = world.store.record_readings(shop, &both, now).await.unwrap();
    assert_eq!(observed.new, 1);
    assert_eq!(
        world.view("970000013").await.order.state.as_str(),
        "KASPI_DELIVERY"
    );
}

/// An ERP's clock is minutes fast: what leaves until then is not known to its count.
#[tokio::test]
async fn a_count_dated_in_the_future_counts_as_of_now() {
    let world = world(Settings::default()).begin().await;
    let ahead = world.now() + 4 * MINUTE;
    world.feed_of(&[("A", 1)], ahead).await;
    world.time.advance(2 * MINUTE);
    taken_in_the_cabinet(
        &world,
        OrderSeed::new("970000014", world.now()).line("A", 1),
    );
    world.once().await;
    let now = world.now();
    assert!(world.kaspi().complete("970000014", now));
    world.place_plain(&[("970000015", "A", 1)]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("970000015"), ["cancel"]);
}

/// Since the last sweep a person accepted an order with the last unit.
#[rstest]
#[case::of_half_a_minute_ago(MINUTE / 2)]
#[case::of_just_now(Duration::from_secs(2))]
#[tokio::test]
async fn the_last_units_wait_for_a_sweep_begun_after_the_order_was_seen(#[case] ago: Duration) {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1), ("B", 1), ("C", 100)]).await;
    // What was never ordered may be ordered as a whole.
    world.place_plain(&[("970000020", "C", 1)]);
    world.once().await;
    world.time.advance(ago);
    taken_in_the_cabinet(
        &world,
        OrderSeed::new("970000021", world.now()).line("A", 1),
    );
    let waiting = [
        ("970000022", "A", 1),
        ("970000023", "B", 1),
        ("970000024", "C", 1),
    ];
    world.place_plain(&waiting);
    poll::run_once(&world.shop.ctx).await.unwrap();
    let report = decide::run_once(&world.shop.ctx).await.unwrap();
    assert!(report.wants_sweep);
    world.act().await;
    assert_eq!(world.posts("970000024"), ["accept"], "there are plenty");
    assert_eq!(world.posts("970000023"), [""; 0]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("970000022"), ["cancel"]);
    assert_eq!(world.posts("970000023"), ["accept"]);
    world.finish().await;
}

/// A proposal that stands is not taken back and made again with each sweep.
#[tokio::test]
async fn a_proposal_of_the_last_units_is_made_once() {
    let mut world = world(Settings::default())
        .config("shops", "mode", "\"propose\"")
        .begin()
        .await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("970000025", "A", 1)]);
    world.poll_and_decide().await;
    for _ in 0..4 {
        world.time.advance(MINUTE / 2);
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.poll_and_decide().await;
    }
    let why = world.why("970000025").await;
    assert!(why.starts_with("accept"), "{why}");
    let rows = world
        .store
        .audit_rows(Some("970000025"), 100)
        .await
        .unwrap();
    let decided = rows.iter().filter(|row| row.event == "order.decided");
    assert_eq!(decided.count(), 1);
}

/// Lines asked for while their order was new are those of an accepted order when they come, if somebody accepted it
/// in between.
#[tokio::test]
async fn lines_are_judged_by_the_current_status_of_their_order() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000024", "A", 1)]);
    let failing = Script::once(Fault::Http500).on(Method::Get).path("entries");
    world.kaspi().script(failing.times(1_000));
    poll::run_once(&world.shop.ctx).await.unwrap();
    let asked = world.view("970000024").await.order;
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("970000024", now));
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    assert_eq!(
        world.view("970000024").await.order.status.as_str(),
        "ACCEPTED_BY_MERCHANT"
    );
    world.kaspi().forget_scripts();
    let lines = world.shop.ctx.reader.lines(&asked.id).await.unwrap();
    let (shop, now) = (&world.shop.ctx.shop, world.now());
    let read = [(asked, Ok(lines))];
    let stored = world.store.record_lines(shop, (&read, None), now, now);
    stored.await.unwrap();
    // Nobody reads it again before the next order is decided.
    world.place_plain(&[("970000023", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("970000023"), [""; 0]);
    world.finish().await;
}
