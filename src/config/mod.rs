//! Configuration: read in layers, checked with line and column, handed out as plain structs.
//!
//! The only module that reads the process environment. To add a key: `config/default.toml`,
//! its struct in `sections.rs`, its row in `schema.rs`; a test ties the three.

mod channel;
mod check;
mod check_sources;
mod dump;
mod env;
mod implicit_file;
mod layers;
mod limit;
mod load;
mod problem;
mod schema;
mod sections;
mod shop;
mod source;
pub mod span;
mod text;
mod token;
mod value;

#[cfg(test)]
mod tests;

pub use channel::{Channel, ChannelKind};
pub use env::Env;
pub use limit::{Limit, LimitValue};
pub use load::{Loaded, SEARCH, Sources};
pub use problem::{ConfigError, Origin, Problem};
pub use sections::{
    Actions, Config, Confirm, Database, Http, Interlocks, Kaspi, Log, LogFormat, Notify, Poll,
    Rules, Schedule, Stock, StockSemantics,
};
pub use shop::{Mode, Shop, TOKEN_ENV_DEFAULT};
pub use source::{
    AL_STYLE_ENV_DEFAULT, AL_STYLE_URL, SourceKind, StockSource, SupplierSku, SupplierToken,
};
pub use token::{Fingerprint, Token, TokenError, TokenSource};

/// Every key, its default and why.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
/// A small shop's file.
pub const EXAMPLE_TOML: &str = include_str!("../../config/example.toml");
