//! Which of the due actions an act pass starts next, as a pure function.

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::Kind;
use crate::ledger::Due;
use crate::mutant::mutant;
use crate::pipeline::plan::{RequestClass, Step};

/// With no more stale sightings than this, orders are read singly rather than listed again.
const SINGLES_MAX: usize = 2;

/// A sighting may be this far in the future: two clocks are read one after the other.
const FUTURE_MAX: SignedDuration = SignedDuration::from_secs(5);

/// What a plan depends on besides the due actions.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Our time.
    pub now: Timestamp,
    /// Oldest sighting on which an accept may be sent.
    pub sighting_age_max: SignedDuration,
    /// Oldest sweep on which a cancel may be sent.
    pub cancel_sweep_age_max: SignedDuration,
    /// When this pass last swept.
    pub swept_at: Option<Timestamp>,
    /// When the newest complete list of new orders was asked for.
    pub newest_list_at: Option<Timestamp>,
    /// Requests that may be sent now.
    pub free_slots: usize,
    /// Whether no request of this pass is in flight.
    pub is_idle: bool,
}

/// What an act pass does next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActPlan {
    /// Nothing but cancels is left to do, and they need a sweep first (R8).
    pub sweep_first: bool,
    /// Actions whose order a list showed just now, and when it did.
    pub ready: Vec<(Due, Timestamp)>,
    /// Actions whose order is read before anything else.
    pub read: Vec<Due>,
    /// Accepts that wait for a list of new orders: one list costs less than many single reads.
    pub wait_for_poll: Vec<Due>,
    /// Actions that wait for their turn.
    pub wait: Vec<Due>,
}

impl ActPlan {
    /// Whether it needs no request.
    pub const fn is_empty(&self) -> bool {
        !self.sweep_first
            && self.ready.is_empty()
            && self.read.is_empty()
            && self.wait_for_poll.is_empty()
    }

    /// The plan for people.
    pub fn steps(&self) -> Vec<Step> {
        let parts = [
            (
                RequestClass::Act,
                self.ready.len(),
                "send requests for {} orders that were just listed",
            ),
            (
                RequestClass::Act,
                self.read.len(),
                "read {} orders, then send their requests",
            ),
            (
                RequestClass::NewOrders,
                self.wait_for_poll.len(),
                "poll: {} accepts wait for a fresh list",
            ),
            (
                RequestClass::Evidence,
                if self.sweep_first { self.wait.len() } else { 0 },
                "sweep: {} cancels rest on accepted orders read just before",
            ),
        ];
        let steps = parts.into_iter().filter(|(_, count, _)| *count > 0);
        steps
            .map(|(class, count, what)| Step::new(class, what.replace("{}", &count.to_string())))
            .collect()
    }
}

/// Plans the due actions in their order. Cancels come last: they rest on a sweep just before them, and one
/// serves as many cancels as follow closely.
pub fn plan(due: Vec<Due>, situation: &Situation) -> ActPlan {
    let mut plan = ActPlan::default();
    let is_swept = is_fresh(
        situation.swept_at,
        situation.cancel_sweep_age_max,
        situation.now,
    );
    let only_cancels = due.iter().all(needs_sweep);
    if !is_swept && due.iter().any(needs_sweep) && situation.is_idle && only_cancels {
        plan.sweep_first = true;
        plan.wait = due;
        return plan;
    }
    let (due, cancels): (Vec<_>, Vec<_>) = due
        .into_iter()
        .partition(|due| is_swept || !needs_sweep(due));
    plan.wait = cancels;
    let stale = due
        .iter()
        .filter(|due| is_stale(due, situation) && is_in_newest_list(due, situation))
        .count();
    for due in due {
        if stale > SINGLES_MAX && is_stale(&due, situation) && is_in_newest_list(&due, situation) {
            plan.wait_for_poll.push(due);
            continue;
        }
        match due.listed_at {
            Some(at) if is_plain_accept(&due) && !is_stale(&due, situation) => {
                plan.ready.push((due, at));
            }
            _ if due.attempts() > 0 && mutant("r4_repeat_without_reading") => {
                plan.ready.push((due, situation.now));
            }
            _ if plan.read.len() < situation.free_slots => plan.read.push(due),
            _ => plan.wait.push(due),
        }
    }
    plan
}

/// A cancel decided by rules rests on accepted orders read just before it: one may have freed the units.
fn needs_sweep(due: &Due) -> bool {
    !due.by_person && matches!(due.kind, Kind::Cancel { .. })
}

