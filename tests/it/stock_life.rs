//! Units through their life: reserved once, released, taken by people, departed with the courier.

use std::time::Duration;

use qabyl::domain::verdict::Verdict;
use qabyl::pipeline::{decide, poll, sweep};
use qabyl_sandbox::{
    DeliveryMode, Fault, IncludeSupport, Method, OrderSeed, Script, Settings, State, Status,
};

use crate::world::{start, world};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_last_units_go_to_as_many_orders_as_there_are() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let codes: Vec<String> = (0..20).map(|n| format!("9100000{n:02}")).collect();
    for code in &codes {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.brief().await;
    assert_eq!(world.kaspi().units_promised_by_sku()["A"], 5);
    // Two buyers of accepted orders change their minds before the others are cancelled.
    let accepted: Vec<String> = world
        .kaspi()
        .ledger()
        .accepted_codes()
        .into_iter()
        .collect();
    let now = world.now();
    for code in &accepted[..2] {
        assert!(world.kaspi().buyer_cancels(code, now));
    }
    world.later(2 * MINUTE).await;
    world.quiet().await;
    assert_eq!(
        world.kaspi().ledger().accepted_codes().len(),
        7,
        "released units are sold again"
    );
    assert_eq!(world.kaspi().units_promised_by_sku()["A"], 5);
    world.finish().await;
}

/// Orders come over several polls while buyers change their minds, and some wait in line: exactly the
/// units that there are get sold, and each that comes back goes to the next in line.
#[tokio::test]
async fn units_given_back_go_to_the_next_in_line_until_none_is_left() {
    let mut world = world(Settings::default())
        .config("interlocks", "cancel_confirm_after", "\"30m\"")
        .begin()
        .await;
    world.stock(&[("A", 5)]).await;
    let mut sold_in_all = 0;
    for wave in 0..5 {
        for n in 0..4 {
            world.place_plain(&[(&format!("91010{wave}00{n}"), "A", 1)]);
        }
        world.brief().await;
        world.time.advance(MINUTE);
        let accepted = world.kaspi().ledger().accepted_codes();
        assert_eq!(
            world.kaspi().units_promised_by_sku()["A"],
            (4 * (wave + 1)).min(5)
        );
        assert!(accepted.len() >= sold_in_all);
        sold_in_all = accepted.len();
        // The oldest buyer that has a unit gives it back, and the oldest in line gets it.
        if wave == 2 || wave == 3 {
            let now = world.now();
            let all = world.views().await;
            let has = |view: &&qabyl::store::OrderView| {
                view.order.status.as_str() == "ACCEPTED_BY_MERCHANT"
            };
            let mut holders: Vec<_> = all.iter().filter(has).collect();
            holders.sort_by_key(|view| view.order.created_at);
            let waits = |view: &&qabyl::store::OrderView| view.order.awaits_merchant();
            let next = all
                .iter()
                .filter(waits)
                .min_by_key(|view| view.order.created_at)
                .unwrap();
            assert!(
                world
                    .kaspi()
                    .buyer_cancels(holders[0].order.code.as_str(), now)
            );
            world.time.advance(2 * MINUTE);
            world.brief().await;
            let next = next.order.code.as_str();
            assert_eq!(
                world.at_kaspi(next),
                "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT",
                "{next}"
            );
            assert_eq!(world.kaspi().units_promised_by_sku()["A"], 5);
        }
    }
    world.quiet().await;
    assert_eq!(world.kaspi().units_promised_by_sku()["A"], 5);
    assert_eq!(world.kaspi().ledger().accepted_codes().len(), 7);
    assert_eq!(world.kaspi().ledger().cancelled_codes_by_api().len(), 13);
    world.finish().await;
}

