//! A stock level older than the limit says nothing about today.

use super::case::{Case, Finding, Remedy};
use crate::domain::stock::LineStock;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limits.stock_max_age?;
    let lines = case.facts.lines().iter();
    let levels = lines.filter_map(|line| match &line.stock {
        LineStock::Known(level) => Some(level),
        LineStock::Unknown(_) => None,
    });
    let oldest = levels.min_by_key(|level| level.as_of)?;
    let age = case.age(oldest.as_of);
    if age <= limit {
        return None;
    }
    let why = format!(
        "stock from {} is {age:#} old, and the limit is {limit:#}",
        oldest.source
    );
    Some(Finding::hold(Remedy::Stock, why))
}
