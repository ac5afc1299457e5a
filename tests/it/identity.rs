//! A shop is a merchant account, not a name in the configuration: no order gets two answers, and nothing is lost when
//! a shop is renamed or its token is another's.

use std::time::Duration;

use qabyl::domain::ids::{OrderId, ShopName};
use qabyl::pipeline::{self, poll, sweep};
use qabyl::runtime::build::ShopParts;
use qabyl::runtime::once;
use qabyl_sandbox::{OrderSeed, Server, Settings};
use tokio_util::sync::CancellationToken;

use crate::cli::Desk;
use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND_POINT: &str = "20000002_PP1";

fn seed(world: &TestWorld, code: &str, point: Option<&str>) -> OrderSeed {
    let mut order = OrderSeed::new(code, world.now()).line("A", 1);
    order.pickup_point = point.map(str::to_owned);
    order
}

async fn pass(shop: &ShopParts) {
    let stop = CancellationToken::new();
    once::run((shop, &[]), Duration::from_secs(20), &stop)
        .await
        .unwrap();
}

fn posts(kaspi: &Server, code: &str) -> usize {
    kaspi.world().ledger().posts_for(code).len()
}

async fn mismatch(world: &TestWorld, shop: &str) -> Option<String> {
    let shop = ShopName::new(shop).unwrap();
    world.store.shop_state(&shop).await.unwrap().mismatch
}

/// Two shops, each with its own account, that have read an order of theirs.
async fn two_shops(points: bool) -> (TestWorld, Server, ShopParts) {
    let mut world = world(Settings::default()).begin().await;
    let (kaspi, second) = world.neighbour().await;
    world.stock(&[("A", 100), ("B", 0)]).await;
    world.place(seed(&world, "970000101", points.then_some("10000001_PP1")));
    let order = seed(&world, "970000201", points.then_some(SECOND_POINT));
    assert!(kaspi.world().place(order));
    world.once().await;
    pass(&second).await;
    assert_eq!(posts(&kaspi, "970000201"), 1, "each shop works");
    (world, kaspi, second)
}

/// The token files of two shops are exchanged: nothing is sent for either, until each shows its own orders again.
#[tokio::test]
async fn exchanged_tokens_stop_both_shops() {
    for points in [true, false] {
        let (world, kaspi, second) = two_shops(points).await;
        let first_on_second = world.shop_at("main", &kaspi).await;
        let second_on_first = world.shop_at("second", &world.server).await;
        for code in ["970000102", "970000103"] {
            world.place(seed(&world, code, points.then_some("10000001_PP1")));
        }
        let order = seed(&world, "970000202", points.then_some(SECOND_POINT));
        assert!(kaspi.world().place(order));
        for _ in 0..3 {
            world.time.advance(2 * MINUTE);
            pass(&first_on_second).await;
            pass(&second_on_first).await;
        }
        for code in ["970000102", "970000103"] {
            assert_eq!(world.posts(code), [""; 0], "points: {points}");
        }
        assert_eq!(posts(&kaspi, "970000202"), 0, "points: {points}");
        for shop in ["main", "second"] {
            let why = mismatch(&world, shop).await.unwrap();
            assert!(why.contains("token"), "{why}");
        }
        if !points {
            continue;
        }
        // The tokens are put back.
        for _ in 0..2 {
            world.time.advance(2 * MINUTE);
            world.once().await;
            pass(&second).await;
        }
        assert_eq!(mismatch(&world, "main").await, None);
        assert_eq!(mismatch(&world, "second").await, None);
        assert_eq!(world.posts("970000102"), ["accept"]);
        assert_eq!(posts(&kaspi, "970000202"), 1);
        world.finish().await;
        kaspi.shutdown().await;
    }
}

/// A shop whose token is exchanged keeps what it knew: its own orders are not taken for lost.
#[tokio::test]
async fn orders_of_another_shop_are_not_stored() {
    let (world, kaspi, _) = two_shops(true).await;
    let first_on_second = world.shop_at("main", &kaspi).await;
    world.time.advance(2 * MINUTE);
    let before = world.views().await.len();
    pass(&first_on_second).await;
    pass(&first_on_second).await;
    assert_eq!(world.views().await.len(), before);
    let shop = ShopName::new("main").unwrap();
    let failing = world.store.lists_failing(&shop).await.unwrap();
    assert!(failing.is_some(), "its lists do not count as read");
    kaspi.shutdown().await;
}

