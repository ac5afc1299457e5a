//! The stages that work for all shops together: the database's, the channels', and one for each source
//! of stock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Spawner;
use super::wakes::{Completed, Wakes};
use crate::pipeline::housekeep::{self, Keeper};
use crate::pipeline::notify::{self, Notifier};
use crate::pipeline::stages::Stage;
use crate::pipeline::sync_stock::{self, Feeds};
use crate::pipeline::telegram::{self, Listener};
use crate::store::Worker;

/// A stage with more to do runs again after this long.
const SOON: Duration = Duration::from_secs(1);
/// What the board shows instead of a shop's name; no shop can be named so.
const ALL_SHOPS: &str = "*";

/// Keeps the database. The first run is a brief one: a backup of a large database must not keep the
/// service from being ready.
pub(super) fn spawn_housekeep(keeper: Keeper, spawner: &Spawner<'_>) {
    let stage = spawner.stage(Stage::Housekeep, ALL_SHOPS.to_owned(), &keeper.clock);
    spawner.tracker.spawn(async move {
        let has_run = AtomicBool::new(false);
        stage
            .repeat(std::future::pending, async || {
                if !has_run.swap(true, Ordering::Relaxed) {
                    housekeep::tidy(&keeper, &stage.stop).await?;
                    return Ok(Completed::of(Stage::Housekeep, Value::Null).within(SOON));
                }
                let report = housekeep::run_once(&keeper, &stage.stop).await?;
                let did = json!({
                    "orders_deleted": report.orders, "audit_rows_deleted": report.audit_rows, "backup": report.backup,
                });
                let completed = Completed {
                    trouble: report.trouble,
                    ..Completed::of(Stage::Housekeep, did)
                };
                Ok(if report.more { completed.within(SOON) } else { completed })
            })
            .await;
    });
}

/// Reports what develops over time, and sends notifications, each channel on its own: a slow one delays no other.
pub(super) fn spawn_notify(notifier: Notifier, spawner: &Spawner<'_>) {
    let notifier = Arc::new(notifier);
    let stage = spawner.stage(Stage::Watch, ALL_SHOPS.to_owned(), &notifier.clock);
    let watching = Arc::clone(&notifier);
    spawner.tracker.spawn(async move {
        stage
            .repeat(std::future::pending, async || {
                notify::watch(&watching, Worker::Daemon).await?;
                Ok(Completed::of(Stage::Watch, Value::Null))
            })
            .await;
    });
    for name in notifier.channel_names() {
        spawn_channel(Arc::clone(&notifier), name, spawner);
    }
}

fn spawn_channel(notifier: Arc<Notifier>, name: String, spawner: &Spawner<'_>) {
    let stage = spawner.stage(Stage::Notify, format!("{ALL_SHOPS}{name}"), &notifier.clock);
    spawner.tracker.spawn(async move {
        stage
            .repeat(std::future::pending, async || {
                // A request in flight when the daemon stops is sent again with the same id.
                let report = tokio::select! {
                    () = stage.stop.cancelled() => {
                        return Ok(Completed::of(Stage::Notify, Value::Null));
                    }
                    report = notify::run_channel(&notifier, &name) => report?,
                };
                let did = json!({
                    "packed": report.packed, "delivered": report.delivered, "failed": report.failed,
                });
                let completed = Completed {
                    trouble: report.trouble,
                    ..Completed::of(Stage::Notify, did)
                };
                Ok(if report.more {
                    completed.within(Duration::ZERO)
                } else {
                    completed
                })
            })
            .await;
    });
}

/// Listens to each bot. What a press decides is found by the stages of its shop within a second.
pub(super) fn spawn_listen(listener: Listener, spawner: &Spawner<'_>) {
    let listener = Arc::new(listener);
    for name in listener.names() {
        let of = format!("{ALL_SHOPS}{name}");
        let stage = spawner.stage(Stage::Listen, of, &listener.clock);
        let listener = Arc::clone(&listener);
        spawner.tracker.spawn(async move {
            stage
                .repeat(std::future::pending, async || {
                    // What was not handled yet is fetched again after the next start.
                    let report = tokio::select! {
                        () = stage.stop.cancelled() => {
                            return Ok(Completed::of(Stage::Listen, Value::Null));
                        }
                        report = telegram::run_once(&listener, &name) => report?,
                    };
                    let did = match report.handled {
                        0 => Value::Null,
                        handled => json!({ "handled": handled }),
                    };
                    Ok(Completed {
                        trouble: report.trouble,
                        ..Completed::of(Stage::Listen, did).within(report.wait)
                    })
                })
                .await;
        });
    }
}

/// One source of stock, so that a slow one does not delay the others. What it imports is decided from
/// by every shop.
pub(super) fn spawn_stock(
    (feeds, source, woken): (Arc<Feeds>, String, Arc<Notify>),
    shops: Vec<Arc<Wakes>>,
    spawner: &Spawner<'_>,
) {
    let stage = spawner.stage(Stage::Stock, format!("{ALL_SHOPS}{source}"), feeds.clock());
    spawner.tracker.spawn(async move {
        stage
            .repeat(
                || woken.notified(),
                async || {
                    let report = tokio::select! {
                        report = sync_stock::run_once(&feeds, Some(&source), false) => report?,
                        // Nothing is imported yet: a slow supplier does not delay the end.
                        () = stage.stop.cancelled() => {
                            return Ok(Completed::of(Stage::Stock, Value::Null).within(SOON));
                        }
                    };
                    if report.is_news() {
                        for wakes in &shops {
                            wakes.wake(Stage::Decide);
                        }
                    }
                    let taken = report.checked.iter().map(|(_, outcome)| outcome.taken());
                    let taken = taken.sum::<usize>();
                    let did = json!({ "checked": report.checked.len(), "levels": taken });
                    let completed = Completed::of(Stage::Stock, did);
                    Ok(if report.soon {
                        completed.within(SOON)
                    } else {
                        completed
                    })
                },
            )
            .await;
    });
}
