//! The steps of `src/pipeline/`: what a stage reads and what it makes of it. A reading and the
//! transaction that records it are one step: a reading recorded later is a stale one, and those are
//! there anyway.

use qabyl::domain::action::State as ActionState;

use crate::actions::refuse;
use crate::broken::Off;
use crate::model::Shop;
use crate::state::{Action, Ask, Due, Hand, Last, Proof, Reserved, Seen, Sold, State, Swept};

/// What a reading shows of an order.
fn shown(order: &Sold, is_stale: bool) -> Seen {
    if is_stale { order.oldest } else { order.truth }
}

/// `pipeline::act::plain_accept`.
fn is_plain_accept(action: Action) -> bool {
    action.ask == Ask::Accept && action.state == ActionState::Pending && action.attempts == 0
}

impl<const N: usize> Shop<N> {
    /// poll: a complete list of new orders, `poll::list_once` up to `Store::record_scan`. Orders in
    /// `stale` (a bit each) are shown as they once were. An incomplete list changes less, and is
    /// left out.
    pub(crate) fn poll(&self, state: &mut State<N>, stale: u8) {
        for i in 0..N {
            let is_listed = shown(&state.orders[i], stale >> i & 1 == 1) == Seen::New;
            if is_listed {
                self.observe(state, i, Seen::New);
            }
            let order = &mut state.orders[i];
            order.listed |= is_listed;
            order.in_scan = is_listed;
            order.shortage.counted = false;
        }
    }

    /// sweep: the lists of accepted orders, then single reads of those that should be there, or
    /// that the list of new orders no longer shows: `sweep::run_once`, complete. The act stage
    /// calls it before a cancel (`Pass::gather_evidence`).
    pub(crate) fn sweep(&self, state: &mut State<N>, stale: u8) {
        for i in 0..N {
            let order = &state.orders[i];
            let read = shown(order, stale >> i & 1 == 1);
            let has_cancel = order.live().is_some_and(|action| {
                action.ask == Ask::Cancel && action.state != ActionState::Pending
            });
            // `Store::not_in_accepted_list`, `Store::not_in_new_list`
            let is_gone = order.stored == Seen::Accepted
                || order.reserved == Reserved::Confirmed
                || has_cancel;
            let is_vanished = order.stored == Seen::New && !order.in_scan;
            let is_ours = order.live().is_some() || order.reserved != Reserved::No;
            if self.off == Some(Off::Holders) && read == Seen::Accepted && !is_ours {
                continue;
            }
            if read == Seen::Accepted || ((is_gone || is_vanished) && read != Seen::Absent) {
                self.observe(state, i, read);
            }
        }
        state.swept = Swept::JustNow;
        state.counted_since = false;
    }

    /// Whether its POST may be begun: it was read just now, or a young list shows it (`Pass::fetch`).
    pub(crate) fn may_begin(&self, state: &State<N>, i: usize) -> bool {
        let order = &state.orders[i];
        let Some(action) = order.live() else {
            return false;
        };
        let is_due = action.due == Due::Now && !state.recovering;
        let by_list = is_plain_accept(action) && (order.listed || self.off == Some(Off::Sighting));
        let unread = self.off == Some(Off::ReadBack) && action.attempts > 0;
        is_due
            && match order.hand {
                Hand::Ready => true,
                Hand::Idle => by_list || unread,
                Hand::Started { .. } | Hand::Waiting { .. } => false,
            }
    }

    /// A single read of an order with a due action, and what follows: `Pass::order_read`.
    pub(crate) fn look(&self, state: &mut State<N>, i: usize, is_stale: bool) {
        let order = &mut state.orders[i];
        let read = shown(order, is_stale);
        if order.proof == Proof::Settled {
            order.proof = Proof::ReadBack;
        }
        self.observe(state, i, read);
        let Some(action) = state.orders[i].live() else {
            return;
        };
        if read == Seen::New {
            self.repeat(state, i, action);
        } else if read == Seen::Accepted && action.attempts > 0 {
            refuse(state, i);
        }
    }

    /// The order still waits: `Pass::repeat` where a POST was sent before.
    fn repeat(&self, state: &mut State<N>, i: usize, action: Action) {
        let counted = action.attempts - action.snoozed;
        let order = &mut state.orders[i];
        if action.attempts == 0 {
            order.hand = Hand::Ready;
        } else if action.last == Last::Rejected {
            refuse(state, i);
        } else if counted >= self.attempts_max {
            order.action = Some(Action {
                due: Due::Never,
                ..action
            });
        } else {
            order.hand = Hand::Ready;
        }
    }
}

/// Whether the act stage would read this order now: `Pass::fetch`.
pub(crate) fn wants_look<const N: usize>(state: &State<N>, i: usize) -> bool {
    let order = &state.orders[i];
    let Some(action) = order.live() else {
        return false;
    };
    let is_due = action.due == Due::Now && !state.recovering && order.hand == Hand::Idle;
    is_due && !(is_plain_accept(action) && order.listed)
}
