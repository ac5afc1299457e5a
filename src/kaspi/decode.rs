//! Parsing an answer's bytes without a connection, exactly as the [`Reader`](super::Reader) does. The fuzz
//! targets call these functions.

use std::time::Duration;

use jiff::Timestamp;

use super::{Asked, Page, convert, entries, gate};
use crate::domain::ids::Sku;
use crate::domain::order::{Lines, Order};
use crate::net;

/// A page of a list of orders.
///
/// # Errors
/// Which field was wrong, for the page as a whole; an order names its own fields that are.
pub fn page(bytes: &[u8], asked: &Asked) -> Result<Page, String> {
    convert::page(bytes, asked)
}

/// One order.
///
/// # Errors
/// Which field was wrong.
pub fn order(bytes: &[u8]) -> Result<Order, String> {
    let asked = Asked {
        state: None,
        status: None,
        placed_at: Timestamp::UNIX_EPOCH,
    };
    convert::single_order(bytes, &asked)
}

/// The lines of one order; [`Lines::Unreadable`] where the entries cannot be read.
///
/// # Errors
/// The answer is not JSON.
pub fn entries(bytes: &[u8]) -> Result<Lines, String> {
    entries::lines(bytes)
}

/// The merchant's SKU of a master product; `None` where it has none.
///
/// # Errors
/// Which field was wrong.
pub fn merchant_sku(bytes: &[u8]) -> Result<Option<Sku>, String> {
    convert::merchant_product(bytes)
}

/// Kaspi's message in an error answer; empty where there is none.
pub fn title(bytes: &[u8]) -> String {
    convert::error_title(bytes)
}

/// The pause a 429 asks for by its `Retry-After`, from `now` by Kaspi's clock.
pub fn pause(retry_after: Option<&str>, now: Timestamp) -> Duration {
    gate::pause_after_429(retry_after, now)
}

/// The time in a `Date` header.
pub fn date(header: &str) -> Option<Timestamp> {
    net::http_date(header)
}
