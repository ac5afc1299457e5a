//! The composition root and everything that runs.

mod board;
pub mod build;
pub mod channels;
pub mod daemon;
pub mod feeds;
pub mod lifecycle;
mod log_writer;
pub mod once;
pub mod process;
pub mod telemetry;
mod troubles;

pub use board::{Board, StageStatus};
