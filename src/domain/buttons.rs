//! Buttons below a message about a held order: what each asks for, and what follows a press. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::interlocks::Name;
use super::people::Verb;
use super::verdict::{CancelReason, Verdict};

/// Within this time the person who pressed first presses again.
pub const SECOND_WITHIN: Duration = Duration::from_mins(1);

/// A button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Accept the order.
    Accept,
    /// Ask for the reason of a cancel.
    Cancel,
    /// Cancel it for this reason.
    Reason(CancelReason),
    /// Do what was asked for although interlocks object.
    Override,
    /// Keep it on hold.
    Keep,
    /// Say why it waits.
    Why,
    /// Show the first buttons again.
    Back,
}

impl Button {
    /// Every button.
    pub const ALL: [Self; 9] = [
        Self::Accept,
        Self::Cancel,
        Self::Reason(CancelReason::MerchantOutOfStock),
        Self::Reason(CancelReason::BuyerCancellationByMerchant),
        Self::Reason(CancelReason::BuyerNotReachable),
        Self::Override,
        Self::Keep,
        Self::Why,
        Self::Back,
    ];

    /// Its word, as stored and as messages translate it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel => "cancel",
            Self::Reason(CancelReason::MerchantOutOfStock) => "out_of_stock",
            Self::Reason(CancelReason::BuyerCancellationByMerchant) => "buyer_asked",
            Self::Reason(CancelReason::BuyerNotReachable) => "not_reachable",
            Self::Override => "override",
            Self::Keep => "keep",
            Self::Why => "why",
            Self::Back => "back",
        }
    }

    /// Parses its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|button| button.word() == word)
    }

    /// What a role must allow for it.
    const fn verb(self, panel: &Panel) -> Verb {
        match self {
            Self::Accept | Self::Back => Verb::Accept,
            Self::Cancel | Self::Reason(_) => Verb::Cancel,
            Self::Override => match panel {
                Panel::Override { asked, .. } => asked.verb(),
                _ => Verb::Cancel,
            },
            Self::Keep => Verb::Hold,
            Self::Why => Verb::View,
        }
    }
}

/// What interlocks object to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// An accept.
    Accept,
    /// A cancel for this reason.
    Cancel(CancelReason),
}

impl Asked {
    /// What a role must allow for it.
    const fn verb(self) -> Verb {
        match self {
            Self::Accept => Verb::Accept,
            Self::Cancel(_) => Verb::Cancel,
        }
    }

    /// The verdict that it asks for.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Accept => Verdict::Accept,
            Self::Cancel(reason) => Verdict::Cancel {
                reason,
                comment: comment(reason).to_owned(),
            },
        }
    }
}

/// The comment that the buyer reads: fixed, as a press carries no text.
const fn comment(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::MerchantOutOfStock => "Нет в наличии",
        CancelReason::BuyerCancellationByMerchant => "По просьбе покупателя",
        CancelReason::BuyerNotReachable => "Не удалось связаться с покупателем",
    }
}

/// What the buttons of a message ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Panel {
    /// What becomes of the order.
    Decide {
        /// Whether presses were fetched too late to count.
        again: bool,
    },
    /// For which reason it is cancelled.
    Reason(Second),
    /// Whether it is done although interlocks object.
    Override {
        /// Who is asked.
        second: Second,
        /// What they asked for.
        asked: Asked,
        /// Who objects.
        names: Vec<Name>,
    },
    /// Nothing: it is kept on hold.
    Kept,
    /// Nothing: its deadline has passed.
    Late,
    /// Nothing: what was decided is on its way.
    Decided,
    /// Nothing: it is known what became of the order.
    Ended,
}

/// Who is asked to press again, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Second {
    /// The user.
    pub user: i64,
    /// Until when.
    pub until: Timestamp,
}

impl Panel {
    /// Its word, as stored and as messages translate it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Decide { .. } => "decide",
            Self::Reason(_) => "reason",
            Self::Override { .. } => "override",
            Self::Kept => "kept",
            Self::Late => "late",
            Self::Decided => "decided",
            Self::Ended => "ended",
        }
    }

    /// Its buttons, row by row. A hasty second press on the place of the first never cancels.
    pub fn rows(&self) -> Vec<Vec<Button>> {
        match self {
            Self::Decide { .. } => vec![
                vec![Button::Accept, Button::Cancel],
                vec![Button::Keep, Button::Why],
            ],
            Self::Reason(_) => {
                let reasons = CancelReason::ALL.map(|reason| vec![Button::Reason(reason)]);
                let back = std::iter::once(vec![Button::Back]);
                back.chain(reasons).collect()
            }
            Self::Override { .. } => vec![vec![Button::Back], vec![Button::Override]],
            Self::Kept | Self::Late | Self::Decided | Self::Ended => Vec::new(),
        }
    }

    /// Who alone may press it, and until when.
    pub const fn second(&self) -> Option<Second> {
        match self {
            Self::Reason(second) | Self::Override { second, .. } => Some(*second),
            _ => None,
        }
    }
}

/// What a press leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The message asks something else.
    Ask(Panel),
    /// The order is decided; these interlocks may be overridden.
    Decide(Asked, Vec<Name>),
    /// The order is kept on hold.
    Keep,
    /// The person reads why it waits.
    Explain,
}

/// A press on a button that is still good.
#[derive(Debug, Clone, Copy)]
pub struct PressOn<'a> {
    /// The button.
    pub button: Button,
    /// What the message asks.
    pub panel: &'a Panel,
    /// The user who pressed.
    pub user: i64,
    /// Whether it was fetched long after it may have been pressed.
    pub is_late: bool,
}

impl PressOn<'_> {
    /// What a role must allow for it.
    pub const fn verb(&self) -> Verb {
        self.button.verb(self.panel)
    }

    /// What follows.
    pub fn step(&self, now: Timestamp) -> Step {
        if self.button == Button::Why {
            return Step::Explain;
        }
        if self.is_late || self.button == Button::Back {
            return Step::Ask(Panel::Decide {
                again: self.is_late,
            });
        }
        match (self.button, self.panel) {
            (Button::Accept, _) => Step::Decide(Asked::Accept, Vec::new()),
            (Button::Reason(reason), _) => Step::Decide(Asked::Cancel(reason), Vec::new()),
            (Button::Override, Panel::Override { asked, names, .. }) => {
                Step::Decide(*asked, names.clone())
            }
            (Button::Cancel, _) => Step::Ask(Panel::Reason(self.again(now))),
            (Button::Keep, _) => Step::Keep,
            (Button::Override | Button::Why | Button::Back, _) => {
                Step::Ask(Panel::Decide { again: false })
            }
        }
    }

    /// They are asked to press again.
    pub fn again(&self, now: Timestamp) -> Second {
        Second {
            user: self.user,
            until: now.saturating_add(SECOND_WITHIN).unwrap_or(now),
        }
    }
}

#[cfg(test)]
#[path = "buttons_tests.rs"]
mod tests;
