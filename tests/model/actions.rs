//! The transactions of `src/ledger/attempts.rs` and `src/ledger/recheck.rs`, one function each.

use qabyl::domain::action::{Outcome, State as ActionState};

use crate::broken::Off;
use crate::kaspi::Answer;
use crate::model::Shop;
use crate::product::{Scene, Word};
use crate::state::{Action, Ask, Breach, Due, Hand, Last, Reserved, Seen, State};

/// `ledger::attempts::close`; what was in hand for a POST not begun is void.
pub(crate) fn close<const N: usize>(state: &mut State<N>, i: usize, to: ActionState) {
    state.judge_end(i, to);
    let order = &mut state.orders[i];
    let Some(action) = order.live() else { return };
    order.sent[action.ask as usize] |= action.attempts > 0;
    order.keeps_units |= action.attempts > 0 && action.ask == Ask::Accept;
    order.action = Some(Action {
        state: to,
        attempts: 0,
        snoozed: 0,
        // Kept where it shows that a lost answer was read back.
        last: match (to, action.last) {
            (ActionState::Confirmed, Last::Unknown) => Last::Unknown,
            _ => Last::None,
        },
        due: Due::Never,
        fresh: false,
        ..action
    });
    if order.hand == Hand::Ready {
        order.hand = Hand::Idle;
    }
}

impl<const N: usize> Shop<N> {
    /// One POST's row, or its withdrawal: `Store::begin_attempts` for one action. The product does
    /// several in one transaction; one at a time allows more.
    pub(crate) fn begin_attempt(&self, state: &mut State<N>, i: usize) {
        let order = &mut state.orders[i];
        let fresh = order.hand == Hand::Ready || order.listed;
        order.hand = Hand::Idle;
        // `still_due`
        let Some(mut action) = order.live() else {
            return;
        };
        if action.due != Due::Now || order.stored != Seen::New {
            return;
        }
        match self.recheck(state, i, action) {
            Recheck::StillValid => {
                let order = &mut state.orders[i];
                if self.off != Some(Off::Durable) {
                    action.state = ActionState::Sent;
                    action.attempts += 1;
                    action.last = Last::Open;
                    order.action = Some(action);
                }
                order.hand = Hand::Started {
                    ask: action.ask,
                    fresh,
                };
                match action.ask {
                    Ask::Accept => self.judge_accept(state),
                    Ask::Cancel => self.judge_cancel(state, i),
                }
            }
            // `put_off` by a second: nothing that matters here.
            Recheck::WaitForEvidence => {}
            Recheck::Changed => withdraw(state, i, action),
        }
    }

    /// `ledger::recheck::today`.
    fn recheck(&self, state: &mut State<N>, i: usize, action: Action) -> Recheck {
        let own = match state.orders[i].reserved {
            Reserved::No => 0,
            Reserved::Promised | Reserved::Confirmed => -i8::try_from(self.wants[i]).unwrap(),
        };
        let scene = Scene {
            sent: None,
            ..self.scene(state, i, own)
        };
        let ruling = self.product.rule(&scene);
        let is_settled = action.ask == Ask::Accept && (action.attempts > 0 || action.fresh);
        if is_settled && !ruling.is_short {
            return Recheck::StillValid;
        }
        let asked = match action.ask {
            Ask::Accept => Word::Accept,
            Ask::Cancel => Word::Cancel,
        };
        if ruling.verdict == asked {
            return Recheck::StillValid;
        }
        let is_same_rule = ruling.proposed == asked;
        let waits = ruling.verdict == Word::Wait;
        if waits && is_same_rule && (action.attempts > 0 || ruling.wants_evidence) {
            return Recheck::WaitForEvidence;
        }
        Recheck::Changed
    }

    /// A POST's outcome: `ledger::attempts::end`.
    pub(crate) fn end_attempt(&self, state: &mut State<N>, i: usize, answer: Answer) {
        let order = &mut state.orders[i];
        let Some(mut action) = order.action else {
            return;
        };
        // `WHERE … closed_at IS NULL`
        if !action.state.is_live() {
            if self.off != Some(Off::Closed) {
                return;
            }
            state.breach(Breach::Reopened);
            return;
        }
        if self.off == Some(Off::Durable) {
            action.attempts += 1;
            action.last = Last::Open;
        }
        // The row of another action, where one was put in its place.
        if action.last != Last::Open {
            return;
        }
        let was_unsent = action.attempts == 1;
        (action.last, action.due, action.state) = match answer.outcome() {
            Outcome::Applied if self.off == Some(Off::Read2xx) => {
                close(state, i, ActionState::Confirmed);
                return;
            }
            Outcome::Applied => (
                Last::Applied,
                self.product.due_after(action.attempts),
                ActionState::Sent,
            ),
            Outcome::Unknown(_) => (
                Last::Unknown,
                self.product.due_after(action.attempts),
                ActionState::Unknown,
            ),
            Outcome::Rejected(_) | Outcome::Denied { .. } => {
                (Last::Rejected, Due::Now, ActionState::Unknown)
            }
            // `before`
            Outcome::Snoozed { .. } | Outcome::NotSent { .. } if was_unsent => {
                (Last::Unhandled, Due::Now, ActionState::Pending)
            }
            Outcome::Snoozed { .. } | Outcome::NotSent { .. } => {
                (Last::Unhandled, Due::Now, ActionState::Unknown)
            }
        };
        match answer {
            Answer::Snoozed => action.snoozed += 1,
            Answer::NotSent => action.attempts -= 1,
            _ => {}
        }
        if self.off == Some(Off::Settle) {
            action.due = Due::Now;
        }
        order.action = Some(action);
    }

    /// `Store::recover`, with which every act pass begins.
    pub(crate) fn recover(&self, state: &mut State<N>) {
        state.recovering = false;
        if self.off == Some(Off::Recover) {
            return;
        }
        let is_lost = |action: &&mut Action| action.state.is_live() && action.last == Last::Open;
        for order in &mut state.orders {
            if let Some(action) = order.action.as_mut().filter(is_lost) {
                action.state = ActionState::Unknown;
                action.last = Last::Unknown;
                action.due = Due::AfterSettle;
            }
        }
    }
}

/// Ends an action that a reading shows without effect: `Store::refuse`. Its reservation stays.
pub(crate) fn refuse<const N: usize>(state: &mut State<N>, i: usize) {
    if state.orders[i].live().is_some() {
        close(state, i, ActionState::Refused);
        state.orders[i].held = true;
    }
}

/// What the same decision would be now.
enum Recheck {
    StillValid,
    WaitForEvidence,
    Changed,
}

/// `ledger::recheck::withdraw`.
fn withdraw<const N: usize>(state: &mut State<N>, i: usize, action: Action) {
    if action.attempts > 0 {
        close(state, i, ActionState::Refused);
        state.orders[i].held = true;
    } else {
        close(state, i, ActionState::Superseded);
        state.orders[i].reserved = Reserved::No;
    }
}
