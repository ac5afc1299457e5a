//! A level older than the limit says nothing about today.

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;
use crate::domain::stock::LineStock;

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Option<Objection> {
    let limit = policy.limits.stock_max_age?;
    if facts.order.pre_order && *proposed == Verdict::Accept {
        return None;
    }
    let oldest = facts
        .lines()
        .iter()
        .filter_map(|line| match &line.stock {
            LineStock::Known(level) => Some(level),
            LineStock::Unknown(_) => None,
        })
        .min_by_key(|level| level.as_of)?;
    let age = now.duration_since(oldest.as_of);
    if age <= limit {
        return None;
    }
    Objection::hold(
        Name::StockAge,
        format!(
            "stock from {} is {age:#} old, over {limit:#}",
            oldest.source
        ),
    )
}
