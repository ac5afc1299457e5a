//! How a decision is carried out: the states of an action and what an answer proves.
//!
//! ```text
//! pending ──begin──▶ sent ──read-back──▶ confirmed | refused
//!    │                │  ▲
//!    ▼                ▼  │ same action again, after settle and a fresh read
//! superseded        unknown
//! ```

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

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

/// Where an action stands; the words are those of the table's CHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Decided, nothing sent yet.
    Pending,
    /// A POST is under way, or was answered 2xx: the effect is not seen yet.
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

/// What the answer to one POST proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: taken, the effect is yet to be read back (KASPI_API §5).
    Applied,
    /// A definite no, such as 400: to be confirmed by a reading (R3).
    Rejected(String),
    /// 429 with its pause: it left, so its action is sticky (R2), yet it was not handled and does
    /// not count towards the attempts.
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
    Denied(String),
    /// Anything else: it may have taken effect.
    Unknown(String),
}

impl Outcome {
    /// The stored word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected(_) => "rejected",
            Self::Snoozed { .. } => "snoozed",
            Self::NotSent { .. } => "not_sent",
            Self::Denied(_) => "denied",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Limits of repeating.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Time after the end of a POST before its order's reading proves that it had no effect.
    pub settle: SignedDuration,
    /// POSTs an action may use.
    pub attempts_max: u32,
    /// First pause between attempts; doubled each time.
    pub retry_base: SignedDuration,
    /// Longest pause between attempts.
    pub retry_cap: SignedDuration,
}

impl Patience {
    /// When to look at the order again after attempt `n` (from 1): never before `settle`. `jitter`
    /// in 0..=1 spreads the pause ("full jitter").
    pub fn due_after(&self, ended: Timestamp, n: u32, jitter: f64) -> Timestamp {
        let doubled = self.retry_base.as_millis() << n.saturating_sub(1).min(20);
        let cap = i64::try_from(doubled.min(self.retry_cap.as_millis())).unwrap_or(i64::MAX);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a pause"
        )]
        let pause = SignedDuration::from_millis((cap as f64 * jitter.clamp(0.0, 1.0)) as i64);
        ended
            .saturating_add(self.settle + pause)
            .unwrap_or(Timestamp::MAX)
    }
}
