//! Reading an answer: never more than a limit, never with a secret of the request in it, and an error
//! that does not name the address, as it may hold a secret.

use std::borrow::Cow;
use std::error::Error;

use crate::text::Secrets;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection: nothing of the request was sent.
    #[error("could not connect: {0}")]
    NotConnected(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The decoded answer is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() {
            Self::NotConnected(connect_words(&error))
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Broken(innermost(&error))
        }
    }
}

/// Why there is no connection, with the part that failed first: names (DNS), the proxy, TLS, or the address.
fn connect_words(error: &dyn Error) -> String {
    let mut chain = vec![error.to_string().to_lowercase()];
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
        chain.push(cause.to_string().to_lowercase());
    }
    let says = |words: &[&str]| {
        chain
            .iter()
            .any(|text| words.iter().any(|word| text.contains(word)))
    };
    let what = if says(&["proxy auth", "407"]) {
        "the proxy asks for a login (HTTP 407): "
    } else if says(&["tunnel", "proxy"]) {
        "the proxy makes no connection: "
    } else if says(&["dns error", "lookup address", "name or service", "resolve"]) {
        "the name of the server is not found (DNS): "
    } else if says(&["certificate", "tls", "handshake"]) {
        "TLS: "
    } else {
        ""
    };
    format!("{what}{}", innermost(error))
}

/// The innermost cause: the outer ones only name libraries.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Reads a body, decoded, and stops before it grows over `limit` bytes. A server may repeat what it was
/// sent: `secrets` are those of the request, and the body comes without them, still to be parsed.
pub async fn read_body(
    response: &mut reqwest::Response,
    limit: u64,
    secrets: &Secrets,
) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let length = body.len().saturating_add(chunk.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return Err(Failure::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    let redacted = match secrets.redact_answer(&body) {
        Cow::Owned(redacted) => Some(redacted),
        Cow::Borrowed(_) => None,
    };
    Ok(redacted.unwrap_or(body))
}
