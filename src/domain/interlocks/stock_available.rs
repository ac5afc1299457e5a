//! Units are promised where they are there for certain, whatever the rules forgot to ask.

use super::case::{Case, Finding, Remedy};
use super::doubt;
use crate::domain::availability::Coverage;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines().iter();
    let missing = lines.filter(|line| line.coverage() == Coverage::Missing);
    let missing: Vec<String> = missing
        .map(|line| {
            let units = line.shortage_for_cancel().unwrap_or(line.wanted);
            format!("{units} of {} {} missing", line.wanted, line.sku_or_mark())
        })
        .collect();
    if missing.is_empty() {
        return doubt::check(case);
    }
    let why = format!(
        "the rule accepts an order that is short: {}",
        missing.join("; ")
    );
    Some(Finding::hold(Remedy::Stock, why))
}
