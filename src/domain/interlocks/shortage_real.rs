//! A cancel for stock needs a line that is short for certain: not merely because of an accept that
//! is still under way and may yet fail.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection, cancels_for_stock};
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

/// How soon to look again when only accepts still under way stand between the order and its stock.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(
    facts: &Facts,
    _: &Policy,
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
    Objection::wait(
        Name::ShortageReal,
        now.saturating_add(LOOK_AGAIN).unwrap_or(now),
        "the missing units are promised to orders whose accept is not confirmed yet".to_owned(),
    )
}