#[tokio::test]
async fn a_shortage_is_seen_twice_before_it_cancels() {
    let mut world = world(Settings::default())
        .config("interlocks", "cancel_confirm_after", "\"10m\"")
        .begin()
        .await;
    world.stock(&[("A", 0)]).await;
    world.place_plain(&[("920000001", "A", 1)]);
    world.shop.ctx.store.totals(None).await.unwrap();
    let first = world.now();
    world.once().await;
    let posts = world.kaspi().ledger().posts_for("920000001");
    assert_eq!(posts.len(), 1, "{posts:?}");
    assert!(
        posts[0].at.duration_since(first).as_secs() >= 600,
        "{posts:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn goods_that_arrive_before_the_cancel_save_the_order() {
    let mut world = world(Settings::default())
        .config("interlocks", "cancel_confirm_after", "\"10m\"")
        .rules("[[rule]]\nname = \"short\"\nwhen = { any_line = { shortage = { over = 0 } } }\nthen = { cancel = \"MERCHANT_OUT_OF_STOCK\", comment = \"Нет в наличии\" }\n\n[[rule]]\nname = \"rest\"\nthen = \"accept\"\n")
        .begin()
        .await;
    world.stock(&[("A", 0)]).await;
    world.place_plain(&[("920000002", "A", 1)]);
    world.poll_and_decide().await;
    assert!(
        world.why("920000002").await.starts_with("wait"),
        "{}",
        world.why("920000002").await
    );
    world.stock(&[("A", 1)]).await;
    world.later(15 * MINUTE).await;
    assert_eq!(world.posts("920000002"), ["accept"]);
    world.finish().await;
}

#[tokio::test]
async fn orders_accepted_in_the_cabinet_take_their_units() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    let mut order = OrderSeed::new("930000001", start()).line("A", 2);
    order.auto_accepted = true;
    world.place(order);
    world.time.advance(MINUTE);
    world.place_plain(&[("930000002", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("930000001"), [""; 0]);
    assert_eq!(world.posts("930000002"), ["cancel"]);
    world.finish().await;
}

#[tokio::test]
async fn an_accept_stays_here_when_its_unit_was_taken_since_it_was_decided() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("930000003", "A", 1)]);
    world.poll_and_decide().await;
    assert!(world.why("930000003").await.starts_with("accept"));
    // Seconds later accepted orders are read, and one of them has the unit.
    let mut other = OrderSeed::new("930000004", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.time.advance(Duration::from_secs(2));
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("930000003"), [""; 0]);
    world.quiet().await;
    assert_eq!(world.posts("930000003"), ["cancel"]);
    world.finish().await;
}

#[tokio::test]
async fn a_lost_accept_is_not_repeated_once_its_unit_is_taken() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("930000005", "A", 1)]);
    let lost = Script::once(Fault::DropBefore).on(Method::Post);
    world.kaspi().script(lost.order("930000005"));
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("930000005"), ["accept"]);
    let mut other = OrderSeed::new("930000006", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.later(5 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("930000005"), ["accept"], "not again");
    let held = world.view("930000005").await.held;
    assert!(held.is_some(), "a person is notified");
    // That person has no other unit either.
    let now = world.now();
    assert!(world.kaspi().cabinet_cancels("930000005", now));
    world.later(2 * MINUTE).await;
    world.finish().await;
}

#[tokio::test]
async fn the_buyer_or_a_person_comes_first() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 9), ("B", 0)]).await;
    world.place_plain(&[
        ("940000001", "A", 1),
        ("940000002", "B", 1),
        ("940000003", "A", 1),
    ]);
    world.poll_and_decide().await;
    let now = world.now();
    world.kaspi().buyer_cancels("940000001", now);
    world.kaspi().cabinet_accepts("940000002", now);
    world.kaspi().cabinet_cancels("940000003", now);
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(
        world.posts("940000002"),
        [""; 0],
        "never cancel what a person accepted"
    );
    for code in ["940000001", "940000003"] {
        assert!(world.posts(code).len() <= 1, "{:?}", world.posts(code));
    }
    let level = &world.levels().await[0];
    assert_eq!(
        level.promised.confirmed + level.promised.in_doubt,
        0,
        "{level:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_refused_accept_is_held_and_reserves_again_when_released() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("980000001", "A", 1)]);
    world.poll_and_decide().await;
    // Kaspi says no for a while, as it does for an order in some state of its own.
    let now = world.now();
    let closed = Status::Other("UNDER_REVIEW".to_owned());
    world.kaspi().force("980000001", State::New, closed, now);
    world.act().await;
    let now = world.now();
    world
        .kaspi()
        .force("980000001", State::New, Status::ApprovedByBank, now);
    world.later(5 * MINUTE).await;
    assert_eq!(world.posts("980000001").len(), 1, "a no is not argued with");
    let held = world
        .view("980000001")
        .await
        .held
        .expect("held for a person");
    assert!(held.1.contains("refused"), "{held:?}");
    let (shop, id) = world.store.find_order("980000001", None).await.unwrap();
    let now = world.now();
    world
        .store
        .release_order(&shop, &id, "person", now)
        .await
        .unwrap();
    world.later(MINUTE).await;
    assert_eq!(
        world.at_kaspi("980000001"),
        "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT"
    );
    world.finish().await;
}

