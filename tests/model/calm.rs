//! Work that nothing disturbs any more, and how it must end (I5, I8): a round is every stage once, in
//! the order of `qabyl once`, with good answers, then a quarter of an hour.

use crate::kaspi::{Answer, answers};
use crate::model::{CALM_ROUNDS, Leap, Shop, pass};
use crate::product::Word;
use crate::stages::wants_look;
use crate::state::{Due, Hand, Left, Seen, State};

impl<const N: usize> Shop<N> {
    pub(crate) fn calm_round(&self, state: &mut State<N>) {
        let before = *state;
        state.left = Left {
            any: 0,
            crashes: 0,
            imports: 0,
            clicks: 0,
        };
        for i in 0..N {
            if state.orders[i].truth == Seen::Absent {
                state.orders[i].truth = Seen::New;
            }
            self.land(state, i);
        }
        self.recover(state);
        self.poll(state, 0);
        self.sweep(state, 0);
        self.decide(state);
        for i in 0..N {
            if wants_look(state, i) {
                self.look(state, i, false);
            }
            if self.may_begin(state, i) {
                self.begin_attempt(state, i);
            }
            self.land(state, i);
        }
        self.sweep(state, 0);
        self.decide(state);
        pass(state, Leap::QuarterHour);
        let is_same = State {
            calm: before.calm,
            ..*state
        } == before;
        state.calm = if is_same {
            CALM_ROUNDS
        } else {
            before.calm + 1
        };
    }

    /// What the act stage has in hand comes to its end.
    fn land(&self, state: &mut State<N>, i: usize) {
        match state.orders[i].hand {
            Hand::Started { fresh: false, .. } => self.answer(state, i, Answer::NotSent),
            Hand::Started { .. } => state.leave(i),
            Hand::Ready => state.orders[i].hand = Hand::Idle,
            Hand::Idle | Hand::Waiting { .. } => {}
        }
        if matches!(state.orders[i].hand, Hand::Waiting { .. }) {
            state.effect(i);
            let good = answers(&state.orders[i])
                .iter()
                .find(|(_, trouble)| !trouble);
            let answer = good.map_or(Answer::Unknown, |(answer, _)| *answer);
            self.answer(state, i, answer);
        }
    }

    /// Whether every order is accepted or cancelled, and known to be, or left to a person who is
    /// notified.
    pub(crate) fn is_ended(&self, state: &State<N>) -> bool {
        (0..N).all(|i| {
            let order = &state.orders[i];
            let is_reported = order.held
                || order.live().is_some_and(|action| action.due == Due::Never)
                || (order.live().is_none()
                    && self.product.rule(&self.scene(state, i, 0)).verdict == Word::Hold);
            // One that came and went between two lists owes nobody anything.
            let is_missed = order.stored == Seen::Absent && order.truth == Seen::Cancelled;
            let is_known = order.stored == order.truth || is_missed;
            let is_closed = order.live().is_none_or(|action| action.due == Due::Never);
            is_known && is_closed && (order.truth != Seen::New || is_reported)
        })
    }
}
