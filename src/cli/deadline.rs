//! The deadlines of orders, for commands.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::order::Order;
use crate::domain::schedule::Schedule;
use crate::runtime::build;
use crate::store::{OrderView, Store};

/// Computes how long an order may still wait.
pub(super) struct Deadline {
    schedule: Schedule,
    now: Timestamp,
    /// Kaspi's clock minus ours, as each shop's answers showed it last: deadlines are by Kaspi's.
    skews: BTreeMap<String, SignedDuration>,
}

impl Deadline {
    pub(super) async fn of(config: &Config, store: &Store) -> Result<Self, Failure> {
        let mut skews = BTreeMap::new();
        for shop in store.shops().await? {
            let skew = store.shop_state(&shop).await?.clock_skew_s;
            let skew = SignedDuration::from_secs(skew.unwrap_or_default());
            skews.insert(shop.to_string(), skew);
        }
        Ok(Self {
            schedule: build::schedule(config),
            now: Clock::System.now(),
            skews,
        })
    }

    /// When Kaspi will cancel the order at the merchant's cost.
    pub(super) fn at(&self, order: &Order) -> Timestamp {
        self.schedule.deadline_of(order)
    }

    /// When Kaspi will cancel the order at the merchant's cost, and the time until then; `None` once it no
    /// longer awaits the merchant.
    pub(super) fn left(&self, view: &OrderView) -> Option<(Timestamp, SignedDuration)> {
        let order = &view.order;
        let skew = self.skews.get(&view.shop).copied().unwrap_or_default();
        let by_kaspi = self.now.saturating_add(skew).unwrap_or(self.now);
        order.awaits_merchant().then(|| {
            (
                self.schedule.deadline_of(order),
                self.schedule.left(order, by_kaspi),
            )
        })
    }
}
