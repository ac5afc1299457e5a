//! Stickiness keeps accept and cancel apart (R2): once one was sent, only a person asks for the other.

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
    let sent = facts.sent.as_ref()?;
    if sent == proposed.word() {
        return None;
    }
    Objection::hold(
        Name::AlreadySent,
        format!("an earlier {sent} was sent for this order, and its effect could still come"),
    )
}
