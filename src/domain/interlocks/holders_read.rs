//! An accept rests on what is promised already: orders accepted elsewhere hold stock too (R6), so
//! they are read before the first accept, and one that was just found is read before the next. Where few
//! units are left, one of them may be the one that is wanted: they are read again.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::{Facts, LineFacts};
use crate::domain::policy::Policy;
use crate::mutant::mutant;

/// How soon to look again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Option<Objection> {
    if facts.order.pre_order || *proposed != Verdict::Accept {
        return None;
    }
    let limit = policy.limits.sweep_max_age;
    let just_now = policy.limits.accept_sweep_age_max;
    let of_last = |line: &LineFacts| line.left_after() < Some(policy.limits.last_units);
    let takes_last = policy.limits.last_units > 0 && facts.lines().iter().any(of_last);
    let recent = |at: Timestamp| now.duration_since(at) <= limit;
    // Since the order was seen: others may have come with it, and been accepted elsewhere at once.
    let is_stale = |from: Timestamp, until: Timestamp| {
        let is_before = facts.first_seen_at.is_some_and(|seen| from < seen);
        is_before && !mutant("r6_swept_before_order_seen") || now.duration_since(until) > just_now
    };
    let why = match (facts.around.swept_at, facts.around.unread_holder_at) {
        (None, _) => "accepted orders were not read completely yet".to_owned(),
        (Some(at), _) if !recent(at) => {
            format!(
                "accepted orders were last read {}, over {limit:#} ago",
                stamp(at)
            )
        }
        // One that was asked about in vain, again and again, must not stop the shop.
        (_, Some(at)) if recent(at) => {
            "an order was accepted elsewhere, or left the list of new ones, and is not read yet"
                .to_owned()
        }
        // A long reading is as old as its start, yet a shop whose readings are slow must get somewhere.
        (Some(at), _)
            if takes_last && !mutant("r6_last_units_unread") && is_stale(at, facts.around.swept_until.unwrap_or(at)) =>
        {
            format!(
                "it takes of the last units, and accepted orders were read {}: they are read again",
                stamp(at)
            )
        }
        // What people accepted and were done with is told by the archive alone.
        _ if takes_last
            && facts
                .around
                .over_swept_until
                .is_some_and(|over| is_stale(over, over)) =>
        {
            "it takes of the last units, and Kaspi did not tell what people were done with meanwhile".to_owned()
        }
        _ => return None,
    };
    let until = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
    Objection::wait(Name::HoldersRead, until, why)
}