/// Whether the newest complete list of new orders showed the order. Another list will not show one that it did not:
/// such an order is read singly, after everything else.
pub(super) fn is_in_newest_list(due: &Due, situation: &Situation) -> bool {
    let newest = situation.newest_list_at;
    due.listed_at
        .is_some_and(|listed| newest.is_none_or(|newest| listed >= newest))
}

fn is_stale(due: &Due, situation: &Situation) -> bool {
    let limit = situation.sighting_age_max;
    is_plain_accept(due) && !is_fresh(due.listed_at, limit, situation.now)
}

/// An accept not sent yet: the list that shows its order is sighting enough (R4).
fn is_plain_accept(due: &Due) -> bool {
    due.kind == Kind::Accept && due.stored.is_unsent()
}

/// Whether a reading is no older than `limit`.
pub(super) fn is_fresh(at: Option<Timestamp>, limit: SignedDuration, now: Timestamp) -> bool {
    at.is_some_and(|at| {
        let age = now.duration_since(at);
        age >= -FUTURE_MAX && age <= limit
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;
    use crate::domain::action::{Action, Next};
    use crate::domain::verdict::CancelReason;
    use crate::kaspi::decode;
    use crate::pipeline::plan::tests::now;

    fn due(action: i64, kind: Kind, listed_s_ago: i64) -> Due {
        let order = format!(
            r#"{{"data":{{"type":"orders","id":"{action}","attributes":{{"code":"{action}",
               "totalPrice":100,"creationDate":1700000000000,"state":"NEW","status":"APPROVED_BY_BANK"}}}}}}"#
        );
        Due {
            action,
            decision: action,
            order: decode::order(order.as_bytes()).unwrap(),
            kind,
            stored: Action::decided(now()),
            by_person: false,
            cancels_accepted_order: false,
            made_at: now(),
            listed_at: Some(now() - SignedDuration::from_secs(listed_s_ago)),
            last_outcome: None,
            attempts_towards_max: 0,
        }
    }

    fn accepts(count: i64, listed_s_ago: i64) -> Vec<Due> {
        let accepts = 1..=count;
        accepts
            .map(|action| due(action, Kind::Accept, listed_s_ago))
            .collect()
    }

    fn cancel(action: i64) -> Due {
        let reason = CancelReason::MerchantOutOfStock;
        let comment = String::new();
        due(action, Kind::Cancel { reason, comment }, 1)
    }

    fn situation() -> Situation {
        Situation {
            now: now(),
            sighting_age_max: SignedDuration::from_secs(30),
            cancel_sweep_age_max: SignedDuration::from_secs(30),
            swept_at: None,
            newest_list_at: None,
            free_slots: 4,
            is_idle: true,
        }
    }

    #[test]
    fn an_accept_that_was_just_listed_is_sent() {
        let plan = plan(accepts(3, 30), &situation());
        assert_eq!((plan.ready.len(), plan.read.len()), (3, 0));
    }

    #[test]
    fn few_accepts_with_an_old_sighting_are_read_and_many_wait_for_a_list() {
        let few = plan(accepts(2, 31), &situation());
        assert_eq!((few.read.len(), few.wait_for_poll.len()), (2, 0));
        let many = plan(accepts(3, 31), &situation());
        assert_eq!((many.read.len(), many.wait_for_poll.len()), (0, 3));
    }

    #[test]
    fn an_accept_that_was_sent_before_is_read_first() {
        let mut sent = accepts(6, 1);
        for due in &mut sent {
            due.stored = Action::Sent {
                attempts: 1,
                next: Next::At(now()),
            };
        }
        let plan = plan(sent, &situation());
        assert_eq!(
            (plan.ready.len(), plan.read.len()),
            (0, 4),
            "as slots are free"
        );
        assert_eq!(plan.wait.len(), 2);
    }

    #[test]
    fn cancels_wait_for_all_other_work_and_then_for_one_sweep() {
        let mut mixed = accepts(1, 1);
        mixed.push(cancel(2));
        let first = plan(mixed, &situation());
        assert_eq!((first.ready.len(), first.wait.len()), (1, 1));
        let cancels = || vec![cancel(2), cancel(3)];
        let busy = Situation {
            is_idle: false,
            ..situation()
        };
        assert!(plan(cancels(), &busy).is_empty());
        assert!(plan(cancels(), &situation()).sweep_first);
        let swept = Situation {
            swept_at: Some(now()),
            ..situation()
        };
        assert_eq!(plan(cancels(), &swept).read.len(), 2);
    }

    #[test]
    fn a_cancel_by_a_person_needs_no_sweep() {
        let by_person = Due {
            by_person: true,
            ..cancel(1)
        };
        let plan = plan(vec![by_person], &situation());
        assert_eq!((plan.sweep_first, plan.read.len()), (false, 1));
    }
}
