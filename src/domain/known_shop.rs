//! What is stored of a shop's identity, and whether anything may be sent for it.

use jiff::Timestamp;

use super::ids::{Account, ShopName};
use crate::mutant::mutant;

/// What is stored of a shop's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownShop {
    /// Its name.
    pub name: ShopName,
    /// Its account, once it is known.
    pub account: Option<Account>,
    /// When it was first configured, where that was noted.
    pub added_at: Option<Timestamp>,
    /// When it left the configuration; `None` while it is configured.
    pub removed_at: Option<Timestamp>,
    /// Whether a person has ended what it had promised.
    pub is_forgotten: bool,
    /// Why what it reads is not its own.
    pub mismatch: Option<StoredMismatch>,
}

/// Why what a shop reads is not its own, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMismatch {
    /// In words, with the remedy.
    pub why: String,
    /// The other shop that it concerns: nothing is sent for it either.
    pub with: Option<ShopName>,
    /// What showed it.
    pub by: ShownBy,
}

/// What showed that a shop's token is not its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBy {
    /// Another shop had the token before.
    Token,
    /// The orders that it shows.
    Reading,
}

impl ShownBy {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Reading => "reading",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Token, Self::Reading]
            .into_iter()
            .find(|by| by.as_str() == word)
    }
}

/// What is stored of a shop that left the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// A person paused it.
    pub is_paused: bool,
    /// Units are promised to its orders.
    pub has_promises: bool,
    /// Orders of it wait for the merchant.
    pub has_waiting_orders: bool,
}

impl KnownShop {
    /// A configured shop of which nothing else is known.
    pub const fn new(name: ShopName) -> Self {
        Self {
            name,
            account: None,
            added_at: None,
            removed_at: None,
            is_forgotten: false,
            mismatch: None,
        }
    }

    /// Whether the configuration has it.
    pub const fn is_configured(&self) -> bool {
        self.removed_at.is_none()
    }

    /// Whether a pause, promises or waiting orders of it would be lost: it left the configuration with them, and no
    /// person has ended them.
    pub const fn is_at_stake(&self, left: Left) -> bool {
        let is_anything = left.is_paused || left.has_promises || left.has_waiting_orders;
        !self.is_configured() && !self.is_forgotten && is_anything
    }

    /// Whether it may be a shop that left the configuration, under another name: only then was it added, and the
    /// accounts do not tell them apart.
    pub fn may_have_been(&self, removed: &Self) -> bool {
        let same_time = self
            .added_at
            .zip(removed.removed_at)
            .is_some_and(|(added, removed)| added >= removed);
        same_time && (self.account.is_none() || removed.account.is_none())
    }
}

/// Why nothing may be sent for a shop, where its identity is in doubt. `at_stake` are the removed shops with a pause,
/// holds or promises that would be lost.
pub fn why_stopped(own: &KnownShop, others: &[KnownShop], at_stake: &[ShopName]) -> Option<String> {
    if mutant("r16_sent_to_other_shop") {
        return None;
    }
    if let Some(mismatch) = &own.mismatch {
        return Some(mismatch.why.clone());
    }
    let of_other = others.iter().find_map(|other| {
        let mismatch = other.mismatch.as_ref().filter(|_| other.is_configured())?;
        (mismatch.with.as_ref() == Some(&own.name)).then_some((&other.name, &mismatch.why))
    });
    if let Some((other, why)) = of_other {
        return Some(format!("shop {other} may have its orders: {why}"));
    }
    let may_be_own =
        |other: &&KnownShop| at_stake.contains(&other.name) && own.may_have_been(other);
    let removed = others.iter().find(may_be_own)?;
    Some(format!(
        "it may be shop {0} under a new name, which has a pause, holds or promises: nothing is sent until an order shows \
         its merchant account; if it is another shop, `qabyl shops forget {0}`",
        removed.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_shop_is_at_stake_until_a_person_ends_what_it_promised() {
        let removed = KnownShop {
            removed_at: Some(Timestamp::UNIX_EPOCH),
            ..KnownShop::new(ShopName::new("old").unwrap())
        };
        let nothing = Left {
            is_paused: false,
            has_promises: false,
            has_waiting_orders: false,
        };
        let promises = Left {
            has_promises: true,
            ..nothing
        };
        let paused = Left {
            is_paused: true,
            ..nothing
        };
        let waiting = Left {
            has_waiting_orders: true,
            ..nothing
        };
        for left in [promises, paused, waiting] {
            assert!(removed.is_at_stake(left), "{left:?}");
            let configured = KnownShop {
                removed_at: None,
                ..removed.clone()
            };
            assert!(!configured.is_at_stake(left), "{left:?}");
            let forgotten = KnownShop {
                is_forgotten: true,
                ..removed.clone()
            };
            assert!(!forgotten.is_at_stake(left), "{left:?}");
        }
        assert!(!removed.is_at_stake(nothing));
    }
}
