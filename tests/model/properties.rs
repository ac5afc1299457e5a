//! What must hold in every state, and what must happen in some.

use qabyl::domain::action::State as ActionState;
use stateright::Property;

use crate::model::{CALM_ROUNDS, Shop};
use crate::state::{Action, Ask, Breach, Due, Hand, Last, Reserved, Seen, Sold, State};

pub(crate) const BOTH: &str = "I1: never both an accept and a cancel sent for one order";
pub(crate) const OVERSOLD: &str = "I2: no accept of units that are owed already";
pub(crate) const COVERED: &str = "I3: no cancel of an order that was covered by what had been read";
pub(crate) const READ_ACCEPTED: &str = "I3: no cancel of an order that had been read as accepted";
pub(crate) const UNPROVEN: &str =
    "R8: no cancel before its shortage was seen twice, far apart, and accepted orders were read";
pub(crate) const OVERDRAWN: &str = "R9: no cancel while more is owed than there is";
pub(crate) const BLIND: &str = "R4: no POST again before settle and a reading after it";
pub(crate) const UNSIGHTED: &str = "R4: no POST without a fresh sighting";
pub(crate) const UNDURABLE: &str = "I9: no POST before its attempt is on disk";
pub(crate) const UNREAD: &str = "R6: no accept before accepted orders were read";
const GIVEN_UP: &str = "R3: no action is given up while its POST could still take effect";
pub(crate) const REOPENED: &str = "a closed action stays closed";
pub(crate) const FLIPPED: &str = "R2: no trigger has to keep accept and cancel apart";
pub(crate) const LEDGER: &str = "I6: units are promised exactly where they are owed";
pub(crate) const ENDS: &str = "I5, I8: undisturbed, every order ends accepted, cancelled or held";
/// What stateright can say of liveness: every path that ends, ends so.
const EVENTUALLY: &str = "every order ends accepted, cancelled or held at last";
const ALL: &str = "no invariant is broken";

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A broken invariant, whichever: one property costs stateright much less than fifteen.
    All,
    /// This invariant broken.
    For(&'static str),
    /// What must happen somewhere.
    Happens,
}

/// What holds in a state.
pub(crate) type Holds<const N: usize> = fn(&Shop<N>, &State<N>) -> bool;

pub(crate) fn wanted<const N: usize>(look: Look) -> Vec<Property<Shop<N>>> {
    match look {
        Look::All => vec![
            Property::always(ALL, |shop, state| {
                invariants().iter().all(|(_, holds)| holds(shop, state))
            }),
            Property::eventually(EVENTUALLY, |shop: &Shop<N>, state: &State<N>| {
                state.calm == CALM_ROUNDS && shop.is_ended(state)
            }),
        ],
        Look::For(name) => invariants()
            .into_iter()
            .filter(|(of, _)| *of == name)
            .map(|(name, holds)| Property::always(name, holds))
            .collect(),
        Look::Happens => happens(),
    }
}

/// The invariants that do not hold in a state.
pub(crate) fn broken_in<const N: usize>(shop: &Shop<N>, state: &State<N>) -> Vec<&'static str> {
    invariants()
        .into_iter()
        .filter(|(_, holds)| !holds(shop, state))
        .map(|(name, _)| name)
        .collect()
}

fn invariants<const N: usize>() -> [(&'static str, Holds<N>); 15] {
    [
        (BOTH, |_, state| {
            !any(state, |order| order.left == [true; 2])
        }),
        (OVERSOLD, |_, state| !state.has(Breach::Oversold)),
        (COVERED, |_, state| !state.has(Breach::Covered)),
        (READ_ACCEPTED, |_, state| !state.has(Breach::ReadAccepted)),
        (UNPROVEN, |_, state| !state.has(Breach::Unproven)),
        (OVERDRAWN, |_, state| !state.has(Breach::Overdrawn)),
        (BLIND, |_, state| !state.has(Breach::Blind)),
        (UNSIGHTED, |_, state| !state.has(Breach::Unsighted)),
        (UNDURABLE, |_, state| !state.has(Breach::Undurable)),
        (UNREAD, |_, state| !state.has(Breach::HoldersUnread)),
        (GIVEN_UP, |_, state| !state.has(Breach::GivenUp)),
        (REOPENED, |_, state| !state.has(Breach::Reopened)),
        (FLIPPED, |_, state| !state.has(Breach::Flipped)),
        (LEDGER, |_, state| {
            !any(state, |order| {
                order.is_owed() != (order.reserved != Reserved::No)
            })
        }),
        (ENDS, |shop, state| {
            state.calm < CALM_ROUNDS || shop.is_ended(state)
        }),
    ]
}

/// What the worlds together must show, or the model is too small to mean anything.
fn happens<const N: usize>() -> Vec<Property<Shop<N>>> {
    let some = Property::<Shop<N>>::sometimes;
    vec![
        some("an accept is confirmed", |_, state| {
            any(state, |order| {
                order.left[Ask::Accept as usize]
                    && ended(order, Ask::Accept, ActionState::Confirmed)
            })
        }),
        some("a cancel is confirmed", |_, state| {
            any(state, |order| {
                order.left[Ask::Cancel as usize]
                    && ended(order, Ask::Cancel, ActionState::Confirmed)
            })
        }),
        some(
            "an unknown outcome is read back and confirmed",
            |_, state| {
                any(state, |order| {
                    let is_late = |action: Action| action.last == Last::Unknown;
                    order.left[Ask::Accept as usize]
                        && ended(order, Ask::Accept, ActionState::Confirmed)
                        && order.action.is_some_and(is_late)
                })
            },
        ),
        some("a POST is repeated", |_, state| {
            any(state, |order| {
                let again = order.live().is_some_and(|action| action.attempts > 1);
                again && matches!(order.hand, Hand::Waiting { .. })
            })
        }),
        some(
            "a cancel is withdrawn after stock came in",
            |shop, state| {
                state.on_hand > shop.on_hand
                    && any(state, |order| {
                        order.truth == Seen::New
                            && ended(order, Ask::Cancel, ActionState::Superseded)
                    })
            },
        ),
        some("an accept is withdrawn", |_, state| {
            any(state, |order| {
                order.truth == Seen::New && ended(order, Ask::Accept, ActionState::Superseded)
            })
        }),
        some("a person must look at a refusal", |_, state| {
            any(state, |order| order.held)
        }),
        some("an action used all its POSTs", |_, state| {
            any(state, |order| {
                order.live().is_some_and(|action| action.due == Due::Never)
            })
        }),
        some("more is owed than there is", |shop, state| {
            let (confirmed, pending) = shop.promised(state);
            confirmed + pending > state.on_hand
        }),
        some("two POSTs are under way at once", |_, state| {
            let waits = |order: &&Sold| matches!(order.hand, Hand::Waiting { .. });
            state.orders.iter().filter(waits).count() > 1
        }),
    ]
}

fn any<const N: usize>(state: &State<N>, is: impl Fn(&Sold) -> bool) -> bool {
    state.orders.iter().any(is)
}

fn ended(order: &Sold, ask: Ask, end: ActionState) -> bool {
    let is_it = |action: Action| action.ask == ask && action.state == end;
    order.action.is_some_and(is_it)
}
