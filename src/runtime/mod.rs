//! The composition root and everything that runs.

pub mod build;
pub mod daemon;
pub mod once;
mod status;
pub mod telemetry;

pub use status::{Board, StageStatus};
