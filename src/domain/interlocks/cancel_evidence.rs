//! A cancel rests on a complete, fresh reading of every order that holds stock (R8): a buyer may
//! have given units back.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection, cancels_for_stock};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::{Facts, LineFacts};
use crate::domain::policy::Policy;
use crate::mutant::mutant;

/// How soon to look again for the sweep.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Option<Objection> {
    if !cancels_for_stock(proposed) {
        return None;
    }
    let limit = policy.limits.sweep_max_age;
    let just_now = policy.limits.cancel_sweep_age_max;
    let short = facts
        .lines()
        .iter()
        .filter(|line| line.shortage() > Some(0));
    let counted = short.filter_map(LineFacts::counted_at).max();
    let why = match facts.around.swept_at {
        // Goods may have left between that reading and the count: they would be missed twice.
        Some(at)
            if counted.is_some_and(|counted| counted > at) && !mutant("r8_count_after_sweep") =>
        {
            "stock was counted after accepted orders were last read".to_owned()
        }
        Some(at) if now.duration_since(at) > limit => {
            format!(
                "accepted orders were last read {}, over {limit:#} ago",
                stamp(at)
            )
        }
        // A long reading is as old as its start, yet a shop whose readings are slow must get somewhere.
        Some(at) if now.duration_since(facts.around.swept_until.unwrap_or(at)) > just_now => {
            format!(
                "accepted orders were read {}: a cancel needs them read again",
                stamp(at)
            )
        }
        Some(_) => return None,
        None => "accepted orders were not read completely yet".to_owned(),
    };
    Objection::wait(
        Name::CancelEvidence,
        now.saturating_add(LOOK_AGAIN).unwrap_or(now),
        why,
    )
}
