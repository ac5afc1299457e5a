//! Everything that is tested through the crate's own surface, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at once"
)]

mod backlog;
#[path = "../binary/mod.rs"]
mod binary;
mod cli;
mod corpus;
mod deadline;
mod evidence;
mod faults;
mod fixtures;
mod housekeep;
mod lists;
mod log;
mod long_queue;
mod migrations;
mod notify;
mod pauses;
mod replay;
mod restore;
mod rules;
mod state_machines;
mod stock_available;
mod stock_counts;
mod stock_life;
mod surface;
mod tidy;
mod words;
mod workbook;
mod world;
