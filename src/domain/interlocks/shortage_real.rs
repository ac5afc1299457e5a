//! A cancel for stock needs a line that is short for certain: not merely because of an accept that
//! is still under way and may yet fail, or of goods that may be counted as gone twice.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection, cancels_for_stock};
use crate::domain::decision::Verdict;
use crate::domain::facts::{Facts, ShortageSeen};
use crate::domain::policy::Policy;

/// How soon to look again when only accepts still under way stand between the order and its stock.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Option<Objection> {
    if !cancels_for_stock(proposed) {
        return None;
    }
    if !facts.is_short() {
        return Objection::hold(
            Name::ShortageReal,
            "the rule cancels for stock, but no line is short".to_owned(),
        );
    }
    let certain = facts
        .lines()
        .iter()
        .any(|line| line.certain_shortage().is_some_and(|units| units > 0));
    if certain {
        return None;
    }
    let why = "the missing units rest on orders whose accept is not confirmed yet, or whose goods left, \
               or were given back, at an unknown moment near the last count, or on another shop whose orders were \
               not read since: see that all shops are read, and import stock anew";
    let is_lasting = |seen: ShortageSeen| now.duration_since(seen.since) > policy.limits.doubt_max;
    if facts.shortage.is_some_and(is_lasting) {
        return Objection::hold(Name::ShortageReal, why.to_owned());
    }
    Objection::wait(
        Name::ShortageReal,
        now.saturating_add(LOOK_AGAIN).unwrap_or(now),
        why.to_owned(),
    )
}
