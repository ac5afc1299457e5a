//! What becomes of an order whose units may be there or not: it waits for what closes the doubt while that comes
//! before the last moment, and is held otherwise. Either names the doubts.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::case::{Case, Finding, Remedy};
use crate::domain::availability::{ClosedBy, Coverage, Doubt};
use crate::domain::facts::LineFacts;
use crate::domain::stock::Level;

/// When an order is decided again that waits for a reading.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Doubts of a level that a text names.
const NAMED_MAX: usize = 3;

/// What the lines in doubt make of the proposal; `None` where there are none.
pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let lines = case.facts.lines().iter();
    let levels = lines.flat_map(LineFacts::levels);
    let in_doubt =
        levels.filter(|(_, level, wanted)| level.interval().coverage(*wanted) == Coverage::InDoubt);
    let in_doubt: Vec<(&str, &Level, i64)> = in_doubt.collect();
    if in_doubt.is_empty() {
        return None;
    }
    let why: Vec<String> = in_doubt
        .iter()
        .map(|(sku, level, wanted)| words(sku, level, *wanted))
        .collect();
    let why = why.join("; ");
    let doubts: Vec<&Doubt> = in_doubt.iter().flat_map(|(_, l, _)| &l.doubts).collect();
    if doubts.iter().any(|doubt| is_read_soon(case, doubt)) {
        return Some(Finding::wait(
            case.after(DECIDE_AGAIN),
            Remedy::Outcomes,
            why,
        ));
    }
    let last = case.limits.schedule.last_moment(&case.facts.order);
    let times = doubts.iter().filter_map(|doubt| doubt.by);
    let closes: Option<Timestamp> = times.filter(|by| *by > case.now && *by <= last).min();
    if let Some(at) = closes {
        return Some(Finding::wait(at, Remedy::Time, why));
    }
    let counted =
        |doubt: &&Doubt| matches!(doubt.closed_by, ClosedBy::NextCount | ClosedBy::Departure);
    let remedy = if doubts.iter().any(counted) {
        Remedy::Stock
    } else {
        Remedy::Person
    };
    Some(Finding::hold(remedy, why))
}

/// Whether the next sweep is likely to close the doubt: one that lasts has outlived many of them.
fn is_read_soon(case: &Case<'_>, doubt: &Doubt) -> bool {
    let since = match (doubt.closed_by, doubt.by) {
        (ClosedBy::Sweep, _) => doubt.since,
        (_, Some(by)) if by <= case.now => Some(by),
        _ => return false,
    };
    since.is_none_or(|since| case.age(since) <= case.limits.doubt_max)
}

fn words(sku: &str, level: &Level, wanted: i64) -> String {
    let interval = level.interval();
    let mut text = format!("{wanted} of {sku} wanted, and {interval} available");
    if level.safety_stock > 0 && level.doubts.is_empty() {
        let _ = write!(text, ": the safety stock keeps {} back", level.safety_stock);
    }
    for (index, doubt) in level.doubts.iter().take(NAMED_MAX).enumerate() {
        let _ = write!(text, "{}{doubt}", if index == 0 { ": " } else { "; " });
    }
    if level.doubts.len() > NAMED_MAX {
        let _ = write!(text, "; and {} more", level.doubts.len() - NAMED_MAX);
    }
    text
}
