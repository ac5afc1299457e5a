//! Telegram's `sendMessage`. The token is a part of the address, so no error may name the address.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

use super::{SendError, http};
use crate::text::{Secrets, shown};

/// Longest message that Telegram takes, in UTF-16 code units, which is how it counts.
const UNITS_MAX: usize = 4096;
/// Longest description of an error that is kept, in characters.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// Telegram's answer.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

pub(super) async fn send(
    client: &reqwest::Client,
    (api, chat): (&str, &str),
    token: &SecretString,
    text: &str,
    now: Timestamp,
) -> Result<(), SendError> {
    let token = token.expose_secret().trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(fits) {
        let why = "its secret is not a bot token; BotFather gives one such as 123456:ABC…";
        return Err(SendError::Refused(why.to_owned()));
    }
    let body = json!({
        "chat_id": chat, "text": shortened(text),
        "link_preview_options": { "is_disabled": true },
    });
    let builder = client
        .post(format!("{api}/bot{token}/sendMessage"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let secrets = Secrets::default().and(token);
    let mut answer = http::send(builder, &secrets, now).await?;
    let reply: Answer = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(seconds) = reply.parameters.retry_after {
        answer.after = Some(Duration::from_secs(seconds));
    }
    let description = shown(&reply.description, DESCRIPTION_CHARS_MAX);
    match answer.status {
        // An unknown chat, or a bot that is not a member of it: the next message would fail the same way.
        400 if is_about_the_chat(&description) => Err(SendError::Refused(format!(
            "it answers HTTP 400: {description}"
        ))),
        200..=299 if !reply.ok => Err(SendError::Later {
            why: "it answers HTTP 200, but not as Telegram does".to_owned(),
            after: None,
        }),
        _ => http::judge(&answer, &description),
    }
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
