//! Orders on their way to the deadline: reported in time, handed to a person or accepted at the last call.

use std::time::Duration;

use qabyl::pipeline::alert;
use qabyl_sandbox::{Fault, IncludeSupport, OrderSeed, Script, Settings};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const LATER: &str = "[[rule]]\nname = \"later\"\nthen = { wait = \"5m\" }\n";
const CODE: &str = "910000001";

/// One order of one unit, of which five are there, that a rule lets wait for ever.
async fn waiting(at_deadline: &str) -> TestWorld {
    let world = world(Settings::default())
        .config("schedule", "at_deadline", at_deadline)
        .rules(LATER)
        .begin_with(&[("A", 5)])
        .await;
    world.place_plain(&[(CODE, "A", 1)]);
    world.brief().await;
    world
}

async fn reported(world: &TestWorld) -> usize {
    alert::run_once(&world.shop.ctx).await.unwrap()
}

/// Decisions written about an order.
async fn decisions(world: &TestWorld, code: &str) -> usize {
    let rows = world.store.audit_rows(Some(code), 10_000).await.unwrap();
    let decided = rows.iter().filter(|row| row.event == "order.decided");
    decided.count()
}

#[tokio::test]
async fn at_the_last_call_a_wait_becomes_a_persons() {
    let world = waiting("\"hold\"").await;
    world.time.advance(2 * HOUR + 49 * MINUTE);
    world.poll_and_decide().await;
    assert!(
        world.why(CODE).await.starts_with("wait"),
        "{}",
        world.why(CODE).await
    );
    assert_eq!(
        reported(&world).await,
        1,
        "an hour before the deadline at the latest"
    );
    world.time.advance(MINUTE);
    world.poll_and_decide().await;
    assert!(
        world.why(CODE).await.starts_with("hold"),
        "{}",
        world.why(CODE).await
    );
    let written = decisions(&world, CODE).await;
    for _ in 0..3 {
        world.time.advance(MINUTE);
        world.poll_and_decide().await;
    }
    assert_eq!(
        decisions(&world, CODE).await,
        written,
        "nothing new is written"
    );
    assert!(world.posts(CODE).is_empty());
    world.finish().await;
}

/// Its entries fail for ever: a person gets it while there is time, with the cause.
#[tokio::test]
async fn an_order_whose_lines_cannot_be_requested_is_held_before_its_deadline() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let world = world(settings).begin_with(&[("A", 5)]).await;
    world.place_plain(&[(CODE, "A", 1)]);
    let failing = Script::once(Fault::Http500).path("/entries").order(CODE);
    world.kaspi().script(failing.times(100_000));
    world.brief().await;
    for _ in 0..16 {
        world.time.advance(10 * MINUTE);
        world.brief().await;
    }
    assert_eq!(
        world.why(CODE).await,
        "undecided",
        "they are asked for until then"
    );
    world.time.advance(10 * MINUTE);
    world.brief().await;
    let why = world.why(CODE).await;
    assert!(
        why.starts_with("hold") && why.contains("requests for them failed"),
        "{why}"
    );
    assert_eq!(
        world
            .store
            .held_now(&world.shop.ctx.shop)
            .await
            .unwrap()
            .len(),
        1
    );
    // Kaspi answers at last: it is decided after all.
    world.kaspi().forget_scripts();
    world.time.advance(MINUTE);
    world.brief().await;
    assert_eq!(world.posts(CODE), ["accept"]);
}

#[tokio::test]
async fn at_the_last_call_a_wait_is_accepted_where_the_merchant_says_so() {
    let world = waiting("\"accept_waiting\"").await;
    world.place_plain(&[("910000002", "UNKNOWN", 1)]);
    world.brief().await;
    world.time.advance(2 * HOUR + 49 * MINUTE);
    world.brief().await;
    assert!(world.posts(CODE).is_empty());
    world.time.advance(2 * MINUTE);
    world.brief().await;
    assert_eq!(world.posts(CODE), ["accept"]);
    assert!(world.posts("910000002").is_empty(), "its stock is unknown");
    assert!(world.why("910000002").await.starts_with("hold"));
    world.finish().await;
}

