//! What the figures of a stock source mean.

use serde::{Deserialize, Serialize};

/// What the figures of a stock source mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// What lies on the shelf: every open reservation is taken off it.
    Physical,
    /// Accepted orders are already taken off as of its timestamp: only later reservations count.
    Available,
}

impl Semantics {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Physical => "physical",
            Self::Available => "available",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::Physical, Self::Available].into_iter();
        all.find(|semantics| semantics.word() == word)
    }
}
