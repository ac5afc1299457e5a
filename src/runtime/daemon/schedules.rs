//! Cron schedules. They wake stages and run nothing themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;

use super::wakes::Wakes;
use crate::config::Config;
use crate::cron::Cron;
use crate::pipeline::stages::Stage;
use crate::pipeline::sync_stock::Source;

/// When cron wakes a stage: cron expressions with seconds.
#[derive(Debug, Clone, Default)]
pub struct Schedules {
    /// The poll of every shop.
    pub poll: String,
    /// Sources of stock that have a schedule, by their names.
    pub stock: HashMap<String, String>,
}

impl Schedules {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        let sources = config.stock.sources.iter();
        Self {
            poll: config.poll.schedule.clone(),
            stock: sources
                .filter_map(|source| Some((source.name.clone(), source.schedule.clone()?)))
                .collect(),
        }
    }

    /// Wakes the polls of these shops.
    pub(super) fn wake_polls(&self, cron: &mut Cron, shops: &[Arc<Wakes>]) {
        for wakes in shops {
            let wakes = Arc::clone(wakes);
            cron.at(&self.poll, move || wakes.wake(Stage::Poll));
        }
    }

    /// Wakes a source of stock, where it has a schedule.
    pub(super) fn wake_source(&self, cron: &mut Cron, source: &Source, woken: &Arc<Notify>) {
        let Some(schedule) = self.stock.get(&source.name) else {
            return;
        };
        let (is_scheduled_now, woken) = (Arc::clone(&source.is_scheduled_now), Arc::clone(woken));
        cron.at(schedule, move || {
            is_scheduled_now.store(true, Ordering::Relaxed);
            woken.notify_one();
        });
    }
}
