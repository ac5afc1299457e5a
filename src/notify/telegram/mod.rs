//! Telegram's Bot API: five methods over plain HTTP. The token is a part of the address, so no error may name the
//! address.

mod updates;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Secret, SendError, http};
use crate::net::SetupError;
use crate::text::{Secrets, shown};
pub use updates::{Event, Press, Update, Words};

/// Longest message that Telegram takes, in UTF-16 code units, which is how it counts.
const UNITS_MAX: usize = 4096;
/// Longest answer to a press, in characters.
const ANSWER_CHARS_MAX: usize = 200;
/// Longest description of an error that is kept, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// Updates asked for at once: few, as any of them may repeat a long message that it answers.
const UPDATES_MAX: usize = 50;
/// Largest answer with updates.
const UPDATES_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What an answer may take beyond the time that was asked for.
const MARGIN: Duration = Duration::from_secs(10);

/// Telegram's answer.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    result: Value,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

/// A button below a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What people read on it.
    pub label: String,
    /// What comes back when it is pressed.
    pub data: String,
}

/// Where a message is that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The chat, as Telegram numbers it.
    pub chat: i64,
    /// The message in it.
    pub message: i64,
}

/// A bot.
pub struct Bot {
    api: String,
    secret: Secret,
    client: reqwest::Client,
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot").finish_non_exhaustive()
    }
}

impl Bot {
    /// The bot with this secret at the API's address, which has no slash at its end.
    ///
    /// # Errors
    /// HTTPS that cannot be set up.
    pub fn new(api: &str, secret: Secret) -> Result<Self, SetupError> {
        Ok(Self {
            client: http::client(api)?,
            api: api.to_owned(),
            secret,
        })
    }

    fn token(&self) -> Result<SecretString, SendError> {
        let token = (self.secret)().map_err(SendError::Refused)?;
        let text = token.expose_secret().trim();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        if text.is_empty() || !text.chars().all(fits) {
            let why = "its secret is not a bot token; BotFather gives one such as 123456:ABC…";
            return Err(SendError::Refused(why.to_owned()));
        }
        Ok(SecretString::from(text))
    }

    /// Its number, which is the part of its token that everybody may see.
    ///
    /// # Errors
    /// No token, or none of a bot.
    pub fn id(&self) -> Result<i64, SendError> {
        let token = self.token()?;
        let id = token.expose_secret().split(':').next().unwrap_or_default();
        let why = "its secret does not begin with the bot's number, as in 123456:ABC…";
        id.parse().map_err(|_| SendError::Refused(why.to_owned()))
    }

    async fn call(
        &self,
        (method, body): (&str, &Value),
        (wait, bytes_max): (Duration, u64),
        now: Timestamp,
    ) -> Result<Value, SendError> {
        let token = self.token()?;
        let token = token.expose_secret();
        let builder = self
            .client
            .post(format!("{}/bot{token}/{method}", self.api))
            .timeout(wait.saturating_add(MARGIN))
            .header("content-type", "application/json")
            .body(body.to_string());
        let secrets = Secrets::default().and(token);
        let mut answer = http::send(builder, &secrets, bytes_max, now).await?;
        let reply: Answer = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(seconds) = reply.parameters.retry_after {
            answer.after = Some(Duration::from_secs(seconds));
        }
        let description = shown(&reply.description, DESCRIPTION_CHARS_MAX);
        match answer.status {
            // Nothing to change is what was wanted.
            400 if method.starts_with("edit")
                && description.contains("message is not modified") =>
            {
                Ok(Value::Null)
            }
            // An unknown chat, or a bot that is not a member of it: the next message would fail the same way.
            400 if method == "sendMessage" && is_about_the_chat(&description) => Err(
                SendError::Refused(format!("it answers HTTP 400: {description}")),
            ),
            409 => Err(SendError::Conflict(format!(
                "it answers HTTP 409: {description}"
            ))),
            200..=299 if !reply.ok => Err(SendError::Later {
                why: "it answers HTTP 200, but not as Telegram does".to_owned(),
                after: None,
            }),
            _ => http::judge(&answer, &description).map(|()| reply.result),
        }
    }

    async fn short(&self, method: &str, body: &Value, now: Timestamp) -> Result<Value, SendError> {
        let limits = (Duration::ZERO, http::BODY_BYTES_MAX);
        self.call((method, body), limits, now).await
    }

