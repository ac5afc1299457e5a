//! Configuration: read in layers, checked with line and column, handed out as plain structs.
//!
//! The only module that reads the process environment.

mod limit;
mod sections;
mod shop;
pub mod span;

pub use limit::{Limit, LimitValue};
pub use sections::{
    Actions, Config, Confirm, Database, Http, Interlocks, Kaspi, Log, LogFormat, Poll, Rules,
    Schedule, Stock, StockSemantics,
};
pub use shop::{Mode, Shop, TOKEN_ENV_DEFAULT};

/// Every key, its default and why.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");
/// A small shop's file.
pub const EXAMPLE_TOML: &str = include_str!("../../config/example.toml");
