//! What an answer's bytes mean, without a connection: what the [`Reader`](super::Reader) does with
//! them, for whoever has bytes alone. The fuzz targets enter here.

use std::time::Duration;

use jiff::Timestamp;

use super::{Page, convert, reader, retry_after};
use crate::domain::ids::Sku;
use crate::domain::order::{Lines, Order};

/// A page of a list of orders.
///
/// # Errors
/// Which field was wrong, for the page as a whole; an order that is wrong is told within the page.
pub fn page(bytes: &[u8]) -> Result<Page, String> {
    convert::page(bytes)
}

/// One order.
///
/// # Errors
/// Which field was wrong.
pub fn order(bytes: &[u8]) -> Result<Order, String> {
    convert::single_order(bytes)
}

/// The lines of one order. Entries of a shape not understood are lines unreadable.
///
/// # Errors
/// The answer is not JSON.
pub fn entries(bytes: &[u8]) -> Result<Lines, String> {
    convert::lines(bytes)
}

/// The merchant's SKU of a master product; `None` where none is told.
///
/// # Errors
/// Which field was wrong.
pub fn merchant_sku(bytes: &[u8]) -> Result<Option<Sku>, String> {
    convert::merchant_product(bytes)
}

/// Kaspi's words for an error; empty where there are none.
pub fn title(bytes: &[u8]) -> String {
    reader::title(bytes)
}

/// The pause a 429 asks for by its `Retry-After`, from `now` by Kaspi's clock.
pub fn pause(retry_after: Option<&str>, now: Timestamp) -> Duration {
    retry_after::pause(retry_after, now)
}

/// The moment a `Date` header tells.
pub fn date(header: &str) -> Option<Timestamp> {
    retry_after::http_date(header)
}
