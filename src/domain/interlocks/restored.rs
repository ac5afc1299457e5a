//! A database put back from a copy does not know what was decided since: until every list was read
//! again, and requests that were under way have had their effect, nothing is sent from it (R15).

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

/// How soon to look again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(facts: &Facts, _: &Policy, _: &Verdict, now: Timestamp) -> Option<Objection> {
    let restored_at = facts.around.restored_at?;
    let until = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
    let why = format!(
        "the database was put back from a copy {}: Kaspi is read anew first",
        stamp(restored_at)
    );
    Objection::wait(Name::Restored, until, why)
}
