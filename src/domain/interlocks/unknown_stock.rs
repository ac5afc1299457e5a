//! Unknown is never zero: nothing is promised or refused on it. A pre-order needs no stock to be
//! accepted (KASPI_API §3).

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(
    facts: &Facts,
    _: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    if facts.order.pre_order && *proposed == Verdict::Accept {
        return None;
    }
    let unknown: Vec<String> = facts
        .lines()
        .iter()
        .filter_map(|line| line.unknown())
        .map(ToString::to_string)
        .collect();
    if unknown.is_empty() {
        return None;
    }
    Objection::hold(Name::UnknownStock, unknown.join("; "))
}
