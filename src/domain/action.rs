//! How a decision is carried out: the states of an action, the steps between them, and what an answer proves.
//!
//! ```text
//! pending ──begin──▶ sent ──read-back──▶ confirmed | refused
//!    │  ▲             │  ▲
//!    │  └─not handled─┤  │ the same action again, after settle and a fresh reading
//!    ▼                ▼  │
//! superseded        unknown
//! ```
//!
//! The table `actions` has the same states and steps in its CHECKs and triggers; a test compares them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::denial::Denial;
use super::verdict::CancelReason;

/// What is asked of Kaspi.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `ACCEPTED_BY_MERCHANT`.
    Accept,
    /// `CANCELLED`.
    Cancel {
        /// Why.
        reason: CancelReason,
        /// What the buyer reads.
        comment: String,
    },
}

impl Kind {
    /// `accept` or `cancel`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// The name of an action's state; the words are those of the table's CHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Decided, nothing sent yet.
    Pending,
    /// A POST is under way, or was answered 2xx: its effect is not seen yet.
    Sent,
    /// A POST ended without proof either way.
    Unknown,
    /// Kaspi shows the effect.
    Confirmed,
    /// Kaspi refused, and a reading shows no effect.
    Refused,
    /// Overtaken by the buyer, a person or new facts.
    Superseded,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Sent,
        Self::Unknown,
        Self::Confirmed,
        Self::Refused,
        Self::Superseded,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the action may still have an effect.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Sent | Self::Unknown)
    }
}

/// Who asked for an action; the words are those of the table's CHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Rules and interlocks.
    Engine,
    /// A person.
    Person,
}

impl Origin {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Person => "person",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Engine, Self::Person]
            .into_iter()
            .find(|origin| origin.as_str() == word)
    }
}

/// When a live action is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At this moment.
    At(Timestamp),
    /// Never by itself: only a person or a reading of the order can end it.
    Person,
}

/// An action, with what exists only in its state. `attempts` counts POSTs that left this machine, or may
/// have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Decided. No POST of it was handled: Kaspi answered each with 429, or none left.
    Pending {
        /// See [`Action`].
        attempts: u32,
        /// When it is looked at next.
        next: Next,
    },
    /// A POST is under way, or was answered 2xx.
    Sent {
        /// At least 1.
        attempts: u32,
        /// When it is looked at next.
        next: Next,
    },
    /// A POST ended without proof either way.
    Unknown {
        /// At least 1.
        attempts: u32,
        /// When it is looked at next.
        next: Next,
    },
    /// Ended: nothing changes it any more.
    Closed {
        /// How.
        end: End,
        /// See [`Action`].
        attempts: u32,
        /// When.
        at: Timestamp,
        /// Why, for people.
        why: String,
    },
}

/// How an action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Kaspi shows its effect.
    Confirmed,
    /// Kaspi refused it, or shows that it had no effect.
    Refused,
    /// Withdrawn before any POST of it left.
    Superseded,
}

/// What happens to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A POST of it is about to leave.
    Started,
    /// That POST ended.
    Ended {
        /// What its answer proves.
        outcome: OutcomeKind,
        /// When to look at the order.
        due_at: Timestamp,
    },
    /// The process died while a POST was under way.
    Lost {
        /// When the order is to be read.
        due_at: Timestamp,
    },
    /// It is looked at later.
    PutOff(Timestamp),
    /// Only a person can end it.
    LeftToPerson,
    /// It ends.
    Closed(End, String),
}

/// An event that is impossible in a state: a fault of the code, or a row changed from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} in the state '{state}' is impossible: {event}")]
pub struct InvalidTransition {
    /// Of what.
    pub what: &'static str,
    /// Its state.
    pub state: &'static str,
    /// What was to happen.
    pub event: String,
}

/// An action's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `state`
    pub state: State,
    /// `attempts`
    pub attempts: u32,
    /// `due_at`
    pub due_at: Option<Timestamp>,
    /// `needs_person`
    pub needs_person: bool,
    /// `closed_at`
    pub closed_at: Option<Timestamp>,
    /// `why`
    pub why: Option<String>,
}

impl Action {
    /// A new one, due at once.
    pub const fn decided(now: Timestamp) -> Self {
        Self::Pending {
            attempts: 0,
            next: Next::At(now),
        }
    }

    /// The name of its state.
    pub const fn state(&self) -> State {
        match self {
            Self::Pending { .. } => State::Pending,
            Self::Sent { .. } => State::Sent,
            Self::Unknown { .. } => State::Unknown,
            Self::Closed { end, .. } => end.state(),
        }
    }

    /// POSTs of it that left, or may have left.
    pub const fn attempts(&self) -> u32 {
        match self {
            Self::Pending { attempts, .. }
            | Self::Sent { attempts, .. }
            | Self::Unknown { attempts, .. }
            | Self::Closed { attempts, .. } => *attempts,
        }
    }

