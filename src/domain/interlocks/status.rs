//! Only an order that is `NEW` and `APPROVED_BY_BANK` may be acted on (KASPI_API §3).

use super::case::{Case, Finding, Remedy};

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let order = &case.facts.order;
    if order.awaits_merchant() {
        return None;
    }
    let why = format!(
        "Kaspi shows {} + {}, not NEW + APPROVED_BY_BANK",
        order.state, order.status
    );
    Some(Finding::hold(Remedy::Person, why))
}
