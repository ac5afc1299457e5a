//! Qabyl (қабыл, "accepted"): takes a Kaspi.kz shop's new orders, decides each from local stock and
//! the merchant's rules, and carries the decision out. See `docs/ARCHITECTURE.md`.

pub mod clock;
pub mod domain;
pub mod kaspi;
pub mod pipeline;
pub mod rules_file;
pub mod sandbox;
pub mod stock;
pub mod store;
