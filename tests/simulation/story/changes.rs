//! What changes about orders that were accepted, and about the map of SKUs: couriers that Kaspi shows late, lines that
//! are cancelled, aliases that are mapped and unmapped, fields that cannot be read.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::ids::Sku;
use qabyl::store::PartRow;
use qabyl_sandbox::{OfferForm, Order, Part, Status};
use serde_json::{Value, json};

use super::Story;
use crate::judge::{Moved, Shrunk, point_of, shelf_sku};
use crate::plan::full_point;

/// Goods that left, and when Kaspi shows it.
pub(super) struct Unshown {
    pub(super) code: String,
    pub(super) left: Timestamp,
    shown: Timestamp,
}

/// Ways in which a part of an order cannot be read.
fn unreadable() -> [(Part, &'static str, Value); 8] {
    [
        (Part::Order, "/attributes/totalPrice", json!(null)),
        (Part::Order, "/attributes/totalPrice", json!("12 990")),
        (Part::Order, "/attributes/pickupPointId", json!(30_000_001)),
        (Part::Order, "/attributes/isKaspiDelivery", json!("true")),
        (Part::Order, "/attributes/preOrder", json!("no")),
        (
            Part::Order,
            "/attributes/approvedByBankDate",
            json!("вчера"),
        ),
        (Part::Entries, "/0/attributes/quantity", json!(null)),
        (Part::Entries, "/0/attributes/quantity", json!(3.5)),
    ]
}

impl Story {
    /// Something changes that is no step of an order.
    pub(super) async fn change(&mut self) {
        match self.rng.u8(..8) {
            0 | 1 => self.courier_unseen(),
            2 | 3 => self.line_cancelled(),
            4 | 5 => self.remap(None).await,
            _ => self.field_unreadable(),
        }
    }

    /// A courier takes goods, and Kaspi does not show it yet.
    fn courier_unseen(&mut self) {
        let pick = self.rng.usize(..);
        let late = SignedDuration::from_secs(self.rng.i64(0..3 * 3_600));
        let unshown = &self.unshown;
        let taken = self.link.world(|world, now| {
            let waits = |order: &&Order| {
                let code = order.code();
                order.status == Status::AcceptedByMerchant
                    && order.handed_over_at.is_none()
                    && order.seed.kaspi_delivery
                    && !unshown.iter().any(|it| it.code == code)
            };
            let waiting: Vec<_> = world.orders().iter().filter(waits).collect();
            let order = waiting.get(pick % waiting.len().max(1))?;
            Some(Unshown {
                code: order.code().to_owned(),
                left: now,
                shown: now + late,
            })
        });
        if let Some(unshown) = taken {
            self.say(|| {
                format!(
                    "the courier takes {} unseen, until {}",
                    unshown.code, unshown.shown
                )
            });
            self.unshown.push(unshown);
        }
    }

    /// Kaspi shows the couriers that it is to show by now, or all.
    pub(super) fn show_couriers(&mut self, all: bool) {
        let now = self.link.true_now();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unshown)
            .into_iter()
            .partition(|it| all || it.shown <= now);
        self.unshown = later;
        for it in due {
            let shown = self
                .link
                .world(|world, _| world.hand_over(&it.code, it.left));
            self.say(|| format!("the courier of {} is shown: {shown}", it.code));
        }
    }

    /// Whether the goods of an order have left, though Kaspi does not show it: nobody cancels it any more.
    pub(super) fn has_left_unseen(&self, code: &str) -> bool {
        self.unshown.iter().any(|it| it.code == code)
    }

    /// An accepted order is to be sent from the other pickup point.
    pub(super) fn move_one(&mut self) {
        let pick = self.rng.usize(..);
        let unshown = &self.unshown;
        let moved = self.link.world(|world, now| {
            let waits = |order: &&Order| {
                order.status == Status::AcceptedByMerchant
                    && order.handed_over_at.is_none()
                    && !unshown.iter().any(|it| it.code == order.code())
            };
            let waiting: Vec<_> = world.orders().iter().filter(waits).collect();
            let order = waiting.get(pick % waiting.len().max(1))?;
            let (code, from) = (order.code().to_owned(), point_of(order).to_owned());
            let to = if from == "PP1" { "PP2" } else { "PP1" };
            world.move_to(&code, &full_point(to));
            Some(Moved {
                code,
                at: now,
                from,
            })
        });
        if let Some(moved) = moved {
            self.say(|| format!("{} moves from {}", moved.code, moved.from));
            self.known.moves.push(moved);
        }
    }

    /// A cancelled order whose goods are here is accepted again in the cabinet.
    pub(super) fn reopen_one(&mut self) {
        let fits = |order: &Order, now| {
            order.visible_at <= now
                && order.status == Status::Cancelled
                && order.handed_over_at.is_none()
        };
        let code = self.act_on_one(fits, |world, code, now| {
            // Of a cancel of ours whose effect was not read yet, nobody could know that it had one.
            let mut effects = world.ledger().effects().iter().rev();
            if effects
                .find(|row| row.code == code)
                .is_some_and(|row| row.cause.is_write())
            {
                return false;
            }
            let state = world.order(code).map(Order::accepted_state);
            state.is_some_and(|state| world.force(code, state, Status::AcceptedByMerchant, now))
        });
        if let Some(code) = code {
            self.say(|| format!("{code} is accepted again in the cabinet"));
            self.known.by_people.insert(code);
        }
    }

    /// One unit of an accepted order is cancelled in the cabinet.
    fn line_cancelled(&mut self) {
        let pick = self.rng.usize(..);
        let unshown = &self.unshown;
        let shrunk = self.link.world(|world, now| {
            let fits = |order: &&Order| {
                let is_plain = |order: &Order| {
                    let mut lines = order.lines().iter();
                    lines.all(|line| line.offer == OfferForm::Offer)
                };
                order.status == Status::AcceptedByMerchant
                    && order.handed_over_at.is_none()
                    && is_plain(order)
                    && order.lines().iter().any(|line| line.quantity > 1)
                    && !unshown.iter().any(|it| it.code == order.code())
            };
            let fitting: Vec<_> = world.orders().iter().filter(fits).collect();
            let order = fitting.get(pick % fitting.len().max(1))?;
            let code = order.code().to_owned();
            let mut lines: Vec<(String, u32)> = order
                .lines()
                .iter()
                .map(|line| (line.sku.clone(), line.quantity))
                .collect();
            let line = lines.iter_mut().find(|(_, quantity)| *quantity > 1)?;
            line.1 -= 1;
            let sku = line.0.clone();
            let plain: Vec<(&str, u32)> = lines.iter().map(|(sku, n)| (sku.as_str(), *n)).collect();
            world.amend(&code, &plain);
            Some(Shrunk { code, at: now, sku })
        });
        if let Some(shrunk) = shrunk {
            self.say(|| format!("one of {} is cancelled of {}", shrunk.sku, shrunk.code));
            self.known.shrunk.push(shrunk);
        }
    }

    /// The aliases are mapped to what they are, or unmapped.
    pub(super) async fn remap(&mut self, mapped: Option<bool>) {
        let mapped = mapped.unwrap_or_else(|| !self.known.is_mapped());
        let rows: Vec<PartRow> = if mapped {
            let skus = self.plan.stock.iter().map(|(sku, _)| sku);
            let skus = skus.map(|sku| sku.split_once('@').map_or(sku.as_str(), |(sku, _)| sku));
            let names: BTreeSet<String> = skus.map(|sku| sku.replacen('S', "X", 1)).collect();
            let row = |alias: String| PartRow {
                stock: String::new(),
                part: Sku::new(shelf_sku(&alias)).unwrap(),
                sku: Sku::new(&alias).unwrap(),
                each: 1,
            };
            names.into_iter().map(row).collect()
        } else {
            Vec::new()
        };
        let process = std::sync::Arc::clone(self.process());
        let now = process.clock().now();
        process
            .store
            .map_stock("", &rows, "person:sim", now)
            .await
            .unwrap();
        self.known.maps.push((self.link.true_now(), mapped));
        self.say(|| format!("aliases mapped: {mapped}"));
    }

    /// A field of an order cannot be read from now on.
    fn field_unreadable(&mut self) {
        let pick = self.rng.usize(..);
        let way = self.rng.usize(..8);
        let (part, pointer, value) = unreadable()[way].clone();
        let code = self.link.world(|world, now| {
            let open = world.orders().iter().filter(|order| {
                let is_open = matches!(
                    order.status,
                    Status::ApprovedByBank | Status::AcceptedByMerchant
                );
                is_open && order.visible_at <= now
            });
            let open: Vec<String> = open.map(|order| order.code().to_owned()).collect();
            let code = open.get(pick % open.len().max(1))?.clone();
            world
                .put_value(&code, part, pointer, Some(value))
                .then_some(code)
        });
        if let Some(code) = code {
            self.say(|| format!("{code} cannot be read at {pointer}"));
        }
    }

    /// Everything is shown as it is.
    pub(super) async fn end_changes(&mut self) {
        if self.plan.changes == 0.0 {
            return;
        }
        self.show_couriers(true);
        self.link.world(|world, _| {
            let codes: Vec<String> = world
                .orders()
                .iter()
                .map(|it| it.code().to_owned())
                .collect();
            for code in codes {
                world.forget_values(&code);
            }
        });
        self.remap(Some(true)).await;
    }
}