/// Two names for one account: at most one of them ever answers an order, and both stop.
#[tokio::test]
async fn two_names_for_one_account_never_answer_one_order_twice() {
    for point in [Some("10000001_PP1"), None] {
        let mut world = world(Settings::default()).begin().await;
        let twin = world.shop_at("twin", &world.server).await;
        world.stock(&[("A", 1)]).await;
        world.place(seed(&world, "970000301", point));
        world.time.advance(MINUTE);
        poll::run_once(&world.shop.ctx).await.unwrap();
        let _ = poll::run_once(&twin.ctx).await;
        sweep::run_once(&world.shop.ctx, true).await.unwrap();
        let _ = sweep::run_once(&twin.ctx, true).await;
        for _ in 0..3 {
            world.time.advance(2 * MINUTE);
            world.once().await;
            pass(&twin).await;
        }
        assert_eq!(world.posts("970000301"), [""; 0]);
        for shop in ["main", "twin"] {
            assert!(mismatch(&world, shop).await.is_some(), "{shop}");
        }
    }
}

/// The order of another merchant is not accepted, whatever the stock.
#[tokio::test]
async fn an_order_of_another_merchant_is_held() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 10)]).await;
    world.place(seed(&world, "970000401", Some("10000001_PP1")));
    world.once().await;
    world.place(seed(&world, "970000402", Some(SECOND_POINT)));
    world.place(seed(&world, "970000403", Some("Merchant_00005678")));
    world.place(seed(&world, "970000404", None));
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("970000402"), [""; 0]);
    let why = world.why("970000402").await;
    assert!(
        why.contains("20000002") && why.contains("10000001"),
        "{why}"
    );
    // What names no merchant is the shop's own.
    assert_eq!(world.posts("970000403"), ["accept"]);
    assert_eq!(world.posts("970000404"), ["accept"]);
    assert_eq!(mismatch(&world, "main").await, None, "one is no mismatch");
}

/// Only orders of another merchant: the token is another's.
#[tokio::test]
async fn several_orders_of_another_merchant_stop_the_shop() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 10)]).await;
    world.place(seed(&world, "970000501", Some("10000001_PP1")));
    world.once().await;
    let other = world.neighbour().await.0;
    let main = world.shop_at("main", &other).await;
    for code in ["970000502", "970000503", "970000504"] {
        let order = seed(&world, code, Some(SECOND_POINT));
        assert!(other.world().place(order));
    }
    // Nothing names a merchant: it would be accepted, were the shop not stopped.
    assert!(other.world().place(seed(&world, "970000505", None)));
    world.time.advance(2 * MINUTE);
    pass(&main).await;
    let why = mismatch(&world, "main").await.unwrap();
    assert!(why.contains("20000002"), "{why}");
    assert_eq!(posts(&other, "970000505"), 0);
    other.shutdown().await;
}

/// An order that reached a second shop's row before the shops were told apart gets one answer, and no other.
#[tokio::test]
async fn an_order_under_two_shops_gets_one_answer() {
    let mut world = world(Settings::default()).begin().await;
    let twin = world.shop_at("twin", &world.server).await;
    world.stock(&[("A", 9)]).await;
    pass(&twin).await;
    world.place(seed(&world, "970000601", None));
    world.poll_and_decide().await;
    assert_eq!(world.view("970000601").await.actions.len(), 1);
    // As a build before this one left it: the same order under both names.
    let mut database = crate::migrations::look_into(world.store.path()).await;
    sqlx::raw_sql(
        "INSERT INTO orders (shop, id, code, state, status, created_at, body, first_seen_at, seen_at, listed_at,
           lines_state, lines_due_at, lines_digest)
         SELECT 'twin', id, code, state, status, created_at, body, first_seen_at, seen_at, listed_at, lines_state,
           lines_due_at, lines_digest FROM orders;
         INSERT INTO lines (shop, order_id, entry, number, sku, quantity, body)
         SELECT 'twin', order_id, entry, number, sku, quantity, body FROM lines;
         INSERT INTO decisions (shop, order_id, at, verdict, rule, actor, policy_digest, body, facts)
         SELECT 'twin', order_id, at, verdict, rule, actor, policy_digest, body, facts FROM decisions
         WHERE verdict = 'accept';
         INSERT INTO actions (shop, order_id, decision_id, kind, reason, comment, origin, state, made_at, due_at)
         SELECT 'twin', order_id, (SELECT MAX(id) FROM decisions), 'accept', NULL, NULL, 'person',
           state, made_at, due_at FROM actions;",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let stop = CancellationToken::new();
    let writer = twin.writer.as_ref().unwrap();
    world.act().await;
    let acted = pipeline::act::run_once(&twin.ctx, writer, &stop).await;
    acted.unwrap();
    world.act().await;
    let posts = world.posts("970000601");
    assert_eq!(posts, ["accept"], "that of one shop was withdrawn");
}

