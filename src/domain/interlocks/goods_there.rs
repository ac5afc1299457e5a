//! No goods are promised that are known not to be there, whatever the rules forgot to ask. A
//! pre-order needs no stock to be accepted (KASPI_API §3).

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
    if facts.order.pre_order || *proposed != Verdict::Accept {
        return None;
    }
    let short: Vec<String> = facts
        .lines()
        .iter()
        .filter_map(|line| {
            let units = line.shortage().filter(|units| *units > 0)?;
            let sku = line.line.sku.as_ref().map_or("?", |sku| sku.as_str());
            Some(format!("{units} of {sku} missing"))
        })
        .collect();
    if short.is_empty() {
        return None;
    }
    Objection::hold(
        Name::GoodsThere,
        format!("the rule accepts what is not there: {}", short.join("; ")),
    )
}
