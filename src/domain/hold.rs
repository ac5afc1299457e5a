//! Why an order is held outside the rules: stored with the hold, so that no message has to guess.

/// The cause of a hold that only a person ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldCause {
    /// A person asked for it.
    Person,
    /// Kaspi refused an action, and shows the order as it was.
    Refused,
    /// Kaspi answers that it knows no such order.
    NotFound,
    /// A cancel was sent, and Kaspi shows the order as accepted.
    WithoutEffect,
    /// An action that may have an effect yet was withdrawn: what it rested on no longer holds.
    Withdrawn,
    /// The stored state of its action contradicts what happened.
    Contradiction,
    /// A manual decision had not been sent when the restored backup was made.
    RestoredUnsent,
    /// The order changed since a person decided about it.
    Changed,
    /// The order belongs to another merchant, or another shop acts on it.
    Account,
}

impl HoldCause {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::Person,
        Self::Refused,
        Self::NotFound,
        Self::WithoutEffect,
        Self::Withdrawn,
        Self::Contradiction,
        Self::RestoredUnsent,
        Self::Changed,
        Self::Account,
    ];

    /// Its word, as stored and as messages translate it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::WithoutEffect => "without_effect",
            Self::Withdrawn => "withdrawn",
            Self::Contradiction => "contradiction",
            Self::RestoredUnsent => "restored_unsent",
            Self::Changed => "changed",
            Self::Account => "account",
        }
    }

    /// Parses its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// Whether Qabyl made the hold, so that people have to be notified of it.
    pub const fn is_ours(self) -> bool {
        !matches!(self, Self::Person)
    }
}
