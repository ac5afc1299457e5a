//! HTTP for channels: one request with short time limits, a short answer, and errors that do not name the
//! address, as it may hold a secret.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;

use super::SendError;
use crate::net::{self, ClientOptions, Failure, SetupError};
use crate::text::Secrets;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of a channel that only takes messages.
pub(super) const BODY_BYTES_MAX: u64 = 16 * 1024;
/// The longest pause a channel may ask for.
const PAUSE_LONGEST: Duration = Duration::from_mins(15);

/// A channel's answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The pause asked for by `Retry-After`.
    pub(super) after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

pub(super) fn client(url: &str) -> Result<reqwest::Client, SetupError> {
    net::client(&ClientOptions {
        url,
        connect_timeout: CONNECT_TIMEOUT,
        request_timeout: REQUEST_TIMEOUT,
        proxy: None,
        reuse_connections: false,
    })
}

/// Sends one request, which carries `secrets`; a longer answer than `bytes_max` counts as empty.
pub(super) async fn send(
    builder: reqwest::RequestBuilder,
    secrets: &Secrets,
    bytes_max: u64,
    now: Timestamp,
) -> Result<Answer, SendError> {
    let failed = |error: reqwest::Error| SendError::Later {
        why: Failure::from(error).to_string(),
        after: None,
    };
    let mut response = builder.send().await.map_err(failed)?;
    let after = response.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| net::retry_after(value.to_str().ok()?, now));
    // The status decides; the body only helps a person.
    let body = net::read_body(&mut response, bytes_max, secrets).await;
    Ok(Answer {
        status: response.status().as_u16(),
        after,
        body: body.unwrap_or_default(),
    })
}

/// What a status means, for every kind of channel. `description` is the channel's own, empty if none.
pub(super) fn judge(answer: &Answer, description: &str) -> Result<(), SendError> {
    let why = if description.is_empty() {
        format!("it answers HTTP {}", answer.status)
    } else {
        format!("it answers HTTP {}: {description}", answer.status)
    };
    match answer.status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(SendError::Later {
            why,
            after: answer.after.map(|after| after.min(PAUSE_LONGEST)),
        }),
        400 | 413 | 422 => Err(SendError::Unfit(why)),
        _ => Err(SendError::Refused(why)),
    }
}
