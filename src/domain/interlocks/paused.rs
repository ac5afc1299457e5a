//! A person's pause stops every action of the shop.

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(facts: &Facts, _: &Policy, _: &Verdict, _: Timestamp) -> Option<Objection> {
    let why = facts.around.paused.as_ref()?;
    Objection::hold(Name::Paused, format!("the shop is paused: {why}"))
}
