//! How much time an order that is held has left.

use jiff::{SignedDuration, Timestamp};

use crate::domain::schedule::Schedule;
use crate::store::HeldNow;

/// To the deadline; negative once it is past.
pub(super) fn left(held: &HeldNow, schedule: &Schedule, now: Timestamp) -> SignedDuration {
    schedule.left_since((held.waiting_since, held.express), now)
}
