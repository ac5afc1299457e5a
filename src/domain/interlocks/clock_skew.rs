//! With a wrong clock, windows, ages and deadlines are wrong: no order is cancelled on them.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection, cancels};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    _: Timestamp,
) -> Option<Objection> {
    let skew = SignedDuration::from_secs(facts.around.clock_skew_s?);
    let limit = policy.limits.clock_skew_max;
    if !cancels(proposed) || skew.abs() <= limit {
        return None;
    }
    Objection::hold(
        Name::ClockSkew,
        format!("this machine's clock is {skew:#} off Kaspi's, over {limit:#}: set it"),
    )
}
