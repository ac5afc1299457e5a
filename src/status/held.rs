//! How much time an order that is held has left.

use jiff::{SignedDuration, Timestamp};

use crate::store::HeldNow;

/// An express order is packed or cancelled within this (KASPI_API §3).
const EXPRESS: SignedDuration = SignedDuration::from_mins(60);

/// To the deadline; negative once it is past.
pub(super) fn left(held: &HeldNow, deadline: SignedDuration, now: Timestamp) -> SignedDuration {
    let allowed = if held.express { EXPRESS } else { deadline };
    allowed - now.duration_since(held.waiting_since)
}
