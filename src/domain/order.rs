//! An order as Kaspi shows it, without personal data (KASPI_API §2–4).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{EntryId, MasterProduct, OrderCode, OrderId, PickupPoint, Sku};
use super::money::Money;

/// Declares an enum of words in Kaspi's API, with a variant that keeps an unknown word as it came.
macro_rules! wire_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// An unknown word, kept as it came; its meaning is never guessed.
            Other(String),
        }

        impl $name {
            /// Every known word.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word in Kaspi's API.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                Self::from(word.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

wire_words!(
    /// Which list of Kaspi's an order is in (KASPI_API §3, `state`).
    State {
        /// Waits for the merchant.
        New = "NEW",
        /// Accepted, waits for a signature.
        SignRequired = "SIGN_REQUIRED",
        /// Accepted, picked up at the shop.
        Pickup = "PICKUP",
        /// Accepted, delivered by the shop.
        Delivery = "DELIVERY",
        /// Accepted, delivered by Kaspi.
        KaspiDelivery = "KASPI_DELIVERY",
        /// Finished or cancelled.
        Archive = "ARCHIVE",
    }
);

wire_words!(
    /// How far an order is (KASPI_API §3, `status`).
    Status {
        /// The only status from which an order may be accepted.
        ApprovedByBank = "APPROVED_BY_BANK",
        /// Accepted.
        AcceptedByMerchant = "ACCEPTED_BY_MERCHANT",
        /// Handed over to the buyer.
        Completed = "COMPLETED",
        /// Cancelled by anyone.
        Cancelled = "CANCELLED",
        /// A cancel under way, the goods perhaps in transit.
        Cancelling = "CANCELLING",
        /// The buyer asks to return it.
        ReturnRequested = "KASPI_DELIVERY_RETURN_REQUESTED",
        /// The merchant agreed to take it back.
        ReturnAccepted = "RETURN_ACCEPTED_BY_MERCHANT",
        /// Returned.
        Returned = "RETURNED",
    }
);

impl State {
    /// Whether only accepted orders have this state (KASPI_API §3). An order that waits for a signature may still be
    /// approved, so its state does not count.
    pub fn is_accepted_state(&self) -> bool {
        matches!(self, Self::Pickup | Self::Delivery | Self::KaspiDelivery)
    }
}

impl Status {
    /// How late in an order's life the status is; an older rank read later is a stale reading and
    /// never overwrites a newer one (R11). `None` for a word that is not known.
    pub fn rank(&self) -> Option<u8> {
        match self {
            Self::ApprovedByBank => Some(0),
            Self::AcceptedByMerchant => Some(1),
            Self::Cancelling => Some(2),
            Self::Completed => Some(3),
            Self::ReturnRequested => Some(4),
            Self::ReturnAccepted => Some(5),
            Self::Returned => Some(6),
            Self::Cancelled => Some(7),
            Self::Other(_) => None,
        }
    }

    /// Whether nothing can follow that changes stock or needs the merchant.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Returned)
    }
}

wire_words!(
    /// How the goods travel (KASPI_API §3, `deliveryMode`).
    DeliveryMode {
        /// In the city.
        Local = "DELIVERY_LOCAL",
        /// Pickup at the shop or a postomat.
        Pickup = "DELIVERY_PICKUP",
        /// To the door in another town.
        RegionalTodoor = "DELIVERY_REGIONAL_TODOOR",
        /// To a point in another town.
        RegionalPickup = "DELIVERY_REGIONAL_PICKUP",
    }
);

wire_words!(
    /// How the buyer pays (KASPI_API §2, `paymentMode`).
    PaymentMode {
        /// With a credit.
        Credit = "PAY_WITH_CREDIT",
        /// At once.
        Prepaid = "PREPAID",
    }
);

wire_words!(
    /// What one unit of a line is (KASPI_API §4, `unitType`); absent means pieces.
    UnitType {
        /// Whole pieces.
        Pieces = "PIECES",
        /// Weighed or measured.
        Measurable = "MEASURABLE",
        /// Pieces sold by measure.
        MeasurablePieces = "MEASURABLE_PIECES",
    }
);

