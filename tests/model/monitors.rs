//! What watches over the steps that promise and refuse. Monitors count orders as they were read, not
//! reservations, and ask no code of the product's.

use qabyl::domain::action::State as ActionState;

use crate::kaspi::is_allowed;
use crate::model::Shop;
use crate::state::{Breach, Hand, Seen, State, Swept};

impl<const N: usize> Shop<N> {
    /// The monitor of an accept, as it is decided and as each of its POSTs is begun: the units are
    /// there by all that was read so far.
    pub(crate) fn judge_accept(&self, state: &mut State<N>) {
        let of = state.orders.iter().zip(&self.wants);
        let owed: u8 = of
            .filter(|(order, _)| order.is_owed())
            .map(|(_, units)| units)
            .sum();
        if owed > state.on_hand {
            state.breach(Breach::Oversold);
        }
    }

    /// Monitors of a cancel about to leave. They count orders, not reservations.
    pub(crate) fn judge_cancel(&self, state: &mut State<N>, i: usize) {
        let taken: u8 = (0..N)
            .filter(|j| *j != i && state.orders[*j].stored == Seen::Accepted)
            .map(|j| self.wants[j])
            .sum();
        let shortage = state.orders[i].shortage;
        if state.on_hand >= taken && self.wants[i] <= state.on_hand - taken {
            state.breach(Breach::Covered);
        }
        if taken > state.on_hand {
            state.breach(Breach::Overdrawn);
        }
        if state.orders[i].read_accepted {
            state.breach(Breach::ReadAccepted);
        }
        let is_seen_twice = shortage.scans >= 2 && shortage.old;
        if !is_seen_twice || state.swept != Swept::JustNow || state.counted_since {
            state.breach(Breach::Unproven);
        }
    }
}

impl<const N: usize> State<N> {
    /// The monitor of an action about to be closed: one without its effect is closed on proof only.
    pub(crate) fn judge_end(&mut self, i: usize, to: ActionState) {
        let order = &self.orders[i];
        let Some(action) = order.live() else { return };
        let is_under_way = match order.hand {
            Hand::Started { ask, fresh: true } | Hand::Waiting { ask, done: false } => {
                ask == action.ask
            }
            _ => order.late[action.ask as usize],
        };
        let may_come = is_under_way && is_allowed(order.stored, action.ask);
        if to != ActionState::Confirmed && may_come {
            self.breach(Breach::GivenUp);
        }
    }
}
