//! What is known of the other shops that share the stock.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::ids::ShopName;

/// The last complete reading of a shop's accepted orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// When its first request was sent.
    pub started_at: Timestamp,
    /// When its last answer was in.
    pub finished_at: Timestamp,
}

/// For which shop's order a level is looked at, and what is known of the shops that share its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherShops {
    /// The shop of the order.
    pub own: ShopName,
    /// Another shop must have been read completely since then.
    pub read_since: Timestamp,
    /// The last complete sweep of each other shop that has promises.
    pub sweeps: HashMap<ShopName, Sweep>,
}

impl OtherShops {
    /// Whether promises of this shop are as well known as our own: it was read completely since the count,
    /// and not too long ago.
    pub(super) fn has_read(&self, shop: &ShopName, as_of: Timestamp) -> bool {
        let is_fresh =
            |sweep: &Sweep| sweep.finished_at >= self.read_since && sweep.started_at >= as_of;
        *shop == self.own || self.sweeps.get(shop).is_some_and(is_fresh)
    }
}
