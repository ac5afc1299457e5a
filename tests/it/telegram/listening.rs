//! The bot is asked by one program, for ever, and ends with the daemon.

use std::time::Duration;

use qabyl::clock::Clock;
use serde_json::json;

use super::{AIGUL, GROUP, bot, channel, desk, log, says};
use crate::cli::daemon::{Daemon, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_with_the_token_is_reported_and_listening_goes_on() {
    let bot = bot();
    let desk = desk(&bot);
    let conflict = json!({ "ok": false, "error_code": 409, "description": "Conflict: terminated by other getUpdates request" });
    bot.with(|bot| bot.fails_next("getUpdates", 409, conflict));
    let daemon = Daemon::start(&desk);
    until("people are notified", || {
        says(&bot, GROUP, "also used by another program")
    })
    .await;
    until("it is logged", || log(&desk).contains("N002")).await;
    bot.with(|bot| bot.says(AIGUL, AIGUL, "/start ABCDE-FGHJK"));
    until("it listens again", || says(&bot, AIGUL, "not valid")).await;
    let begun = Clock::System.ticks();
    assert_eq!(daemon.stop(), Some(0));
    let took = Clock::System.ticks().saturating_sub(begun);
    assert!(
        took < Duration::from_secs(30),
        "a waiting request does not delay the stop: {took:?}"
    );
    bot.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_of_two_channels_is_asked_once_at_a_time() {
    let bot = bot();
    let desk = desk(&bot);
    let both = channel(&bot, GROUP, "en") + &channel(&bot, AIGUL, "ru");
    desk.write("qabyl.toml", &desk.config("act", &both));
    let daemon = Daemon::start(&desk);
    until("it is asked", || bot.with(|bot| bot.polls()) >= 2).await;
    for times in 1..4 {
        // Each is answered at once: nobody else asks.
        bot.with(|bot| bot.says(AIGUL, AIGUL, "/start ABCDE-FGHJK"));
        until("in the language of the chat", || {
            super::messages(&bot, AIGUL).len() == times
        })
        .await;
    }
    assert!(says(&bot, AIGUL, "код не подходит"));
    assert_eq!(daemon.stop(), Some(0));
    assert!(!log(&desk).contains("telegram.conflict"));
    bot.shutdown().await;
}
