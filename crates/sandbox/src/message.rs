//! Requests to a [`World`](super::World) and its replies.

use std::time::Duration;

use serde_json::{Value, json};

/// The methods the API knows (KASPI_API §2, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A read.
    Get,
    /// A write.
    Post,
}

/// A request as the server read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, percent-decoded, e.g. `/shop/api/v2/orders`.
    pub path: String,
    /// Query pairs in the order sent, percent-decoded.
    pub query: Vec<(String, String)>,
    /// Header pairs; the names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty on a read.
    pub body: Vec<u8>,
}

impl Request {
    /// A read of `path` with the headers a correct client sends (KASPI_API §1).
    pub fn get(path: &str, token: &str) -> Self {
        let headers = [
            ("x-auth-token", token),
            ("content-type", "application/vnd.api+json"),
            ("user-agent", "Mozilla/5.0"),
        ];
        Self {
            method: Method::Get,
            path: path.to_owned(),
            query: Vec::new(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            body: Vec::new(),
        }
    }

    /// A write of `body` to `path` with the headers a correct client sends.
    pub fn post(path: &str, token: &str, body: &Value) -> Self {
        Self {
            method: Method::Post,
            body: body.to_string().into_bytes(),
            ..Self::get(path, token)
        }
    }

    /// The same request with one more query pair.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// The first value of a query parameter, by its decoded name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// How the transport delivers a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// The whole reply is sent.
    Whole,
    /// The request had no effect; the connection closes without a byte sent.
    DropBefore,
    /// The request had its effect; the connection closes without a byte sent.
    DropAfter,
    /// The connection stays open and silent.
    Hang,
    /// An honest Content-Length, half of the body, then the connection closes.
    Truncate,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header pairs; the server adds `Date` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How the transport delivers it.
    pub wire: Wire,
    /// Delay before that.
    pub delay: Duration,
}

impl Reply {
    /// A JSON:API body.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(
            status,
            "application/vnd.api+json;charset=UTF-8",
            body.to_string(),
        )
    }

    /// A JSON body that is not one of Kaspi's.
    pub(super) fn plain_json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// `{"errors":[{"title":…}]}` (KASPI_API §6).
    pub(super) fn error(status: u16, title: &str) -> Self {
        Self::json(status, &json!({"errors": [{"title": title}]}))
    }

    /// An HTML page, such as a front end sends.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        );
        Self::text(status, "text/html;charset=UTF-8", page)
    }

    /// A text for people.
    pub(super) fn plain(status: u16, text: &str) -> Self {
        Self::text(status, "text/plain;charset=UTF-8", text.to_owned())
    }

    /// A status with neither type nor body.
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            wire: Wire::Whole,
            delay: Duration::ZERO,
        }
    }

    /// No reply at all: the transport does `wire`.
    pub(super) fn silent(wire: Wire) -> Self {
        Self {
            wire,
            ..Self::empty(0)
        }
    }

    /// The same reply, delivered differently.
    pub(super) fn on_wire(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    fn text(status: u16, content_type: &str, body: String) -> Self {
        Self {
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into_bytes(),
            ..Self::empty(status)
        }
    }

    /// The status the client can see, if any byte reaches it.
    pub fn seen_status(&self) -> Option<u16> {
        matches!(self.wire, Wire::Whole | Wire::Truncate).then_some(self.status)
    }
}
