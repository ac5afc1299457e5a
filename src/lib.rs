//! Qabyl.

pub mod sandbox;
