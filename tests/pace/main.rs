//! The real daemon as shipped, against a sandbox whose limit of requests it does not know: how much of the limit it
//! uses, how often it is refused, how soon orders are accepted, and what it asks when there is nothing to do.
//! Real time passes. The full set takes minutes and runs on demand (`just pace`).
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test may stop at once, may measure, and its figures are to be read"
)]

#[path = "../binary/mod.rs"]
mod binary;
mod burst;
mod forgotten;
mod hostile_files;
mod idle;
mod limits;
mod shop;
#[path = "../it/workbook.rs"]
#[expect(dead_code, reason = "other tests make other workbooks")]
mod workbook;
