//! What evidence lacks for a use of it, in words.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{OtherShop, Unaccounted};
use crate::domain::calendar::stamp;
use crate::domain::ids::ShopName;

/// What the evidence lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// No sweep was complete yet.
    NeverRead,
    /// The last sweep began too long ago.
    TooOld {
        /// When it began.
        start: Timestamp,
        /// Its maximum age.
        limit: SignedDuration,
    },
    /// Orders that may hold the units are not read.
    Unaccounted(Vec<Unaccounted>),
    /// Other shops of the same stock were never read completely: their orders may hold the units.
    ShopsNeverRead(Vec<ShopName>),
    /// Other shops of the same stock were last read too long ago: orders accepted there since may hold the units.
    ShopsNotRead(Vec<OtherShop>),
    /// Another shop of the same stock was not read as freshly: its orders may hold the units.
    OtherShop {
        /// The shop.
        shop: ShopName,
        /// What its readings lack.
        gap: Box<Gap>,
    },
    /// The last sweep began before the order was seen.
    BeforeOrder {
        /// When it began.
        start: Timestamp,
    },
    /// The last sweep began before the stock was counted.
    BeforeCount {
        /// When it began.
        start: Timestamp,
        /// When the stock was counted.
        counted_at: Timestamp,
    },
    /// The last sweep ended too long ago.
    EndedTooLongAgo {
        /// When it ended.
        end: Timestamp,
        /// How long ago it may have ended.
        limit: SignedDuration,
    },
    /// The archive was not read, or too long ago.
    ArchiveNotRead {
        /// When it was last read.
        end: Option<Timestamp>,
    },
}

/// Orders that a text names.
const NAMED_MAX: usize = 3;

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRead => f.write_str("accepted orders were not read completely yet"),
            Self::TooOld { start, limit } => write!(
                f,
                "accepted orders were last read {}, more than {limit:#} ago",
                stamp(*start)
            ),
            Self::Unaccounted(orders) => {
                f.write_str("orders that may hold these units are not read yet: ")?;
                for (index, order) in orders.iter().take(NAMED_MAX).enumerate() {
                    let comma = if index > 0 { "; " } else { "" };
                    write!(f, "{comma}{order}")?;
                }
                match orders.len().saturating_sub(NAMED_MAX) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::ShopsNeverRead(shops) => {
                let shops: Vec<&str> = shops.iter().map(ShopName::as_str).collect();
                write!(
                    f,
                    "accepted orders of {} were never read completely, and may hold these units",
                    shops.join(", ")
                )
            }
            Self::ShopsNotRead(shops) => {
                for (index, other) in shops.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    let at = stamp(other.accepted.start);
                    write!(
                        f,
                        "{comma}accepted orders of {} were last read {at}",
                        other.shop
                    )?;
                }
                f.write_str(", and newer ones may hold these units (`qabyl shops waive`)")
            }
            Self::OtherShop { shop, gap } => write!(f, "shop {shop}: {gap}"),
            Self::BeforeOrder { start } => write!(
                f,
                "it takes the last units, and accepted orders were last read {}, before the order was first seen",
                stamp(*start)
            ),
            Self::BeforeCount { start, counted_at } => write!(
                f,
                "stock was counted {}, after accepted orders were last read, {}",
                stamp(*counted_at),
                stamp(*start)
            ),
            Self::EndedTooLongAgo { end, limit } => write!(
                f,
                "accepted orders were last read {}, and this needs them read within {limit:#}",
                stamp(*end)
            ),
            Self::ArchiveNotRead { end: Some(end) } => write!(
                f,
                "it takes the last units, and the archive was last read {}",
                stamp(*end)
            ),
            Self::ArchiveNotRead { end: None } => {
                f.write_str("it takes the last units, and the archive was not read completely yet")
            }
        }
    }
}
