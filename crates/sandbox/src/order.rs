//! Orders: their description when placed, and their state in the world.

use jiff::Timestamp;

use super::overrides::Override;
use super::terms::{DeliveryMode, OfferForm, Payment, State, Status, UnitType};

/// The most changes of an order that are remembered.
const PAST_MAX: usize = 16;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSeed {
    /// The merchant's SKU.
    pub sku: String,
    /// The product's name.
    pub name: String,
    /// Units.
    pub quantity: u32,
    /// The price of one, in KZT.
    pub unit_price_kzt: u32,
    /// The unit of measure.
    pub unit_type: UnitType,
    /// Where its SKU can be found.
    pub offer: OfferForm,
}

impl LineSeed {
    /// `quantity` pieces of `sku`, 1000 KZT each, with an `offer`.
    pub fn new(sku: &str, quantity: u32) -> Self {
        Self {
            sku: sku.to_owned(),
            name: format!("Товар {sku}"),
            quantity,
            unit_price_kzt: 1000,
            unit_type: UnitType::Pieces,
            offer: OfferForm::Offer,
        }
    }

    /// The price of the whole line, in KZT.
    pub fn total_kzt(&self) -> u64 {
        u64::from(self.quantity) * u64::from(self.unit_price_kzt)
    }
}

/// An order as it is placed. The default is a plain prepaid order without lines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are Kaspi's independent flags"
)]
pub struct OrderSeed {
    /// Its code.
    pub code: String,
    /// `creationDate`.
    pub created_at: Timestamp,
    /// `approvedByBankDate`; `None` = when it becomes visible.
    pub approved_at: Option<Timestamp>,
    /// When the merchant can first see it; `None` = when approved, or else created.
    pub visible_at: Option<Timestamp>,
    /// The lines.
    pub lines: Vec<LineSeed>,
    /// `deliveryMode`.
    pub delivery_mode: DeliveryMode,
    /// `isKaspiDelivery`.
    pub kaspi_delivery: bool,
    /// `kaspiDelivery.express`.
    pub express: bool,
    /// `preOrder`.
    pub pre_order: bool,
    /// `signatureRequired`.
    pub signature_required: bool,
    /// `paymentMode`.
    pub payment: Payment,
    /// `pickupPointId`, the warehouse.
    pub pickup_point: Option<String>,
    /// Accepted by the cabinet on arrival, so never listed as NEW (KASPI_API §3).
    pub auto_accepted: bool,
}

impl Default for OrderSeed {
    fn default() -> Self {
        Self {
            code: "900000001".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            approved_at: None,
            visible_at: None,
            lines: Vec::new(),
            delivery_mode: DeliveryMode::Local,
            kaspi_delivery: true,
            express: false,
            pre_order: false,
            signature_required: false,
            payment: Payment::Prepaid,
            pickup_point: Some("10000001_PP1".to_owned()),
            auto_accepted: false,
        }
    }
}

impl OrderSeed {
    /// A plain order without lines.
    pub fn new(code: &str, created_at: Timestamp) -> Self {
        Self {
            code: code.to_owned(),
            created_at,
            ..Self::default()
        }
    }

    /// The same order with one more plain line.
    #[must_use]
    pub fn line(self, sku: &str, quantity: u32) -> Self {
        self.with_line(LineSeed::new(sku, quantity))
    }

    /// The same order with one more line.
    #[must_use]
    pub fn with_line(mut self, line: LineSeed) -> Self {
        self.lines.push(line);
        self
    }

    /// The same order, delivered in this way.
    #[must_use]
    pub fn delivered(self, delivery_mode: DeliveryMode, kaspi_delivery: bool) -> Self {
        Self {
            delivery_mode,
            kaspi_delivery,
            ..self
        }
    }

    /// The same order, hidden from the merchant until then (late approval).
    #[must_use]
    pub fn visible_at(self, at: Timestamp) -> Self {
        Self {
            visible_at: Some(at),
            ..self
        }
    }
}

/// An order as the world holds it.
#[derive(Debug, Clone)]
pub struct Order {
    /// How it was placed.
    pub seed: OrderSeed,
    /// The opaque id.
    pub id: String,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// When the merchant can first see it.
    pub visible_at: Timestamp,
    /// The bucket.
    pub state: State,
    /// The status.
    pub status: Status,
    /// When it was accepted, by anyone.
    pub accepted_at: Option<Timestamp>,
    /// When it was cancelled, by anyone.
    pub cancelled_at: Option<Timestamp>,
    /// `cancellationReason`.
    pub cancellation_reason: Option<String>,
    /// The comment sent with the cancel.
    pub cancellation_comment: Option<String>,
    /// `kaspiDelivery.courierTransmissionDate`.
    pub handed_over_at: Option<Timestamp>,
    /// Lines that a partial cancel removed, by number.
    pub(super) removed: std::collections::BTreeSet<usize>,
    /// Values shown in place of its own.
    pub(super) overrides: Vec<Override>,
    /// What it was until when, the oldest first.
    past: Vec<(Timestamp, Self)>,
}

impl Order {
    pub(super) fn place(seed: OrderSeed) -> Self {
        let visible_at = seed
            .visible_at
            .or(seed.approved_at)
            .unwrap_or(seed.created_at)
            .max(seed.created_at);
        Self {
            id: super::wire::base64(seed.code.as_bytes(), true),
            approved_at: seed.approved_at.unwrap_or(visible_at),
            visible_at,
            state: State::New,
            status: Status::ApprovedByBank,
            accepted_at: None,
            cancelled_at: None,
            cancellation_reason: None,
            cancellation_comment: None,
            handed_over_at: None,
            removed: std::collections::BTreeSet::new(),
            overrides: Vec::new(),
            past: Vec::new(),
            seed,
        }
    }

    /// Keeps what it is, for readings that lag behind. To be called before a change at this time.
    pub(super) fn remember(&mut self, at: Timestamp) {
        if self.past.len() >= PAST_MAX {
            self.past.remove(0);
        }
        let past = std::mem::take(&mut self.past);
        let was = self.clone();
        self.past = past;
        self.past.push((at, was));
    }

    /// The order as it was at this time.
    pub(super) fn as_of(&self, at: Timestamp) -> &Self {
        let was = self.past.iter().find(|(until, _)| at < *until);
        was.map_or(self, |(_, was)| was)
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.seed.code
    }

    /// The lines.
    pub fn lines(&self) -> &[LineSeed] {
        &self.seed.lines
    }

    /// The price of all lines, in KZT.
    pub fn total_kzt(&self) -> u64 {
        self.lines().iter().map(LineSeed::total_kzt).sum()
    }

    /// Its state after an accept (KASPI_API §3).
    pub fn accepted_state(&self) -> State {
        match (
            self.seed.signature_required,
            self.seed.kaspi_delivery,
            self.seed.delivery_mode,
        ) {
            (true, _, _) => State::SignRequired,
            (_, true, _) => State::KaspiDelivery,
            (_, _, DeliveryMode::Pickup) => State::Pickup,
            _ => State::Delivery,
        }
    }
}
