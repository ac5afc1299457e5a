//! What one reading sees: Kaspi's readers lag behind its writers, and leave out orders at times (KASPI_API §5).

use std::time::Duration;

use jiff::Timestamp;

use super::{order::Order, wire::mix, world::World};

/// How readings differ from what is so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Replicas {
    /// The share of readings in which any one order is missing.
    pub forget: f64,
    /// How far behind a reading is.
    pub behind: Duration,
    /// The share of readings that are behind. Writes are never behind.
    pub behind_share: f64,
    /// By how many orders the total of a list is larger than what the list shows.
    pub overcount: usize,
}

/// One reading: the moment it shows, and what it leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) at: Timestamp,
    forget: f64,
    number: u64,
}

impl Reading {
    /// The order as this reading sees it.
    pub(super) fn of<'a>(&self, order: &'a Order) -> Option<&'a Order> {
        let is_missing = self.forget > 0.0 && share(self.number, order.code()) < self.forget;
        let shown = order.as_of(self.at);
        (!is_missing && shown.visible_at <= self.at).then_some(shown)
    }
}

/// From 0 to 1, by nothing but its arguments.
fn share(number: u64, text: &str) -> f64 {
    let drawn = u32::try_from(mix(number, &[text]) >> 32).unwrap_or(u32::MAX);
    f64::from(drawn) / f64::from(u32::MAX)
}

impl World {
    /// The order with this id as a reading sees it.
    pub(super) fn seen(&self, id: &str, reading: &Reading) -> Option<&Order> {
        let index = self.by_id.get(id).copied()?;
        reading.of(&self.orders[index])
    }

    /// The order with this id, if the merchant can see it yet.
    pub(super) fn visible(&self, id: &str, now: Timestamp) -> Option<usize> {
        self.by_id
            .get(id)
            .copied()
            .filter(|index| self.orders[*index].visible_at <= now)
    }

    /// What the present request sees.
    pub(super) fn reading(&self, now: Timestamp) -> Reading {
        let replicas = &self.settings.replicas;
        let number = mix(self.settings.seed, &[&self.request_number().to_string()]);
        let is_behind = share(number, "behind") < replicas.behind_share;
        let behind = if is_behind {
            replicas.behind
        } else {
            Duration::ZERO
        };
        Reading {
            at: now.saturating_sub(behind).unwrap_or(now),
            forget: replicas.forget,
            number,
        }
    }
}
