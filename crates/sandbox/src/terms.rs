//! Kaspi's terms for orders: states, statuses, delivery, payment (KASPI_API §2–4).

use std::fmt;

/// The state of an order, by which it is listed (KASPI_API §3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// `NEW`.
    New,
    /// `SIGN_REQUIRED`.
    SignRequired,
    /// `PICKUP`.
    Pickup,
    /// `DELIVERY`.
    Delivery,
    /// `KASPI_DELIVERY`.
    KaspiDelivery,
    /// `ARCHIVE`.
    Archive,
    /// Any other text, for tests of unknown values.
    Other(String),
}

impl State {
    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::New => "NEW",
            Self::SignRequired => "SIGN_REQUIRED",
            Self::Pickup => "PICKUP",
            Self::Delivery => "DELIVERY",
            Self::KaspiDelivery => "KASPI_DELIVERY",
            Self::Archive => "ARCHIVE",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for State {
    fn from(text: &str) -> Self {
        let known = [
            Self::New,
            Self::SignRequired,
            Self::Pickup,
            Self::Delivery,
            Self::KaspiDelivery,
            Self::Archive,
        ];
        let state = known.into_iter().find(|state| state.as_str() == text);
        state.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The progress of an order (KASPI_API §3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Status {
    /// `APPROVED_BY_BANK`: the only one that may be accepted.
    ApprovedByBank,
    /// `ACCEPTED_BY_MERCHANT`.
    AcceptedByMerchant,
    /// `COMPLETED`.
    Completed,
    /// `CANCELLED`.
    Cancelled,
    /// `CANCELLING`: cancelled while in transit.
    Cancelling,
    /// Any other text, documented or not.
    Other(String),
}

impl Status {
    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::ApprovedByBank => "APPROVED_BY_BANK",
            Self::AcceptedByMerchant => "ACCEPTED_BY_MERCHANT",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Cancelling => "CANCELLING",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Status {
    fn from(text: &str) -> Self {
        let known = [
            Self::ApprovedByBank,
            Self::AcceptedByMerchant,
            Self::Completed,
            Self::Cancelled,
            Self::Cancelling,
        ];
        let status = known.into_iter().find(|status| status.as_str() == text);
        status.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the goods reach the buyer; its meaning also depends on `isKaspiDelivery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeliveryMode {
    /// `DELIVERY_LOCAL`.
    #[default]
    Local,
    /// `DELIVERY_PICKUP`.
    Pickup,
    /// `DELIVERY_REGIONAL_TODOOR`.
    RegionalToDoor,
    /// `DELIVERY_REGIONAL_PICKUP`.
    RegionalPickup,
}

impl DeliveryMode {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "DELIVERY_LOCAL",
            Self::Pickup => "DELIVERY_PICKUP",
            Self::RegionalToDoor => "DELIVERY_REGIONAL_TODOOR",
            Self::RegionalPickup => "DELIVERY_REGIONAL_PICKUP",
        }
    }
}

/// How the buyer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payment {
    /// `PREPAID`.
    #[default]
    Prepaid,
    /// `PAY_WITH_CREDIT` over this many months.
    Credit {
        /// `creditTerm`.
        months: u32,
    },
}

/// The unit of measure of a line (KASPI_API §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnitType {
    /// `PIECES`, or no `unitType` at all.
    #[default]
    Pieces,
    /// `MEASURABLE`.
    Measurable,
    /// `MEASURABLE_PIECES`.
    MeasurablePieces,
}

impl UnitType {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pieces => "PIECES",
            Self::Measurable => "MEASURABLE",
            Self::MeasurablePieces => "MEASURABLE_PIECES",
        }
    }
}

/// Where the merchant's SKU of a line can be found (KASPI_API §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OfferForm {
    /// In the entry's `offer.code`.
    #[default]
    Offer,
    /// Only by `/masterproducts/{id}/merchantProduct`.
    Old,
    /// Nowhere: no `offer`, and `merchantProduct` answers `data: null`.
    Unlinked,
}
