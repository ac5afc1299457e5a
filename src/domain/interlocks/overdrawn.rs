//! Where more units are promised than are on hand, a figure is wrong somewhere (R9), and no order is cancelled
//! on it.

use super::case::{Case, Finding, Remedy};
use crate::domain::stock::LineStock;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let mut lines = case.facts.lines().iter();
    let (line, level) = lines.find_map(|line| match &line.stock {
        LineStock::Known(level) if level.reserved() > level.on_hand.max(0) => Some((line, level)),
        _ => None,
    })?;
    let why = format!(
        "{} of {} are promised, and {} are on hand: count them",
        level.reserved(),
        line.sku_or_mark(),
        level.on_hand
    );
    Some(Finding::hold(Remedy::Stock, why))
}
