//! The real binary: a press reaches Kaspi within seconds, and once, also when the daemon is killed.

use qabyl_sandbox::BotServer;

use super::{AIGUL, GROUP, bot, desk, log, messages};
use crate::cli::Desk;
use crate::cli::daemon::{Daemon, until};

const CODE: &str = "900000001";

/// A press goes out, and its order is one that only a person accepts: its goods are in no source.
async fn pressed_twice(bot: &BotServer, desk: &Desk) {
    let has_button = |label: &str| {
        let all = messages(bot, GROUP);
        let shown = all
            .iter()
            .rev()
            .find(|message| message.data(label).is_some());
        shown.map(|message| message.id)
    };
    until("the order is shown", || has_button("Accept").is_some()).await;
    let id = has_button("Accept").unwrap();
    bot.with(|bot| bot.presses(AIGUL, (GROUP, id), "Accept"))
        .unwrap();
    until("what objects is named", || {
        has_button("Accept all the same").is_some()
    })
    .await;
    assert_eq!(desk.posts(CODE), 0);
    let id = has_button("Accept all the same").unwrap();
    bot.with(|bot| bot.presses(AIGUL, (GROUP, id), "Accept all the same"))
        .unwrap();
}

async fn held(bot: &BotServer) -> (Desk, Daemon) {
    let desk = desk(bot);
    let number = AIGUL.to_string();
    let add = [
        "user",
        "add",
        "Aigul",
        "--role",
        "operator",
        "--telegram",
        &number,
    ];
    desk.qabyl(&add).await.ok();
    let daemon = Daemon::start(&desk);
    desk.place(CODE, "UNKNOWN", 1);
    (desk, daemon)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accept_that_is_pressed_is_at_kaspi_soon_and_the_message_says_so() {
    let bot = bot();
    let (desk, daemon) = held(&bot).await;
    pressed_twice(&bot, &desk).await;
    until("Kaspi shows it", || {
        desk.status(CODE) == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    until("the message says so", || {
        super::says(&bot, GROUP, "Accepted, decided by Aigul")
    })
    .await;
    assert_eq!(desk.posts(CODE), 1);
    assert_eq!(daemon.stop(), Some(0));
    let log = log(&desk);
    assert!(log.contains("telegram.pressed"), "{log}");
    for hidden in ["Aigul", "Hidden-name", super::BOT_TOKEN] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
    bot.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_after_a_press_accepts_once() {
    let bot = bot();
    let (desk, daemon) = held(&bot).await;
    pressed_twice(&bot, &desk).await;
    // At any place of its work.
    daemon.kill();
    let daemon = Daemon::start(&desk);
    until("Kaspi shows it", || {
        desk.status(CODE) == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    until("the message says so", || {
        super::says(&bot, GROUP, "Accepted, decided by Aigul")
    })
    .await;
    daemon.kill();
    let daemon = Daemon::start(&desk);
    let polls = bot.with(|bot| bot.polls());
    until("it is asked again", || bot.with(|bot| bot.polls()) > polls).await;
    let accepts = desk
        .qabyl(&["audit", "--order", CODE, "--format", "json"])
        .await
        .ok()
        .out;
    let by_her = accepts.matches("\"actor\":\"user:Aigul\"").count();
    assert!(
        by_her > 0 && accepts.matches("interlocks.overridden").count() == 1,
        "{accepts}"
    );
    assert_eq!(daemon.stop(), Some(0));
    {
        let world = desk.server.world();
        let ledger = world.ledger();
        assert!(ledger.both_actions_sent().is_empty() && ledger.blind_repeats().is_empty());
    }
    bot.shutdown().await;
}
