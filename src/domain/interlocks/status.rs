//! Only `NEW` + `APPROVED_BY_BANK` may be acted on (KASPI_API §3).

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(facts: &Facts, _: &Policy, _: &Verdict, _: Timestamp) -> Option<Objection> {
    let order = &facts.order;
    if order.awaits_merchant() {
        return None;
    }
    Objection::hold(
        Name::Status,
        format!(
            "Kaspi shows {} + {}, not NEW + APPROVED_BY_BANK",
            order.state, order.status
        ),
    )
}
