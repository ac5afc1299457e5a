//! Qabyl.