/// Orders that another shop stored while it had the wrong token return to the shop of their account.
#[tokio::test]
async fn a_stray_order_returns_to_its_account() {
    let (mut world, kaspi, second) = two_shops(true).await;
    let second_on_first = world.shop_at("second", &world.server).await;
    // The second shop shows one order that names another merchant, which no shop has yet.
    let mut database = crate::migrations::look_into(world.store.path()).await;
    sqlx::raw_sql("UPDATE shops SET account = NULL WHERE name = 'main'")
        .execute(&mut database)
        .await
        .unwrap();
    world.kaspi().buyer_cancels("970000101", world.now());
    world.time.advance(MINUTE);
    world.place(seed(&world, "970000102", Some("10000001_PP1")));
    poll::run_once(&second_on_first.ctx).await.unwrap();
    assert_eq!(world.view("970000102").await.shop, "second");
    sqlx::raw_sql("UPDATE shops SET account = '10000001' WHERE name = 'main'")
        .execute(&mut database)
        .await
        .unwrap();
    pass(&second).await;
    world.neighbours.push(second);
    world.later(2 * MINUTE).await;
    assert_eq!(world.view("970000102").await.shop, "main");
    assert_eq!(world.posts("970000102"), ["accept"]);
    pass(&world.neighbours[0]).await;
    assert_eq!(mismatch(&world, "second").await, None);
    kaspi.shutdown().await;
}

/// A removed shop that comes back under another name and with another token is recognised by its orders.
#[tokio::test]
async fn orders_recognise_a_renamed_shop() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    world.place(seed(&world, "970000701", None));
    world.poll_and_decide().await;
    let main = ShopName::new("main").unwrap();
    let id: OrderId = world.view("970000701").await.order.id;
    let now = world.now();
    world
        .store
        .hold_order(&main, &id, "a regular", "person", now)
        .await
        .unwrap();
    let renamed = [configured("almaty", "another token")];
    world.store.configure_shops(&renamed, now).await.unwrap();
    let almaty = world.shop_at("almaty", &world.server).await;
    world.time.advance(2 * MINUTE);
    pass(&almaty).await;
    let view = world.view("970000701").await;
    assert_eq!(view.shop, "almaty");
    assert!(view.held.is_some(), "the hold goes on");
    assert_eq!(world.posts("970000701"), [""; 0]);
}

/// Nothing shows yet whether a new name is a removed shop: its pause may be this shop's.
#[tokio::test]
async fn a_new_shop_waits_while_it_may_be_a_removed_one() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 2)]).await;
    let main = ShopName::new("main").unwrap();
    let now = world.now();
    let before = [configured("main", "one token")];
    world.store.configure_shops(&before, now).await.unwrap();
    world
        .store
        .set_paused(
            &main,
            Some("stocktaking"),
            &qabyl::domain::people::Actor::command_line("person", "test"),
            now,
        )
        .await
        .unwrap();
    world.time.advance(MINUTE);
    let renamed = [configured("almaty", "another token")];
    world
        .store
        .configure_shops(&renamed, world.now())
        .await
        .unwrap();
    let almaty = world.shop_at("almaty", &world.server).await;
    world.place(seed(&world, "970000801", None));
    world.time.advance(2 * MINUTE);
    pass(&almaty).await;
    assert_eq!(world.posts("970000801"), [""; 0]);
    let why = mismatch(&world, "almaty").await.unwrap();
    assert!(why.contains("qabyl shops forget main"), "{why}");
    world
        .store
        .forget_shop(&main, "person", world.now())
        .await
        .unwrap();
    world.time.advance(2 * MINUTE);
    pass(&almaty).await;
    assert_eq!(world.posts("970000801"), ["accept"]);
}

