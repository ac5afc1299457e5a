//! The body of a request: within its size, and not slower than a line that works.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use crate::net::Peer;

/// Longest wait for the next part of a body.
const PART_MAX: Duration = Duration::from_secs(10);

/// Reads a whole body of at most so many bytes.
pub(super) async fn read(
    body: Body,
    headers: &HeaderMap,
    peer: &Peer,
    max: usize,
) -> Result<Vec<u8>, Answer> {
    let too_large = || {
        let what = format!("the body has more than {max} bytes");
        Answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", what)
    };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut parts = body.into_data_stream();
    loop {
        let part = tokio::time::timeout(PART_MAX, parts.next()).await;
        let Ok(part) = part else {
            let what = "the body stopped arriving";
            return Err(Answer::problem(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                what,
            ));
        };
        match part {
            None => return Ok(bytes),
            Some(Err(_)) => return Err(Answer::bad_request("the body broke off")),
            Some(Ok(part)) => {
                peer.has_asked();
                if bytes.len() + part.len() > max {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&part);
            }
        }
    }
}

/// The type of a body, without its parameters.
pub(super) fn kind(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default();
    Some(kind.trim().to_lowercase())
}

pub(super) fn unsupported(kinds: &str) -> Answer {
    let what = format!("send {kinds}, and say so in Content-Type");
    Answer::problem(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        what,
    )
}

/// Strict JSON: what is not known is a mistake. No body is an empty object.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Answer> {
    let kind = kind(headers);
    let is_json = kind.as_deref() == Some("application/json");
    if !(is_json || (bytes.is_empty() && kind.is_none())) {
        return Err(unsupported("application/json"));
    }
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    // A list would be read as the members of an object in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Answer::bad_request("the body is a JSON object"));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Answer::bad_request(format!("the body is not as documented: {error}")))
}
