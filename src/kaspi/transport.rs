//! The boundary below the client: one request in, one answer out. There are two transports: HTTP, and the
//! simulated Kaspi of the tests, which answers within the process.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use secrecy::SecretString;

/// Read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// Changes an order.
    Post,
}

/// A request below the base URL.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// Its method.
    pub method: Method,
    /// Path below the base, such as `/v2/orders`.
    pub path: String,
    /// Query, not encoded.
    pub query: Vec<(String, String)>,
    /// Headers, without the token.
    pub headers: Vec<(&'static str, String)>,
    /// Sent as `X-Auth-Token`.
    pub token: SecretString,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// Clock ticks after which it must not be sent.
    pub send_by: Option<Duration>,
}

/// An answer, not parsed yet.
#[derive(Debug, Clone, Default)]
pub struct WireResponse {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `Date`.
    pub date: Option<String>,
    /// Body, decoded.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Certain: nothing was sent.
    #[error("could not connect: {0}")]
    NotSent(String),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke; it is unknown what was sent or received.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {limit} bytes (kaspi.body_max_bytes)")]
    TooLarge {
        /// The limit in bytes, `kaspi.body_max_bytes`.
        limit: u64,
    },
}

/// Carries requests.
pub trait Transport: Send + Sync {
    /// Sends one request once.
    fn send<'a>(
        &'a self,
        request: &'a WireRequest,
    ) -> Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + 'a>>;

    /// The address that requests go to; `None` within the process. Only one process may write there for a
    /// shop.
    fn address(&self) -> Option<&str> {
        None
    }
}
