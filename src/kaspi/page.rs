//! A page of a list of orders (KASPI_API §2).

use crate::domain::order::{Line, Order};

/// An order of a list, with its lines if they came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRead {
    /// The order.
    pub order: Order,
    /// Its lines, where the list included all of them.
    pub lines: Option<Vec<Line>>,
}

/// An order that could not be read. It is reported, never dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableOrder {
    /// Its id, if that could be read.
    pub id: Option<String>,
    /// Its code, if that could be read.
    pub code: Option<String>,
    /// Which field was wrong.
    pub why: String,
}

/// One page of a list of orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Orders that could be read.
    pub orders: Vec<OrderRead>,
    /// Orders that could not.
    pub unreadable: Vec<UnreadableOrder>,
    /// Number of pages, as Kaspi counts.
    pub page_count: Option<u32>,
    /// Number of orders, as Kaspi counts.
    pub total_count: Option<u64>,
}

impl Page {
    /// Whether it holds as many orders as were asked for, so that another may follow.
    pub fn is_full(&self, size: u32) -> bool {
        let orders = self.orders.len() + self.unreadable.len();
        u32::try_from(orders).unwrap_or(u32::MAX) >= size
    }
}
