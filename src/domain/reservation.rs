//! Units promised to an order: the states of a reservation and the steps between them.
//!
//! The table `reservations` has the same states and steps in its CHECKs and triggers; a test compares them.

use jiff::Timestamp;

use super::action::{InvalidFields, InvalidTransition};

/// When the units of an order left the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Between two moments. A count made before the first does not know of it, one made after the second
    /// does.
    Between {
        /// When they were last known to lie there.
        after: Timestamp,
        /// By when they had left.
        by: Timestamp,
    },
    /// It is unknown whether they left at all: the order ended on its way, or its status is unknown.
    /// Until the next count they are neither on the shelf nor missing.
    Unknown {
        /// When that was seen.
        by: Timestamp,
    },
}

impl Departure {
    /// By when the units had left, if they did.
    pub const fn by(self) -> Timestamp {
        match self {
            Self::Between { by, .. } | Self::Unknown { by } => by,
        }
    }
}

/// A reservation, with what exists only in its state. `confirmed_at` is when Kaspi was first seen to show
/// the order as accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The units lie on the shelf, and are promised.
    Active {
        /// See [`Reservation`].
        confirmed_at: Option<Timestamp>,
    },
    /// The units left the shelf.
    Consumed {
        /// See [`Reservation`].
        confirmed_at: Timestamp,
        /// When they left.
        departure: Departure,
        /// What was seen, for people.
        why: String,
    },
    /// The units may be promised again.
    Released {
        /// See [`Reservation`].
        confirmed_at: Option<Timestamp>,
        /// When.
        at: Timestamp,
        /// Why, for people.
        why: String,
    },
}

/// What happens to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Kaspi shows the order as accepted.
    Confirmed,
    /// The units left the shelf, and why that is known.
    Left(Departure, String),
    /// They may be promised again, and why.
    Released(String),
    /// Its order went back to an earlier status: goods that had left are there after all.
    Reopened,
}

/// The name of a reservation's state; the words are those of the table's CHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// See [`Reservation::Active`].
    Active,
    /// See [`Reservation::Consumed`].
    Consumed,
    /// See [`Reservation::Released`].
    Released,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Consumed, Self::Released];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Consumed => "consumed",
            Self::Released => "released",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Which kind of [`Departure`] is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DepartureKind {
    /// See [`Departure::Between`].
    Interval,
    /// See [`Departure::Unknown`].
    Unknown,
}

impl DepartureKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Interval, Self::Unknown];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A reservation's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// `state`
    pub state: State,
    /// `confirmed_at`
    pub confirmed_at: Option<Timestamp>,
    /// `closed_at`
    pub closed_at: Option<Timestamp>,
    /// `departure`
    pub departure: Option<DepartureKind>,
    /// `left_after`
    pub left_after: Option<Timestamp>,
    /// `why`
    pub why: Option<String>,
}

impl Reservation {
    /// Units promised by a decision: Kaspi does not show the order as accepted yet.
    pub const fn decided() -> Self {
        Self::Active { confirmed_at: None }
    }

    /// Units of an order that Kaspi shows as accepted.
    pub const fn observed(now: Timestamp) -> Self {
        Self::Active {
            confirmed_at: Some(now),
        }
    }

    /// The name of its state.
    pub const fn state(&self) -> State {
        match self {
            Self::Active { .. } => State::Active,
            Self::Consumed { .. } => State::Consumed,
            Self::Released { .. } => State::Released,
        }
    }

    /// The state after an event.
    ///
    /// # Errors
    /// It was closed before: a reservation is closed once, unless its order goes back.
    pub fn transition(self, event: Event, now: Timestamp) -> Result<Self, InvalidTransition> {
        Ok(match (self, event) {
            (Self::Active { confirmed_at }, Event::Confirmed) => Self::Active {
                confirmed_at: confirmed_at.or(Some(now)),
            },
            (Self::Active { confirmed_at }, Event::Left(departure, why)) => Self::Consumed {
                confirmed_at: confirmed_at.unwrap_or(now),
                departure,
                why,
            },
            (Self::Active { confirmed_at }, Event::Released(why)) => Self::Released {
                confirmed_at,
                at: now,
                why,
            },
            (Self::Consumed { confirmed_at, .. }, Event::Reopened) => Self::Active {
                confirmed_at: Some(confirmed_at),
            },
            (closed, event) => {
                return Err(InvalidTransition {
                    what: "a reservation",
                    state: closed.state().as_str(),
                    event: format!("{event:?}"),
                });
            }
        })
    }
}

impl From<&Reservation> for Fields {
    fn from(reservation: &Reservation) -> Self {
        let none = Self {
            state: reservation.state(),
            confirmed_at: None,
            closed_at: None,
            departure: None,
            left_after: None,
            why: None,
        };
        match reservation {
            Reservation::Active { confirmed_at } => Self {
                confirmed_at: *confirmed_at,
                ..none
            },
            Reservation::Consumed {
                confirmed_at,
                departure,
                why,
            } => Self {
                confirmed_at: Some(*confirmed_at),
                closed_at: Some(departure.by()),
                departure: Some(match departure {
                    Departure::Between { .. } => DepartureKind::Interval,
                    Departure::Unknown { .. } => DepartureKind::Unknown,
                }),
                left_after: match departure {
                    // Clocks differ: it is never later than the end of the interval.
                    Departure::Between { after, by } => Some((*after).min(*by)),
                    Departure::Unknown { .. } => None,
                },
                why: Some(why.clone()),
                ..none
            },
            Reservation::Released {
                confirmed_at,
                at,
                why,
            } => Self {
                confirmed_at: *confirmed_at,
                closed_at: Some(*at),
                why: Some(why.clone()),
                ..none
            },
        }
    }
}

impl TryFrom<Fields> for Reservation {
    type Error = InvalidFields;

    fn try_from(fields: Fields) -> Result<Self, InvalidFields> {
        let Fields {
            state,
            confirmed_at,
            closed_at,
            departure,
            left_after,
            why,
        } = fields;
        let departure = match (departure, left_after, closed_at) {
            (None, None, _) => None,
            (Some(DepartureKind::Interval), Some(after), Some(by)) if after <= by => {
                Some(Departure::Between { after, by })
            }
            (Some(DepartureKind::Unknown), None, Some(by)) => Some(Departure::Unknown { by }),
            _ => return Err(InvalidFields),
        };
        match (state, confirmed_at, closed_at, departure, why) {
            (State::Active, confirmed_at, None, None, None) => Ok(Self::Active { confirmed_at }),
            (State::Consumed, Some(confirmed_at), Some(_), Some(departure), Some(why)) => {
                Ok(Self::Consumed {
                    confirmed_at,
                    departure,
                    why,
                })
            }
            (State::Released, confirmed_at, Some(at), None, Some(why)) => Ok(Self::Released {
                confirmed_at,
                at,
                why,
            }),
            _ => Err(InvalidFields),
        }
    }
}
