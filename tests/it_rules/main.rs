//! Deciding, from the rules file to the decision: rules, interlocks, explanations, properties.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at once"
)]

mod explain;
mod facts;
mod interlocks;
mod loader;
mod mistakes;
mod properties;
