//! What people are notified of, beside the log: facts without texts, as the language depends on who reads them.

use serde_json::{Value, json};

use super::ids::ShopName;

/// Declares the kinds with the words that are stored, configured and sent.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What a notice is about.
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

            /// Parses its word.
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
    /// An order's deadline has passed and Kaspi still shows it as new.
    DeadlinePast = "order.deadline_past",
    /// Kaspi refused an accept or a cancel.
    ActionRefused = "action.refused",
    /// Every request about an order remained without effect.
    ActionStuck = "action.stuck",
    /// Kaspi refuses the shop's token.
    ShopDenied = "shop.denied",
    /// Kaspi accepts the shop's token again.
    ShopAdmitted = "shop.admitted",
    /// Kaspi has not answered for a while.
    KaspiDown = "kaspi.down",
    /// Kaspi answers again.
    KaspiUp = "kaspi.up",
    /// A shop is not read any more, and others of the same stock wait for it.
    ShopUnread = "shop.unread",
    /// What a shop reads belongs to another merchant or shop.
    ShopMismatch = "shop.mismatch",
    /// Another process on this machine acts for the shop.
    ShopElsewhere = "shop.elsewhere",
    /// Kaspi knows none of several orders that it showed before.
    OrdersNotFound = "orders.not_found",
    /// An order cannot be read, and accepts of what it may hold wait for it.
    OrderUnread = "order.unread",
    /// All stock levels are too old to decide on.
    StockStale = "stock.stale",
    /// Many SKUs fell to zero at once.
    StockCollapsed = "stock.collapsed",
    /// More of an SKU is promised than there is.
    StockOverdrawn = "stock.overdrawn",
    /// A configured stock source failed.
    StockSourceFailed = "stock.source_failed",
    /// Few cancels are left before the shop's budget is used up.
    CancelsNear = "cancels.near",
    /// No backup of the database could be made.
    BackupFailed = "backup.failed",
    /// A message was given up: its channel rejects it.
    MessageDropped = "message.dropped",
    /// Somebody else uses the token of a Telegram bot.
    BotConflict = "bot.conflict",
    /// The summary of a day.
    Digest = "digest",
    /// A person tests the channel.
    Test = "test",
}

/// Something that people are notified of, once for each key.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub kind: Kind,
    /// Identifies the event: people are notified of it once.
    pub key: String,
    /// The shop, where it is about one.
    pub shop: Option<String>,
    /// Numbers, codes and words from fixed lists; nothing personal.
    pub facts: Value,
}

impl Notice {
    /// A notice about a shop; `what` distinguishes it from others of its kind there.
    pub fn of_shop(kind: Kind, shop: &ShopName, what: &str, facts: Value) -> Self {
        Self {
            kind,
            key: format!("{}:{shop}:{what}", kind.word()),
            shop: Some(shop.to_string()),
            facts,
        }
    }

    /// A notice about all shops together.
    pub fn of_all(kind: Kind, what: &str, facts: Value) -> Self {
        Self {
            kind,
            key: format!("{}::{what}", kind.word()),
            shop: None,
            facts,
        }
    }

    /// The notice that tests a channel.
    pub fn test(channel: &str) -> Self {
        Self::of_all(Kind::Test, channel, json!({ "channel": channel }))
    }
}
