//! What may be done with an order. Rules propose a verdict, interlocks may stop it, a decision holds it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A reason that Kaspi accepts from a merchant (KASPI_API §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The goods are not there.
    MerchantOutOfStock,
    /// The buyer asked for it.
    BuyerCancellationByMerchant,
    /// The buyer cannot be reached.
    BuyerNotReachable,
}

impl CancelReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [
        Self::MerchantOutOfStock,
        Self::BuyerCancellationByMerchant,
        Self::BuyerNotReachable,
    ];

    /// The word in Kaspi's API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MerchantOutOfStock => "MERCHANT_OUT_OF_STOCK",
            Self::BuyerCancellationByMerchant => "BUYER_CANCELLATION_BY_MERCHANT",
            Self::BuyerNotReachable => "BUYER_NOT_REACHABLE",
        }
    }

    /// Parses the word in Kaspi's API.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Longest comment that Kaspi accepts with a cancel, in characters (KASPI_API §5).
pub const COMMENT_CHARS_MAX: usize = 1000;

/// What is to be done with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Accept the order: its units are promised.
    Accept,
    /// Cancel the order.
    Cancel {
        /// The reason sent to Kaspi.
        reason: CancelReason,
        /// What the buyer reads.
        comment: String,
    },
    /// A person decides.
    Hold,
    /// It is decided again at that time.
    Wait {
        /// The time.
        until: Timestamp,
    },
}

/// A verdict without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictKind {
    /// Accept the order.
    Accept,
    /// Cancel it.
    Cancel,
    /// A person decides.
    Hold,
    /// It is decided again later.
    Wait,
}

impl VerdictKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Accept, Self::Cancel, Self::Hold, Self::Wait];

    /// Its word, as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Wait => "wait",
        }
    }

    /// Parses its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Verdict {
    /// Its kind.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Accept => VerdictKind::Accept,
            Self::Cancel { .. } => VerdictKind::Cancel,
            Self::Hold => VerdictKind::Hold,
            Self::Wait { .. } => VerdictKind::Wait,
        }
    }

    /// One word: `accept`, `cancel`, `hold` or `wait`.
    pub const fn word(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Whether it cancels the order because the goods are said to be missing.
    pub const fn cancels_for_stock(&self) -> bool {
        matches!(
            self,
            Self::Cancel {
                reason: CancelReason::MerchantOutOfStock,
                ..
            }
        )
    }
}
