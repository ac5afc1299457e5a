//! Telegram: people link their account, press buttons and write commands, against the fake Bot API and the sandbox.

mod commands;
mod daemon;
mod enrolment;
mod listening;
mod phone;
mod presses;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use qabyl::clock::Clock;
use qabyl_sandbox::{BotApi, BotMessage, BotServer, Settings};

use crate::cli::Desk;

pub(crate) const BOT_TOKEN: &str = "123456:bot-token-of-the-test";
/// The chat of the channel: a group.
pub(crate) const GROUP: i64 = -500;
/// The account of somebody.
pub(crate) const AIGUL: i64 = 7001;

pub(crate) fn bot() -> BotServer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let api = BotApi::new(BOT_TOKEN);
    BotServer::start(address, api, Arc::new(|| Clock::System.now())).unwrap()
}

/// A channel with buttons in that chat.
pub(crate) fn channel(bot: &BotServer, chat: i64, language: &str) -> String {
    format!(
        "[[channels]]\nname = \"chat{chat}\"\nkind = \"telegram\"\nurl = \"{}\"\nchat_id = \"{chat}\"\n\
         secret_file = \"bot\"\nlanguage = \"{language}\"\ndecide = true\n",
        bot.url()
    )
}

/// A desk with a bot whose group reads English.
pub(crate) fn desk(bot: &BotServer) -> Desk {
    let desk = Desk::new(Settings::default());
    desk.write("bot", BOT_TOKEN);
    desk.only_for_owner("bot");
    desk.write(
        "qabyl.toml",
        &desk.config("act", &channel(bot, GROUP, "en")),
    );
    desk
}

pub(crate) fn log(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("log")).unwrap_or_default()
}

/// The messages of a chat now.
pub(crate) fn messages(bot: &BotServer, chat: i64) -> Vec<BotMessage> {
    bot.with(|bot| bot.messages(chat).to_vec())
}

/// Whether a message of the chat has this in it.
pub(crate) fn says(bot: &BotServer, chat: i64, text: &str) -> bool {
    let all = messages(bot, chat);
    all.iter().any(|message| message.text.contains(text))
}
