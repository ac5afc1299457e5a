//! Which chats a Telegram bot can write to: those that somebody wrote to it in.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::http;
use crate::net::SetupError;
use crate::text::{Secrets, shown};

/// The longest answer that is read: ten messages of the longest kind.
const BODY_BYTES_MAX: u64 = 256 * 1024;
/// Longest title of a chat that is kept, in characters.
const TITLE_CHARS_MAX: usize = 60;

/// A chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// Telegram's number for it.
    pub id: String,
    /// The name of the person or group.
    pub title: String,
}

/// Why the chats are not known.
#[derive(Debug, thiserror::Error)]
pub enum ChatsError {
    /// HTTPS cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Telegram does not take the token, or does not answer.
    #[error("{0}")]
    NotAnswered(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    result: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    message: Option<Message>,
    my_chat_member: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    chat: RawChat,
}

#[derive(Deserialize)]
struct RawChat {
    id: i64,
    #[serde(default)]
    title: String,
    #[serde(default)]
    first_name: String,
}

/// The chats in which somebody wrote to the bot lately, the newest first. For a bot that nothing listens to yet: older
/// messages are forgotten.
///
/// # Errors
/// The token is none, or Telegram does not answer.
pub async fn chats(
    api: &str,
    token: &SecretString,
    now: Timestamp,
) -> Result<Vec<Chat>, ChatsError> {
    let client = http::client(api)?;
    let token = token.expose_secret().trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(fits) {
        let why = "it is not a bot token; BotFather gives one such as 123456:ABC…";
        return Err(ChatsError::NotAnswered(why.to_owned()));
    }
    let builder = client.get(format!("{api}/bot{token}/getUpdates?offset=-10"));
    let secrets = Secrets::default().and(token);
    let answer = http::send(builder, &secrets, BODY_BYTES_MAX, now).await;
    let answer = answer.map_err(|error| ChatsError::NotAnswered(error.to_string()))?;
    let found: Answer = serde_json::from_slice(&answer.body)
        .map_err(|_| ChatsError::NotAnswered(format!("it answers HTTP {}", answer.status)))?;
    if !found.ok {
        let why = shown(&found.description, TITLE_CHARS_MAX);
        return Err(ChatsError::NotAnswered(format!(
            "it answers HTTP {}: {why}",
            answer.status
        )));
    }
    let mut chats: Vec<Chat> = Vec::new();
    let raw = found.result.into_iter().rev();
    for chat in raw.filter_map(|update| update.message.or(update.my_chat_member)) {
        let chat = chat.chat;
        let title = if chat.title.is_empty() {
            chat.first_name
        } else {
            chat.title
        };
        let chat = Chat {
            id: chat.id.to_string(),
            title: shown(&title, TITLE_CHARS_MAX),
        };
        if !chats.contains(&chat) {
            chats.push(chat);
        }
    }
    Ok(chats)
}
