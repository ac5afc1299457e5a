//! Rules as a merchant tries them: on scenarios, on what was decided before, and in the list of what
//! needs a person.

use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};
use serde_json::Value;

use super::Desk;
use super::daemon::{Daemon, until};

const STRICT: &str = "[[rule]]\nname = \"two or more\"\nwhen = { quantity = { over = 1 } }\nthen = \"hold\"\n\
                      [[rule]]\nname = \"rest\"\nthen = \"accept\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn replay_beside_a_running_daemon() {
    let desk = Desk::new(Settings::default());
    let nothing = desk.qabyl(&["rules", "replay"]).await.ok().out;
    assert_eq!(nothing.trim(), "no decisions in this time");
    desk.stock("sku,on_hand\nA,5\nB,0\n").await;
    desk.place("900000001", "A", 1);
    desk.place("900000002", "A", 2);
    desk.place("900000003", "B", 1);
    let daemon = Daemon::start(&desk);
    until("all are handled", || {
        ["900000001", "900000002", "900000003"]
            .iter()
            .all(|code| desk.status(code) != "APPROVED_BY_BANK")
    })
    .await;
    let same = desk
        .qabyl(&["rules", "replay", "--since", "1h"])
        .await
        .ok()
        .out;
    assert!(same.contains(" decisions, none would differ"), "{same}");
    desk.write("strict.toml", STRICT);
    let strict = ["rules", "replay", "--rules", "strict.toml"];
    let output = desk.qabyl(&strict).await.ok().out;
    assert!(output.contains("would differ"), "{output}");
    for part in [
        "900000002",
        "accept",
        "hold",
        "two or more",
        "quantity 2 over 1: yes",
    ] {
        assert!(output.contains(part), "{part}\n{output}");
    }
    let json = desk
        .qabyl(&[&strict[..], &["--format", "json"]].concat())
        .await
        .ok()
        .json();
    let of = |code: &str| {
        let all = json["differences"].as_array().unwrap();
        let mine = all.iter().filter(|d| d["code"] == code);
        mine.cloned().collect::<Vec<Value>>()
    };
    assert_eq!(of("900000001").len(), 0);
    assert_eq!(
        of("900000002")[0]["would"],
        serde_json::json!({ "verdict": "hold", "rule": "two or more" })
    );
    // What was short is now to be accepted, and an interlock holds it.
    assert_eq!(of("900000003").last().unwrap()["would"]["verdict"], "hold");
    assert!(json["decisions"].as_u64().unwrap() >= 3);
    assert_eq!(
        desk.qabyl(&["rules", "replay", "--shop", "mian"])
            .await
            .code,
        2
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_person_is_listed_by_the_time_left() {
    let desk = Desk::new(Settings::default());
    desk.write(
        "rules.toml",
        "[[rule]]\nname = \"person\"\nthen = \"hold\"\n",
    );
    desk.write(
        "qabyl.toml",
        &desk.config("propose", "[rules]\nfile = \"rules.toml\"\n"),
    );
    let now = Clock::System.now();
    let ago = |minutes: u64| now - Duration::from_secs(minutes * 60);
    let seed = |code: &str, minutes| OrderSeed::new(code, ago(minutes)).line("A", 1);
    desk.server.world().place(seed("900000001", 30));
    desk.server.world().place(seed("900000002", 100));
    let mut express = seed("900000003", 20);
    express.express = true;
    desk.server.world().place(express);
    // Placed first of all, and approved only now: the bank took its time.
    let mut late = seed("900000005", 200);
    late.approved_at = Some(ago(5));
    desk.server.world().place(late);
    desk.qabyl(&["once"]).await.ok();
    let listed = desk
        .qabyl(&["orders", "list", "--held", "--format", "json"])
        .await
        .ok()
        .json();
    let listed = listed.as_array().unwrap();
    let codes: Vec<&str> = listed
        .iter()
        .map(|order| order["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["900000003", "900000002", "900000001", "900000005"]);
    let left = |index: usize| listed[index]["left_s"].as_i64().unwrap() / 60;
    for (index, minutes) in [(0, 40), (1, 80), (2, 150), (3, 175)] {
        assert!(
            (minutes - 3..=minutes).contains(&left(index)),
            "{index}: {}",
            left(index)
        );
    }
    let table = desk.qabyl(&["orders", "list", "--held"]).await.ok().out;
    let place = |text: &str| table.find(text).expect(text);
    assert!(place("900000003") < place("900000002") && place("900000001") < place("900000005"));
    assert!(
        table.contains("1h 1") && table.contains("left") && table.contains("express"),
        "{table}"
    );
    // A limit leaves out those with the most time.
    let one = desk
        .qabyl(&["orders", "list", "--held", "--limit", "1"])
        .await
        .ok()
        .out;
    assert!(one.contains("900000003"), "{one}");
    let explained = desk.qabyl(&["explain", "900000002"]).await.ok().out;
    assert!(
        explained.contains("deadline") && explained.contains("left"),
        "{explained}"
    );
}

/// `rules.toml` need not be written: the embedded rules stand in for it, and say so. Once a merchant's own rules
/// decided, their loss is a mistake; a file of another name always is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rules_file_that_is_not_there() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,50\n").await;
    desk.write(
        "qabyl.toml",
        &desk.config("act", "[rules]\nfile = \"rules.toml\"\n"),
    );
    desk.place("900000041", "A", 1);
    let said = desk.qabyl(&["config", "check"]).await.ok();
    assert!(said.out.contains("does not exist"), "{}", said.out);
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status("900000041"), "ACCEPTED_BY_MERCHANT");
    desk.qabyl(&["rules", "check", "rules.toml"])
        .await
        .fails(2, &["rules.toml"]);
    let own = "[[rule]]\nname = \"everything else\"\nthen = \"hold\"\n";
    desk.write("rules.toml", own);
    desk.place("900000042", "A", 1);
    desk.qabyl(&["once"]).await.ok();
    std::fs::remove_file(desk.path("rules.toml")).unwrap();
    desk.qabyl(&["once"])
        .await
        .fails(2, &["rules.toml", "is missing", "put it back"]);
    assert_eq!(desk.status("900000042"), "APPROVED_BY_BANK");
    desk.write(
        "qabyl.toml",
        &desk.config("act", "[rules]\nfile = \"mine.toml\"\n"),
    );
    desk.qabyl(&["once"]).await.fails(2, &["mine.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_printed_as_json_too() {
    let desk = Desk::new(Settings::default());
    let rules = desk.qabyl(&["rules", "check", "--format", "json"]).await;
    assert_eq!(rules.ok().json()["mistakes"], serde_json::json!([]));
    let config = desk.qabyl(&["config", "dump", "--format", "json"]).await;
    assert_eq!(config.ok().json()["poll"]["lookback"], "3d");
}
