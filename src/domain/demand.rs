//! What orders take from a level.

use super::ids::Sku;

/// Units that an order needs from one level.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Demand {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse it is taken from.
    pub warehouse: String,
    /// Units, at least 1.
    pub quantity: i64,
}

/// How an SKU was ordered lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentDemand {
    /// Units of the largest order.
    pub largest: i64,
    /// Units of all orders in the busiest period between two sweeps.
    pub busiest: i64,
}
