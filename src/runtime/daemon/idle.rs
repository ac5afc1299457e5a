//! What wakes a shop that has something to do, so that a shop without any asks the database nothing: one question a
//! second for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::schedules::offset;
use super::wakes::{ShopWakes, Urgency};
use crate::clock::Clock;
use crate::pipeline::stages::Stage;
use crate::store::Store;

/// How often the database is asked. Commands of people beside the daemon are carried out within this time.
const EVERY: Duration = Duration::from_secs(1);

/// Orders that wait are decided again every so many times: their verdicts may change with time alone.
const DECIDED_EVERY: u32 = 2;
/// Their deadlines are looked at every so many times.
const ALERTED_EVERY: u32 = 20;

/// Wakes `act` of the shops with a due action, and now and then `decide` and `alert` of those with orders that wait.
pub(super) async fn watch(
    store: Arc<Store>,
    shops: Arc<ShopWakes>,
    clock: Clock,
    stop: CancellationToken,
) {
    let mut times = 0_u32;
    while !stop.is_cancelled() {
        match store.shops_with_work(clock.now()).await {
            Ok(work) => {
                let due = work.due.iter().filter_map(|shop| shops.get(shop));
                due.for_each(|wakes| wakes.wake(Stage::Act));
                for wakes in work.waiting.iter().filter_map(|shop| shops.get(shop)) {
                    if times.is_multiple_of(DECIDED_EVERY) {
                        wakes.wake(Stage::Decide);
                    }
                    if times.is_multiple_of(ALERTED_EVERY) {
                        wakes.wake(Stage::Alert);
                    }
                }
            }
            // They meet the same error, and report it.
            Err(_) => shops.values().for_each(|wakes| {
                wakes.wake(Stage::Act);
                wakes.wake(Stage::Decide);
            }),
        }
        times = times.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(EVERY) => {}
        }
    }
}

/// Shops that start together would sweep together for ever: the second sweep of each comes at its own time, and the
/// later ones follow it.
pub(super) async fn spread_sweeps(
    shops: Arc<ShopWakes>,
    (clock, sweep_every): (Clock, Duration),
    stop: CancellationToken,
) {
    let begun = clock.ticks();
    for (place, wakes) in shops.values().enumerate().skip(1) {
        let at = begun + offset(place, shops.len(), sweep_every);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(at.saturating_sub(clock.ticks())) => {}
        }
        wakes.force_sweep(Urgency::Soon);
    }
}
