//! Channels to a person: a signed webhook and Telegram. Each has a client of its own with short
//! time-outs, apart from everything that speaks to Kaspi.

mod http;
pub mod messages;
mod telegram;
mod webhook;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use crate::domain::notice::Kind;
use crate::domain::schedule::Schedule;
pub use messages::{Language, Speaker};
pub use webhook::{signature, signing_key};

/// One happening.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: Kind,
    /// In which shop, where it is about one.
    pub shop: Option<String>,
    /// Its facts.
    pub facts: Value,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The same with every try: who got it twice can tell by it.
    pub token: String,
    /// When it was put together.
    pub made_at: Timestamp,
    /// Whether only numbers are told.
    pub is_summary: bool,
    /// What it tells, the oldest first.
    pub items: Vec<Item>,
}

/// Why a message was not taken, by what follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nobody answers, or not yet: the same again later.
    #[error("{why}")]
    Later {
        /// What happened.
        why: String,
        /// How long the channel asked to wait.
        after: Option<Duration>,
    },
    /// The channel says no to whatever is sent: a person must see to it. Tried again all the same.
    #[error("{0}")]
    Refused(String),
    /// It says no to this message.
    #[error("{0}")]
    Unfit(String),
}

/// Gives a channel's secret as it is now, or says why there is none.
pub type Secret = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// Where a channel leads.
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
    /// The kinds it is told; all when there are none.
    pub kinds: Vec<Kind>,
    speaker: Speaker,
    target: Target,
    secret: Secret,
    client: reqwest::Client,
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
        (kinds, language, schedule): (Vec<Kind>, Language, Schedule),
        target: Target,
        secret: Secret,
    ) -> Result<Self, String> {
        Ok(Self {
            name: name.to_owned(),
            kinds,
            speaker: Speaker { language, schedule },
            target,
            secret,
            client: http::client()?,
        })
    }

    /// Whether it is told of such things.
    pub fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// Sends a message: one request, never repeated here.
    ///
    /// # Errors
    /// Whatever is no clear yes.
    pub async fn send(&self, message: &Outgoing, now: Timestamp) -> Result<(), SendError> {
        let secret = (self.secret)().map_err(SendError::Refused)?;
        let text = self.speaker.message(message, now);
        match &self.target {
            Target::Webhook { url } => {
                let request = webhook::request(message, &text, self.speaker.language);
                webhook::send(&self.client, url, &secret, &request, now).await
            }
            Target::Telegram { api, chat } => {
                telegram::send(&self.client, (api, chat), &secret, &text).await
            }
        }
    }
}
