//! The limits that interlocks apply.

use jiff::SignedDuration;
use serde::Serialize;

use super::evidence::Freshness;
use super::schedule::Schedule;

/// The interlocks' limits, from the sections `[interlocks]`, `[actions]` and `[confirm]` of the
/// configuration. `None` means that the merchant switched that interlock off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Time for which a shortage must have been seen before it cancels an order.
    pub cancel_confirm_after: Option<SignedDuration>,
    /// Largest share of cancelled among decided orders, from 0 to 1.
    pub cancel_budget_share: Option<f64>,
    /// Number of decided orders from which that share counts.
    pub cancel_budget_from: u64,
    /// The time of which orders are counted for that share.
    pub cancel_budget_window: SignedDuration,
    /// Cancels allowed within an hour.
    pub cancels_per_hour_max: Option<u64>,
    /// Accepts allowed within an hour.
    pub accepts_per_hour_max: Option<u64>,
    /// Maximum age of a stock level that an order is decided on.
    pub stock_max_age: Option<SignedDuration>,
    /// Share of SKUs falling to zero in one import above which the source is taken to be broken, from 0 to 1.
    pub stock_collapse_share: Option<f64>,
    /// How fresh the readings of Kaspi must be.
    pub freshness: Freshness,
    /// An accept that leaves fewer units than this takes the last units.
    pub last_units: i64,
    /// Time after which an order with an uncertain shortage (for example one that an accept not read back yet may
    /// cause) is held for a person, so that the buyer does not wait without end.
    pub doubt_max: SignedDuration,
    /// Largest difference between Kaspi's clock and this machine's at which an order may be cancelled.
    pub clock_skew_max: SignedDuration,
    /// Working hours, and the time a shop has to accept or cancel an order (KASPI_API §3).
    pub schedule: Schedule,
}

impl Default for Limits {
    /// The defaults of `config/default.toml`.
    fn default() -> Self {
        Self {
            cancel_confirm_after: Some(SignedDuration::from_mins(10)),
            cancel_budget_share: Some(0.04),
            cancel_budget_from: 50,
            cancel_budget_window: SignedDuration::from_hours(30 * 24),
            cancels_per_hour_max: Some(10),
            accepts_per_hour_max: None,
            stock_max_age: Some(SignedDuration::from_hours(12)),
            stock_collapse_share: Some(0.5),
            freshness: Freshness::default(),
            last_units: 5,
            doubt_max: SignedDuration::from_mins(15),
            clock_skew_max: SignedDuration::from_mins(5),
            schedule: Schedule::default(),
        }
    }
}
