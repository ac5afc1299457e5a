//! What a test sees of a world, and the switches it holds.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    al_style::AlStyle, faults::Faults, ledger::Ledger, order::Order, script::Script,
    settings::Settings, terms::Status, world::World,
};

impl World {
    /// Every order placed, visible or not, in the order of placing.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// One order by its number.
    pub fn order(&self, code: &str) -> Option<&Order> {
        self.by_code.get(code).map(|index| &self.orders[*index])
    }

    /// Units of every SKU in orders now accepted or completed, by whomever.
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

    /// When the next due thing is due, for a simulation's clock.
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

    /// Replaces the tokens that are let in.
    pub fn set_tokens<T: Into<String>>(&mut self, tokens: impl IntoIterator<Item = T>) {
        self.settings.tokens = tokens.into_iter().map(Into::into).collect();
    }

    /// While down, every request is dropped before any effect.
    pub fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    /// Replaces the random faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.settings.faults = faults;
    }

    /// Orders a fault in advance; earlier scripts are used up first.
    pub fn script(&mut self, script: Script) {
        self.scripts.push(script);
    }

    /// Takes the scripted faults back that are still waiting.
    pub fn forget_scripts(&mut self) {
        self.scripts.clear();
    }

    /// How many scripted faults are still waiting for their request.
    pub fn scripts_left(&self) -> u32 {
        self.scripts.iter().map(|script| script.times).sum()
    }
}
