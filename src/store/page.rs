//! The queue of waiting orders, oldest first, read a page at a time. Orders at its front do not hide
//! later ones, and reading ends, as it never goes back.

use super::ms;
use crate::domain::order::Order;

/// The next orders of a queue.
#[derive(Debug, Clone)]
pub struct Page {
    /// Maximum number of orders.
    pub(crate) limit: u32,
    /// Creation of the last order looked at, as stored.
    pub(crate) created_at: i64,
    /// Its id, as many may be created at the same moment.
    pub(crate) id: String,
}

impl Page {
    /// The oldest orders, `limit` at most.
    pub const fn first(limit: u32) -> Self {
        Self {
            limit,
            created_at: i64::MIN,
            id: String::new(),
        }
    }

    /// The page behind this one, on which `found` orders were, this the last; `None` where it was not
    /// full, and the queue ends with it.
    pub(crate) fn next(&self, found: usize, last: Option<&Order>) -> Option<Self> {
        let last = last.filter(|_| found >= self.limit as usize)?;
        Some(Self {
            limit: self.limit,
            created_at: ms(last.created_at),
            id: last.id.as_str().to_owned(),
        })
    }
}