fn configured(name: &str, token: &'static str) -> qabyl::ledger::Configured<'static> {
    qabyl::ledger::Configured {
        name: ShopName::new(name).unwrap(),
        token,
        merchant_uid: None,
    }
}

/// One order of an account that another configured shop has is enough: nothing of the list is stored.
#[tokio::test]
async fn one_order_of_another_shops_account_is_enough() {
    let (world, kaspi, _) = two_shops(true).await;
    let first_on_second = world.shop_at("main", &kaspi).await;
    let order = seed(&world, "970000203", Some(SECOND_POINT));
    assert!(kaspi.world().place(order));
    world.time.advance(MINUTE);
    poll::run_once(&first_on_second.ctx).await.unwrap();
    let why = mismatch(&world, "main").await.unwrap();
    assert!(why.contains("20000002") && why.contains("second"), "{why}");
    kaspi.shutdown().await;
}

/// The tokens of two shops are exchanged while the program is stopped: it is noticed before they are used.
#[tokio::test]
async fn an_exchanged_token_is_noticed_before_it_is_used() {
    let (mut world, kaspi, second) = two_shops(false).await;
    let tokens = |main, second| [configured("main", main), configured("second", second)];
    let now = world.now();
    let store = std::sync::Arc::clone(&world.store);
    let before = tokens("one token", "another token");
    store.configure_shops(&before, now).await.unwrap();
    let exchanged = tokens("another token", "one token");
    store.configure_shops(&exchanged, now).await.unwrap();
    world.place(seed(&world, "970000102", None));
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("970000102"), [""; 0]);
    let why = mismatch(&world, "main").await.unwrap();
    assert!(
        why.contains("second") && !why.contains("another token"),
        "{why}"
    );
    store.configure_shops(&before, now).await.unwrap();
    pass(&second).await;
    world.neighbours.push(second);
    world.later(2 * MINUTE).await;
    assert_eq!(world.posts("970000102"), ["accept"]);
    kaspi.shutdown().await;
}

/// What a removed shop had promised still counts, until a person ends it.
#[tokio::test]
async fn a_removed_shop_still_holds_its_promises() {
    let (world, kaspi, second) = two_shops(true).await;
    let name = ShopName::new("second").unwrap();
    let refused = world
        .store
        .forget_shop(&name, "person", world.now())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("configured"), "{refused}");
    let now = world.now();
    let left = [configured("main", "one token")];
    world.store.configure_shops(&left, now).await.unwrap();
    let reserved = async || world.levels().await[0].promised.clone();
    let before = reserved().await;
    let ended = world.store.forget_shop(&name, "person", now).await.unwrap();
    assert_eq!(ended, 1);
    assert_ne!(before, reserved().await, "its unit is free");
    drop(second);
    kaspi.shutdown().await;
}

/// A person accepts one unit; before it is sent the buyer's order becomes three. Nothing is sent: it is asked again.
#[tokio::test]
async fn a_manual_accept_of_an_order_that_changed_is_asked_again() {
    const CODE: &str = "970000910";
    let world = world(Settings::default()).begin().await;
    world.place(seed(&world, CODE, None));
    world.poll_and_decide().await;
    let (shop, id) = world.store.find_order(CODE, None).await.unwrap();
    let input = world.shop.ctx.deciding_input();
    let (accept, now) = (qabyl::domain::verdict::Verdict::Accept, world.now());
    let store = &world.store;
    let decided = store.order_by_person(&shop, &id, &accept, &input, "person", now);
    decided.await.unwrap();
    // What a reading of the amended order stores.
    let mut database = crate::migrations::look_into(store.path()).await;
    sqlx::raw_sql(
        "UPDATE lines SET quantity = 3, body = json_set(body, '$.quantity', 3);
         UPDATE orders SET body = json_set(body, '$.total', json_extract(body, '$.total') * 3)",
    )
    .execute(&mut database)
    .await
    .unwrap();
    world.act().await;
    assert_eq!(world.posts(CODE), [""; 0]);
    let held = world.view(CODE).await.held.expect("asked again");
    assert!(
        held.1.contains("A × 1") && held.1.contains("A × 3"),
        "{held:?}"
    );
}

/// Where nothing is sent, a manual accept or cancel is refused with what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_sends_nothing_refuses_manual_decisions() {
    let desk = Desk::new(Settings::default());
    desk.write("qabyl.toml", &desk.config("propose", ""));
    desk.place(ONE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    let cancel = ["cancel", ONE, "--reason", "BUYER_NOT_REACHABLE"];
    for decision in [&["accept", ONE][..], &cancel] {
        let said = desk.qabyl(decision).await;
        said.fails(1, &["mode propose", "mode = \"act\""]);
    }
    let list = desk.qabyl(&["orders", "list", "--held"]).await.ok().out;
    assert!(list.contains(ONE), "{list}");
}

