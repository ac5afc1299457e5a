//! What every module that sends HTTP requests shares: the client's set-up, reading an answer,
//! `Retry-After`, and the pauses between repeats.

mod answer;
mod client;
mod retry_after;

pub use crate::domain::backoff::Backoff;
pub use answer::{Failure, read_body};
pub use client::{ClientOptions, SetupError, client, install_crypto, random_bytes};
pub use retry_after::{http_date, retry_after};
