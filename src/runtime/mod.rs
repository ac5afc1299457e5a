//! What keeps the daemon running.

pub mod telemetry;
