//! Identifiers as types, so that an order's id cannot be passed where its code is wanted.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::mutant::mutant;

/// An identifier was empty or only white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is empty")]
pub struct EmptyId {
    kind: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Trims the text; an empty one is an error.
            pub fn new(text: impl AsRef<str>) -> Result<Self, EmptyId> {
                let text = text.as_ref().trim();
                if text.is_empty() {
                    return Err(EmptyId { kind: $kind });
                }
                Ok(Self(text.to_owned()))
            }

            /// The text, as in Kaspi's API and in the database.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Kaspi's opaque order id (KASPI_API §2). The padding of base64 at its end and blanks around it say nothing: ids that
/// differ in these alone are one id, which goes to Kaspi as Kaspi spelled it last.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId {
    /// Without padding: what ids are compared by, and stored under.
    key: String,
    /// As Kaspi spelled it, where that is more than the key.
    spelling: Option<String>,
}

impl OrderId {
    /// Trims the text; an empty one is an error.
    pub fn new(text: impl AsRef<str>) -> Result<Self, EmptyId> {
        let text = text.as_ref().trim();
        let key = if mutant("r15_respelled_id_is_another") {
            text
        } else {
            text.trim_end_matches('=').trim_end()
        };
        if key.is_empty() {
            return Err(EmptyId { kind: "order id" });
        }
        Ok(Self {
            key: key.to_owned(),
            spelling: (key != text).then(|| text.to_owned()),
        })
    }

    /// The text without padding, as in the database.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The text as Kaspi spelled it, for paths and bodies.
    pub fn as_spelled(&self) -> &str {
        self.spelling.as_deref().unwrap_or(&self.key)
    }
}

impl PartialEq for OrderId {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for OrderId {}

impl Hash for OrderId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for OrderId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OrderId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl TryFrom<String> for OrderId {
    type Error = EmptyId;

    fn try_from(text: String) -> Result<Self, EmptyId> {
        Self::new(text)
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.spelling.unwrap_or(id.key)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

text_id!(
    /// The order's number, as people say it (KASPI_API §2, `code`).
    OrderCode,
    "order code"
);
text_id!(
    /// Kaspi's opaque id of one order entry (KASPI_API §4).
    EntryId,
    "entry id"
);
text_id!(
    /// The merchant's own article, `offer.code` (KASPI_API §4.1).
    Sku,
    "SKU"
);
text_id!(
    /// A shop's name in the configuration.
    ShopName,
    "shop name"
);
text_id!(
    /// The sending point of an order, `<merchantUid>_PP1` (KASPI_API §2).
    PickupPoint,
    "pickup point"
);
text_id!(
    /// A merchant's account at Kaspi, `<merchantUid>` of its pickup points.
    Account,
    "account"
);
text_id!(
    /// Id of a master product, by which a missing SKU is looked up (KASPI_API §4.2).
    MasterProduct,
    "master product"
);

impl PickupPoint {
    /// The account it belongs to: the digits before `_PP`. Other forms, such as `Merchant_00005678`, name none.
    pub fn account(&self) -> Option<Account> {
        let (digits, _) = self.0.split_once("_PP")?;
        let is_account = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_account.then(|| Account(digits.to_owned()))
    }

    /// The part after the merchant's number: `PP1` of `10000001_PP1`; the whole where there is none.
    pub fn short(&self) -> &str {
        self.0
            .rsplit_once('_')
            .map_or(self.as_str(), |(_, point)| point)
    }
}
