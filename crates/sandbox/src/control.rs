//! How tests inspect and control a world.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    al_style::AlStyle, faults::Faults, ledger::Ledger, order::Order, replica::Replicas,
    script::Script, settings::Settings, terms::Status, world::World,
};

impl World {
    /// Every order placed, visible or not, in the order of placing.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// One order by its code.
    pub fn order(&self, code: &str) -> Option<&Order> {
        self.by_code.get(code).map(|index| &self.orders[*index])
    }

    /// Units of every SKU in orders now accepted or completed, by anyone.
    pub fn units_promised_by_sku(&self) -> BTreeMap<String, u64> {
        let mut units = BTreeMap::new();
        let promised =
            |order: &&Order| matches!(order.status, Status::AcceptedByMerchant | Status::Completed);
        for line in self.orders.iter().filter(promised).flat_map(Order::lines) {
            *units.entry(line.sku.clone()).or_default() += u64::from(line.quantity);
        }
        units
    }

    /// What has happened so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the next scheduled event is due, for a simulation's clock.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.keys().next().map(|(due, _)| *due)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The supplier at this port, if there is one.
    pub fn al_style(&mut self) -> Option<&mut AlStyle> {
        self.settings.al_style.as_mut()
    }

    /// Replaces the accepted tokens.
    pub fn set_tokens<T: Into<String>>(&mut self, tokens: impl IntoIterator<Item = T>) {
        self.settings.tokens = tokens.into_iter().map(Into::into).collect();
    }

    /// Kaspi does not know this order any more, or not yet, as a reader that lags behind: no list shows it, and a
    /// request about it is answered with 404. `false` when there is no such order.
    pub fn lose(&mut self, code: &str) -> bool {
        let index = self.by_code.get(code).copied();
        let order = index.and_then(|index| self.orders.get_mut(index));
        order.is_some_and(|order| {
            order.visible_at = Timestamp::MAX;
            true
        })
    }

    /// Shows an order again that was lost.
    pub fn find(&mut self, code: &str, now: Timestamp) -> bool {
        let index = self.by_code.get(code).copied();
        let order = index.and_then(|index| self.orders.get_mut(index));
        order.is_some_and(|order| {
            order.visible_at = now;
            true
        })
    }

    /// Replaces how readings differ from what is so.
    pub fn set_replicas(&mut self, replicas: Replicas) {
        self.settings.replicas = replicas;
    }

    /// While down, every request is dropped before any effect.
    pub fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// Replaces the random faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.settings.faults = faults;
    }

    /// Adds a scripted fault; earlier scripts are used up first.
    pub fn script(&mut self, script: Script) {
        self.scripts.push(script);
    }

    /// Removes the remaining scripted faults.
    pub fn forget_scripts(&mut self) {
        self.scripts.clear();
    }

    /// How many scripted faults have not happened yet.
    pub fn scripts_left(&self) -> u32 {
        self.scripts.iter().map(|script| script.times).sum()
    }
}
