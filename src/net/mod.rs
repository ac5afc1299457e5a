//! What every module that sends HTTP requests shares: the client's set-up, reading an answer, `Retry-After`, and the
//! pauses between repeats. And what both servers share: a listener with limits.

mod answer;
mod client;
mod headers;
mod network;
mod retry_after;
mod server;

pub use crate::domain::backoff::Backoff;
pub use answer::{Failure, read_body};
pub use client::{ClientOptions, SetupError, client, install_crypto, random_bytes};
pub use headers::protect;
pub use network::{Network, is_loopback_host};
pub use retry_after::{http_date, retry_after};
pub use server::{Bounded, Bounds, OfClient, Peer, PerClient, as_client};