#[tokio::test]
async fn an_order_near_its_deadline_is_reported_once() {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[("990000001", "UNKNOWN", 1)]);
    world.brief().await;
    let alert = async || {
        qabyl::pipeline::alert::run_once(&world.shop.ctx)
            .await
            .unwrap()
    };
    assert_eq!(alert().await, 0, "two hours are left");
    world.time.advance(Duration::from_hours(2));
    assert_eq!(alert().await, 1);
    assert_eq!(alert().await, 0, "once");
    let rows = world
        .store
        .audit_rows(Some("990000001"), 100)
        .await
        .unwrap();
    let alert = rows.iter().find(|row| row.event == "order.deadline_near");
    assert!(alert.unwrap().detail.contains("unknown stock"), "{alert:?}");
}

#[tokio::test]
async fn an_order_released_after_a_manual_decision_is_decided_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    let express = OrderSeed {
        express: true,
        ..OrderSeed::new("980000002", world.now()).line("A", 1)
    };
    world.place(express);
    world.poll_and_decide().await;
    assert!(world.why("980000002").await.starts_with("hold"));
    let (shop, id) = world.store.find_order("980000002", None).await.unwrap();
    let input = world.shop.ctx.deciding_input();
    let (store, now) = (&world.store, world.now());
    let accept = Verdict::Accept;
    let word = store.order_by_person(&shop, &id, &accept, &input, "person", now);
    word.await.unwrap();
    store
        .hold_order(&shop, &id, "let me look", "person", now)
        .await
        .unwrap();
    store
        .release_order(&shop, &id, "person", now)
        .await
        .unwrap();
    world.later(MINUTE).await;
    let why = world.why("980000002").await;
    assert!(why.starts_with("hold"), "the rule holds it again: {why}");
    assert_eq!(world.posts("980000002"), [""; 0]);
}

#[tokio::test]
async fn a_cancel_in_doubt_goes_to_a_person() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 0)]).await;
    world.place_plain(&[("980000003", "A", 1)]);
    let lost = Script::once(Fault::DropBefore).on(Method::Post);
    world.kaspi().script(lost);
    world.poll_and_decide().await;
    world.time.advance(2 * MINUTE);
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("980000003"), ["cancel"]);
    // A unit is counted that may have left already with an order the shop brings itself.
    let own = OrderSeed::new("980000004", world.now()).line("A", 1);
    let mut own = own.delivered(DeliveryMode::Local, false);
    own.auto_accepted = true;
    world.place(own);
    world.time.advance(MINUTE);
    world.stock(&[("A", 1)]).await;
    for _ in 0..20 {
        world.later(MINUTE).await;
    }
    assert_eq!(world.posts("980000003"), ["cancel"]);
    let held = world.view("980000003").await.held;
    assert!(held.is_some(), "a person is notified");
}

/// An order that waited is missing from the list, and it was not read since: it may have the unit.
#[tokio::test]
async fn an_accept_waits_for_an_order_that_just_left_the_list() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    let express = OrderSeed {
        express: true,
        ..OrderSeed::new("930000007", world.now()).line("A", 1)
    };
    world.place(express);
    world.poll_and_decide().await;
    world.place_plain(&[("930000008", "A", 1)]);
    world.poll_and_decide().await;
    assert!(world.why("930000008").await.starts_with("accept"));
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("930000007", now));
    world.time.advance(Duration::from_secs(2));
    poll::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("930000008"), [""; 0]);
    world.later(2 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("930000008"), ["cancel"]);
    world.finish().await;
}

/// Long after accepted orders were last read, somebody may have taken the unit of an accept that was lost.
#[tokio::test]
async fn a_lost_accept_is_not_repeated_on_an_old_sweep() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("930000009", "A", 1)]);
    let lost = Script::once(Fault::DropBefore).on(Method::Post);
    world.kaspi().script(lost.order("930000009"));
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("930000009"), ["accept"]);
    let mut other = OrderSeed::new("930000010", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.time.advance(10 * MINUTE);
    poll::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("930000009"), ["accept"], "not again");
}

/// Kaspi lists an order that was accepted elsewhere, and asks to wait each time its lines are wanted: what it
/// took is unknown however long that lasts, and nothing else is promised in the meantime.
#[tokio::test]
async fn an_order_that_could_not_be_read_holds_its_goods() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1)]).await;
    world.once().await;
    let mut other = OrderSeed::new("930000011", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    let busy = Script::once(Fault::Http429).on(Method::Get).path("entries");
    world.kaspi().script(busy.order("930000011").times(1_000));
    world.place_plain(&[("930000012", "A", 1)]);
    for _ in 0..10 {
        sweep::run_once(&world.shop.ctx, true).await.unwrap();
        world.time.advance(2 * MINUTE);
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
    }
    assert_eq!(world.posts("930000012"), [""; 0]);
    world.kaspi().forget_scripts();
    world.later(2 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("930000012"), ["cancel"]);
    world.finish().await;
}
