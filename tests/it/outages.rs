//! Outages: orders that people accepted, handed over and completed while Qabyl did not read.

use std::time::Duration;

use qabyl::pipeline::{decide, poll, sweep};
use qabyl_sandbox::{
    DeliveryMode, EndpointKind, Fault, IncludeSupport, LineSeed, Method, OfferForm, OrderSeed,
    Script, Settings, State, Status,
};
use rstest::rstest;

use crate::world::{Described, TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// Somebody's order comes, is accepted in the cabinet and handed over at the counter.
fn sold_over_the_counter(world: &TestWorld, code: &str, sku: &str) {
    units_sold_over_the_counter(world, code, (sku, 1));
}

fn units_sold_over_the_counter(world: &TestWorld, code: &str, (sku, units): (&str, u32)) {
    let order = OrderSeed::new(code, world.now()).line(sku, units);
    world.place(order.delivered(DeliveryMode::Pickup, false));
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts(code, now));
    world.time.advance(10 * MINUTE);
    let now = world.now();
    assert!(world.kaspi().complete(code, now));
}

/// From now on the archive is not served.
fn the_archive_fails(world: &TestWorld) {
    let script = Script::once(Fault::Http500).on(Method::Get);
    let script = script.state(State::Archive).times(10_000);
    world.kaspi().script(script);
}

/// Somebody's order of an A, placed so many hours ago, is approved, accepted and handed over within seconds.
fn sold_at_once(world: &TestWorld, code: &str, hours: u32) {
    let now = world.now();
    let order = OrderSeed::new(code, now - hours * 60 * MINUTE).line("A", 1);
    world.place(order.delivered(DeliveryMode::Pickup, false).visible_at(now));
    world.time.advance(Duration::from_secs(5));
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts(code, now));
    world.time.advance(Duration::from_secs(5));
    let now = world.now();
    assert!(world.kaspi().complete(code, now));
}

/// The last unit was sold while the daemon was down: it is not promised again.
#[rstest]
#[case::lines_come_with_the_list(IncludeSupport::Yes)]
#[case::lines_are_asked_for(IncludeSupport::Ignored)]
#[tokio::test]
async fn units_sold_during_an_outage_are_not_sold_again(#[case] include_support: IncludeSupport) {
    let settings = Settings {
        include_support,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.once().await;
    world.time.advance(60 * MINUTE);
    sold_over_the_counter(&world, "960000001", "A");
    world.place_plain(&[("960000002", "A", 1), ("960000003", "B", 1)]);
    world.later(60 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("960000002"), ["cancel"]);
    assert_eq!(world.posts("960000003"), ["accept"], "others go on");
    world.finish().await;
}

/// A world whose last A was sold during a pause, and where each request for the lines of that order fails so.
async fn sold_without_lines(fault: Fault) -> TestWorld {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.once().await;
    world.time.advance(60 * MINUTE);
    sold_over_the_counter(&world, "960000010", "A");
    let script = Script::once(fault).on(Method::Get).path("entries");
    world
        .kaspi()
        .script(script.order("960000010").times(100_000));
    world.place_plain(&[("960000011", "A", 1), ("960000012", "B", 1)]);
    for _ in 0..10 {
        world.time.advance(MINUTE);
        sweep::run_once(&world.shop.ctx, true).await.unwrap();
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
    }
    world
}

/// Kaspi asks to wait with the lines: nothing is promised before they are read.
#[tokio::test]
async fn lines_of_orders_sold_in_an_outage_are_waited_for() {
    let world = sold_without_lines(Fault::Http429).await;
    assert_eq!(world.posts("960000011"), [""; 0]);
    world.kaspi().forget_scripts();
    world.later(2 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("960000011"), ["cancel"]);
    assert_eq!(world.posts("960000012"), ["accept"]);
    world.finish().await;
}

/// Of which goods they were is not known, however often they are asked for: the next count shows it.
#[tokio::test]
async fn lines_that_cannot_be_read_hold_up_accepts_until_the_next_count() {
    let mut world = sold_without_lines(Fault::Http500).await;
    assert_eq!(world.posts("960000012"), [""; 0]);
    let why = world.why("960000012").await;
    assert!(why.starts_with("hold"), "{why}");
    world.stock(&[("B", 1)]).await;
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("960000012"), ["accept"]);
    assert_eq!(world.posts("960000011"), [""; 0]);
}

