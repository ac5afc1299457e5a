//! A page of a list of orders (KASPI_API §2).

use jiff::Timestamp;

use crate::domain::order::{Line, Order, State, Status};

/// An order of a list, with its lines if they came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRead {
    /// The order.
    pub order: Order,
    /// Its lines, where the list included all of them.
    pub lines: Option<Vec<Line>>,
}

/// An order whose id could not be read. It is reported, never dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableOrder {
    /// Its code, if that could be read.
    pub code: Option<String>,
    /// What was wrong.
    pub why: String,
}

/// What a list was asked for. It says of each of its orders what the order itself may fail to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Only orders in this state.
    pub state: Option<State>,
    /// Only orders with this status.
    pub status: Option<Status>,
    /// When an order without a readable date counts as placed.
    pub placed_at: Timestamp,
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
