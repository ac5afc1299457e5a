//! The time left to the deadline of a held order.

use jiff::{SignedDuration, Timestamp};

use crate::domain::schedule::Schedule;
use crate::store::HeldNow;

/// Negative once the deadline is past.
pub(super) fn left(held: &HeldNow, schedule: &Schedule, now: Timestamp) -> SignedDuration {
    schedule.left_since((held.waiting_since, held.express), now)
}