/// Nor does an order that is on its way to being cancelled, whose lines nobody asks for.
#[tokio::test]
async fn orders_being_cancelled_are_not_waited_for() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.place_plain(&[("960000013", "A", 1), ("960000014", "B", 1)]);
    let now = world.now();
    let (state, status) = (State::KaspiDelivery, Status::Cancelling);
    assert!(world.kaspi().force("960000013", state, status, now));
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("960000014"), ["accept"]);
}

/// The same between the first count and the first start.
#[tokio::test]
async fn units_sold_before_the_first_start_are_not_sold_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    sold_over_the_counter(&world, "960000004", "A");
    world.place_plain(&[("960000005", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("960000005"), ["cancel"]);
    world.finish().await;
}

/// A count made after the goods left knows of them: nothing is taken off twice. Of one made in between, while
/// nobody looked, only the next count says whether it did.
#[tokio::test]
async fn units_sold_before_the_count_are_counted_once() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    world.once().await;
    world.time.advance(60 * MINUTE);
    sold_over_the_counter(&world, "960000006", "A");
    world.time.advance(MINUTE);
    world.feed(&[("A", 1)]).await;
    world.place_plain(&[("960000007", "A", 1)]);
    world.later(MINUTE).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("960000007"), [""; 0]);
    world.feed(&[("A", 1)]).await;
    world.quiet().await;
    assert_eq!(world.posts("960000007"), ["accept"]);
}

/// Goods that were linked to a SKU only when they had left were on the shelf until then, and are not now.
#[tokio::test]
async fn goods_linked_after_departure_are_counted_as_departed() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.time.advance(10 * MINUTE);
    let order = OrderSeed::new("960000008", world.now()).line("A", 1);
    let unlinked = LineSeed {
        offer: OfferForm::Unlinked,
        ..LineSeed::new("B", 1)
    };
    let order = order.with_line(unlinked);
    world.place(order.delivered(DeliveryMode::Pickup, false));
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("960000008", now));
    world.once().await;
    assert!(world.kaspi().complete("960000008", now));
    world.time.advance(MINUTE);
    world.once().await;
    world.time.advance(60 * MINUTE);
    // Whatever is linked once is linked for all orders.
    world.place_plain(&[("960000009", "B", 1)]);
    world.later(60 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("960000009"), ["cancel"]);
    world.finish().await;
}

/// An order placed long before the pause may have been approved in it, and before the last count too.
#[tokio::test]
async fn units_approved_during_an_outage_are_not_sold_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.once().await;
    world.time.advance(60 * MINUTE);
    let now = world.now();
    let order = OrderSeed::new("960000015", now - 30 * 60 * MINUTE).line("A", 1);
    world.place(order.delivered(DeliveryMode::Pickup, false).visible_at(now));
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("960000015", now));
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().complete("960000015", now));
    world.place_plain(&[("960000016", "A", 1)]);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("960000016"), ["cancel"]);
    world.finish().await;
}

