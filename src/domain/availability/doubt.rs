//! Why units may be there or not, and what settles it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::calendar::stamp;
use crate::domain::ids::OrderCode;

/// Why it is uncertain whether units are available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Kaspi does not show the order as accepted yet.
    NotConfirmed,
    /// The other shop's accepted orders were read before the count, or too long ago.
    OtherShopNotRead,
    /// The order is being cancelled, or its status is unknown: the units may be back.
    OrderUnsettled,
    /// Readings show the order in an earlier status than before.
    StatusReverted,
    /// The shop has two orders with its number: they may be one.
    SameNumber,
    /// The order, or what it holds now, could not be read in full.
    OrderUnread,
    /// It is unknown whether the units left.
    DepartureUnknown,
    /// The order was accepted before the count, and its units may have left before it: Kaspi may show that
    /// late, or not at all.
    MayHaveLeft,
    /// They left near the count: before it or after it, or too short a time before it to be booked.
    LeftNearCount,
    /// They left after the count, and the buyer has returned them since.
    ComingBack,
    /// The source takes accepted orders off, and may have taken this one off.
    MayBeTakenOff,
    /// They were given back after the count, and the source may have taken them off.
    GivenBack,
    /// The order's pickup point is unknown: its units may lie here.
    PointUnknown,
    /// The common pool holds units too.
    PoolBeside,
    /// Another source of the same priority lists the SKU: the stocks may be two.
    OtherSource,
    /// The pre-order's goods may have come.
    PreOrder,
    /// The order's pickup point moved: its units lie here or there.
    PointMoved,
    /// They were promised before an SKU was mapped, unmapped or listed itself: they are of this level or of another.
    MapChanged,
    /// Their shop sells from another stock since they were promised: they are of this one or of that.
    StockChanged,
}

/// What settles a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// A sweep that shows what became of the order.
    Sweep,
    /// Kaspi showing that the units left, or a count after that.
    Departure,
    /// A person saying that the units left, Kaspi showing the order as finished, or a count after that.
    HandOver,
    /// The next count.
    NextCount,
    /// Kaspi showing the pre-order as arrived.
    Arrival,
    /// A person alone.
    Person,
}

impl ClosedBy {
    /// In words, after "closed by".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Sweep => "the next reading of accepted orders",
            Self::Departure => "Kaspi showing its departure, or a later count",
            Self::HandOver => "`qabyl orders handed-over`, its completion, or a later count",
            Self::NextCount => "the next count",
            Self::Arrival => "Kaspi showing the pre-order as arrived",
            Self::Person => "a person",
        }
    }
}

/// Units that may be there or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// How many.
    pub units: i64,
    /// The order they are promised to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderCode>,
    /// Why.
    pub why: Reason,
    /// What settles it.
    pub closed_by: ClosedBy,
    /// By when it is settled at the latest, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Timestamp>,
    /// Since when it has been in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Reason {
    /// Whether past counts may settle it: they show what left, and what came in.
    pub const fn is_shown_by_counts(self) -> bool {
        matches!(
            self,
            Self::MayHaveLeft | Self::LeftNearCount | Self::PreOrder
        )
    }

    /// In words, after the number of units.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotConfirmed => "its accept is not seen at Kaspi yet",
            Self::OtherShopNotRead => "its shop was not read since the count, or not lately",
            Self::OrderUnsettled => "it is being cancelled, or its status is unknown",
            Self::StatusReverted => "Kaspi shows the order in an earlier status than before",
            Self::SameNumber => {
                "the shop has another order with its number, and the two may be one"
            }
            Self::OrderUnread => "the order could not be read in full since",
            Self::DepartureUnknown => "it is unknown whether the goods left",
            Self::MayHaveLeft => "the goods may have left before the count",
            Self::LeftNearCount => "the goods left near the count, before or after it",
            Self::ComingBack => "the buyer returned it, and the goods may be back",
            Self::MayBeTakenOff => "the source may have taken it off already",
            Self::GivenBack => "given back since, and the source may lack them still",
            Self::PointUnknown => "its pickup point is unknown: the goods may lie here",
            Self::PoolBeside => "the common pool holds them",
            Self::OtherSource => "another source lists them, perhaps of another stock",
            Self::PreOrder => "a pre-order whose goods may have come",
            Self::PointMoved => "its pickup point moved, and the goods lie here or there",
            Self::MapChanged => "promised before the map of SKUs changed, perhaps of another level",
            Self::StockChanged => "its shop sells from another stock since it was promised",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(order) = &self.order {
            write!(f, "order {order}, ")?;
        }
        let many = if self.units == 1 { "unit" } else { "units" };
        write!(f, "{} {many}: {}", self.units, self.why.words())?;
        write!(f, "; closed by {}", self.closed_by.words())?;
        match self.by {
            Some(by) => write!(f, ", or by {}", stamp(by)),
            None => Ok(()),
        }
    }
}
