//! A replay decides every stored decision again on what it rested on: the same rules make the same of
//! them, to the last one; others are reported with what would change.

use std::path::Path;
use std::time::Duration;

use qabyl::domain::policy::Policy;
use qabyl::domain::replay::Replay;
use qabyl::rules_file;
use qabyl::runtime::build;
use qabyl::store::PastFilter;
use qabyl_sandbox::{OrderSeed, Settings};

use crate::world::{TestWorld, start, world};

const MINUTE: Duration = Duration::from_mins(1);
/// Everything a decision may turn on: age, deadline, the clock, counts, stock.
const RULES: &str = r#"
[[rule]]
name = "express"
when = { express = true }
then = "hold"

[[rule]]
name = "first minutes"
when = { age = { under = "7m" }, deadline_in = { over = "1h" } }
then = { wait = "2m" }

[[rule]]
name = "many"
when = { any = [{ shop_accepted_last_hour = { over = 12 } }, { shop_cancelled_share = { over = 0.2 } }], hour = { from = 11, to = 12 } }
then = "hold"

[[rule]]
name = "short"
when = { any_line = { shortage = { over = 0 } } }
then = { cancel = "MERCHANT_OUT_OF_STOCK" }

[[rule]]
name = "rest"
then = "accept"
"#;

/// Two hours of a shop: orders come, units run out, buyers change their minds.
async fn history() -> TestWorld {
    let mut world = world(Settings::default())
        .config("interlocks", "cancel_confirm_after", "\"3m\"")
        .config("schedule", "at_deadline", "\"accept_all\"")
        .rules(RULES)
        .begin()
        .await;
    world.stock(&[("A", 12), ("B", 5)]).await;
    let mut random = fastrand::Rng::with_seed(11);
    for number in 0..60_u32 {
        let sku = ["A", "B", "UNKNOWN"][random.usize(..3)];
        let mut order = OrderSeed::new(&(910_000_000 + number).to_string(), world.now())
            .line(sku, random.u32(1..3));
        order.express = random.u32(..10) == 0;
        world.place(order);
        if random.u32(..4) == 0 {
            let now = world.now();
            world
                .kaspi()
                .buyer_cancels(&(910_000_000 + number / 2).to_string(), now);
        }
        world
            .time
            .advance(MINUTE + Duration::from_micros(random.u64(..60_000_000)));
        world.brief().await;
    }
    world.time.advance(80 * MINUTE);
    world.brief().await;
    world
}

/// Lets everything end that is still open.
async fn end(world: TestWorld) {
    for _ in 0..2 {
        world.time.advance(240 * MINUTE);
        world.brief().await;
    }
    world.finish().await;
}

async fn replayed<'p>(world: &TestWorld, policy: &'p Policy, filter: &PastFilter) -> Replay<'p> {
    let mut replay = Replay::new(policy, 5);
    world.store.replay(filter, &mut replay).await.unwrap();
    replay
}

fn everything() -> PastFilter {
    PastFilter {
        since: start() - Duration::from_hours(1),
        shop: None,
    }
}

#[tokio::test]
async fn the_same_rules_make_the_same_of_a_whole_history() {
    let world = history().await;
    let policy = world.shop.ctx.policy();
    let replay = replayed(&world, &policy, &everything()).await;
    assert!(replay.compared > 100, "{}", replay.compared);
    assert_eq!(
        (replay.differ(), replay.other_rule),
        (0, 0),
        "{:#?}",
        replay.differences
    );
    // The history is one: every verdict is in it.
    let hold = "[[rule]]\nname = \"person\"\nthen = \"hold\"\n";
    let hold = rules_file::load(hold, Path::new("hold.toml")).unwrap();
    let hold = Policy::new(hold, policy.limits.clone(), "hold".to_owned());
    let replay = replayed(&world, &hold, &everything()).await;
    let was: Vec<&str> = replay.changes.keys().map(|(was, _)| *was).collect();
    for verdict in ["accept", "cancel", "wait"] {
        assert!(was.contains(&verdict), "{:?}", replay.changes);
    }
    assert_eq!(replay.differences.len(), 5, "as many as were asked for");
    assert!(replay.differ() > 5);
    end(world).await;
}

#[tokio::test]
async fn other_rules_are_told_with_what_would_change() {
    let world = history().await;
    let limits = build::limits(world.config());
    let text = RULES.replace("[[rule]]\nname = \"rest\"", "[[rule]]\nname = \"two\"\nwhen = { quantity = 2 }\nthen = \"hold\"\n\n[[rule]]\nname = \"rest\"");
    let rules = rules_file::load(&text, Path::new("rules.toml")).unwrap();
    let other = build::policy(rules, limits);
    let replay = replayed(&world, &other, &everything()).await;
    let accepted_two: u64 = {
        let kaspi = world.kaspi();
        let posts = kaspi.ledger().accepted_codes();
        let units = |code: &String| kaspi.order(code).unwrap().lines()[0].quantity;
        posts.iter().filter(|code| units(code) == 2).count() as u64
    };
    assert!(accepted_two > 2);
    let changed = replay.changes.get(&("accept", "hold")).copied();
    // What was accepted at its last call by a rule that held it is accepted all the same.
    assert!(
        changed.is_some_and(|count| (1..=accepted_two).contains(&count)),
        "{:?}",
        replay.changes
    );
    let first = &replay.differences[0];
    assert_eq!(first.would, ("hold".to_owned(), "two".to_owned()));
    assert_eq!(first.was.1, "rest");
    assert!(
        first
            .explanation
            .contains(&"  quantity 2 exactly 2: yes".to_owned()),
        "{first:#?}"
    );
    // Of no shop, and of no time.
    let of = |since, shop: Option<&str>| PastFilter {
        since,
        shop: shop.map(str::to_owned),
    };
    let none = replayed(&world, &other, &of(start(), Some("second"))).await;
    assert_eq!(none.compared, 0);
    let all = replayed(&world, &other, &of(start(), Some("main"))).await;
    assert_eq!(all.compared, replay.compared);
    let late = replayed(&world, &other, &of(start() + 60 * MINUTE, None)).await;
    assert!(late.compared > 0 && late.compared < replay.compared);
    end(world).await;
}
