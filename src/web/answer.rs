//! What the API answers: JSON, or problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::people::Refusal;
use crate::store::StoreError;
use crate::text::shown;

/// An answer: kept under the key of its request, it is given again as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The version of an order, as `ETag`.
    pub(super) version: Option<String>,
    /// Seconds after which the request may be repeated.
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    /// What was asked for.
    pub(super) const fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            version: None,
            retry_after: None,
        }
    }

    /// A problem: `kind` is the stable name that programs go by.
    pub(super) fn problem(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem");
        let body = json!({
            "type": format!("urn:qabyl:problem:{kind}"), "title": title, "status": status.as_u16(),
            "detail": detail.into(),
        });
        Self {
            status: status.as_u16(),
            body,
            version: None,
            retry_after: None,
        }
    }

    /// The same, to be repeated after so many seconds.
    pub(super) const fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same, with one more member.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        if let Value::Object(body) = &mut self.body {
            body.insert(name.to_owned(), value);
        }
        self
    }

    /// Whether the same request would get it again: it was understood and allowed, and nothing is out of order.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.status, 200 | 404 | 409 | 412)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::problem(StatusCode::NOT_FOUND, "not-found", what)
    }

    pub(super) fn bad_request(what: impl Into<String>) -> Self {
        Self::problem(StatusCode::BAD_REQUEST, "bad-request", what)
    }

    pub(super) fn forbidden(what: impl Into<String>) -> Self {
        Self::problem(StatusCode::FORBIDDEN, "forbidden", what)
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        let conflict = |kind: &str| Self::problem(StatusCode::CONFLICT, kind, detail.clone());
        match &error {
            StoreError::NoOrder(_) => Self::not_found(&detail),
            StoreError::Refused(_) => conflict("state"),
            StoreError::NotTaken(refusal) => match refusal {
                Refusal::NotAllowed(_) => Self::forbidden(detail),
                Refusal::SendsNothing(_) => conflict("sends-nothing"),
                Refusal::Changed(_) => {
                    Self::problem(StatusCode::PRECONDITION_FAILED, "changed", detail)
                }
                Refusal::Objected(objections) => {
                    let names: Vec<&str> =
                        objections.iter().map(|(name, _)| name.as_str()).collect();
                    let named = format!(
                        "interlocks object: {}; repeat the request with \"override\": {} if you are sure",
                        names.join(", "),
                        json!(names)
                    );
                    let listed = objections
                        .iter()
                        .map(|(name, why)| json!({ "interlock": name.as_str(), "why": why }));
                    let listed: Vec<Value> = listed.collect();
                    Self::problem(StatusCode::CONFLICT, "interlock", named)
                        .with("interlocks", json!(listed))
                }
                Refusal::KeyUsed => {
                    Self::problem(StatusCode::UNPROCESSABLE_ENTITY, "key-used", detail)
                }
                Refusal::TooManyCancels { .. } => {
                    Self::problem(StatusCode::TOO_MANY_REQUESTS, "too-many-cancels", detail)
                        .after(600)
                }
            },
            _ => {
                super::log_unanswered(&error);
                Self::problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    format!("the database did not answer ({}): try again", error.code()),
                )
                .after(5)
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let kind = if self.status < 400 {
            "application/json"
        } else {
            "application/problem+json"
        };
        let mut response = (
            status,
            [(header::CONTENT_TYPE, kind)],
            // The same JSON, which a terminal shows as it is.
            shown(&self.body.to_string(), usize::MAX),
        )
            .into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let version = self.version.map(|version| format!("\"{version}\""));
        if let Some(version) = version.and_then(|version| HeaderValue::try_from(version).ok()) {
            headers.insert(header::ETAG, version);
        }
        if status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}
