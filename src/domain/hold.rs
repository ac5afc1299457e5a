//! Which orders wait for a person, and why. The cause of a hold outside the rules is stored with it, so that no
//! message has to guess.

use super::decision::{Decision, SAID_BY_PERSON};
use super::verdict::VerdictKind;

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

/// How far an order has come that awaits the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was not decided yet.
    Undecided,
    /// It is decided again later.
    Waits,
    /// A person decides it.
    Held,
    /// It is to be accepted or cancelled.
    Decided,
}

impl Progress {
    /// Of an order with this hold outside the rules and this newest decision.
    pub const fn of(hold: Option<HoldCause>, newest: Option<VerdictKind>) -> Self {
        match (hold, newest) {
            (Some(_), _) | (None, Some(VerdictKind::Hold)) => Self::Held,
            (None, Some(VerdictKind::Wait)) => Self::Waits,
            (None, Some(VerdictKind::Accept | VerdictKind::Cancel)) => Self::Decided,
            (None, None) => Self::Undecided,
        }
    }
}

/// Why an order waits, in words of a fixed list that a message can translate: names of interlocks, `rule:NAME`,
/// causes of a hold, `undecided`. They include no text that a person wrote.
pub fn because(cause: Option<HoldCause>, decision: Option<&Decision>) -> Vec<String> {
    match (cause, decision) {
        (Some(cause), _) => vec![cause.as_str().to_owned()],
        (None, None) => vec!["undecided".to_owned()],
        (None, Some(decision)) if decision.rule == SAID_BY_PERSON => {
            vec![HoldCause::Person.as_str().to_owned()]
        }
        (None, Some(decision)) if decision.objections.is_empty() => {
            vec![format!("rule:{}", decision.rule)]
        }
        (None, Some(decision)) => {
            let objections = decision.objections.iter();
            objections
                .map(|objection| objection.interlock.as_str().to_owned())
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_outside_the_rules_outweighs_every_decision() {
        for newest in VerdictKind::ALL.map(Some).into_iter().chain([None]) {
            for cause in HoldCause::ALL {
                assert_eq!(Progress::of(Some(cause), newest), Progress::Held);
            }
        }
    }

    #[test]
    fn without_one_the_newest_decision_says_how_far_the_order_has_come() {
        let of = |newest| Progress::of(None, newest);
        assert_eq!(of(None), Progress::Undecided);
        assert_eq!(of(Some(VerdictKind::Hold)), Progress::Held);
        assert_eq!(of(Some(VerdictKind::Wait)), Progress::Waits);
        assert_eq!(of(Some(VerdictKind::Accept)), Progress::Decided);
        assert_eq!(of(Some(VerdictKind::Cancel)), Progress::Decided);
    }

    #[test]
    fn every_word_is_read_back() {
        for cause in HoldCause::ALL {
            assert_eq!(HoldCause::parse(cause.as_str()), Some(cause));
        }
        for kind in VerdictKind::ALL {
            assert_eq!(VerdictKind::parse(kind.as_str()), Some(kind));
        }
    }
}
