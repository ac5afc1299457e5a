//! What a shop's requests are for. All of them come out of one budget: the most urgent goes first.

use std::fmt;

/// What requests are for, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestClass {
    /// The list of new orders.
    NewOrders,
    /// Accepts and cancels, and the reads just before them.
    Act,
    /// A sweep that an accept or a cancel waits for.
    Evidence,
    /// A sweep that is due, and lines of new orders.
    Sweep,
    /// Single reads of orders that no list shows.
    Singles,
    /// Everything else: commands of people, the catalogue.
    Other,
}

impl RequestClass {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 6] = [
        Self::NewOrders,
        Self::Act,
        Self::Evidence,
        Self::Sweep,
        Self::Singles,
        Self::Other,
    ];
}

impl fmt::Display for RequestClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NewOrders => "new orders",
            Self::Act => "act",
            Self::Evidence => "evidence",
            Self::Sweep => "sweep",
            Self::Singles => "single reads",
            Self::Other => "other",
        })
    }
}
