//! `[[channels]]`: where notifications are sent.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};

use super::text;
use crate::domain::notice::Kind;
use crate::lang::Lang;

/// One channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Lower-case letters, digits, `_` and `-`; unique.
    #[serde(deserialize_with = "text::slug")]
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// A webhook's URL, or another address of Telegram's bot API; may hold a secret, so only its origin is shown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "redacted",
        deserialize_with = "text::channel_url"
    )]
    pub url: Option<String>,
    /// The file the secret is in: a signing key `whsec_…`, or a bot's token.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::token_file"
    )]
    pub secret_file: Option<PathBuf>,
    /// The variable it is in.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::variable"
    )]
    pub secret_env: Option<String>,
    /// `secret_file` as written when it is a bare name, looked for in `$CREDENTIALS_DIRECTORY`.
    #[serde(skip)]
    pub credential: Option<String>,
    /// Telegram's chat.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::chat"
    )]
    pub chat_id: Option<String>,
    /// The language of its messages.
    #[serde(default = "russian")]
    pub language: Lang,
    /// Telegram: whether users decide orders by the buttons of its messages.
    #[serde(default)]
    pub decide: bool,
    /// The kinds of notice sent to it, with commas between; empty is all.
    #[serde(default, deserialize_with = "text::events")]
    pub events: String,
}

/// What a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// A signed webhook.
    Webhook,
    /// A Telegram chat.
    Telegram,
}

const fn russian() -> Lang {
    Lang::Ru
}

impl Channel {
    /// The kinds of notice sent to it; none means all.
    pub fn kinds(&self) -> Vec<Kind> {
        self.events
            .split(',')
            .filter_map(|word| Kind::parse(word.trim()))
            .collect()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Scheme and host alone.
fn redact(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "***".to_owned();
    };
    let origin = url.origin().ascii_serialization();
    if url.path().len() > 1 || url.query().is_some() {
        format!("{origin}/***")
    } else {
        origin
    }
}

#[allow(clippy::ref_option, reason = "serde hands the field over as it is")]
fn redacted<S: Serializer>(url: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_deref().map(redact).serialize(serializer)
}