#[tokio::test]
async fn a_persons_hold_is_not_overruled() {
    let world = waiting("\"accept_all\"").await;
    let id = world.view(CODE).await.order.id;
    let now = world.now();
    let shop = &world.shop.ctx.shop;
    world
        .store
        .hold_order(shop, &id, "the buyer will call", "person", now)
        .await
        .unwrap();
    world.time.advance(2 * HOUR + 55 * MINUTE);
    world.brief().await;
    assert!(world.posts(CODE).is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_night_and_a_holiday_do_not_count() {
    // It is Monday, 11:00; the world is asked at 17:30, and Tuesday is a holiday.
    let world = world(Settings {
        deadline: None,
        ..Settings::default()
    })
    .config("schedule", "hours", "\"mon-fri 09:00-18:00\"")
    .config("schedule", "holidays", "\"2026-03-03\"")
    .config("interlocks", "stock_max_age", "\"off\"")
    .rules(LATER)
    .begin()
    .await;
    world.time.advance(6 * HOUR + 30 * MINUTE);
    world.place(OrderSeed::new(CODE, world.now()).line("A", 1));
    world.brief().await;
    // 2 h 30 min of Wednesday are left: an hour before that is 10:30.
    world.time.advance(40 * HOUR + 58 * MINUTE);
    assert_eq!(reported(&world).await, 0, "Wednesday, 10:28");
    world.time.advance(3 * MINUTE);
    assert_eq!(reported(&world).await, 1, "Wednesday, 10:31");
    let schedule = &world.shop.ctx.policy().limits.schedule;
    let view = world.view(CODE).await;
    let left = schedule.left(&view.order, world.now());
    assert_eq!(left.as_mins(), 58, "{left:#}");
    world.finish().await;
}

/// A rule that asks for a count decides again when its answer changes, and writes nothing while it stays.
#[tokio::test]
async fn counts_of_the_shop_bring_a_decision_only_when_the_answer_changes() {
    const BUSY: &str = "[[rule]]\nname = \"busy\"\nwhen = { shop_accepted_last_hour = { over = 1 } }\n\
                        then = \"hold\"\n[[rule]]\nname = \"rest\"\nthen = \"accept\"\n";
    let world = world(Settings {
        deadline: None,
        ..Settings::default()
    })
    .rules(BUSY)
    .begin_with(&[("A", 50)])
    .await;
    let codes = ["910000001", "910000002", "910000003"];
    for code in codes {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.brief().await;
    // Counted within the pass: the third meets two.
    let posts = codes.map(|code| world.posts(code).len());
    assert_eq!(posts, [1, 1, 0]);
    assert!(world.why(codes[2]).await.starts_with("hold by 'busy'"));
    for number in 0..5 {
        world.place_plain(&[(&format!("92000000{number}"), "A", 1)]);
        world.time.advance(5 * MINUTE);
        world.poll_and_decide().await;
    }
    assert_eq!(
        decisions(&world, codes[2]).await,
        1,
        "the counts moved, the answer did not"
    );
    world.time.advance(40 * MINUTE);
    world.brief().await;
    assert_eq!(world.posts(codes[2]), ["accept"]);
    assert_eq!(decisions(&world, codes[2]).await, 2);
    world.finish().await;
}

/// A machine whose clock is wrong by hours: decisions, alerts and messages agree on the deadline, which is Kaspi's.
#[rstest::rstest]
#[case::ahead(2 * 3600)]
#[case::behind(-2 * 3600)]
#[tokio::test]
async fn the_deadline_is_by_kaspis_clock_everywhere(#[case] wrong_by: i64) {
    let world = world(Settings::default())
        .config("schedule", "at_deadline", "\"hold\"")
        .rules(LATER)
        .begin()
        .await;
    world.feed(&[("A", 5)]).await;
    world.set_clock(wrong_by);
    let at_kaspi = world.now() - jiff::SignedDuration::from_secs(wrong_by);
    world.place(OrderSeed::new(CODE, at_kaspi).line("A", 1));
    world.brief().await;
    // An hour before the deadline nobody has decided and nobody is alarmed; ten minutes before it both are.
    world.time.advance(HOUR + 55 * MINUTE);
    world.poll_and_decide().await;
    let why = world.why(CODE).await;
    assert!(why.starts_with("wait"), "{why}");
    assert_eq!(reported(&world).await, 0, "more than an hour is left");
    world.time.advance(10 * MINUTE);
    assert_eq!(reported(&world).await, 1, "less than an hour is left");
    world.time.advance(46 * MINUTE);
    world.poll_and_decide().await;
    let why = world.why(CODE).await;
    assert!(why.starts_with("hold"), "{why}");
}

#[tokio::test]
async fn a_wait_that_goes_on_is_one_decision() {
    let world = world(Settings::default())
        .rules(&LATER.replace("5m", "10s"))
        .begin()
        .await;
    world.feed(&[("A", 5)]).await;
    world.place_plain(&[(CODE, "A", 1)]);
    for _ in 0..30 {
        world.poll_and_decide().await;
        world.time.advance(MINUTE / 4);
    }
    assert_eq!(decisions(&world, CODE).await, 1);
}
