//! The model as stateright explores it: one world's sizes, its first state, the steps that may come
//! next, and what each does.

use stateright::{Model, Property};

use crate::broken::Off;
use crate::kaspi::{Answer, answers, is_allowed};
use crate::product::Product;
use crate::properties::{self, Look};
use crate::stages::wants_look;
use crate::state::{Ask, Due, Hand, Left, Proof, Seen, Sold, State, Swept};

/// One world: orders that compete for units of one SKU.
pub(crate) struct Shop<const N: usize> {
    pub(crate) product: Product,
    /// Units each order wants, the oldest order first.
    pub(crate) wants: [u8; N],
    pub(crate) on_hand: u8,
    pub(crate) left: Left,
    pub(crate) attempts_max: u8,
    /// The rule that does not hold, if one is switched off.
    pub(crate) off: Option<Off>,
    pub(crate) look: Look,
}

/// How much time passes at once. Between leaps no time passes at all, and each leap may come at any
/// moment: more orders of events are possible here than in life, never fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Leap {
    /// Over `sighting_age_max` (and `cancel_sweep_age_max`).
    HalfMinute,
    /// Over `settle`: no POST of before can take effect any more, no replica lags any more.
    Settle,
    /// Over `cancel_confirm_after` and `sweep_max_age`.
    QuarterHour,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A buyer places the order.
    Placed(usize),
    Poll {
        stale: u8,
    },
    Sweep {
        stale: u8,
    },
    Decide,
    Recover,
    Look {
        order: usize,
        stale: bool,
    },
    Begin(usize),
    Leave(usize),
    NotSent(usize),
    Effect(usize),
    Answer(usize, Answer),
    LateEffect(usize, Ask),
    BuyerCancels(usize),
    PersonAccepts(usize),
    PersonReleases(usize),
    Import(u8),
    Crash,
    Passes(Leap),
    /// Nothing disturbs any more; a round of every stage's work.
    Calm,
}

/// Rounds of undisturbed work in which everything must end.
pub(crate) const CALM_ROUNDS: u8 = 8;

impl<const N: usize> Model for Shop<N> {
    type State = State<N>;
    type Action = Step;

    fn init_states(&self) -> Vec<State<N>> {
        let mut orders = [Sold::unplaced(); N];
        orders[0].truth = Seen::New;
        let mut first = State {
            orders,
            on_hand: self.on_hand,
            counted_since: false,
            swept: Swept::Never,
            recovering: false,
            left: self.left,
            calm: 0,
            breaches: 0,
        };
        first.tidy(false);
        vec![first]
    }

    fn actions(&self, state: &State<N>, steps: &mut Vec<Step>) {
        let is_over = state.breaches != 0 && self.look == Look::All;
        if is_over || state.calm == CALM_ROUNDS {
            return;
        }
        if !matches!(self.look, Look::For(name) if name != properties::ENDS) {
            steps.push(Step::Calm);
        }
        if state.calm > 0 {
            return;
        }
        lists(state, steps);
        steps.push(Step::Decide);
        if state.recovering {
            steps.push(Step::Recover);
        }
        for i in 0..N {
            self.act_steps(state, i, steps);
            others(state, i, steps);
        }
        trouble(state, steps);
        let waits = |order: &Sold| matches!(order.hand, Hand::Waiting { .. });
        // No answer takes longer than its timeout, 20 s.
        if !state.orders.iter().any(waits) {
            let leaps = [Leap::HalfMinute, Leap::Settle, Leap::QuarterHour];
            steps.extend(leaps.map(Step::Passes));
        }
    }

    fn next_state(&self, last: &State<N>, step: Step) -> Option<State<N>> {
        let mut state = *last;
        self.take(&mut state, step);
        state.tidy(self.off == Some(Off::Rank));
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::wanted(self.look)
    }
}

impl<const N: usize> Shop<N> {
    fn act_steps(&self, state: &State<N>, i: usize, steps: &mut Vec<Step>) {
        let order = &state.orders[i];
        let may_fail = state.left.any > 0;
        if wants_look(state, i) {
            steps.push(Step::Look {
                order: i,
                stale: false,
            });
            let lags = order.oldest != order.truth && order.oldest != Seen::Absent;
            if lags && may_fail {
                steps.push(Step::Look {
                    order: i,
                    stale: true,
                });
            }
        }
        if self.may_begin(state, i) {
            steps.push(Step::Begin(i));
        }
        match order.hand {
            Hand::Started { fresh, .. } => {
                if fresh || self.off == Some(Off::Sighting) {
                    steps.push(Step::Leave(i));
                }
                if !fresh || may_fail {
                    steps.push(Step::NotSent(i));
                }
            }
            Hand::Waiting { ask, done } => {
                if !done && is_allowed(order.truth, ask) {
                    steps.push(Step::Effect(i));
                }
                for (answer, is_trouble) in answers(order) {
                    if may_fail || !is_trouble {
                        steps.push(Step::Answer(i, *answer));
                    }
                }
            }
            Hand::Idle | Hand::Ready => {}
        }
    }

