//! What a person is told beside the log: facts without words, as the words depend on who reads them.

use serde_json::{Value, json};

use super::ids::ShopName;

/// Declares the kinds with the words that are stored, configured and sent.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What a notice tells of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The kind with this word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// An order is held for a person.
    OrderHeld = "order.held",
    /// An order's deadline is near and it still waits.
    DeadlineNear = "order.deadline_near",
    /// Kaspi said no to an accept or a cancel.
    ActionRefused = "action.refused",
    /// No request about an order has an effect.
    ActionStuck = "action.stuck",
    /// Kaspi refuses the shop's token.
    ShopDenied = "shop.denied",
    /// It takes it again.
    ShopAdmitted = "shop.admitted",
    /// All stock is too old to decide by.
    StockStale = "stock.stale",
    /// Many SKUs fell to zero at once.
    StockCollapsed = "stock.collapsed",
    /// A configured source of stock is not as it should be.
    StockSourceFailed = "stock.source_failed",
    /// Few cancels are left before the shop's budget is used up.
    CancelsNear = "cancels.near",
    /// No copy of the database could be made.
    BackupFailed = "backup.failed",
    /// What the day brought.
    Digest = "digest",
    /// A person asked whether the channel works.
    Test = "test",
}

/// Something to be told, once for each key.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it tells of.
    pub kind: Kind,
    /// Names the happening: the same one is told once.
    pub key: String,
    /// The shop, where it is about one.
    pub shop: Option<String>,
    /// Numbers, codes and words from fixed lists; nothing personal.
    pub facts: Value,
}

impl Notice {
    /// A notice about a shop; `what` tells it from others of its kind there.
    pub fn of_shop(kind: Kind, shop: &ShopName, what: &str, facts: Value) -> Self {
        Self {
            kind,
            key: format!("{}:{shop}:{what}", kind.word()),
            shop: Some(shop.to_string()),
            facts,
        }
    }

    /// A notice about everything together.
    pub fn of_all(kind: Kind, what: &str, facts: Value) -> Self {
        Self {
            kind,
            key: format!("{}::{what}", kind.word()),
            shop: None,
            facts,
        }
    }

    /// That a channel works.
    pub fn test(channel: &str) -> Self {
        Self::of_all(Kind::Test, channel, json!({ "channel": channel }))
    }
}
