//! Where more units are promised for certain than can lie there, a figure is wrong somewhere (R9), and no order is
//! cancelled on it.

use super::case::{Case, Finding, Remedy};
use crate::domain::facts::LineFacts;
use crate::domain::stock::Level;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines().iter();
    let mut levels = lines.flat_map(LineFacts::levels);
    let (sku, level, _) =
        levels.find(|(_, level, _): &(&str, &Level, i64)| level.is_overdrawn())?;
    let why = format!(
        "{} of {sku} are promised, and {} are on hand: count them",
        level.reserved_confirmed, level.on_hand
    );
    Some(Finding::hold(Remedy::Stock, why))
}