    pub(crate) fn take(&self, state: &mut State<N>, step: Step) {
        pay(state, step);
        match step {
            Step::Placed(i) => state.orders[i].truth = Seen::New,
            Step::Poll { stale } => self.poll(state, stale),
            Step::Sweep { stale } => self.sweep(state, stale),
            Step::Decide => self.decide(state),
            Step::Recover => self.recover(state),
            Step::Look { order, stale } => self.look(state, order, stale),
            Step::Begin(i) => self.begin_attempt(state, i),
            Step::Leave(i) => state.leave(i),
            Step::NotSent(i) => self.answer(state, i, Answer::NotSent),
            Step::Effect(i) => state.effect(i),
            Step::Answer(i, answer) => self.answer(state, i, answer),
            Step::LateEffect(i, ask) => state.late_effect(i, ask),
            Step::BuyerCancels(i) => state.orders[i].truth = Seen::Cancelled,
            Step::PersonAccepts(i) => state.orders[i].truth = Seen::Accepted,
            Step::PersonReleases(i) => Self::release(state, i),
            // `Store::import_stock`
            Step::Import(on_hand) => {
                state.on_hand = on_hand;
                state.counted_since = state.swept != Swept::Never;
            }
            Step::Crash => state.crash(),
            Step::Passes(leap) => pass(state, leap),
            Step::Calm => self.calm_round(state),
        }
    }
}

/// Lists, as they are or with some orders shown as they once were.
fn lists<const N: usize>(state: &State<N>, steps: &mut Vec<Step>) {
    for stale in 0..1_u8 << N {
        let is_lagging = |i: &usize| stale >> i & 1 == 1;
        let lags = |i: usize| state.orders[i].oldest != state.orders[i].truth;
        let places = (0..N).filter(is_lagging);
        if places.clone().all(lags) && places.count() <= usize::from(state.left.any) {
            steps.push(Step::Poll { stale });
            steps.push(Step::Sweep { stale });
        }
    }
}

/// What Kaspi, buyers and people may do.
fn others<const N: usize>(state: &State<N>, i: usize, steps: &mut Vec<Step>) {
    let order = &state.orders[i];
    if order.truth == Seen::Absent && i > 0 && state.orders[i - 1].truth != Seen::Absent {
        steps.push(Step::Placed(i));
    }
    if order.late[Ask::Accept as usize] {
        steps.push(Step::LateEffect(i, Ask::Accept));
    }
    if order.late[Ask::Cancel as usize] {
        steps.push(Step::LateEffect(i, Ask::Cancel));
    }
    if state.left.clicks > 0 {
        if order.truth == Seen::New {
            steps.push(Step::PersonAccepts(i));
        }
        if is_allowed(order.truth, Ask::Cancel) {
            steps.push(Step::BuyerCancels(i));
        }
        if order.held {
            steps.push(Step::PersonReleases(i));
        }
    }
}

fn trouble<const N: usize>(state: &State<N>, steps: &mut Vec<Step>) {
    if state.left.crashes > 0 {
        steps.push(Step::Crash);
    }
    if state.left.imports > 0 {
        steps.push(Step::Import(state.on_hand + 1));
        steps.push(Step::Import(0));
    }
}

/// Takes a disturbance off those that may still come.
fn pay<const N: usize>(state: &mut State<N>, step: Step) {
    let left = &mut state.left;
    let price = match step {
        Step::Poll { stale } | Step::Sweep { stale } => u8::try_from(stale.count_ones()).unwrap(),
        Step::Look { order: _, stale } => u8::from(stale),
        Step::NotSent(i) => match state.orders[i].hand {
            Hand::Started { fresh, .. } => u8::from(fresh),
            _ => 0,
        },
        Step::Answer(i, answer) => {
            let known = answers(&state.orders[i]);
            u8::from(known.contains(&(answer, true)))
        }
        Step::Crash => {
            left.crashes -= 1;
            1
        }
        Step::Import(_) => {
            left.imports -= 1;
            1
        }
        Step::BuyerCancels(_) | Step::PersonAccepts(_) | Step::PersonReleases(_) => {
            left.clicks -= 1;
            1
        }
        _ => 0,
    };
    left.any -= price;
}

/// Time passes.
pub(crate) fn pass<const N: usize>(state: &mut State<N>, leap: Leap) {
    let settles = leap != Leap::HalfMinute;
    let is_long = leap == Leap::QuarterHour;
    state.swept = match state.swept {
        Swept::Never => Swept::Never,
        Swept::JustNow | Swept::Recent if !is_long => Swept::Recent,
        _ => Swept::Old,
    };
    for order in &mut state.orders {
        order.listed = false;
        order.hand = match order.hand {
            Hand::Ready => Hand::Idle,
            Hand::Started { ask, .. } => Hand::Started { ask, fresh: false },
            other => other,
        };
        order.shortage.old |= is_long && order.shortage.scans > 0;
        if settles {
            order.oldest = order.truth;
            order.late = [false; 2];
            if order.proof == Proof::Open {
                order.proof = Proof::Settled;
            }
        }
        if let Some(action) = &mut order.action {
            action.fresh = false;
            if settles && action.due == Due::AfterSettle {
                action.due = Due::Now;
            }
        }
    }
}
