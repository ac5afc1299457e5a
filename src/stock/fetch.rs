//! A stock source behind a URL. The URL may carry a secret, so no error names it.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{LAST_MODIFIED, LOCATION};

use super::findings::SourceError;
use super::google_sheet;
use crate::net::{self, ClientOptions, Failure, SetupError};
use crate::text::Secrets;

/// Largest answer of a supplier in bytes, decoded: half a million rows.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the whole answer: a large price list on a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);

/// Why a source gave no stock. `Display` says what happened, [`ReadError::hint`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not found, no answer, or an answer that is not stock.
    #[error("{0}")]
    Unreadable(String),
    /// The supplier refuses the token.
    #[error("{0}")]
    Refused(String),
    /// It was read, but has errors.
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
                "fix the rows named here in the feed; until then the levels stay as they are"
            }
            Self::Unreadable(_) => {
                "check the file or the address of this source; until then the levels stay as they are"
            }
            Self::Refused(_) => {
                "put a valid token where this source reads it; it is read again each time"
            }
        }
    }
}

/// A source's answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// A URL that is read.
pub struct Web {
    client: reqwest::Client,
    url: String,
    /// Whether it is a sheet of Google, whose answer is elsewhere.
    is_sheet: bool,
}

impl Web {
    /// A client for this address.
    ///
    /// # Errors
    /// HTTPS could not be set up.
    pub fn new(url: &str) -> Result<Self, SetupError> {
        let client = net::client(&ClientOptions {
            url,
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            proxy: None,
            reuse_connections: true,
        })?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            is_sheet: false,
        })
    }

    /// A client for a sheet of Google Sheets, by its address in the browser.
    ///
    /// # Errors
    /// It is no such address, or HTTPS could not be set up; in words.
    pub fn sheet(address: &str) -> Result<Self, String> {
        let url = google_sheet::export(address)?;
        let web = Self::new(&url).map_err(|error| error.to_string())?;
        Ok(Self {
            is_sheet: true,
            ..web
        })
    }

    /// Reads what lies below the address. The request carries `secrets`.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        secrets: &Secrets,
    ) -> Result<Answer, ReadError> {
        let failed =
            |failure: Failure| ReadError::Unreadable(format!("could not be read: {failure}"));
        let request = self.client.get(format!("{}{path}", self.url)).query(query);
        let response = request.send().await;
        let mut response = response.map_err(|error| failed(error.into()))?;
        let body = net::read_body(&mut response, BODY_BYTES_MAX, secrets).await;
        Ok(Answer {
            status: response.status(),
            body: body.map_err(failed)?,
        })
    }

    /// The error without what may be secret in the URL: a server may repeat it in a file, and errors quote
    /// cells.
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

    /// The file at the address, of at most so many bytes, and its `Last-Modified`.
    ///
    /// # Errors
    /// No answer, or one that is not a file.
    pub async fn file(&self, most: u64) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
        let unreadable = |what: String| Err(ReadError::Unreadable(what));
        let failed =
            |failure: Failure| ReadError::Unreadable(format!("could not be read: {failure}"));
        let mut url = self.url.clone();
        let mut redirects = 0;
        let mut response = loop {
            let response = self.client.get(&url).send().await;
            let response = response.map_err(|error| failed(error.into()))?;
            if !self.is_sheet || !response.status().is_redirection() {
                break response;
            }
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            redirects += 1;
            url = match google_sheet::redirect(&url, to) {
                Ok(_) if redirects > google_sheet::REDIRECTS_MAX => {
                    return unreadable("Google redirects without end".to_owned());
                }
                Ok(url) => url,
                Err(what) => return unreadable(what),
            };
        };
        let modified = response.headers().get(LAST_MODIFIED);
        let modified_at = modified.and_then(|value| net::http_date(value.to_str().ok()?));
        let status = response.status();
        if self.is_sheet && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return unreadable(google_sheet::NOT_SHARED.to_owned());
        }
        if status != StatusCode::OK {
            return unreadable(format!("the address answers {status}"));
        }
        let body = net::read_body(&mut response, most, &Secrets::default()).await;
        let body = body.map_err(failed)?;
        let text = body.trim_ascii_start();
        let page = text.get(..9).unwrap_or_default().to_ascii_lowercase();
        if page.starts_with(b"<!doctype") || page.starts_with(b"<html") {
            return unreadable(if self.is_sheet {
                google_sheet::NOT_SHARED.to_owned()
            } else {
                "the address answers with a web page, not with a file".to_owned()
            });
        }
        Ok((body, modified_at))
    }
}
