//! The shop has another order with the same number: the two may be one that Kaspi shows under two ids, and would be
//! promised its goods twice, or cancelled for want of its own. A person looks at them in the cabinet.

use super::case::{Case, Finding, Remedy};
use crate::domain::ids::OrderId;
use crate::mutant::mutant;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let others = &case.facts.namesakes;
    if others.is_empty() || mutant("r15_order_under_two_ids_is_two") {
        return None;
    }
    let named: Vec<&str> = others.iter().map(OrderId::as_str).collect();
    let why = format!(
        "the shop has another order with its number (id {}), and the two may be one: look at it in the cabinet",
        named.join(", ")
    );
    Some(Finding::hold(Remedy::Person, why))
}
