//! Telegram's `sendMessage`. Its token is a part of the address, so no error may name that.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

use super::{SendError, http};
use crate::text::Secrets;

/// Characters Telegram takes in one message.
const CHARACTERS_MAX: usize = 4096;

/// What Telegram answers beside the status.
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
) -> Result<(), SendError> {
    let token = token.expose_secret().trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
    if token.is_empty() || !token.chars().all(fits) {
        let why = "its secret is no bot token: BotFather gives one such as 123456:ABC…";
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
    let mut answer = http::ask(builder, Timestamp::UNIX_EPOCH).await?;
    let said: Answer = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(seconds) = said.parameters.retry_after {
        answer.after = Some(Duration::from_secs(seconds));
    }
    // Whatever answers in Telegram's place may repeat what it was asked.
    let description = Secrets::default().and(token).redact_text(&said.description);
    match answer.status {
        // A chat that is not there, or a bot that nobody let in, is nothing the next message mends.
        400 if !description.contains("too long") => Err(SendError::Refused(format!(
            "it answers HTTP 400: {description}"
        ))),
        200..=299 if !said.ok => Err(SendError::Later {
            why: "it answers HTTP 200, and not as Telegram does".to_owned(),
            after: None,
        }),
        _ => http::judge(&answer, &description),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= CHARACTERS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(CHARACTERS_MAX - 1).collect();
    short.push('…');
    short
}
