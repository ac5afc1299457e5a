//! Kaspi's product catalogue: categories with their attributes, and the import of products
//! (KASPI_API §7). Only `qabyl catalog` uses it; nothing that decides about orders depends on it.

pub mod category_cache;
mod client;
pub mod content;
mod outcome;
pub mod products;

pub use client::{Attribute, Client, ImportState, Named};
pub use outcome::{ImportResult, ProductOutcome};
