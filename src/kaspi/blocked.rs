//! Why a request is held back, and until when.

use jiff::Timestamp;

/// Why a request is not admitted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// Kaspi asked for a pause.
    Paused {
        /// When it ends.
        until: Timestamp,
    },
    /// The circuit breaker is open.
    Breaker {
        /// When a request may be tried.
        until: Timestamp,
    },
}

impl Blocked {
    /// When to ask again.
    pub const fn until(self) -> Timestamp {
        match self {
            Self::Paused { until } | Self::Breaker { until } => until,
        }
    }

    /// The reason, for people.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Paused { .. } => "Kaspi asked to wait",
            Self::Breaker { .. } => "the circuit breaker is open after several outages",
        }
    }
}
