//! What makes a write safe to repeat: `Idempotency-Key`, and the version of the order in `If-Match`.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;

use super::Shared;
use super::answer::Answer;
use super::guard::Caller;
use crate::store::KeyedRequest;

/// Longest key, in characters.
const KEY_MAX: usize = 255;

/// The key of a request, where it has one.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<&str>, Answer> {
    let mut sent = headers.get_all("idempotency-key").iter();
    let (Some(key), None) = (sent.next(), sent.next()) else {
        return if headers.contains_key("idempotency-key") {
            Err(Answer::bad_request("send one Idempotency-Key"))
        } else {
            Ok(None)
        };
    };
    let key = key.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > KEY_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("an Idempotency-Key has 1 to {KEY_MAX} visible ASCII characters");
        return Err(Answer::bad_request(what));
    }
    Ok(Some(key))
}

/// The version of the order that the caller saw.
pub(super) fn version(headers: &HeaderMap) -> Result<Option<String>, Answer> {
    let mut sent = headers.get_all(header::IF_MATCH).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else {
        return if headers.contains_key(header::IF_MATCH) {
            Err(Answer::bad_request("send one If-Match"))
        } else {
            Ok(None)
        };
    };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    let value = value.strip_prefix("W/").unwrap_or(value);
    let value = value.trim_matches('"');
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let what = "If-Match is the version of the order, as GET gives it in ETag";
        return Err(Answer::bad_request(what));
    }
    Ok(Some(value.to_owned()))
}

pub(super) fn request<'a>(caller: &'a Caller, key: &'a str, words: &'a str) -> KeyedRequest<'a> {
    KeyedRequest {
        person: caller.actor.person(),
        key,
        request: words,
    }
}

/// The answer that the same request had.
pub(super) async fn answered(
    shared: &Shared,
    asked: Option<&KeyedRequest<'_>>,
    now: Timestamp,
) -> Result<Option<Answer>, Answer> {
    let Some(asked) = asked else { return Ok(None) };
    let before = shared.store.answered(asked, now).await?;
    before.as_deref().map(parse).transpose()
}

/// Keeps the answer to a request that changed nothing, where the same request would get it again.
pub(super) async fn keep(
    shared: &Shared,
    asked: Option<&KeyedRequest<'_>>,
    given: Answer,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let Some(asked) = asked.filter(|_| given.is_kept()) else {
        return Ok(given);
    };
    let text = serde_json::to_string(&given).unwrap_or_default();
    let before = shared.store.keep_answer(asked, &text, now).await?;
    before.as_deref().map_or(Ok(given), parse)
}

/// An answer as it was kept.
pub(super) fn parse(text: &str) -> Result<Answer, Answer> {
    serde_json::from_str(text).map_err(|_| {
        let what = "this key was used at the command line: use another one";
        Answer::problem(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "key-used",
            what,
        )
    })
}
