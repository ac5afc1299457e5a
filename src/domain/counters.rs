//! What a shop did lately, for the cancel budget and the hourly limits.

use serde::{Deserialize, Serialize};

/// Counts over the shop's recent decisions, for the cancel budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Orders accepted or cancelled within the budget's window.
    pub decided: u64,
    /// Of those, cancelled by the merchant, or by Kaspi at the deadline.
    pub cancelled: u64,
    /// Cancels within the last hour, pending ones included.
    pub cancelled_last_hour: u64,
    /// Accepts within the last hour.
    pub accepted_last_hour: u64,
}

impl Counters {
    /// Orders decided and not cancelled.
    pub const fn accepted(&self) -> u64 {
        self.decided.saturating_sub(self.cancelled)
    }

    /// The share of cancelled among decided orders, from 0 to 1; 0 while none is decided.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of orders stay far below 2^52"
    )]
    pub fn cancelled_share(&self) -> f64 {
        if self.decided == 0 {
            return 0.0;
        }
        self.cancelled as f64 / self.decided as f64
    }
}