/// The attributes of an order that decisions need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Kaspi's opaque id.
    pub id: OrderId,
    /// The order's number, as people say it.
    pub code: OrderCode,
    /// Its list.
    pub state: State,
    /// How far it is.
    pub status: Status,
    /// When the buyer placed it.
    pub created_at: Timestamp,
    /// When the bank approved it; may be long after `created_at` (KASPI_API §2, late approval).
    pub approved_at: Option<Timestamp>,
    /// Sum of the order; `None` where it could not be read.
    pub total: Option<Money>,
    /// How it is paid.
    pub payment_mode: Option<PaymentMode>,
    /// Credit term in months.
    pub credit_term_months: Option<i64>,
    /// How the goods travel.
    pub delivery_mode: Option<DeliveryMode>,
    /// Whether Kaspi delivers it.
    pub kaspi_delivery: Option<bool>,
    /// Whether it must be packed within 60 minutes (KASPI_API §3).
    pub express: bool,
    /// Whether the buyer must sign.
    pub signature_required: bool,
    /// Whether it is a pre-order, for which accepting needs no stock now.
    pub pre_order: bool,
    /// Point it is sent from, which is the warehouse.
    pub pickup_point: Option<PickupPoint>,
    /// When delivery is promised for.
    pub planned_delivery_at: Option<Timestamp>,
    /// When the courier took the goods, which left the shelf then.
    pub handed_over_at: Option<Timestamp>,
    /// Kaspi's reason for its cancellation; not all of them can be given by a merchant (KASPI_API §3).
    pub cancellation_reason: Option<String>,
    /// What the delivery costs the buyer, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_cost: Option<Money>,
    /// How many entries it names, where it names any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u32>,
    /// Fields that came in another form than Kaspi documents: their values are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadField>,
}

impl Order {
    /// A new order that the bank approved, of which nothing else is known.
    pub const fn new(id: OrderId, code: OrderCode, created_at: Timestamp) -> Self {
        Self {
            id,
            code,
            state: State::New,
            status: Status::ApprovedByBank,
            created_at,
            approved_at: None,
            total: None,
            payment_mode: None,
            credit_term_months: None,
            delivery_mode: None,
            kaspi_delivery: None,
            express: false,
            signature_required: false,
            pre_order: false,
            pickup_point: None,
            planned_delivery_at: None,
            handed_over_at: None,
            cancellation_reason: None,
            delivery_cost: None,
            entries: None,
            unread: Vec::new(),
        }
    }
}

/// A field of an answer that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadField {
    /// Its name in Kaspi's JSON.
    pub field: Field,
    /// What came in its place, as it may be shown: short, escaped, and only its kind where it may be personal.
    pub raw: String,
}

impl fmt::Display for UnreadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.field.as_str(), self.raw)
    }
}

/// Declares the fields of an order that may come in a form that cannot be read.
macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// A field of an order that is read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Field {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl Field {
            /// Its name in Kaspi's JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

fields! {
    /// All of them.
    Attributes = "attributes",
    /// The number.
    Code = "code",
    /// The list.
    State = "state",
    /// How far it is.
    Status = "status",
    /// When it was placed.
    CreationDate = "creationDate",
    /// When the bank approved it.
    ApprovedByBankDate = "approvedByBankDate",
    /// The sum.
    TotalPrice = "totalPrice",
    /// How it is paid.
    PaymentMode = "paymentMode",
    /// The months of a credit.
    CreditTerm = "creditTerm",
    /// How the goods travel.
    DeliveryMode = "deliveryMode",
    /// Whether Kaspi delivers it.
    IsKaspiDelivery = "isKaspiDelivery",
    /// Whether the buyer must sign.
    SignatureRequired = "signatureRequired",
    /// Whether it is a pre-order.
    PreOrder = "preOrder",
    /// The point it is sent from.
    PickupPointId = "pickupPointId",
    /// When delivery is promised for.
    PlannedDeliveryDate = "plannedDeliveryDate",
    /// Why it was cancelled.
    CancellationReason = "cancellationReason",
    /// What the courier does.
    KaspiDelivery = "kaspiDelivery",
    /// Whether it must be packed at once.
    Express = "kaspiDelivery.express",
    /// When the courier took the goods.
    CourierTransmissionDate = "kaspiDelivery.courierTransmissionDate",
}

impl Order {
    /// Since when it could be handled: its approval, or its creation.
    pub fn waiting_since(&self) -> Timestamp {
        self.approved_at.unwrap_or(self.created_at)
    }

