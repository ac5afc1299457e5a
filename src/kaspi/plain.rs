//! Endpoints beside the orders API, below the base without `/v2`, that speak plain JSON (KASPI_API §7):
//! reads, which may be repeated, and a POST that is sent once.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::reader::RepeatAfter;
use super::transport::{Method, TransportError, WireRequest, WireResponse};
use super::{ApiError, Reader, RequestClass, Shared, json};

/// Why a POST has no answer to go on with, by what is known of its effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Kaspi refused it: it had no effect.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// It provably never left.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// It may have had its effect, or not.
    #[error("it is unknown whether Kaspi took it: {0}")]
    Unknown(String),
}

/// One shop's access to the plain endpoints; it shares pace and breaker with the shop's [`Reader`].
pub struct PlainApi {
    shared: Arc<Shared>,
    reader: Reader,
}

impl PlainApi {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let reader = Reader::new(Arc::clone(&shared));
        Self { shared, reader }
    }

    /// Reads, repeating after an outage as every read does. `parse` says which field was wrong.
    ///
    /// # Errors
    /// As every read.
    pub async fn get<T>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let mut request = self.request(Method::Get, path, query, None);
        request.headers.retain(|(name, _)| *name != "Content-Type");
        let after = RepeatAfter::OutagesAndPauses;
        self.reader.repeat(&request, parse, after).await
    }

    /// Sends one POST and never repeats it: Kaspi cannot tell a repeat from a second one. The answer
    /// has status 2xx.
    ///
    /// # Errors
    /// By what is known of its effect.
    pub async fn post_once(
        &self,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<WireResponse, PostError> {
        let mut request = self.request(Method::Post, path, &[], Some(body));
        set_header(&mut request, "Content-Type", content_type);
        let held_back =
            |until: Timestamp| PostError::NotSent(format!("requests are held back until {until}"));
        let turn = self
            .shared
            .gate
            .acquire(Method::Post, RequestClass::Other)
            .await;
        let mut turn = turn.map_err(|blocked| held_back(blocked.until()))?;
        turn.sent();
        let answer = self.shared.transport.send(&request).await;
        turn.record(Method::Post, &answer);
        let answer = answer.map_err(|error| match error {
            TransportError::NotSent(why) => PostError::NotSent(why),
            error => PostError::Unknown(error.to_string()),
        })?;
        match self.reader.judge(&answer) {
            // A 5xx does not prove that the request had no effect before it.
            Err(ApiError::Outage(why)) => Err(PostError::Unknown(why)),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(answer),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> WireRequest {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let query = query.iter().map(owned).collect();
        let mut request = self.shared.request(method, path.to_owned(), query, body);
        set_header(&mut request, "Accept", "application/json");
        request
    }
}

fn set_header(request: &mut WireRequest, name: &str, value: &str) {
    for (known, sent) in &mut request.headers {
        if *known == name {
            value.clone_into(sent);
        }
    }
}

/// Parses one JSON text of any shape and says which field was wrong, without repeating its value.
///
/// # Errors
/// The field and the kind of mistake.
pub fn parse_plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader);
    let value = value.map_err(|error| json::error_text(&error))?;
    reader
        .end()
        .map_err(|_| "more than one JSON text".to_owned())?;
    Ok(value)
}
