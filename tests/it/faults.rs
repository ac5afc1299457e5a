//! Every fault of the sandbox, alone and together: orders end right, and nothing is sent twice.

use std::time::Duration;

use qabyl::domain::action::{OutcomeKind, State};
use qabyl_sandbox::{Fault, Method, OrderSeed, Script, Settings};
use rstest::rstest;

use crate::migrations::look_into;
use crate::world::{TestWorld, start, world};

/// Faults, a seed, and the POSTs that one action may use: the product's own limit, or more where a run of
/// bad luck is not the subject.
async fn shop_patient(faults: &str, seed: u64, attempts_max: u32) -> TestWorld {
    let settings = Settings {
        seed,
        faults: faults.parse().unwrap(),
        ..Settings::default()
    };
    let mut world = world(settings)
        .config("kaspi", "request_timeout", "\"300ms\"")
        .config("kaspi", "connect_timeout", "\"300ms\"")
        .config("actions", "attempts_max", &attempts_max.to_string())
        .begin()
        .await;
    world.stock(&[("A", 8), ("B", 3), ("C", 0)]).await;
    for number in 0..24_u32 {
        let at = start() - Duration::from_secs(u64::from(100 - number));
        let sku = ["A", "B", "C"][number as usize % 3];
        world.place(OrderSeed::new(&format!("91{number:07}"), at).line(sku, 1));
    }
    world
}

async fn shop(faults: &str, seed: u64) -> TestWorld {
    shop_patient(faults, seed, 5).await
}

/// Until the faults stop, passes follow one another as the daemon's would.
async fn through(world: TestWorld) {
    for _ in 0..6 {
        world.later(Duration::from_mins(1)).await;
    }
    world.quiet().await;
    {
        let kaspi = world.kaspi();
        let ledger = kaspi.ledger();
        assert_eq!(ledger.accepted_codes().len(), 8 + 3, "every unit is sold");
        assert_eq!(ledger.cancelled_codes_by_api().len(), 24 - 11);
    }
    world.finish().await;
}

#[rstest]
#[case::dropped_before("post:drop_before=0.25")]
#[case::dropped_after("post:drop_after=0.25")]
#[case::hung("post:hang=0.15")]
#[case::snoozed("http_429=0.3")]
#[case::broken("http_500=0.2")]
#[case::broken_after_effect("post:http_500_after=0.25")]
#[case::bad_gateway("http_502_html=0.2")]
#[case::html("html_200=0.2")]
#[case::cut("truncated=0.2")]
#[case::no_effect("post:no_effect=0.25")]
#[case::late_effect("post:late_effect=0.5")]
#[case::lists_lost("get:drop_before=0.2")]
#[case::swarm(
    "drop_before=0.05,drop_after=0.05,http_429=0.05,http_500=0.05,html_200=0.05,truncated=0.05,post:no_effect=0.1,post:late_effect=0.1"
)]
#[tokio::test]
async fn orders_end_right_under(#[case] faults: &str) {
    through(shop_patient(faults, 11, 20).await).await;
}

#[tokio::test]
async fn a_lost_reply_is_read_back_and_not_sent_again() {
    let world = shop("", 1).await;
    let code = "910000000";
    let lost = Script::once(Fault::DropAfter).on(Method::Post).order(code);
    world.kaspi().script(lost);
    world.once().await;
    assert_eq!(world.posts(code), ["accept"]);
    let view = world.view(code).await;
    let outcomes: Vec<_> = view.actions[0]
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, [Some(OutcomeKind::Unknown)]);
    assert_eq!(view.actions[0].state, State::Confirmed);
    through(world).await;
}

#[tokio::test]
async fn a_request_without_effect_goes_to_a_person() {
    let world = shop("", 1).await;
    let code = "910000000";
    let dead = Script::once(Fault::NoEffect).order(code).times(100);
    world.kaspi().script(dead);
    for _ in 0..30 {
        world.later(Duration::from_mins(4)).await;
    }
    let posts = world.posts(code);
    assert_eq!(posts.len(), 5, "attempts_max: {posts:?}");
    assert!(posts.iter().all(|kind| kind == "accept"), "{posts:?}");
    assert_eq!(world.store.totals(None).await.unwrap().stuck, 1);
    // Only now it works: a person's doing in the cabinet is seen and ends the action.
    let now = world.now();
    world.kaspi().cabinet_accepts(code, now);
    world.later(Duration::from_mins(2)).await;
    assert_eq!(world.store.totals(None).await.unwrap().stuck, 0);
    assert_eq!(
        world.view(code).await.order.status.as_str(),
        "ACCEPTED_BY_MERCHANT"
    );
}