    /// Whether it is in a state that only accepted orders have.
    pub fn is_in_accepted_state(&self) -> bool {
        self.state.is_accepted_state()
    }

    /// Its sum as people read it.
    pub fn total_words(&self) -> String {
        self.total
            .map_or_else(|| "?".to_owned(), |total| total.to_string())
    }

    /// Whether this field could not be read.
    pub fn is_unread(&self, field: Field) -> bool {
        self.unread.iter().any(|unread| unread.field == field)
    }

    /// Which fields could not be read, in one text; `None` where all could.
    pub fn unread_words(&self) -> Option<String> {
        let words: Vec<String> = self.unread.iter().map(ToString::to_string).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Keeps what an earlier reading showed of the fields that this one could not read.
    pub fn keep_unread(&mut self, earlier: &Self) {
        for unread in &self.unread {
            match unread.field {
                Field::Attributes => {
                    let (state, status) = (self.state.clone(), self.status.clone());
                    let unread = self.unread.clone();
                    *self = Self {
                        state,
                        status,
                        unread,
                        ..earlier.clone()
                    };
                    return;
                }
                Field::Code => self.code = earlier.code.clone(),
                Field::CreationDate => self.created_at = earlier.created_at,
                Field::ApprovedByBankDate => self.approved_at = earlier.approved_at,
                Field::TotalPrice => self.total = earlier.total,
                Field::PaymentMode => self.payment_mode.clone_from(&earlier.payment_mode),
                Field::CreditTerm => self.credit_term_months = earlier.credit_term_months,
                Field::DeliveryMode => self.delivery_mode.clone_from(&earlier.delivery_mode),
                Field::IsKaspiDelivery => self.kaspi_delivery = earlier.kaspi_delivery,
                Field::SignatureRequired => self.signature_required = earlier.signature_required,
                Field::PreOrder => self.pre_order = earlier.pre_order,
                Field::PickupPointId => self.pickup_point.clone_from(&earlier.pickup_point),
                Field::PlannedDeliveryDate => {
                    self.planned_delivery_at = earlier.planned_delivery_at;
                }
                Field::CancellationReason => {
                    self.cancellation_reason
                        .clone_from(&earlier.cancellation_reason);
                }
                Field::Express => self.express = earlier.express,
                Field::CourierTransmissionDate => self.handed_over_at = earlier.handed_over_at,
                Field::KaspiDelivery => {
                    self.express = earlier.express;
                    self.handed_over_at = earlier.handed_over_at;
                }
                // The list that showed it says where it is.
                Field::State | Field::Status => {}
            }
        }
    }

    /// Whether it waits for the merchant.
    pub fn awaits_merchant(&self) -> bool {
        awaits_merchant(&self.state, &self.status)
    }
}

/// Whether an order that Kaspi shows so waits for the merchant: `NEW` and `APPROVED_BY_BANK` (KASPI_API §2).
pub fn awaits_merchant(state: &State, status: &Status) -> bool {
    *state == State::New && *status == Status::ApprovedByBank
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Opaque entry id.
    pub entry: EntryId,
    /// Its number in the order.
    pub number: i64,
    /// The merchant's SKU; `None` where Kaspi gave none: its stock is unknown, never zero.
    pub sku: Option<Sku>,
    /// Units ordered, at least 1.
    pub quantity: u32,
    /// What a unit is.
    pub unit: UnitType,
    /// Price of one unit; `None` where it was not given or could not be read.
    pub unit_price: Option<Money>,
    /// Total of the line; `None` where it was not given or could not be read.
    pub total: Option<Money>,
    /// Product name as Kaspi shows it.
    pub name: Option<String>,
    /// Category code.
    pub category: Option<String>,
    /// Master product, by which a missing SKU is looked up.
    pub master_product: Option<MasterProduct>,
}

/// The lines of an order, or why they are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lines {
    /// All of them, at least one.
    Known(Vec<Line>),
    /// They could not be read.
    Unreadable(UnreadableLines),
}

/// Lines that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableLines {
    /// Why.
    pub why: String,
    /// The SKUs they are of, where those of all lines were readable; `None`: of any.
    pub skus: Option<Vec<Sku>>,
}

impl UnreadableLines {
    /// Of which nothing is known.
    pub fn of_any(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            skus: None,
        }
    }
}
