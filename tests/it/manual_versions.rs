//! A manual decision is about the order that the person saw: about another one it is refused with what differs, at once
//! and when it is about to be sent. The same request is done once.

use qabyl::domain::order::Lines;
use qabyl::domain::order_version::OrderVersion;
use qabyl::domain::people::Actor;
use qabyl::domain::verdict::Verdict;
use qabyl::ledger::{Key, Manual, ManualDecision, Terms};
use qabyl_sandbox::Settings;

use crate::cli::Desk;
use crate::migrations::look_into;
use crate::world::{TestWorld, world};

const CODE: &str = "970000950";

/// What a reading of the order stores once it asks for three units.
const AMENDED: &str = "
UPDATE lines SET quantity = 3, body = json_set(body, '$.quantity', 3);
UPDATE orders SET body = json_set(body, '$.total', json_extract(body, '$.total') * 3)";

async fn amend(world: &TestWorld) {
    let mut database = look_into(world.store.path()).await;
    sqlx::raw_sql(AMENDED).execute(&mut database).await.unwrap();
}

/// One order that the rules hold, as its goods are in no source.
async fn held_order() -> TestWorld {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[(CODE, "A", 1)]);
    world.poll_and_decide().await;
    world
}

fn aigul() -> Actor {
    Actor::command_line("Aigul", "uid 1000")
}

async fn version(world: &TestWorld) -> String {
    let view = world.view(CODE).await;
    OrderVersion::of(&view.order, &Lines::Known(view.lines)).token()
}

/// Accepts the order in the version that was seen; returns whether the same request had been taken, or the refusal.
async fn accept(
    world: &TestWorld,
    version: Option<&str>,
    key: Option<&str>,
) -> Result<bool, String> {
    let (shop, id) = world.store.find_order(CODE, None).await.unwrap();
    let input = world.shop.ctx.deciding_input();
    let answer = Manual::Answer {
        verdict: &Verdict::Accept,
        input: &input,
        limits: None,
        terms: Terms::default(),
    };
    let actor = aigul();
    let decision = ManualDecision {
        version,
        key: key.map(Key::plain),
        ..ManualDecision::plain(answer, &actor)
    };
    let taken = world
        .store
        .decide_manually((&shop, &id), &decision, world.now());
    taken
        .await
        .map(|taken| taken.repeated.is_some())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_decision_about_another_version_is_refused_with_what_differs() {
    let world = held_order().await;
    let seen = version(&world).await;
    amend(&world).await;
    let refused = accept(&world, Some(&seen), None).await.unwrap_err();
    assert!(
        refused.contains("A × 1") && refused.contains("A × 3"),
        "{refused}"
    );
    let unknown = accept(&world, Some("00000000"), None).await.unwrap_err();
    assert!(
        unknown.contains("00000000") && unknown.contains("A × 3"),
        "{unknown}"
    );
    world.act().await;
    assert_eq!(world.posts(CODE), [""; 0]);
    let now = version(&world).await;
    assert_ne!(now, seen);
    accept(&world, Some(&now), None).await.unwrap();
    world.act().await;
    assert_eq!(world.posts(CODE), ["accept"]);
}

#[tokio::test]
async fn a_request_with_the_same_key_is_done_once() {
    let world = held_order().await;
    let seen = version(&world).await;
    assert_eq!(accept(&world, Some(&seen), Some("k1")).await, Ok(false));
    world.once().await;
    assert_eq!(world.posts(CODE), ["accept"]);
    // The order is another one by now, and the repeated request is answered as before all the same.
    assert_eq!(accept(&world, Some(&seen), Some("k1")).await, Ok(true));
    world.once().await;
    assert_eq!(world.posts(CODE), ["accept"]);
    let (shop, id) = world.store.find_order(CODE, None).await.unwrap();
    let actor = aigul();
    let other = ManualDecision {
        key: Some(Key::plain("k1")),
        ..ManualDecision::plain(Manual::Release, &actor)
    };
    let refused = world
        .store
        .decide_manually((&shop, &id), &other, world.now())
        .await;
    assert!(refused.unwrap_err().to_string().contains("another request"));
}

/// The command line: versions, keys, and interlocks by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_names_the_version_and_the_interlocks_it_overrides() {
    let desk = Desk::new(Settings::default());
    desk.place("900000950", "A", 1);
    desk.qabyl(&["once"]).await.ok();
    let shown = desk.qabyl(&["orders", "show", "900000950"]).await.ok().out;
    let version = shown
        .lines()
        .find_map(|line| line.strip_prefix("version "))
        .unwrap()
        .to_owned();
    let stale = ["accept", "900000950", "--version", "12345678"];
    desk.qabyl(&stale)
        .await
        .fails(1, &["has changed", &version]);
    let named = ["accept", "900000950", "--override", "stock_age"];
    desk.qabyl(&named)
        .await
        .fails(1, &["unknown_stock", "--override"]);
    let wrong = ["accept", "900000950", "--override", "nothing"];
    desk.qabyl(&wrong)
        .await
        .fails(2, &["there is no interlock nothing"]);
    let accept = [
        "accept",
        "900000950",
        "--version",
        &version,
        "--key",
        "press-1",
    ];
    let said = desk.qabyl(&accept).await.ok().out;
    assert!(said.contains("although unknown_stock"), "{said}");
    let again = desk.qabyl(&accept).await.ok().out;
    assert!(again.contains("taken before"), "{again}");
    let audit = desk
        .qabyl(&["audit", "--order", "900000950"])
        .await
        .ok()
        .out;
    assert!(audit.contains("interlocks.overridden"), "{audit}");
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.server.world().ledger().posts_for("900000950").len(), 1);
}