const ONE: &str = "900000901";

/// The same token under two names is refused before anything is asked of Kaspi.
#[tokio::test(flavor = "multi_thread")]
async fn one_token_for_two_shops_is_refused() {
    let desk = Desk::new(Settings::default());
    desk.write("other", &format!("{}\n", crate::cli::TOKEN));
    let second = "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n";
    desk.write("qabyl.toml", &desk.config("act", second));
    desk.place(ONE, "A", 1);
    for command in ["once", "run"] {
        let said = desk.qabyl(&[command]).await;
        said.fails(2, &["main", "second", "same token"]);
        assert!(!format!("{}{}", said.out, said.err).contains(crate::cli::TOKEN));
    }
    desk.qabyl(&["doctor"]).await.fails(1, &["same token"]);
    assert_eq!(desk.posts(ONE), 0);
}

/// A shop under another name in the configuration keeps its holds and its pause, before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_shop_keeps_its_holds_and_its_pause() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.write("qabyl.toml", &desk.config("propose", ""));
    desk.place(ONE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&["hold", ONE, "--why", "a regular"]).await.ok();
    desk.qabyl(&["pause", "--why", "stocktaking"]).await.ok();
    let renamed = desk.config("act", "").replace("\"main\"", "\"almaty\"");
    desk.write("qabyl.toml", &renamed);
    desk.place("900000902", "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(ONE) + desk.posts("900000902"), 0);
    let status = desk
        .qabyl(&["status", "--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(status[0]["trouble"], "paused: stocktaking");
    let list = ["orders", "list", "--held", "--shop", "almaty"];
    let held = desk.qabyl(&list).await.ok().out;
    assert!(held.contains("a regular"), "{held}");
    desk.qabyl(&["resume"]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts("900000902"), 1);
    assert_eq!(desk.posts(ONE), 0, "its hold goes on");
    let explained = desk.qabyl(&["explain", ONE]).await.ok().out;
    assert!(explained.contains("a regular"), "{explained}");
    desk.qabyl(&["release", ONE]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(ONE), 1);
    desk.qabyl(&["stock", "audit"]).await.ok();
    let list = desk.qabyl(&["shops", "list"]).await.ok().out;
    assert!(
        list.contains("almaty") && !list.contains("│ main"),
        "{list}"
    );
}

/// Exchanged token files are noticed at the start, before any order shows it.
#[tokio::test(flavor = "multi_thread")]
async fn exchanged_token_files_are_noticed_at_the_start() {
    let desk = Desk::new(Settings::default());
    let second = "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n";
    // What the last units wait for is another matter: here any sweep is enough.
    let shops = format!("{second}[confirm]\nlast_units = 0\n");
    desk.write("qabyl.toml", &desk.config("act", &shops));
    desk.write("other", "the-token-of-the-second");
    desk.stock("sku,on_hand\nA,5\n").await;
    let both = [crate::cli::TOKEN, "the-token-of-the-second"];
    desk.server.world().set_tokens(both);
    desk.qabyl(&["once"]).await.ok();
    desk.server.world().set_tokens([crate::cli::TOKEN]);
    desk.write("other", crate::cli::TOKEN);
    desk.write("token", "the-token-of-the-second");
    desk.place(ONE, "A", 1);
    let _ = desk.qabyl(&["once"]).await;
    assert_eq!(desk.posts(ONE), 0);
    let status = desk.qabyl(&["status", "--check"]).await;
    status.fails(4, &["second", "token"]);
    assert!(!status.out.contains(crate::cli::TOKEN));
    desk.write("token", crate::cli::TOKEN);
    desk.write("other", "the-token-of-the-second");
    let once = desk.qabyl(&["once"]).await;
    assert_eq!(desk.posts(ONE), 1, "{} {}", once.out, once.err);
}

/// Two tokens of one account: the second name shows the orders of the first.
#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_of_one_account_stop_both_names() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.place(ONE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(ONE), 1);
    let second = "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n";
    desk.write("qabyl.toml", &desk.config("act", second));
    desk.write("other", "another-token");
    desk.server
        .world()
        .set_tokens([crate::cli::TOKEN, "another-token"]);
    desk.place("900000902", "A", 1);
    for _ in 0..2 {
        let _ = desk.qabyl(&["once"]).await;
    }
    assert!(desk.posts("900000902") <= 1);
    let status = desk.qabyl(&["status", "--check"]).await;
    status.fails(4, &["second", "main"]);
}