/// A request that may still take effect is not repeated because the clock of this machine ran ahead.
#[tokio::test]
async fn a_clock_that_jumps_ahead_repeats_no_request_early() {
    let world = shop("", 1).await;
    let code = "910000000";
    let late = Script::once(Fault::NoEffect).on(Method::Post).order(code);
    world.kaspi().script(late);
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts(code), ["accept"]);
    world.time.advance(Duration::from_mins(1));
    world.set_clock(10 * 60);
    for _ in 0..2 {
        world.poll_and_decide().await;
        world.act().await;
    }
    assert_eq!(
        world.posts(code),
        ["accept"],
        "the settle time is 3 minutes"
    );
    world.time.advance(Duration::from_mins(3));
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts(code), ["accept"; 2]);
}

/// A process that is killed during each of its POSTs sends no more of them than one that lives.
#[tokio::test]
async fn requests_that_a_kill_cut_off_count() {
    let world = shop("", 1).await;
    let code = "910000000";
    let dead = Script::once(Fault::NoEffect).order(code).times(100);
    world.kaspi().script(dead);
    for _ in 0..30 {
        world.later(Duration::from_mins(4)).await;
        let mut inside = look_into(world.store.path()).await;
        sqlx::raw_sql(
            "UPDATE attempts SET ended_at = NULL, outcome = NULL, detail = NULL
             WHERE action_id IN (SELECT id FROM actions WHERE closed_at IS NULL AND needs_person = 0)",
        )
        .execute(&mut inside)
        .await
        .unwrap();
    }
    assert_eq!(world.posts(code), ["accept"; 5]);
    assert_eq!(world.store.totals(None).await.unwrap().stuck, 1);
}

#[tokio::test]
async fn an_outage_is_not_an_empty_list() {
    let world = shop("", 1).await;
    world.kaspi().set_down(true);
    let summary = world.once().await;
    assert!(summary.failing.is_some(), "{summary:?}");
    assert_eq!(summary.decided, 0);
    world.kaspi().set_down(false);
    through(world).await;
}

#[tokio::test]
async fn a_shop_whose_writes_are_refused_stops_and_asks_again_later() {
    let world = shop("", 1).await;
    let refused = Script::once(Fault::Http403).on(Method::Post).times(20);
    world.kaspi().script(refused);
    let posts = || {
        let kaspi = world.kaspi();
        let rows = kaspi.ledger().requests().iter();
        rows.filter(|row| row.write.is_some()).count()
    };
    world.poll_and_decide().await;
    world.act().await;
    let first = posts();
    assert!(
        (1..=8).contains(&first),
        "as many as were under way: {first}"
    );
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(posts(), first, "lists that go well let no write through");
    through(world).await;
}

/// However many requests wait, Kaspi gets no more within any second than the rate allows (KASPI_API §6).
#[tokio::test]
async fn no_second_has_more_requests_than_the_rate_allows() {
    let mut world = world(Settings::default())
        .config("kaspi", "rate_per_second", "4")
        .config("kaspi", "max_in_flight", "1")
        .begin()
        .await;
    world.stock(&[("A", 100)]).await;
    for _ in 0..3 {
        world.later(Duration::from_mins(2)).await;
    }
    let kaspi = world.kaspi();
    let requests: Vec<_> = kaspi.ledger().requests().iter().map(|row| row.at).collect();
    assert!(requests.len() > 15, "{}", requests.len());
    for five in requests.windows(5) {
        let took = five[4].duration_since(five[0]);
        assert!(took >= jiff::SignedDuration::from_secs(1), "{five:?}");
    }
}

/// A row that was changed from outside, or a fault of the code, stops one order and no other.
#[tokio::test]
async fn an_impossible_step_of_one_action_stops_no_other_order() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 9)]).await;
    world.time.advance(Duration::from_mins(2));
    world.place_plain(&[("910000101", "A", 1), ("910000102", "A", 1)]);
    let mut inside = look_into(world.store.path()).await;
    // Its POST leaves, and its row says that none is under way.
    sqlx::query(
        "CREATE TRIGGER changed_from_outside AFTER UPDATE OF state ON actions WHEN NEW.state = 'sent'
           AND NEW.order_id = (SELECT id FROM orders WHERE code = '910000101')
         BEGIN UPDATE actions SET state = 'pending' WHERE id = NEW.id; END",
    )
    .execute(&mut inside)
    .await
    .unwrap();
    world.once().await;
    let other = world.view("910000102").await;
    assert_eq!(other.actions.len(), 1);
    assert_eq!(other.actions[0].state, State::Confirmed);
    let view = world.view("910000101").await;
    let (_, why) = view.held.expect("it is left to a person");
    assert!(why.contains("contradicts what happened"), "{why}");
    world.later(Duration::from_mins(10)).await;
    assert_eq!(world.posts("910000101"), ["accept"], "it is not repeated");
    let facts_sent: Vec<String> =
        sqlx::query_scalar("SELECT facts FROM notices WHERE kind = 'order.held'")
            .fetch_all(&mut inside)
            .await
            .unwrap();
    assert!(
        facts_sent.iter().any(|facts| facts.contains("910000101")),
        "{facts_sent:?}"
    );
}
