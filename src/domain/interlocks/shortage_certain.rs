//! An order is cancelled for stock only where a line is short for certain: not where an accept that may yet
//! fail, or units that may be subtracted twice, explain the shortage.

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};
use crate::domain::facts::ShortageSeen;

/// When an order is decided again whose shortage is uncertain.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines();
    let Some(short) = lines.iter().find(|line| line.shortage() > Some(0)) else {
        let why = "the rule cancels for stock, but no line is short".to_owned();
        return Some(Finding::hold(Remedy::Person, why));
    };
    if lines.iter().any(|line| line.certain_shortage() > Some(0)) {
        return None;
    }
    let why = format!(
        "{} of {} are missing, none for certain: the missing units belong to orders whose accept is not confirmed, \
         or left or came back at an unknown moment near the last count, or belong to a shop whose orders were not \
         read lately. See that all shops are read, and import stock again",
        short.shortage().unwrap_or_default(),
        short.sku_or_mark()
    );
    let is_lasting = |seen: ShortageSeen| case.age(seen.since) > case.limits.doubt_max;
    if case.facts.shortage.is_some_and(is_lasting) {
        return Some(Finding::hold(Remedy::Stock, why));
    }
    let until = case.after(DECIDE_AGAIN);
    Some(Finding::wait(until, Remedy::Outcomes, why))
}