/// An order of a long pause that the last count still had on the shelf: where a courier's date says that
/// it left since, its units have departed, and where none does, nobody promises or cancels before the next count.
#[rstest]
#[case::the_courier_has_it(true, 3, &["cancel"])]
#[case::without_a_departure_date(false, 3, &[])]
#[case::nor_after_a_day_and_more(false, 30, &[])]
#[tokio::test]
async fn departures_after_a_count_in_the_outage_are_counted(
    #[case] by_courier: bool,
    #[case] hours: u32,
    #[case] posts: &[&str],
) {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.once().await;
    world.time.advance(60 * MINUTE);
    let mode = if by_courier {
        DeliveryMode::Local
    } else {
        DeliveryMode::Pickup
    };
    let order = OrderSeed::new("960000017", world.now()).line("A", 1);
    world.place(order.delivered(mode, by_courier));
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("960000017", now));
    world.time.advance(hours * 60 * MINUTE);
    world.feed(&[("A", 1)]).await;
    world.time.advance(10 * MINUTE);
    let now = world.now();
    if by_courier {
        assert!(world.kaspi().hand_over("960000017", now));
    }
    assert!(world.kaspi().complete("960000017", now));
    world.place_plain(&[("960000018", "A", 1)]);
    for _ in 0..3 {
        world.later(20 * MINUTE).await;
    }
    assert_eq!(world.posts("960000018"), posts);
    world.feed(&[("A", 0)]).await;
    world.quiet().await;
    assert_eq!(world.posts("960000018"), ["cancel"]);
}

/// What was over before the shelf was counted is not asked for its lines, however much of it there is.
#[tokio::test]
async fn orders_older_than_the_count_are_not_read() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    for code in ["960000020", "960000021", "960000022"] {
        sold_over_the_counter(&world, code, "A");
    }
    world.time.advance(60 * MINUTE);
    world.stock(&[("A", 1)]).await;
    sold_over_the_counter(&world, "960000023", "A");
    world.once().await;
    let asked = world.kaspi().ledger().requests_of(EndpointKind::Entries);
    assert_eq!(asked, 1, "only what was sold since");
}

/// Between two sweeps too somebody may accept an order and be done with it, as in a restart: the last units
/// are not promised before the archive was looked at. What was placed long ago is found while the archive is short.
#[rstest]
#[case::just_placed(0, IncludeSupport::Yes, 0)]
#[case::placed_long_ago(48, IncludeSupport::Yes, 0)]
#[case::lines_are_asked_for(0, IncludeSupport::Ignored, 0)]
#[case::lines_are_not_told_at_once(0, IncludeSupport::Ignored, 8)]
#[tokio::test]
async fn orders_that_came_and_went_between_sweeps_are_counted(
    #[case] hours: u32,
    #[case] include_support: IncludeSupport,
    #[case] lines_missing_for: u32,
) {
    let settings = Settings {
        include_support,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.later(2 * MINUTE).await;
    sold_at_once(&world, "960000030", hours);
    let script = Script::once(Fault::Http500).on(Method::Get).path("entries");
    world
        .kaspi()
        .script(script.order("960000030").times(lines_missing_for));
    world.place_plain(&[("960000031", "A", 1), ("960000032", "B", 1)]);
    world.later(Duration::from_secs(5)).await;
    world.quiet().await;
    assert_eq!(world.posts("960000031"), ["cancel"]);
    assert_eq!(world.posts("960000032"), ["accept"], "others go on");
    world.finish().await;
}

/// An accept may rest on a sweep that nobody asked for: that knows of such an order too.
#[tokio::test]
async fn a_scheduled_sweep_finds_orders_that_came_and_went() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.later(2 * MINUTE).await;
    sold_at_once(&world, "960000033", 0);
    world.time.advance(MINUTE);
    let swept = sweep::run_once(&world.shop.ctx, false).await.unwrap();
    assert!(swept.swept);
    world.time.advance(Duration::from_secs(3));
    world.place_plain(&[("960000034", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("960000034"), [""; 0]);
    world.quiet().await;
    assert_eq!(world.posts("960000034"), ["cancel"]);
    world.finish().await;
}

/// Where the archive alone cannot be listed, buyers' cancels are read all the same, and of goods of which many are
/// left as many are promised as ever; the last ones wait.
#[tokio::test]
async fn a_failing_archive_does_not_stop_the_sweep() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2), ("B", 100)]).await;
    // B was ordered lately, by ones: nobody takes a hundred at once.
    world.place_plain(&[("960000034", "B", 1), ("960000035", "A", 1)]);
    world.once().await;
    assert_eq!(world.posts("960000035"), ["accept"]);
    the_archive_fails(&world);
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().buyer_cancels("960000035", now));
    world.place_plain(&[("960000036", "A", 1), ("960000037", "B", 1)]);
    for _ in 0..10 {
        world.time.advance(MINUTE);
        world.brief().await;
    }
    let order = world.view("960000035").await.order;
    assert_eq!(order.status.as_str(), "CANCELLED");
    assert_eq!(world.posts("960000036"), [""; 0]);
    let why = world.why("960000037").await;
    assert_eq!(world.posts("960000037"), ["accept"], "{why}");
    world.kaspi().forget_scripts();
    world.quiet().await;
    assert_eq!(world.posts("960000036"), ["accept"]);
    world.finish().await;
}

