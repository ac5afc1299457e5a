//! The use cases: each one transaction over orders, decisions, reservations and actions.

pub(crate) mod action_changes;
pub(crate) mod actions;
pub(crate) mod amended;
pub(crate) mod availability;
pub(crate) mod batch;
pub(crate) mod clock_repair;
pub(crate) mod deciding;
pub(crate) mod departures;
pub(crate) mod manual_decisions;
pub(crate) mod observe;
pub(crate) mod parts;
pub(crate) mod pickup_points;
#[cfg(test)]
mod query_plans;
pub(crate) mod readings;
pub(crate) mod recheck;
pub(crate) mod reservations;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod stock_check;
pub(crate) mod stock_import;

pub use actions::{Begun, Due, Ended};
pub use availability::StockView;
pub use deciding::{Candidate, Deciding, DecidingInput, NewDecision};
pub use observe::{Observed, Reading};
pub use parts::MapReport;
pub use readings::{LinesRead, NoLines};
pub use recheck::{Launch, Recheck};
pub use restore::{Restored, restore};
pub use stock_check::{Books, Difference, Promise};
pub use stock_import::Import;
