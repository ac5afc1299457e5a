//! The use cases: each one transaction over orders, decisions, reservations and actions.

pub(crate) mod amended;
pub(crate) mod attempts;
pub(crate) mod availability;
pub(crate) mod clock_repair;
pub(crate) mod deciding;
pub(crate) mod decisions;
pub(crate) mod demand;
pub(crate) mod departures;
pub(crate) mod due_actions;
pub(crate) mod evidence;
pub(crate) mod facts;
pub(crate) mod forgotten_shops;
pub(crate) mod holds;
pub(crate) mod identity;
pub(crate) mod known_orders;
pub(crate) mod lines;
pub(crate) mod manual_decisions;
pub(crate) mod observe;
pub(crate) mod obstacles;
pub(crate) mod order_units;
pub(crate) mod parts;
pub(crate) mod pickup_points;
#[cfg(test)]
mod query_plans;
pub(crate) mod readings;
pub(crate) mod recheck;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod stock_check;
pub(crate) mod stock_import;
pub(crate) mod transitions;
pub(crate) mod unread_orders;

pub use attempts::{Begun, Ended, Launch};
pub use availability::{StockSettings, StockView};
pub use deciding::{BatchDecided, Decided, DecidingBatch, Proposed};
pub use due_actions::Due;
pub use facts::DecidingInput;
pub use identity::Configured;
pub use observe::{Observed, Reading};
pub use parts::MapReport;
pub use readings::{LinesRead, NoLines};
pub use recheck::Recheck;
pub use restore::{Restored, restore};
pub use stock_check::{Difference, Promise, StockCheck};
pub use stock_import::Import;
pub use unread_orders::{Resolution, UnreadOrder};
