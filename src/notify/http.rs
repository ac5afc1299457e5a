//! What both kinds of channel need of HTTP: one request with short time-outs, a short answer, and no
//! word of the address in any error, as it may hold a secret.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::SendError;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A channel is never left alone for longer, whatever it asks for.
const PAUSE_LONGEST: Duration = Duration::from_mins(15);

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// No redirects (they would carry the message elsewhere), no retries of its own, no proxy from the
/// environment.
pub(super) fn client() -> Result<reqwest::Client, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .no_proxy()
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("qabyl/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("HTTPS could not be set up: {}", error.without_url()))
}

pub(super) async fn ask(
    builder: reqwest::RequestBuilder,
    now: Timestamp,
) -> Result<Answer, SendError> {
    let later = |error: reqwest::Error| SendError::Later {
        why: root(&error.without_url()),
        after: None,
    };
    let mut response = builder.send().await.map_err(later)?;
    let mut body = Vec::new();
    // The status alone decides; what is said beside it only helps a person.
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        after: retry_after(response.headers(), now),
        body,
    })
}

/// What a status means, for every kind of channel.
pub(super) fn judge(answer: &Answer, said: &str) -> Result<(), SendError> {
    let why = if said.is_empty() {
        format!("it answers HTTP {}", answer.status)
    } else {
        format!("it answers HTTP {}: {said}", answer.status)
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

/// In seconds, or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

/// The innermost cause, which is the one that says something.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
