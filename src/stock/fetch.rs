//! A source behind an address. The address may carry a secret: it is never told, and no redirect is
//! followed with it.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::LAST_MODIFIED;

use super::findings::SourceError;
use crate::text::Secrets;

/// Largest answer, decoded: half a million rows.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the whole answer: a large price list on a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Why a source gave nothing. `Display` says what happened, [`ReadError::hint`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there, does not answer, or answers with what is no stock.
    #[error("{0}")]
    Unreadable(String),
    /// The supplier refuses the token.
    #[error("{0}")]
    Refused(String),
    /// It was read, and has mistakes.
    #[error("{}", .0.brief())]
    Mistaken(#[from] SourceError),
}

impl ReadError {
    /// The stable code of this error, a heading in the runbook.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Mistaken(_) => "S001",
            Self::Unreadable(_) => "S002",
            Self::Refused(_) => "S005",
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Mistaken(_) => {
                "mend the rows named here in the feed; the levels stay as they were"
            }
            Self::Unreadable(_) => {
                "check the file or the address of this source; the levels stay as they were"
            }
            Self::Refused(_) => {
                "put a valid token where this source reads it; it is read anew each time"
            }
        }
    }
}

/// What came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    pub(super) modified_at: Option<Timestamp>,
}

/// An address that is asked.
pub struct Web {
    client: reqwest::Client,
    url: String,
}

impl Web {
    /// Prepares to ask an address.
    ///
    /// # Errors
    /// HTTPS could not be set up, in words.
    pub fn new(url: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .no_proxy()
            .user_agent(concat!("qabyl/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        let client = if url.starts_with("http://") {
            // Nobody to trust: the machine's certificates are not read for nothing.
            client.tls_certs_only([])
        } else {
            client
        };
        let client = client
            .build()
            .map_err(|error| format!("HTTPS could not be set up: {}", error.without_url()))?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Asks for what lies below the address. The answer comes without `secrets`, should the server
    /// repeat what it was sent.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        secrets: &Secrets,
    ) -> Result<Answer, ReadError> {
        let lost = |error: reqwest::Error| {
            let what = if error.is_timeout() {
                "no answer in time".to_owned()
            } else {
                root(&error.without_url())
            };
            ReadError::Unreadable(format!("could not be read: {what}"))
        };
        let request = self.client.get(format!("{}{path}", self.url)).query(query);
        let mut response = request.send().await.map_err(lost)?;
        let modified = response.headers().get(LAST_MODIFIED);
        let modified = modified.and_then(|value| value.to_str().ok());
        let modified_at = modified.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
        let mut answer = Answer {
            status: response.status(),
            body: Vec::new(),
            modified_at: modified_at.map(|at| at.timestamp()),
        };
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if answer.body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ReadError::Unreadable(format!(
                    "the answer is larger than {} MiB",
                    BODY_BYTES_MAX / (1024 * 1024)
                )));
            }
            answer.body.extend_from_slice(&chunk);
        }
        if let Cow::Owned(body) = secrets.redact(&answer.body) {
            answer.body = body;
        }
        Ok(answer)
    }

    /// The error without what may be secret in the address: a server may put it into a file, and
    /// findings quote its cells.
    pub fn redact(&self, error: ReadError) -> ReadError {
        let secrets = Secrets::default().and_url(&self.url);
        match error {
            ReadError::Unreadable(what) => ReadError::Unreadable(secrets.redact_text(&what)),
            ReadError::Refused(what) => ReadError::Refused(secrets.redact_text(&what)),
            ReadError::Mistaken(mut error) => {
                for problem in &mut error.problems {
                    problem.what = secrets.redact_text(&problem.what);
                }
                ReadError::Mistaken(error)
            }
        }
    }

    /// A file that lies at the address, and when it was made where that is told.
    ///
    /// # Errors
    /// No answer, or one that is no file.
    pub async fn file(&self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
        let answer = self.get("", &[], &Secrets::default()).await?;
        if answer.status != StatusCode::OK {
            return Err(ReadError::Unreadable(format!(
                "the address answers {}",
                answer.status
            )));
        }
        let text = answer.body.trim_ascii_start();
        let page = text.get(..9).unwrap_or_default().to_ascii_lowercase();
        if page.starts_with(b"<!doctype") || page.starts_with(b"<html") {
            let what = "the address answers with a page, not with a file";
            return Err(ReadError::Unreadable(what.to_owned()));
        }
        Ok((answer.body, answer.modified_at))
    }
}

/// The innermost cause, which is the one that says something.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
