//! The real binary: a channel that never answers beside it, dies and comes back; the test message.

use std::collections::BTreeMap;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};

use super::receiver::{Mode, Receiver, SECRET};
use crate::cli::Desk;
use crate::cli::daemon::{Daemon, until};

fn desk(receiver: &Receiver) -> Desk {
    let desk = Desk::new(Settings::default());
    let more = format!(
        "[log]\nfilter = \"trace\"\n[[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\n\
         secret_file = \"hook-secret\"\nlanguage = \"kk\"\n",
        receiver.url()
    );
    desk.write("hook-secret", SECRET);
    desk.write("qabyl.toml", &desk.config("act", &more));
    desk
}

/// Places orders one after the other, every third express, and gives how long each accept took.
async fn accepts(desk: &Desk, first: u32) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in first..first + 12 {
        let code = format!("9000005{n:02}");
        let order = OrderSeed::new(&code, Clock::System.now()).line("A", 1);
        let express = n % 3 == 0;
        let begun = Clock::System.ticks();
        assert!(desk.server.world().place(OrderSeed { express, ..order }));
        if express {
            continue;
        }
        until("it is accepted", || {
            desk.status(&code) == "ACCEPTED_BY_MERCHANT"
        })
        .await;
        took.push(Clock::System.ticks().saturating_sub(begun));
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_costs_no_order_time_and_is_told_afterwards() {
    let receiver = Receiver::start().await;
    let desk = desk(&receiver);
    desk.stock("sku,on_hand\nA,500\n").await;
    let daemon = Daemon::start(&desk);
    let well = accepts(&desk, 0).await;
    until("the first are received", || {
        receiver.seen().items().len() >= 4
    })
    .await;
    receiver.behaves(Mode::Hangs);
    let hanging = accepts(&desk, 12).await;
    // The schedule lists once a second: what a hanging request costs would be seconds.
    let (median, most) = (
        hanging[hanging.len() / 2],
        well[well.len() / 2] + Duration::from_secs(2),
    );
    assert!(
        median <= most,
        "{hanging:?}, and {well:?} while the channel was well"
    );
    until("a request hangs", || receiver.seen().requests > 4).await;
    let begun = Clock::System.ticks();
    assert_eq!(daemon.stop(), Some(0));
    let stopping = Clock::System.ticks().saturating_sub(begun);
    assert!(
        stopping < Duration::from_secs(5),
        "a channel keeps nobody from stopping: {stopping:?}"
    );

    let daemon = Daemon::start(&desk);
    receiver.behaves(Mode::LosesReply);
    until("one was taken without an answer", || {
        receiver.seen().items().len() > 4
    })
    .await;
    let log = || std::fs::read_to_string(desk.path("log")).unwrap();
    until("the log has it", || log().contains("\"notify.failing\"")).await;
    daemon.kill();
    receiver.behaves(Mode::Well);
    let daemon = Daemon::start(&desk);
    let all = || {
        let mut received = BTreeMap::new();
        for item in receiver.seen().items() {
            if item["type"] == "order.held" {
                *received
                    .entry(item["facts"]["order"].to_string())
                    .or_insert(0) += 1;
            }
        }
        received
    };
    until("every held order is reported", || all().len() == 8).await;
    assert!(all().values().all(|times| *times == 1), "{:?}", all());
    assert_eq!(receiver.seen().wrong, Vec::<String>::new());

    let listed = desk
        .qabyl(&["notify", "list", "--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(listed["channels"][0]["channel"], "hook");
    assert_eq!(daemon.stop(), Some(0));
    let log = log();
    for hidden in [SECRET, "hidden-part-of-the-url"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_what_came_of_it() {
    let receiver = Receiver::start().await;
    let desk = desk(&receiver);
    let said = desk.qabyl(&["notify", "test"]).await.ok();
    assert_eq!(said.out, "hook: the message was accepted\n");
    let text = receiver.seen().taken[0]["data"]["text"].to_string();
    assert!(text.contains("hook арнасын тексеру"), "{text}");
    receiver.behaves(Mode::Says(404, "", ""));
    desk.qabyl(&["notify", "test", "hook"])
        .await
        .fails(1, &["hook: it answers HTTP 404"]);
    desk.qabyl(&["notify", "test", "nobody"])
        .await
        .fails(2, &["configured: hook"]);
    desk.write("hook-secret", "whsec_not-a-key");
    desk.qabyl(&["notify", "test"])
        .await
        .fails(1, &["24 to 64 bytes"]);
    let dump = desk.qabyl(&["config", "dump"]).await.ok().out;
    assert!(
        dump.contains("/***\"") && !dump.contains("hidden-part"),
        "{dump}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_channel_are_named_by_their_line() {
    let receiver = Receiver::start().await;
    let desk = desk(&receiver);
    for (block, words) in [
        (
            "kind = \"webhook\"\nurl = \"http://example.kz/x?key=hush\"\nsecret_env = \"S\"",
            "http:// would send",
        ),
        (
            "kind = \"telegram\"\nchat_id = \"123456:hush\"\nsecret_env = \"S\"",
            "expected a chat such as",
        ),
        (
            "kind = \"telegram\"\nsecret_env = \"S\"",
            "chat_id is missing",
        ),
        (
            "kind = \"webhook\"\nurl = \"https://x.kz/\"",
            "one of secret_file and secret_env",
        ),
        (
            "kind = \"webhook\"\nurl = \"https://x.kz/\"\nsecret_env = \"S\"\nevents = \"order.hold\"",
            "order.held",
        ),
        (
            "kind = \"mail\"\nurl = \"https://x.kz/\"\nsecret_env = \"S\"",
            "\"webhook\" or \"telegram\"",
        ),
    ] {
        let more = format!("[[channels]]\nname = \"a\"\n{block}\n");
        desk.write("qabyl.toml", &desk.config("act", &more));
        let said = desk.qabyl(&["config", "check"]).await;
        said.fails(2, &["channels", words]);
        assert!(!format!("{}{}", said.out, said.err).contains("hush"));
    }
}

/// What people write for each other, and who they are, stays in the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_write_reaches_no_log_and_no_channel() {
    let receiver = Receiver::start().await;
    let desk = desk(&receiver);
    // Near the deadline at once: the alert names its reasons.
    let config = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    desk.write(
        "qabyl.toml",
        &format!("{config}[schedule]\nalert_before = \"2h59m\"\n").replace("kk", "ru"),
    );
    desk.stock("sku,on_hand\nA,5\n").await;
    let placed = Clock::System.now() - Duration::from_mins(5);
    for code in ["900000701", "900000702", "900000703"] {
        assert!(
            desk.server
                .world()
                .place(OrderSeed::new(code, placed).line("UNKNOWN", 1))
        );
    }
    let mut written = String::new();
    let mut run = async |args: &[&str]| {
        let said = desk.qabyl(args).await.ok();
        written.push_str(&said.err);
    };
    run(&["once"]).await;
    let who = ["--as", "Айгерим"];
    run(&[
        &["hold", "900000701", "--why", "звонить +7 701 123 45 67"][..],
        &who,
    ]
    .concat())
    .await;
    run(&[&["accept", "900000702"][..], &who].concat()).await;
    run(&[&["pause", "--why", "карта 4400 4301"][..], &who].concat()).await;
    let order = OrderSeed::new("900000704", placed).line("A", 1);
    assert!(desk.server.world().place(order));
    run(&["once"]).await;
    let daemon = Daemon::start(&desk);
    until("the alerts are received", || {
        let items = receiver.seen().items();
        let near = items
            .iter()
            .filter(|item| item["type"] == "order.deadline_near");
        near.count() >= 3
    })
    .await;
    run(&["orders", "list", "--held"]).await;
    run(&["status"]).await;
    assert_eq!(daemon.stop(), Some(0));
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    let sent = serde_json::to_string(&receiver.seen().taken).unwrap();
    for private in ["Айгерим", "+7 701", "4400 4301"] {
        for (place, text) in [
            ("a log", &log),
            ("a command's log", &written),
            ("a channel", &sent),
        ] {
            assert!(!text.contains(private), "{private} in {place}: {text}");
        }
    }
    let audit = desk.qabyl(&["audit"]).await.ok().out;
    assert!(
        audit.contains("Айгерим") && audit.contains("+7 701"),
        "{audit}"
    );
    let status = desk.qabyl(&["status"]).await.ok().out;
    assert!(status.contains("4400 4301"), "{status}");
}
