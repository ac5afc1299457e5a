//! A person's pause stops every action of the shop.

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let why = case.facts.shop_facts.paused.as_ref()?;
    Some(Finding::hold(
        Remedy::Person,
        format!("the shop is paused: {why}"),
    ))
}
