//! A morning with everything in it, played to the real binary: its log is what the catalogue is held
//! to. With `QABYL_RECORD_LOG` it becomes the recorded one, which the questions are asked of.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};
use serde_json::Value;

use crate::cli::daemon::{Daemon, until};
use crate::cli::{Desk, TOKEN};

/// Events the morning must bring; others need what no test can do in seconds.
const BROUGHT: [&str; 23] = [
    "action.ended",
    "action.stuck",
    "actions.recovered",
    "attempt.ended",
    "backup.made",
    "config.token_readable",
    "daemon.started",
    "daemon.stopped",
    "interlock.off",
    "notify.delivered",
    "notify.failing",
    "order.deadline_near",
    "order.decided",
    "poll.news",
    "reload.done",
    "reload.partial",
    "reload.refused",
    "shop.admitted",
    "shop.denied",
    "shop.hour",
    "stage.failed",
    "stage.recovered",
    "token.replaced",
];

fn desk(hook: &str) -> Desk {
    let desk = Desk::new(Settings {
        latency: Duration::from_millis(15),
        canary: Some("canary-7f3a".to_owned()),
        ..Settings::default()
    });
    let more = format!(
        "[log]\nfilter = \"info,qabyl=debug\"\n[backup]\ndirectory = \"copies\"\n[[channels]]\nname = \"hook\"\n\
         kind = \"webhook\"\nurl = \"{hook}\"\nsecret_file = \"hook\"\nlanguage = \"en\"\n[[channels]]\n\
         name = \"nobody\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret_file = \"hook\"\n"
    );
    let config = desk.config("act", &more);
    desk.write(
        "qabyl.toml",
        &config.replace("[actions]\n", "[actions]\nattempts_max = 2\n"),
    );
    desk.write("hook", crate::notify::receiver::SECRET);
    desk
}

fn place(desk: &Desk, code: &str, lines: &[(&str, u32)], change: impl FnOnce(&mut OrderSeed)) {
    let mut order = OrderSeed::new(code, Clock::System.now());
    for (sku, quantity) in lines {
        order = order.line(sku, *quantity);
    }
    change(&mut order);
    assert!(desk.server.world().place(order));
}

fn lines(desk: &Desk) -> Vec<Value> {
    let log = std::fs::read_to_string(desk.path("log")).unwrap_or_default();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.collect()
}

async fn logged(desk: &Desk, event: &str, times: usize) {
    let count = || {
        lines(desk)
            .iter()
            .filter(|line| line["event"] == event)
            .count()
    };
    until(event, || count() >= times).await;
}

async fn orders_of_every_kind(desk: &Desk) {
    desk.stock("sku,on_hand\nA,60\nB,2\nC,0\nD,5\n").await;
    for n in 0..8 {
        place(desk, &format!("90000010{n}"), &[("A", 1)], |_| {});
    }
    place(desk, "900000110", &[("C", 1)], |_| {});
    place(desk, "900000111", &[("A", 1), ("B", 5)], |_| {});
    place(desk, "900000112", &[("D", 1)], |order| order.express = true);
    place(desk, "900000113", &[("NOWHERE", 1)], |_| {});
    place(desk, "900000114", &[("D", 2)], |order| {
        order.signature_required = true;
        order.created_at -= SignedDuration::from_mins(140);
    });
}

/// Requests that fail in every way, and what comes of them.
async fn troubles(desk: &Desk) {
    let faults = |text: &str| desk.server.world().set_faults(text.parse().unwrap());
    faults("post:drop_after=1");
    place(desk, "900000120", &[("A", 1)], |_| {});
    until("its answer is lost", || desk.posts("900000120") > 0).await;
    faults("");
    faults("get:http_500=1");
    logged(desk, "stage.failed", 1).await;
    faults("");
    logged(desk, "stage.recovered", 1).await;
    faults("post:no_effect=1");
    place(desk, "900000121", &[("A", 1)], |_| {});
    logged(desk, "action.stuck", 1).await;
    faults("");
}

async fn a_token_that_dies(desk: &Desk) {
    let before = desk.server.world().ledger().requests_total();
    desk.write("token", "a-token-that-is-over");
    logged(desk, "shop.denied", 1).await;
    assert!(desk.server.world().ledger().requests_total() > before);
    desk.write("token", TOKEN);
    logged(desk, "shop.admitted", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_is_what_the_catalogue_says() {
    let receiver = crate::notify::receiver::Receiver::start().await;
    let desk = desk(&receiver.url());
    let daemon = Daemon::start(&desk);
    logged(&desk, "daemon.started", 1).await;
    orders_of_every_kind(&desk).await;
    logged(&desk, "action.ended", 9).await;
    logged(&desk, "order.deadline_near", 1).await;
    desk.qabyl(&["accept", "900000112", "--as", "aigul"])
        .await
        .ok();
    until("the manual decision is carried out", || {
        desk.status("900000112") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    troubles(&desk).await;
    daemon.signal("-HUP");
    logged(&desk, "reload.done", 1).await;
    let good = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    desk.write(
        "qabyl.toml",
        &good.replace("filter = \"info", "filter = \"warn"),
    );
    daemon.signal("-HUP");
    logged(&desk, "reload.partial", 1).await;
    desk.write("qabyl.toml", &good.replace("[poll]", "[pol]"));
    daemon.signal("-HUP");
    logged(&desk, "reload.refused", 1).await;
    desk.write("qabyl.toml", &good);
    a_token_that_dies(&desk).await;
    logged(&desk, "notify.failing", 1).await;
    logged(&desk, "shop.hour", 1).await;
    // It dies with a request under way, and begins again.
    desk.server
        .world()
        .set_faults("post:hang=1".parse().unwrap());
    place(&desk, "900000130", &[("A", 1)], |_| {});
    until("it is out", || desk.posts("900000130") > 0).await;
    daemon.kill();
    desk.server.world().set_faults("".parse().unwrap());
    let daemon = Daemon::start(&desk);
    logged(&desk, "actions.recovered", 1).await;
    until("it is accepted", || {
        desk.status("900000130") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    logged(&desk, "action.ended", 12).await;
    assert_eq!(daemon.stop(), Some(0));

    let lines = lines(&desk);
    let seen: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    for event in BROUGHT {
        assert!(seen.contains(event), "{event} was not logged");
    }
    for line in &lines {
        super::catalogue::judge(line);
    }
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(
        !log.contains("canary-7f3a") && !log.contains(TOKEN),
        "nothing personal, no token"
    );
    record(&log);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether to record"
)]
fn record(log: &str) {
    if std::env::var("QABYL_RECORD_LOG").is_ok() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/log/qabyl.log");
        std::fs::write(file, log).unwrap();
    }
}
