//! Qabyl (қабыл, "accepted"): takes a Kaspi.kz shop's new orders, decides each from local stock and
//! the merchant's rules, and carries the decision out. See `docs/ARCHITECTURE.md`.

pub mod domain;
pub mod store;
