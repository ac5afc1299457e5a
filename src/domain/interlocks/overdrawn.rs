//! The ledger never clips (R9): where more is promised than there is, the numbers are wrong
//! somewhere, and no order is cancelled on them.

use jiff::Timestamp;

use super::{Name, Objection, cancels_for_stock};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;
use crate::domain::stock::LineStock;

pub(super) fn check(
    facts: &Facts,
    _: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    if !cancels_for_stock(proposed) {
        return None;
    }
    let (line, level) = facts.lines().iter().find_map(|line| match &line.stock {
        LineStock::Known(level) if level.reserved() > level.on_hand.max(0) => Some((line, level)),
        _ => None,
    })?;
    Objection::hold(
        Name::Overdrawn,
        format!(
            "{} units of {} are promised and {} are on hand: count them",
            level.reserved(),
            line.line.sku.as_ref().map_or("?", |sku| sku.as_str()),
            level.on_hand
        ),
    )
}
