//! Everything that is tested through the crate's own surface, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at once"
)]

mod accept_evidence;
mod api;
mod availability;
#[path = "../binary/mod.rs"]
mod binary;
mod cancel_evidence;
mod changed_promises;
mod cli;
mod clock_ahead;
mod contradictions;
mod contributions;
mod corpus;
mod deadline;
mod drain;
mod faults;
mod feeds;
mod fixtures;
mod goods_back;
mod handed_over;
mod housekeep;
mod identity;
mod lang;
mod large_backlog;
mod layers;
mod line_sums;
mod list_and_accepts;
mod lists;
mod log;
mod long_history;
mod long_queue;
mod manual_people;
mod manual_versions;
mod migrations;
mod notify;
mod old_orders;
mod one_order;
mod outages;
mod people;
mod replay;
mod restore;
mod reverted;
mod rules;
mod separate_stocks;
mod shared_stock;
mod state_machines;
mod stock_available;
mod stock_counts;
mod stock_files;
mod stock_life;
mod surface;
mod telegram;
mod tidy;
mod true_shelf;
mod unclear_statuses;
mod unreadable_orders;
mod web;
mod wording;
mod workbook;
mod world;