    /// When it is looked at next by itself; never where it is closed or left to a person.
    pub fn due_at(&self) -> Option<Timestamp> {
        Fields::from(self).due_at
    }

    /// Whether it may be withdrawn: no POST of it left.
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::Pending { attempts: 0, .. })
    }

    /// The state after an event.
    ///
    /// # Errors
    /// The event is impossible in this state.
    pub fn transition(self, event: Event, now: Timestamp) -> Result<Self, InvalidTransition> {
        let state = self.state();
        let invalid = |event: &Event| InvalidTransition {
            what: "an action",
            state: state.as_str(),
            event: format!("{event:?}"),
        };
        Ok(match (self, event) {
            (
                Self::Pending { attempts, next }
                | Self::Sent { attempts, next }
                | Self::Unknown { attempts, next },
                Event::Started,
            ) if next != Next::Person => Self::Sent {
                attempts: attempts.saturating_add(1),
                next,
            },
            (Self::Sent { attempts, .. }, Event::Ended { outcome, due_at }) => {
                outcome.next(attempts, Next::At(due_at))
            }
            (Self::Sent { attempts, .. }, Event::Lost { due_at }) => Self::Unknown {
                attempts,
                next: Next::At(due_at),
            },
            (Self::Pending { attempts, .. }, Event::PutOff(until)) => Self::Pending {
                attempts,
                next: Next::At(until),
            },
            (Self::Sent { attempts, .. }, Event::PutOff(until)) => Self::Sent {
                attempts,
                next: Next::At(until),
            },
            (Self::Unknown { attempts, .. }, Event::PutOff(until)) => Self::Unknown {
                attempts,
                next: Next::At(until),
            },
            (Self::Pending { attempts, .. }, Event::LeftToPerson) => Self::Pending {
                attempts,
                next: Next::Person,
            },
            (Self::Sent { attempts, .. }, Event::LeftToPerson) => Self::Sent {
                attempts,
                next: Next::Person,
            },
            (Self::Unknown { attempts, .. }, Event::LeftToPerson) => Self::Unknown {
                attempts,
                next: Next::Person,
            },
            (
                Self::Pending { attempts, .. }
                | Self::Sent { attempts, .. }
                | Self::Unknown { attempts, .. },
                Event::Closed(end, why),
            ) if end.is_possible(attempts) => Self::Closed {
                end,
                attempts,
                at: now,
                why,
            },
            (_, event) => return Err(invalid(&event)),
        })
    }
}

impl End {
    /// The state of an action that ended so.
    pub const fn state(self) -> State {
        match self {
            Self::Confirmed => State::Confirmed,
            Self::Refused => State::Refused,
            Self::Superseded => State::Superseded,
        }
    }

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    /// Whether an action may end so after so many POSTs. One whose order Kaspi does not know is refused unsent.
    const fn is_possible(self, attempts: u32) -> bool {
        match self {
            Self::Confirmed => attempts > 0,
            Self::Refused => true,
            Self::Superseded => attempts == 0,
        }
    }
}

impl From<&Action> for Fields {
    fn from(action: &Action) -> Self {
        let next = match action {
            Action::Pending { next, .. }
            | Action::Sent { next, .. }
            | Action::Unknown { next, .. } => Some(*next),
            Action::Closed { .. } => None,
        };
        let (closed_at, why) = match action {
            Action::Closed { at, why, .. } => (Some(*at), Some(why.clone())),
            _ => (None, None),
        };
        Self {
            state: action.state(),
            attempts: action.attempts(),
            due_at: match next {
                Some(Next::At(at)) => Some(at),
                Some(Next::Person) | None => None,
            },
            needs_person: next == Some(Next::Person),
            closed_at,
            why,
        }
    }
}

/// Columns that no action has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these columns belong to no state")]
pub struct InvalidFields;

impl TryFrom<Fields> for Action {
    type Error = InvalidFields;

    fn try_from(fields: Fields) -> Result<Self, InvalidFields> {
        let attempts = fields.attempts;
        let next = match (fields.due_at, fields.needs_person) {
            (Some(at), false) => Some(Next::At(at)),
            (None, true) => Some(Next::Person),
            (None, false) => None,
            (Some(_), true) => return Err(InvalidFields),
        };
        let end = match fields.state {
            State::Confirmed => Some(End::Confirmed),
            State::Refused => Some(End::Refused),
            State::Superseded => Some(End::Superseded),
            State::Pending | State::Sent | State::Unknown => None,
        };
        match (fields.state, end, next, fields.closed_at, fields.why) {
            (State::Pending, None, Some(next), None, None) => Ok(Self::Pending { attempts, next }),
            (State::Sent, None, Some(next), None, None) if attempts > 0 => {
                Ok(Self::Sent { attempts, next })
            }
            (State::Unknown, None, Some(next), None, None) if attempts > 0 => {
                Ok(Self::Unknown { attempts, next })
            }
            (_, Some(end), None, Some(at), Some(why)) if end.is_possible(attempts) => {
                Ok(Self::Closed {
                    end,
                    attempts,
                    at,
                    why,
                })
            }
            _ => Err(InvalidFields),
        }
    }
}

