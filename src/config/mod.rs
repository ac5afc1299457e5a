//! Configuration: read in layers, checked with line and column, handed out as plain structs.
//!
//! The only module that reads the process environment. `sections.rs` says of every key what it may hold; serde
//! reads each layer by it, and reports every mistake through [`crate::diagnostics`]. To add a key:
//! `config/default.toml`, and its field in `sections.rs`; a test ties the two.

mod blocks;
mod channel;
mod dump;
mod duration;
mod env;
mod file;
mod implicit_file;
mod layer;
mod limit;
mod load;
mod number;
mod problem;
mod sections;
mod shop;
mod source;
mod text;
mod together;
mod token;
mod web;

#[cfg(test)]
mod tests;

pub use channel::{Channel, ChannelKind};
pub use env::Env;
pub use limit::Limit;
pub use load::{Loaded, SEARCH, Sources};
pub use problem::{ConfigError, Origin, Problem};
pub use sections::{
    Actions, CancelEvidence, Config, Confirm, Database, Http, Interlocks, Kaspi, Log, LogFormat,
    Notify, Poll, Rules, Schedule, Stock,
};
pub use shop::{Mode, Shop, TOKEN_ENV_DEFAULT};
pub use source::{
    AL_STYLE_ENV_DEFAULT, AL_STYLE_URL, SourceKind, StockColumn, StockSemantics, StockSource,
    SupplierSku,
};
pub use token::{Fingerprint, Token, TokenError, TokenSource};
pub use web::Web;

/// Every key, its default and why.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
/// A small shop's file.
pub const EXAMPLE_TOML: &str = include_str!("../../config/example.toml");
