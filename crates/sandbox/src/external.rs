//! Changes of orders that do not come through the API: by buyers, people in the cabinet, couriers, Kaspi.

use jiff::Timestamp;

use super::{
    ledger::Cause,
    order::{LineSeed, OrderSeed},
    terms::{State, Status},
    world::{Event, World},
};

/// A change that does not come through the API.
#[derive(Debug, Clone)]
pub enum ExternalEvent {
    /// An order is placed.
    Placed(Box<OrderSeed>),
    /// The buyer cancels this order.
    BuyerCancels(String),
    /// A person accepts this order in the cabinet.
    CabinetAccepts(String),
    /// A person cancels this order in the cabinet.
    CabinetCancels(String),
    /// The courier picks this order up.
    HandedOver(String),
    /// The buyer has received this order.
    Completed(String),
}

impl World {
    /// Schedules an event for `at`. It has no effect if the order does not allow it by then.
    pub fn at(&mut self, at: Timestamp, event: ExternalEvent) {
        self.schedule(at, Event::External(event));
    }

    pub(super) fn apply_external(&mut self, event: ExternalEvent, at: Timestamp) -> bool {
        match event {
            ExternalEvent::Placed(seed) => self.place(*seed),
            ExternalEvent::BuyerCancels(code) => self.buyer_cancels(&code, at),
            ExternalEvent::CabinetAccepts(code) => self.cabinet_accepts(&code, at),
            ExternalEvent::CabinetCancels(code) => self.cabinet_cancels(&code, at),
            ExternalEvent::HandedOver(code) => self.hand_over(&code, at),
            ExternalEvent::Completed(code) => self.complete(&code, at),
        }
    }

    /// The buyer cancels, which they can until the hand-over. Returns whether it had an effect.
    pub fn buyer_cancels(&mut self, code: &str, now: Timestamp) -> bool {
        self.cancelled_by(code, "BUYER_CANCELLATION_HIMSELF", Cause::Buyer, now)
    }

    /// A person accepts in the cabinet. Returns whether it had an effect.
    pub fn cabinet_accepts(&mut self, code: &str, now: Timestamp) -> bool {
        self.index(code)
            .is_some_and(|index| self.accept(index, Cause::Cabinet, None, now))
    }

    /// A person cancels in the cabinet, as out of stock. Returns whether it had an effect.
    pub fn cabinet_cancels(&mut self, code: &str, now: Timestamp) -> bool {
        self.cancelled_by(code, "MERCHANT_OUT_OF_STOCK", Cause::Cabinet, now)
    }

    fn cancelled_by(&mut self, code: &str, reason: &str, cause: Cause, now: Timestamp) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let order = &self.orders[index];
        let open = matches!(
            order.status,
            Status::ApprovedByBank | Status::AcceptedByMerchant
        );
        if !open || order.handed_over_at.is_some() {
            return false;
        }
        self.cancel(index, reason, cause, None, now);
        true
    }

    /// The order is to be sent from another pickup point. Returns whether there is one of that code.
    pub fn move_to(&mut self, code: &str, point: &str) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let at = self.now;
        self.orders[index].remember(at);
        self.orders[index].seed.pickup_point = Some(point.to_owned());
        true
    }

    /// The order is changed in the cabinet to plain lines of these SKUs and units. Returns whether there is one of that
    /// code.
    pub fn amend(&mut self, code: &str, lines: &[(&str, u32)]) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let lines = lines.iter();
        let lines = lines.map(|(sku, quantity)| LineSeed::new(sku, *quantity));
        let at = self.now;
        self.orders[index].remember(at);
        self.orders[index].seed.lines = lines.collect();
        true
    }

    /// A partial cancel: so many units of the SKU remain, and none removes its line. Returns whether the order has a
    /// line of it with more units.
    pub fn keep_units(&mut self, code: &str, sku: &str, units: u32, at: Timestamp) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let order = &mut self.orders[index];
        let is_line = |line: &LineSeed| line.sku == sku && line.quantity > units;
        let Some(number) = order.lines().iter().position(is_line) else {
            return false;
        };
        order.remember(at);
        order.seed.lines[number].quantity = units;
        if units == 0 {
            order.removed.insert(number);
        }
        true
    }

    /// The courier picks up an accepted order: `courierTransmissionDate` is set. Returns whether
    /// it had an effect.
    pub fn hand_over(&mut self, code: &str, now: Timestamp) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let order = &mut self.orders[index];
        let ready = order.status == Status::AcceptedByMerchant && order.handed_over_at.is_none();
        if ready {
            order.remember(now);
            order.handed_over_at = Some(now);
        }
        ready
    }

    /// The buyer has received an accepted order: `ARCHIVE`, `COMPLETED`. Returns whether it
    /// had an effect.
    pub fn complete(&mut self, code: &str, now: Timestamp) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let accepted = self.orders[index].status == Status::AcceptedByMerchant;
        if accepted {
            self.change(
                index,
                State::Archive,
                Status::Completed,
                Cause::Kaspi,
                None,
                now,
            );
        }
        accepted
    }

    /// Puts an order into any state and status, documented or not. Returns `false` if there is no such
    /// order.
    pub fn force(&mut self, code: &str, state: State, status: Status, now: Timestamp) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        self.change(index, state, status, Cause::Forced, None, now);
        true
    }
}
