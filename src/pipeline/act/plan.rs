//! Which of the due actions an act pass takes up next, as a pure function.

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::{Kind, State};
use crate::ledger::Due;
use crate::mutant::mutant;

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
    /// Requests that may leave now.
    pub free_slots: usize,
    /// Whether no request of this pass is under way.
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

/// Takes up what is due, in its order. Cancels come last: they rest on a sweep just before them, and one
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
    let stale = due.iter().filter(|due| is_stale(due, situation)).count();
    for due in due {
        if stale > SINGLES_MAX && is_stale(&due, situation) {
            plan.wait_for_poll.push(due);
            continue;
        }
        match due.listed_at {
            Some(at) if is_plain_accept(&due) && !is_stale(&due, situation) => {
                plan.ready.push((due, at));
            }
            _ if due.attempts > 0 && mutant("r4_repeat_without_reading") => {
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

fn is_stale(due: &Due, situation: &Situation) -> bool {
    let limit = situation.sighting_age_max;
    is_plain_accept(due) && !is_fresh(due.listed_at, limit, situation.now)
}

/// An accept not sent yet: the list that shows its order is sighting enough (R4).
fn is_plain_accept(due: &Due) -> bool {
    due.kind == Kind::Accept && due.state == State::Pending && due.attempts == 0
}

/// Whether a reading is no older than `limit`.
pub(super) fn is_fresh(at: Option<Timestamp>, limit: SignedDuration, now: Timestamp) -> bool {
    at.is_some_and(|at| {
        let age = now.duration_since(at);
        age >= -FUTURE_MAX && age <= limit
    })
}
