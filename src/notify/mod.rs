//! Channels that notify people: signed webhooks and Telegram. Each has an HTTP client of its own with short
//! time limits, separate from Kaspi's.

mod chats;
mod hold_text;
mod http;
pub mod messages;
pub mod telegram;
mod webhook;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::Value;

use crate::domain::notice::Kind;
use crate::domain::schedule::Schedule;
use crate::lang::Lang;
use crate::net::SetupError;
pub use chats::{Chat, chats};
pub use hold_text::{Goods, HeldOrder};
pub use messages::MessageWriter;
use telegram::Bot;
pub use webhook::{signature, signing_key};

/// One event to notify people of.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// When it happened.
    pub at: Timestamp,
    /// Its kind.
    pub kind: Kind,
    /// The shop it concerns, if it is one.
    pub shop: Option<String>,
    /// Its facts, as stored with the notice.
    pub facts: Value,
    /// Time left to its order's deadline, by the rules in force and Kaspi's clock; negative once it has passed.
    pub left: Option<SignedDuration>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The same in every attempt, so that a receiver recognises a repeat.
    pub token: String,
    /// When it was composed.
    pub made_at: Timestamp,
    /// Whether it has only counts.
    pub is_summary: bool,
    /// Whether its channel rejected it before: only a short text is sent.
    pub is_short: bool,
    /// Its events, the oldest first.
    pub items: Vec<Item>,
}

/// Why a message was not delivered, by what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No answer, or a temporary refusal: the same message is sent again later.
    #[error("{why}")]
    Later {
        /// What happened.
        why: String,
        /// The pause that the channel asked for.
        after: Option<Duration>,
    },
    /// The channel refuses every message: a person must fix its configuration. Sent again all the same.
    #[error("{0}")]
    Refused(String),
    /// The channel refuses this message.
    #[error("{0}")]
    Unfit(String),
    /// Somebody else uses the same token at the same time.
    #[error("{0}")]
    Conflict(String),
}

/// Reads a channel's secret again, or says why there is none.
pub type Secret = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// A channel's destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A URL that gets signed JSON.
    Webhook {
        /// The URL; may hold a secret, so it is never shown whole.
        url: String,
    },
    /// A Telegram chat.
    Telegram {
        /// The bot API's address without a slash at its end.
        api: String,
        /// The chat.
        chat: String,
    },
}

/// A channel.
pub struct Channel {
    /// Its name.
    pub name: String,
    /// The kinds of event it is notified of; empty means all.
    pub kinds: Vec<Kind>,
    writer: MessageWriter,
    way: Way,
    decides: bool,
}

/// How messages get to it.
enum Way {
    Webhook {
        url: String,
        secret: Secret,
        client: reqwest::Client,
    },
    Telegram {
        bot: Bot,
        chat: String,
    },
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Channel {
    /// Joins a channel's parts.
    ///
    /// # Errors
    /// HTTPS that cannot be set up.
    pub fn new(
        name: &str,
        (kinds, language, schedule): (Vec<Kind>, Lang, Schedule),
        target: Target,
        secret: Secret,
    ) -> Result<Self, SetupError> {
        let way = match target {
            Target::Webhook { url } => Way::Webhook {
                client: http::client(&url)?,
                url,
                secret,
            },
            Target::Telegram { api, chat } => Way::Telegram {
                bot: Bot::new(&api, secret)?,
                chat,
            },
        };
        Ok(Self {
            name: name.to_owned(),
            kinds,
            writer: MessageWriter { language, schedule },
            way,
            decides: false,
        })
    }

    /// The same channel, by whose buttons users decide.
    #[must_use]
    pub fn deciding(mut self) -> Self {
        self.decides = true;
        self
    }

    /// Whether users decide by the buttons of its messages.
    pub const fn decides(&self) -> bool {
        self.decides
    }

    /// Its bot and its chat, where it is one of Telegram.
    pub fn telegram(&self) -> Option<(&Bot, &str)> {
        match &self.way {
            Way::Telegram { bot, chat } => Some((bot, chat)),
            Way::Webhook { .. } => None,
        }
    }

    /// Writes in its language.
    pub const fn writer(&self) -> &MessageWriter {
        &self.writer
    }

    /// Whether it is notified of this kind of event.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Whether the message is short enough for it. A message of one event always is: its text is cut.
    pub fn fits(&self, message: &Outgoing, now: Timestamp) -> bool {
        let is_telegram = matches!(self.way, Way::Telegram { .. });
        let has_parts = message.items.len() > 1 && !message.is_summary && !message.is_short;
        !is_telegram || !has_parts || telegram::fits(&self.writer.message(message, now))
    }

    /// Sends a message: one request, never repeated here.
    ///
    /// # Errors
    /// Anything but an answer that confirms the delivery.
    pub async fn send(&self, message: &Outgoing, now: Timestamp) -> Result<(), SendError> {
        let text = self.writer.message(message, now);
        match &self.way {
            Way::Webhook {
                url,
                secret,
                client,
            } => {
                let secret = secret().map_err(SendError::Refused)?;
                let request = webhook::request(message, &text, self.writer.language);
                webhook::send(client, url, &secret, &request, now).await
            }
            Way::Telegram { bot, chat } => {
                bot.send(chat, (&text, &[]), now).await?;
                Ok(())
            }
        }
    }
}
