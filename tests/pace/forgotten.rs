//! Kaspi forgets orders while they are acted on: others go on, and what comes back is known again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use qabyl_sandbox::{Settings, Status};

use crate::shop::{Shop, second};

/// A command for each of these orders.
fn each(command: &str, codes: &[String]) -> String {
    let commands = codes.iter().map(|code| format!("{command} {code}"));
    commands.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn orders_forgotten_in_the_act_stop_no_other() {
    let settings = Settings {
        latency: Duration::from_millis(50),
        ..Settings::default()
    };
    let mut shop = Shop::open(settings, 0, "");
    while shop.age() < 20.0 {
        second().await;
    }
    let lost = shop.place(200);
    let accepted = |shop: &Shop, codes: &[String]| {
        let world = shop.server.world();
        let is = |code: &&String| world.order(code).unwrap().status == Status::AcceptedByMerchant;
        codes.iter().filter(is).count()
    };
    while accepted(&shop, &lost) < 30 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.tell(&each("forget", &lost));
    let before = accepted(&shop, &lost);
    let new = shop.place(20);
    let placed = Instant::now();
    while accepted(&shop, &new) < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(placed.elapsed() < Duration::from_mins(2), "{}", shop.log());
    }
    let took = placed.elapsed().as_secs_f64();
    let from = shop.age() + 20.0;
    while shop.age() < from + 60.0 {
        second().await;
    }
    let idle = shop.asked((from, from + 60.0)).all() / 60.0;
    println!(
        "200 forgotten after {before} accepts: 20 new accepted after {took:.1} s; then {idle:.2} requests/s; {:?}",
        shop.requests_by_kind()
    );
    shop.tell(&each("recall", &lost));
    let back = Instant::now();
    while accepted(&shop, &lost) < 200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            back.elapsed() < Duration::from_mins(3),
            "{} of 200; {}",
            accepted(&shop, &lost),
            shop.log()
        );
    }
    println!(
        "known again: all accepted {:.0} s after they came back",
        back.elapsed().as_secs_f64()
    );
    let world = shop.server.world();
    let ledger = world.ledger();
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for code in &lost {
        writes.insert(
            code.clone(),
            ledger
                .posts_for(code)
                .iter()
                .filter(|post| post.had_effect)
                .count(),
        );
    }
    assert!(ledger.both_actions_sent().is_empty() && ledger.blind_repeats().is_empty());
    assert!(writes.values().all(|times| *times == 1));
    drop(world);
    assert!(took <= 20.0, "{took}");
    assert!(idle <= 1.0, "{idle}");
}
