//! The real binary where the disk fails, fills up or loses power, where the process is stopped for a
//! while, and where there are two of them. The sandbox's ledger and the database are compared at the
//! end: everything that was sent or reported must be on disk, and nothing wrong may have been sent.
//!
//! `cargo test --test disk` runs what needs nothing; `cargo test --test disk -- --ignored
//! --test-threads=1 --nocapture` what needs root, a loop device or a C compiler. What is missing then
//! fails the test. Sizes: `QABYL_DISK_N` (values of n among the first 300 calls, default 20),
//! `QABYL_DISK_JOBS` (how many at once, default 3), `QABYL_FULL_S` (default 10), `QABYL_POWER_CUTS`
//! (default 10), `QABYL_STOP_S` (default 8; from 60 on with the default limits).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may stop at once, and says what it did"
)]

#[path = "../binary/mod.rs"]
mod binary;
mod daemon;
mod desk;
mod faults;
mod full;
mod image;
mod judge;
mod late;
mod power;
mod records;
mod shim;
mod stopped;
mod two;

use std::path::PathBuf;

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says what a test runs"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn asked(name: &str, default: u64) -> u64 {
    let value = environment(name);
    value.map_or(default, |text| text.parse().expect(name))
}

/// Where logs and databases are left for others to search, if anywhere.
fn evidence() -> Option<PathBuf> {
    environment("QABYL_EVIDENCE").map(|folder| PathBuf::from(folder).join("disk"))
}
