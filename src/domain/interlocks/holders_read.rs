//! An accept rests on what is promised already: orders accepted elsewhere hold stock too (R6), so
//! they are read before the first accept, and one that was just found is read before the next.

use jiff::{SignedDuration, Timestamp};

use super::{Name, Objection};
use crate::domain::calendar::stamp;
use crate::domain::decision::Verdict;
use crate::domain::facts::Facts;
use crate::domain::policy::Policy;

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
    let recent = |at: Timestamp| now.duration_since(at) <= limit;
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
        _ => return None,
    };
    let until = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
    Objection::wait(Name::HoldersRead, until, why)
}
