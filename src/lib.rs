//! Qabyl (қабыл, "accepted"): takes a Kaspi.kz shop's new orders, decides each from local stock and
//! the merchant's rules, and carries the decision out. See `docs/ARCHITECTURE.md`.

pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash_point;
pub mod cron;
pub mod diagnostics;
pub mod domain;
pub mod events;
mod files;
pub mod kaspi;
pub mod lang;
pub mod ledger;
pub mod mutant;
pub mod net;
pub mod notify;
pub mod operator;
pub mod pipeline;
pub mod rules_file;
pub mod runtime;
pub mod status;
pub mod stock;
pub mod store;
pub mod text;
pub mod web;