/// What the answer to one POST proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: taken, the effect is yet to be read back (KASPI_API §5).
    Applied,
    /// A definite no, such as 400: to be confirmed by a reading (R3).
    Rejected(String),
    /// 429 with its pause: it left, so its action is sticky (R2), yet it does not count towards the attempts.
    Snoozed {
        /// When to look again, at the earliest.
        until: Timestamp,
        /// What was said.
        why: String,
    },
    /// Proven: not a byte of it left this machine. Nothing happened.
    NotSent {
        /// When to try again, at the earliest.
        until: Timestamp,
        /// What was in the way.
        why: String,
    },
    /// 401 or 403: this shop's token or access (KASPI_API §6).
    Denied {
        /// Which of the two.
        denial: Denial,
        /// Kaspi's words.
        why: String,
    },
    /// Anything else: it may have taken effect.
    Unknown(String),
}

/// Whether a refusal says no more than that Kaspi does not know the order, as a reader that lags behind does.
pub fn is_of_unknown_order(refusal: &str) -> bool {
    refusal.starts_with("HTTP 404")
}

impl Outcome {
    /// How the POST ended.
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Applied => OutcomeKind::Applied,
            Self::Rejected(_) => OutcomeKind::Rejected,
            Self::Snoozed { .. } => OutcomeKind::Snoozed,
            Self::NotSent { .. } => OutcomeKind::NotSent,
            Self::Denied { .. } => OutcomeKind::Denied,
            Self::Unknown(_) => OutcomeKind::Unknown,
        }
    }

    /// The stored word.
    pub const fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// What Kaspi or the network said; `None` for one that was applied.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Applied => None,
            Self::Rejected(why)
            | Self::Denied { why, .. }
            | Self::Unknown(why)
            | Self::Snoozed { why, .. }
            | Self::NotSent { why, .. } => Some(why),
        }
    }
}

/// How a POST ended, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// See [`Outcome::Applied`].
    Applied,
    /// See [`Outcome::Rejected`].
    Rejected,
    /// See [`Outcome::Snoozed`].
    Snoozed,
    /// See [`Outcome::NotSent`].
    NotSent,
    /// See [`Outcome::Denied`].
    Denied,
    /// See [`Outcome::Unknown`].
    Unknown,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Applied,
        Self::Rejected,
        Self::Snoozed,
        Self::NotSent,
        Self::Denied,
        Self::Unknown,
    ];

    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Snoozed => "snoozed",
            Self::NotSent => "not_sent",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether its effect may still come: the order is not judged before `settle` has passed.
    pub const fn may_still_apply(self) -> bool {
        matches!(self, Self::Applied | Self::Unknown)
    }

    /// Whether the POST was handled, or may have been: it counts towards the attempts an action may use.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Applied | Self::Rejected | Self::Unknown)
    }

    /// The state of an action whose POST number `attempts` ended so. A POST that was not handled leaves
    /// the action as it was before.
    const fn next(self, attempts: u32, next: Next) -> Action {
        let before = attempts.saturating_sub(1);
        match self {
            Self::Applied => Action::Sent { attempts, next },
            Self::Snoozed if before == 0 => Action::Pending { attempts, next },
            Self::Rejected | Self::Denied | Self::Unknown | Self::Snoozed => {
                Action::Unknown { attempts, next }
            }
            Self::NotSent if before == 0 => Action::Pending { attempts: 0, next },
            Self::NotSent => Action::Unknown {
                attempts: before,
                next,
            },
        }
    }
}

/// When and how often an attempt is repeated.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Time after the end of a POST before its order's reading proves that it had no effect.
    pub settle: SignedDuration,
    /// Most POSTs of one action.
    pub attempts_max: u32,
    /// Pauses between attempts, with full jitter.
    pub backoff: Backoff,
}

impl RetryPolicy {
    /// When to look at the order again after attempt `n` (from 1): never before `settle`. `jitter` is from
    /// 0 to 1.
    pub fn due_after(&self, ended: Timestamp, n: u32, jitter: f64) -> Timestamp {
        let pause = self.backoff.jittered(n.saturating_sub(1), jitter);
        // Due times are stored in milliseconds.
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let wait = self
            .settle
            .saturating_add(SignedDuration::from_millis(pause));
        ended.saturating_add(wait).unwrap_or(Timestamp::MAX)
    }
}
