//! An order of another merchant is a person's to decide, and so is everything while the shop's token may be another's.

use super::case::{Case, Finding, Remedy};
use crate::domain::identity::foreign_order;
use crate::mutant::mutant;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let shop = &case.facts.shop_facts;
    let foreign = || {
        foreign_order(&case.facts.order, shop.account.as_ref())
            .filter(|_| !mutant("r16_foreign_order"))
    };
    let why = shop.mismatch.clone().or_else(foreign)?;
    Some(Finding::hold(Remedy::Person, why))
}
