//! More orders wait than one pass looks at: those behind them are decided and reported all the same.

use std::time::Duration;

use qabyl::pipeline::alert;
use qabyl_sandbox::{EntriesForm, IncludeSupport, OrderSeed, Settings};
use rstest::rstest;

use crate::world::{Described, TestWorld, world};

/// A batch is 1 000 orders.
const IN_FRONT: u32 = 1_010;
const LATER: &str = "{ wait = \"5m\" }";
const FIRST: &str = "900000001";
const LAST: &str = "990000001";

/// A shop where orders of `SLOW` stay in the queue, as `then` says, express ones are held, and the rest is
/// accepted.
fn shop(then: &str) -> Described {
    let settings = Settings {
        include_support: IncludeSupport::Yes,
        entries_form: EntriesForm::Data,
        deadline: None,
        ..Settings::default()
    };
    world(settings)
        .config("interlocks", "stock_max_age", "\"off\"")
        .rules(&format!(
            "[[rule]]\nname = \"express\"\nwhen = {{ express = true }}\nthen = \"hold\"\n\
             [[rule]]\nname = \"slow\"\nwhen = {{ any_line = {{ sku = \"SLOW\" }} }}\nthen = {then}\n\
             [[rule]]\nname = \"rest\"\nthen = \"accept\"\n"
        ))
}

/// The orders that stay, all of one moment, so that a batch ends among equals.
fn place_slow(world: &TestWorld) {
    for number in 0..IN_FRONT {
        let code = format!("{}", 950_000_000 + number);
        world.place(OrderSeed::new(&code, world.now()).line("SLOW", 1));
    }
    world.time.advance(Duration::from_secs(1));
}

/// Rows of the audit log with this event.
async fn rows(world: &TestWorld, code: Option<&str>, event: &str) -> usize {
    let rows = world.store.audit_rows(code, 100_000).await.unwrap();
    rows.iter().filter(|row| row.event == event).count()
}

#[rstest]
#[case::wait(LATER)]
#[case::are_held("\"hold\"")]
#[tokio::test]
async fn an_order_behind_a_thousand_that_stay_is_decided(#[case] then: &str) {
    let mut world = shop(then).begin().await;
    world.stock(&[("SLOW", 5), ("A", 5)]).await;
    place_slow(&world);
    world.place_plain(&[(LAST, "A", 1)]);
    world.brief().await;
    assert_eq!(world.posts(LAST), ["accept"]);
    let all = IN_FRONT as usize + 1;
    assert_eq!(
        rows(&world, None, "order.decided").await,
        all,
        "each is decided, and none twice"
    );
    // One that comes while there is no news of the others.
    world.time.advance(Duration::from_mins(1));
    world.place_plain(&[("990000002", "A", 1)]);
    world.brief().await;
    assert_eq!(world.posts("990000002"), ["accept"]);
    assert_eq!(rows(&world, None, "order.decided").await, all + 1);
    world.finish().await;
}

/// What a dry run proposes leaves no promise behind; the orders of the next batch meet it all the same.
#[tokio::test]
async fn a_dry_run_proposes_no_unit_twice_over_a_thousand_orders() {
    let mut world = shop(LATER)
        .config("shops", "mode", "\"propose\"")
        .begin()
        .await;
    world.stock(&[("SLOW", 5), ("A", 1)]).await;
    world.place_plain(&[(FIRST, "A", 1)]);
    place_slow(&world);
    world.place_plain(&[(LAST, "A", 1)]);
    for _ in 0..2 {
        world.poll_and_decide().await;
        let (first, last) = (world.why(FIRST).await, world.why(LAST).await);
        assert!(first.starts_with("accept"), "{first}");
        assert!(
            last.starts_with("wait") && last.contains("StockAvailable"),
            "{last}"
        );
        world.time.advance(Duration::from_mins(1));
    }
}

/// A night lies before the deadlines of those in front; the hour of an express order runs.
#[tokio::test]
async fn an_express_order_behind_a_thousand_at_night_is_reported() {
    let mut world = shop(LATER)
        .config("schedule", "hours", "\"mon-fri 09:00-18:00\"")
        .begin()
        .await;
    world.stock(&[("SLOW", 5), ("A", 5)]).await;
    // It is Monday, 11:00.
    world.time.advance(Duration::from_mins(6 * 60 + 30));
    place_slow(&world);
    world.time.advance(Duration::from_mins(150));
    let now = world.now();
    world.place(OrderSeed {
        express: true,
        ..OrderSeed::new(LAST, now).line("A", 1)
    });
    world.brief().await;
    let reported = alert::run_once(&world.shop.ctx).await.unwrap();
    assert_eq!(reported, 1);
    let near = "order.deadline_near";
    assert_eq!(rows(&world, Some(LAST), near).await, 1);
    assert_eq!(alert::run_once(&world.shop.ctx).await.unwrap(), 0);
    // On Tuesday their time comes, over more than one batch, once each.
    world.time.advance(Duration::from_hours(15));
    let reported = alert::run_once(&world.shop.ctx).await.unwrap();
    assert_eq!(
        reported,
        IN_FRONT as usize + 1,
        "and the express one is past its hour"
    );
    assert_eq!(alert::run_once(&world.shop.ctx).await.unwrap(), 0);
    world.finish().await;
}