/// After an outage it is unknown how much was sold: before the archive is read nothing is promised, however
/// much there was.
#[tokio::test]
async fn nothing_is_accepted_before_an_outage_is_read() {
    let mut world = world(Settings::default()).begin().await;
    // An accept of the last units would wait for the archive in any case: there are many, and few are ordered at once.
    world.stock(&[("A", 500)]).await;
    world.place_plain(&[("960000399", "A", 1)]);
    world.once().await;
    world.later(MINUTE).await;
    world.time.advance(60 * MINUTE);
    units_sold_over_the_counter(&world, "960000400", ("A", 499));
    the_archive_fails(&world);
    world.place_plain(&[("960000038", "A", 1)]);
    for _ in 0..5 {
        world.time.advance(2 * MINUTE);
        let _ = sweep::run_once(&world.shop.ctx, true).await;
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
    }
    assert_eq!(world.posts("960000038"), [""; 0]);
    world.kaspi().forget_scripts();
    world.quiet().await;
    assert_eq!(world.posts("960000038"), ["cancel"]);
    world.finish().await;
}

/// However long the archive is, its newest orders are looked at in one request: those placed within the last
/// hour, or a page of them.
#[tokio::test]
async fn a_page_of_the_archive_is_listed_between_two_sweeps() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1_000)]).await;
    world.once().await;
    for number in 0..150 {
        sold_over_the_counter(&world, &format!("{}", 960_000_100 + number), "A");
    }
    world.later(MINUTE).await;
    let before = world.kaspi().ledger().requests_of(EndpointKind::List);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    assert_eq!(
        world.kaspi().ledger().requests_of(EndpointKind::List) - before,
        5
    );
}

/// The first sweep reads the archive of a fortnight, a day at a time. While sweeps follow each other one page of it is
/// listed: it is long.
#[tokio::test]
async fn the_whole_archive_is_listed_only_after_an_outage() {
    let counted = counted(world(Settings::default())).await;
    let mut archive = Vec::new();
    for pause in [0, 2, 60, 2, 2, 4].map(|minutes| minutes * MINUTE) {
        archive.push(archive_lists(&counted, pause).await);
    }
    assert_eq!(archive, [15, 1, 4, 1, 1, 4], "a day at a time");
}

/// The archive of a fortnight before the count and of the one since takes longer to list than a pause may last, and is
/// listed once all the same.
#[tokio::test]
async fn a_slow_archive_is_not_an_outage() {
    let slow = world(Settings::default()).config("kaspi", "rate_per_second", "0.05");
    let counted = counted(slow).await;
    let mut archive = Vec::new();
    for pause in [14 * 24 * 60 * MINUTE, MINUTE] {
        archive.push(archive_lists(&counted, pause).await);
    }
    assert_eq!(archive, [29, 1]);
}

/// A world in which goods are counted: where they are not the archive is never listed.
async fn counted(described: Described) -> TestWorld {
    let mut world = described.begin().await;
    world.stock(&[("A", 1)]).await;
    world
}

/// Lists of the archive in a pass after so long a pause.
async fn archive_lists(world: &TestWorld, pause: Duration) -> usize {
    world.time.advance(pause);
    let before = world.kaspi().ledger().requests_total();
    world.once().await;
    let kaspi = world.kaspi();
    let since = kaspi.ledger().requests().iter().skip(before);
    since
        .filter(|request| request.state.as_deref() == Some("ARCHIVE"))
        .count()
}
