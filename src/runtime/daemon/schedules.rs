//! Cron schedules. They wake stages and run nothing themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;

use super::wakes::Wakes;
use crate::clock::Clock;
use crate::config::Config;
use crate::cron::{Cron, shortest_gap};
use crate::pipeline::stages::Stage;
use crate::pipeline::sync_stock::Source;

/// The polls of all shops are spread over at most this long.
const SPAN_MAX: Duration = Duration::from_mins(1);

/// How long after the others' beginning the shop at this place begins, so that all are spread evenly over the span.
pub(super) fn offset(place: usize, shops: usize, span: Duration) -> Duration {
    let (place, shops) = (u32::try_from(place), u32::try_from(shops));
    let (place, shops) = (place.unwrap_or(0), shops.unwrap_or(1).max(1));
    span / shops * place
}

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

    /// Wakes the polls of these shops, spread evenly from each time of the schedule on: a thousand shops at once are
    /// a burst, and the last of them is late.
    pub(super) fn wake_polls(&self, cron: &mut Cron, shops: &[Arc<Wakes>], clock: &Clock) {
        let span = shortest_gap(&self.poll).map_or(Duration::ZERO, |gap| gap.min(SPAN_MAX));
        let (shops, clock): (Arc<[Arc<Wakes>]>, _) = (shops.into(), clock.clone());
        let runtime = tokio::runtime::Handle::current();
        cron.at(&self.poll, move || {
            let (shops, clock) = (Arc::clone(&shops), clock.clone());
            runtime.spawn(async move {
                let begun = clock.ticks();
                for (place, wakes) in shops.iter().enumerate() {
                    let at = begun + offset(place, shops.len(), span);
                    clock.sleep(at.saturating_sub(clock.ticks())).await;
                    wakes.wake(Stage::Poll);
                }
            });
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shops_are_spread_evenly_over_the_span() {
        let span = Duration::from_secs(15);
        let offsets: Vec<Duration> = (0..1_000).map(|place| offset(place, 1_000, span)).collect();
        let gaps = offsets
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]));
        assert!(gaps.clone().all(|gap| gap == span / 1_000));
        assert_eq!(
            offsets[0],
            Duration::ZERO,
            "one shop alone waits for nobody"
        );
        assert!(offsets[999] < span);
    }

    /// Every shop is polled, each at its own time.
    #[tokio::test]
    async fn the_polls_of_many_shops_are_not_woken_at_once() {
        let schedules = Schedules {
            poll: "* * * * * *".to_owned(),
            ..Schedules::default()
        };
        let shops: Vec<Arc<Wakes>> = (0..5).map(|_| Arc::default()).collect();
        let (mut cron, clock) = (Cron::default(), Clock::System);
        schedules.wake_polls(&mut cron, &shops, &clock);
        let running = cron.start().await.unwrap();
        let mut woken = Vec::new();
        for wakes in &shops {
            wakes.woken(Stage::Poll).await;
            woken.push(clock.ticks());
        }
        running.end().await.unwrap();
        let apart = woken[4].saturating_sub(woken[0]);
        assert!(apart >= Duration::from_millis(600), "{apart:?} apart");
    }
}
