//! Units that are known to be missing are not promised, whatever the rules forgot to ask.

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines().iter();
    let short: Vec<String> = lines
        .filter_map(|line| {
            let units = line.shortage().filter(|units| *units > 0)?;
            let wanted = line.wanted;
            Some(format!(
                "{units} of {wanted} {} missing",
                line.sku_or_mark()
            ))
        })
        .collect();
    if short.is_empty() {
        return None;
    }
    let why = format!(
        "the rule accepts an order that is short: {}",
        short.join("; ")
    );
    Some(Finding::hold(Remedy::Stock, why))
}
