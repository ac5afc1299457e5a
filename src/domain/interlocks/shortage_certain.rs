//! An order is cancelled for stock only where a line is short for certain: not where units in doubt may cover it.

use super::case::{Case, Finding, Remedy};
use super::doubt;
use crate::domain::availability::Coverage;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let mut lines = case.facts.lines().iter();
    if lines.any(|line| line.coverage() == Coverage::Missing) {
        return None;
    }
    doubt::check(case).or_else(|| {
        let why = "the rule cancels for stock, but no line is short".to_owned();
        Some(Finding::hold(Remedy::Person, why))
    })
}