    /// What happened from that update on; waits for it as long as this. An update of another kind than was asked for
    /// has no event.
    ///
    /// # Errors
    /// Anything but a list of updates; [`SendError::Conflict`] where somebody else asks with the same token.
    pub async fn updates(
        &self,
        from: Option<i64>,
        wait: Duration,
        now: Timestamp,
    ) -> Result<Vec<Update>, SendError> {
        let mut body = json!({
            "timeout": wait.as_secs(), "limit": UPDATES_MAX, "allowed_updates": ["message", "callback_query"],
        });
        if let Some(from) = from {
            body["offset"] = json!(from);
        }
        let limits = (wait, UPDATES_BYTES_MAX);
        let found = self.call(("getUpdates", &body), limits, now).await?;
        updates::parse(&found).map_err(|why| SendError::Later { why, after: None })
    }

    /// Whether there may be more updates than one answer holds.
    pub const fn is_full(updates: usize) -> bool {
        updates >= UPDATES_MAX
    }

    /// Sends a message with buttons, row by row. A text that is too long is cut.
    ///
    /// # Errors
    /// Anything but an answer that confirms it.
    pub async fn send(
        &self,
        chat: &str,
        (text, keys): (&str, &[Vec<Key>]),
        now: Timestamp,
    ) -> Result<Option<Place>, SendError> {
        let mut body = json!({
            "chat_id": chat, "text": shortened(text), "link_preview_options": { "is_disabled": true },
        });
        if !keys.is_empty() {
            body["reply_markup"] = keyboard(keys);
        }
        let sent = self.short("sendMessage", &body, now).await?;
        let place = (sent["chat"]["id"].as_i64(), sent["message_id"].as_i64());
        Ok(match place {
            (Some(chat), Some(message)) => Some(Place { chat, message }),
            _ => None,
        })
    }

    /// Replaces a message's text and buttons. Where both are as they should be, nothing happens.
    ///
    /// # Errors
    /// Anything but an answer that confirms it; [`SendError::Unfit`] where there is no such message any more.
    pub async fn edit(
        &self,
        place: Place,
        (text, keys): (&str, &[Vec<Key>]),
        now: Timestamp,
    ) -> Result<(), SendError> {
        let body = json!({
            "chat_id": place.chat, "message_id": place.message, "text": shortened(text),
            "link_preview_options": { "is_disabled": true }, "reply_markup": keyboard(keys),
        });
        self.short("editMessageText", &body, now).await?;
        Ok(())
    }

    /// Answers a press: Telegram shows that it works on it until then.
    ///
    /// # Errors
    /// Anything but an answer that confirms it.
    pub async fn answer(
        &self,
        press: &str,
        (text, is_alert): (&str, bool),
        now: Timestamp,
    ) -> Result<(), SendError> {
        let body = json!({
            "callback_query_id": press, "text": shown(text, ANSWER_CHARS_MAX), "show_alert": is_alert,
        });
        self.short("answerCallbackQuery", &body, now).await?;
        Ok(())
    }
}

fn keyboard(keys: &[Vec<Key>]) -> Value {
    let button = |key: &Key| json!({ "text": key.label, "callback_data": key.data });
    let rows = keys.iter().map(|row| row.iter().map(button).collect());
    let rows: Vec<Value> = rows.collect();
    json!({ "inline_keyboard": rows })
}

/// Whether Telegram's words are about the chat and not about the message.
fn is_about_the_chat(description: &str) -> bool {
    let description = description.to_lowercase();
    ["chat", "peer", "user", "group", "channel"]
        .iter()
        .any(|word| description.contains(word))
}

pub(super) fn fits(text: &str) -> bool {
    text.encode_utf16().count() <= UNITS_MAX
}

/// The text, cut to the longest that is taken.
fn shortened(text: &str) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let mut units = 1;
    let fitting = text.chars().take_while(|c| {
        units += c.len_utf16();
        units <= UNITS_MAX
    });
    let mut short: String = fitting.collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_as_telegram_counts_it() {
        assert!(fits(&"я".repeat(4096)));
        assert!(!fits(&"😀".repeat(2049)));
        let cut = shortened(&"😀".repeat(4000));
        assert_eq!(cut.encode_utf16().count(), 4095);
        assert!(cut.ends_with('…'));
    }
}
