//! What the service manager is told: ready, how it goes, and a watchdog that is fed only while every
//! stage is alive. Without a service manager all of it does nothing.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::Board;
use crate::clock::Clock;
use crate::store::{Store, Totals};

/// How often it is looked whether every stage has run once.
const READY_EVERY: Duration = Duration::from_millis(100);
/// How often the manager is told how it goes, and the watchdog fed where it asks for no more.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Tells the service manager until `stop`. It is ready once every stage of every shop has ended its
/// first run, well or not: the status text says which.
pub async fn tell_manager(
    board: Arc<Board>,
    store: Arc<Store>,
    stages: usize,
    stop: CancellationToken,
) {
    let clock = Clock::System;
    while board.begun() < stages {
        tokio::select! {
            () = stop.cancelled() => return stopping(),
            () = clock.sleep(READY_EVERY) => {}
        }
    }
    send(&[NotifyState::Ready]);
    // Half the time allowed, as the manager's manual asks.
    let feed_every = sd_notify::watchdog_enabled().map(|allowed| allowed / 2);
    let pause = feed_every.map_or(TELL_EVERY, |feed| feed.min(TELL_EVERY));
    let mut barked = false;
    loop {
        let overdue = board.overdue(clock.ticks());
        match &overdue {
            None => send(&[NotifyState::Watchdog]),
            Some(stage) if !barked => tracing::error!(
                event = "stage.hung", code = "R001", stage = %stage,
                hint = "the service manager restarts the process; without one, restart it yourself",
                "a stage does not end: the watchdog is fed no more"
            ),
            Some(_) => {}
        }
        barked = overdue.is_some();
        if let Ok(totals) = store.totals(None).await {
            send(&[NotifyState::Status(&words(&totals, overdue.as_deref()))]);
        }
        tokio::select! {
            () = stop.cancelled() => return stopping(),
            () = clock.sleep(pause) => {}
        }
    }
}

fn words(totals: &Totals, overdue: Option<&str>) -> String {
    let hung = overdue.map_or_else(String::new, |stage| format!("; {stage} hangs"));
    format!(
        "{} orders known, {} accepted, {} cancelled, {} held for a person{hung}",
        totals.orders, totals.accepted, totals.cancelled, totals.held
    )
}

fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(
            event = "manager.deaf",
            "the service manager could not be told: {error}"
        );
    }
}
