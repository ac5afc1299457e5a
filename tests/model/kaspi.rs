//! The other side: what Kaspi does with a POST and answers, and what buyers and people in the
//! cabinet do.

use qabyl::domain::action::Outcome;

use crate::model::Shop;
use crate::state::{Ask, Breach, Hand, Proof, Seen, Sold, State};

/// What the client makes of the end of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    /// 2xx.
    Applied,
    /// A definite no.
    Rejected,
    /// 429.
    Snoozed,
    /// 5xx, or none within the timeout.
    Unknown,
    /// It proves that nothing was sent.
    NotSent,
}

impl Answer {
    /// As `kaspi::Writer` returns it. `Denied` (401, 403) is left out: it stops the shop, and then is
    /// read back like a rejection.
    pub(crate) fn outcome(self) -> Outcome {
        let why = String::new();
        match self {
            Self::Applied => Outcome::Applied,
            Self::Rejected => Outcome::Rejected(why),
            Self::Snoozed => Outcome::Snoozed {
                until: jiff::Timestamp::UNIX_EPOCH,
                why,
            },
            Self::Unknown => Outcome::Unknown(why),
            Self::NotSent => Outcome::NotSent {
                until: jiff::Timestamp::UNIX_EPOCH,
                why,
            },
        }
    }
}

/// Whether Kaspi carries it out (KASPI_API §5).
pub(crate) fn is_allowed(truth: Seen, ask: Ask) -> bool {
    match ask {
        Ask::Accept => truth == Seen::New,
        Ask::Cancel => matches!(truth, Seen::New | Seen::Accepted),
    }
}

impl Sold {
    fn takes_effect(&mut self, ask: Ask) {
        if is_allowed(self.truth, ask) {
            self.truth = match ask {
                Ask::Accept => Seen::Accepted,
                Ask::Cancel => Seen::Cancelled,
            };
        }
    }
}

/// The answers that may come, each with whether it takes a disturbance.
pub(crate) fn answers(order: &Sold) -> &'static [(Answer, bool)] {
    let Hand::Waiting { ask, done } = order.hand else {
        return &[];
    };
    match (done, is_allowed(order.truth, ask)) {
        // Its answer may get lost.
        (true, _) => &[(Answer::Applied, false), (Answer::Unknown, true)],
        // Taken, and carried out later or never; refused without a reason; asked to come back later;
        // lost on the way there, or slow.
        (false, true) => &[
            (Answer::Applied, true),
            (Answer::Rejected, true),
            (Answer::Snoozed, true),
            (Answer::Unknown, true),
        ],
        (false, false) => &[
            (Answer::Rejected, false),
            (Answer::Applied, true),
            (Answer::Snoozed, true),
            (Answer::Unknown, true),
        ],
    }
}

impl<const N: usize> State<N> {
    /// The POST leaves this machine: `Writer::post` up to `transport.send`. The transport lets none
    /// leave whose sighting is too old (`send_by`).
    pub(crate) fn leave(&mut self, i: usize) {
        let order = &mut self.orders[i];
        let Hand::Started { ask, fresh } = order.hand else {
            return;
        };
        order.hand = Hand::Waiting { ask, done: false };
        order.left[ask as usize] = true;
        let is_unproven = matches!(order.proof, Proof::Open | Proof::Settled);
        order.proof = Proof::Open;
        let is_written = order.was_sent(ask);
        if is_unproven {
            self.breach(Breach::Blind);
        }
        if !fresh {
            self.breach(Breach::Unsighted);
        }
        if !is_written {
            self.breach(Breach::Undurable);
        }
    }

    /// Kaspi carries a POST out while its client waits.
    pub(crate) fn effect(&mut self, i: usize) {
        let order = &mut self.orders[i];
        if let Hand::Waiting { ask, done: false } = order.hand {
            order.takes_effect(ask);
            order.hand = Hand::Waiting { ask, done: true };
        }
    }

    /// A POST nobody waits for takes effect.
    pub(crate) fn late_effect(&mut self, i: usize, ask: Ask) {
        let order = &mut self.orders[i];
        order.late[ask as usize] = false;
        order.takes_effect(ask);
    }

    /// The process dies, at any point between two commits: whatever was in memory is lost, and a
    /// POST on its way goes on.
    pub(crate) fn crash(&mut self) {
        for order in &mut self.orders {
            if let Hand::Waiting { ask, done: false } = order.hand {
                order.late[ask as usize] = true;
            }
            order.hand = Hand::Idle;
        }
        self.recovering = true;
    }
}

impl<const N: usize> Shop<N> {
    /// The answer arrives and is written down, by `Pass::write_ends`: a crash between the two is a
    /// crash before the answer.
    pub(crate) fn answer(&self, state: &mut State<N>, i: usize, answer: Answer) {
        let order = &mut state.orders[i];
        if let Hand::Waiting { ask, done } = order.hand {
            let may_come = !done
                && is_allowed(order.truth, ask)
                && matches!(answer, Answer::Applied | Answer::Unknown);
            order.late[ask as usize] |= may_come;
            match answer {
                Answer::Snoozed => order.proof = Proof::Clean,
                // A no is to be read back (R3), and there is nothing to wait for.
                Answer::Rejected => order.proof = Proof::Settled,
                _ => {}
            }
        }
        order.hand = Hand::Idle;
        self.end_attempt(state, i, answer);
    }
}
