//! The stages that work for all shops together: the database's, the channels', one for each source of
//! stock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Again, Bells, LOOK_EVERY, Spawner};
use crate::pipeline::housekeep::{self, Keeper};
use crate::pipeline::notify::{self, Notifier};
use crate::pipeline::sync_stock::{self, Feeds};

/// How often the database is kept.
const KEEP_EVERY: Duration = Duration::from_mins(1);
/// What the board calls the shop of a stage that works for all of them: no shop can be named so.
const ALL_SHOPS: &str = "*";

/// Stages that work for all shops together, with sources of stock and without.
pub fn shared_stages(feeds: Option<&Feeds>) -> usize {
    2 + feeds.map_or(0, |feeds| feeds.sources().len())
}

/// The database's own stage. Its first run is a brief one: a copy of a large database must not keep the
/// service from being ready.
pub(super) fn spawn_keeper(keeper: Keeper, spawner: &Spawner<'_>) {
    let stage = spawner.stage("housekeep", ALL_SHOPS.to_owned(), &keeper.clock);
    let stop = spawner.stop.clone();
    spawner.tracker.spawn(async move {
        let (quiet, begun) = (Notify::new(), AtomicBool::new(false));
        stage
            .repeat(&quiet, async || {
                if !begun.swap(true, Ordering::Relaxed) {
                    housekeep::tidy(&keeper, &stop).await?;
                    return Ok(Again::Within(LOOK_EVERY).having(Value::Null));
                }
                let report = housekeep::run_once(&keeper, &stop).await?;
                let did = json!({
                    "orders_dropped": report.orders, "trail_dropped": report.trail, "copy": report.copy,
                });
                *stage.trouble.lock().unwrap_or_else(PoisonError::into_inner) = report.trouble;
                let again = Again::Within(if report.more {
                    LOOK_EVERY
                } else {
                    KEEP_EVERY
                });
                Ok(again.having(did))
            })
            .await;
    });
}

/// Channels are told by a task of their own: nothing waits for it.
pub(super) fn spawn_notifier(notifier: Notifier, spawner: &Spawner<'_>) {
    let stage = spawner.stage("notify", ALL_SHOPS.to_owned(), &notifier.clock);
    let stop = spawner.stop.clone();
    spawner.tracker.spawn(async move {
        let quiet = Notify::new();
        stage
            .repeat(&quiet, async || {
                // A request under way when the daemon stops goes out again: with the same id.
                let report = tokio::select! {
                    () = stop.cancelled() => {
                        return Ok(Again::Within(LOOK_EVERY).having(Value::Null));
                    }
                    report = notify::run_once(&notifier) => report?,
                };
                let did = json!({
                    "packed": report.packed, "delivered": report.delivered, "failed": report.failed,
                });
                *stage.trouble.lock().unwrap_or_else(PoisonError::into_inner) = report.trouble;
                let again = Again::Within(if report.more {
                    Duration::ZERO
                } else {
                    LOOK_EVERY
                });
                Ok(again.having(did))
            })
            .await;
    });
}

/// A source's own stage, so that a slow one does not hold the others up: what it takes in is decided
/// from by every shop.
pub(super) fn spawn_feed(
    (feeds, source, bell): (Arc<Feeds>, String, Arc<Notify>),
    shops: Vec<Arc<Bells>>,
    spawner: &Spawner<'_>,
) {
    let stage = spawner.stage("stock", format!("{ALL_SHOPS}{source}"), feeds.clock());
    spawner.tracker.spawn(async move {
        stage
            .repeat(&bell, async || {
                let report = tokio::select! {
                    report = sync_stock::run_once(&feeds, Some(&source), false) => report?,
                    // A slow supplier does not hold the end up: nothing was taken in yet.
                    () = stage.stop.cancelled() => {
                        return Ok(Again::Within(LOOK_EVERY).having(Value::Null));
                    }
                };
                if report.is_news() {
                    for bells in &shops {
                        bells.decide.notify_one();
                    }
                }
                let taken = report
                    .looked
                    .iter()
                    .map(|(_, outcome)| outcome.taken())
                    .sum::<usize>();
                let did = json!({ "looked_at": report.looked.len(), "levels": taken });
                let again = Again::Within(if report.soon {
                    LOOK_EVERY
                } else {
                    LOOK_EVERY * 5
                });
                Ok(again.having(did))
            })
            .await;
    });
}
