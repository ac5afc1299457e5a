//! How stock numbers are read, by the configuration.

use jiff::SignedDuration;

/// How stock numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockSettings {
    /// Units of each SKU kept back.
    pub safety_stock: i64,
    /// How late Kaspi may show that goods left.
    pub courier_lag_max: SignedDuration,
    /// Whether levels that did not fall prove that nothing left.
    pub counts_are_evidence: bool,
    /// The time between two sweeps, in which orders may be accepted elsewhere unseen.
    pub sweep_every: SignedDuration,
}

impl Default for StockSettings {
    /// The defaults of `config/default.toml`.
    fn default() -> Self {
        Self {
            safety_stock: 0,
            courier_lag_max: SignedDuration::from_hours(6),
            counts_are_evidence: true,
            sweep_every: SignedDuration::from_mins(1),
        }
    }
}
