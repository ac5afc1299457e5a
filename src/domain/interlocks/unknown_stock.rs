//! Unknown stock is never taken for zero: no order is accepted or cancelled on it.

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines().iter();
    let unknown: Vec<String> = lines
        .filter_map(|line| line.unknown())
        .map(ToString::to_string)
        .collect();
    if unknown.is_empty() {
        return None;
    }
    Some(Finding::hold(Remedy::Stock, unknown.join("; ")))
}
