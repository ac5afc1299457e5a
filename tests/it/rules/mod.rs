//! Deciding, from the rules file to the decision: rules, interlocks, explanations, properties.

mod explain;
pub(crate) mod facts;
mod interlock_table;
mod interlocks;
mod kits;
mod loader;
mod mistakes;
pub(crate) mod properties;
mod scenarios;
mod schedule;
