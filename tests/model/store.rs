//! The transactions of `src/store/`, one function each: all of it happens, or nothing. What the
//! product asks its pure code there is asked of the same code here.

use qabyl::domain::action::State as ActionState;
use qabyl::domain::reconcile::{ActionEnd, ReservationEffect};

use crate::actions::close;
use crate::broken::Off;
use crate::model::Shop;
use crate::product::{Ruling, Scene, Word};
use crate::state::{
    Action, Ask, Breach, Due, Hand, Last, Reserved, Seen, Shortage, Sold, State, Swept,
};

impl<const N: usize> Shop<N> {
    /// One reading taken in: `ledger::observe::observe`, and with it `end_action` and `hold`. Lines
    /// come with every list here, so no reservation waits for them.
    pub(crate) fn observe(&self, state: &mut State<N>, i: usize, read: Seen) {
        let order = &mut state.orders[i];
        order.read_accepted |= read == Seen::Accepted;
        if order.stored != Seen::Absent
            && !self.product.overtakes(order.stored, read)
            && self.off != Some(Off::Rank)
        {
            return;
        }
        order.stored = read;
        if let Some(action) = order.live() {
            let end = self
                .product
                .action_end(read, action.ask, action.attempts > 0);
            match end {
                ActionEnd::Keep => {}
                ActionEnd::Confirmed => close(state, i, ActionState::Confirmed),
                ActionEnd::Refused => close(state, i, ActionState::Refused),
                ActionEnd::Superseded => close(state, i, ActionState::Superseded),
            }
        }
        let order = &mut state.orders[i];
        match self.product.reservation_effect(read) {
            ReservationEffect::Reserve if order.reserved == Reserved::Promised => {
                order.reserved = Reserved::Confirmed;
            }
            ReservationEffect::Reserve if order.reserved == Reserved::No => {
                self.reserve(state, i, self.wants[i], Reserved::Confirmed);
            }
            ReservationEffect::Release if self.off != Some(Off::Release) => {
                order.reserved = Reserved::No;
            }
            ReservationEffect::Reserve
            | ReservationEffect::Release
            | ReservationEffect::Keep
            | ReservationEffect::Consume
            | ReservationEffect::Doubt => {}
        }
    }

    /// `store::reservations::insert_reservations`.
    fn reserve(&self, state: &mut State<N>, i: usize, takes: u8, how: Reserved) {
        assert_eq!(takes, self.wants[i], "an accept takes what was ordered");
        let (confirmed, pending) = self.promised(state);
        let is_there = confirmed + pending + takes <= state.on_hand;
        if is_there || self.off != Some(Off::Unclipped) {
            state.orders[i].reserved = how;
        }
    }

    /// Units with a reservation, confirmed and not: `domain::availability`.
    pub(crate) fn promised(&self, state: &State<N>) -> (u8, u8) {
        let units = |how: Reserved| {
            let of = state.orders.iter().zip(&self.wants);
            of.filter(|(order, _)| order.reserved == how)
                .map(|(_, units)| units)
                .sum()
        };
        (units(Reserved::Confirmed), units(Reserved::Promised))
    }

    /// A deciding pass, from `Store::begin_deciding` to `Deciding::commit`, with
    /// `pipeline::decide::decide_all` in between: one transaction over all candidates, oldest first.
    pub(crate) fn decide(&self, state: &mut State<N>) {
        let before = *state;
        let mut since = 0;
        for i in 0..N {
            if !self.is_candidate(&before.orders[i]) {
                continue;
            }
            let mut scene = self.scene(&before, i, since);
            let seen = note_shortage(scene.shortage, self.product.rule(&scene).is_short);
            scene.shortage = seen;
            state.orders[i].shortage = seen;
            let ruling = self.product.rule(&scene);
            let ask = match ruling.verdict {
                Word::Accept => Ask::Accept,
                Word::Cancel => Ask::Cancel,
                Word::Hold | Word::Wait => continue,
            };
            if ask == Ask::Accept {
                since += i8::try_from(ruling.takes).unwrap();
            }
            self.record(state, i, ask, ruling);
        }
    }

    /// A person lets the engine decide a held order again: `Store::release_order`. Their other words
    /// (hold, accept, cancel) are left out: they stand in for the engine's, and the same steps follow.
    pub(crate) fn release(state: &mut State<N>, i: usize) {
        let order = &mut state.orders[i];
        order.held = false;
        if order.stored == Seen::New && order.live().is_none() {
            order.reserved = Reserved::No;
            order.keeps_units = false;
        }
    }

    /// `NewestList::lets_decide` in `domain/candidate.rs`.
    fn is_candidate(&self, order: &Sold) -> bool {
        let again = self.off == Some(Off::Sticky);
        let is_free = match order.live() {
            Some(action) => again && action.attempts > 0 && order.hand == Hand::Idle,
            None => true,
        };
        order.stored == Seen::New && !order.held && order.in_scan && is_free
    }

    /// What an order's decision looks at: `pipeline::decide::gather`.
    pub(crate) fn scene(&self, state: &State<N>, i: usize, since: i8) -> Scene {
        let order = &state.orders[i];
        let (confirmed, pending) = self.promised(state);
        let sent = |ask: Ask| order.was_sent(ask).then_some(ask);
        Scene {
            on_hand: state.on_hand,
            confirmed,
            pending,
            since,
            wanted: self.wants[i],
            shortage: order.shortage,
            swept: state.swept,
            counted_since: state.counted_since,
            // Where both were sent, neither is sent again: the model takes the cancel.
            sent: match self.off {
                Some(Off::Sticky) => None,
                _ => sent(Ask::Cancel).or(sent(Ask::Accept)),
            },
        }
    }

    /// Decision, reservation and action together: `ledger::decisions::record` (R1). The decision's own
    /// row decides nothing later and is left out.
    fn record(&self, state: &mut State<N>, i: usize, ask: Ask, ruling: Ruling) {
        let other = match ask {
            Ask::Accept => Ask::Cancel,
            Ask::Cancel => Ask::Accept,
        };
        if state.orders[i].was_sent(other) {
            // The trigger `actions_never_flip` would abort the pass.
            state.breach(Breach::Flipped);
        }
        if let Some(action) = state.orders[i].live() {
            // Only where stickiness is off: the action is dropped for another.
            state.orders[i].sent[action.ask as usize] = true;
            state.orders[i].keeps_units |= action.ask == Ask::Accept;
        }
        state.orders[i].action = Some(Action {
            ask,
            state: ActionState::Pending,
            attempts: 0,
            snoozed: 0,
            last: Last::None,
            due: Due::Now,
            fresh: true,
        });
        if ask == Ask::Accept {
            if self.off != Some(Off::Reservation) {
                self.reserve(state, i, ruling.takes, Reserved::Promised);
            }
            self.judge_accept(state);
            if matches!(state.swept, Swept::Never | Swept::Old) {
                state.breach(Breach::HoldersUnread);
            }
        }
    }
}

/// `Deciding::note_shortage`: counted once for each complete scan, forgotten as soon as it is covered.
fn note_shortage(seen: Shortage, is_short: bool) -> Shortage {
    if !is_short {
        return Shortage::default();
    }
    if seen.counted {
        return seen;
    }
    Shortage {
        scans: (seen.scans + 1).min(2),
        counted: true,
        ..seen
    }
}
