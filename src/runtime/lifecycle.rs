//! Reports to the service manager: readiness, a status text, and a watchdog that is fed only while every
//! stage is alive. Without a service manager all of it does nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::Board;
use crate::clock::Clock;
use crate::domain::calendar::ALMATY;
use crate::domain::ids::ShopName;
use crate::events::log_event;
use crate::store::{Store, StoreError};

/// How often to check whether every stage has run once.
const READY_EVERY: Duration = Duration::from_millis(100);
/// How often the status is reported; the watchdog is fed as often, or more often where it asks for that.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Reports to the service manager until `stop`. The daemon is ready once every stage has ended its first
/// run, successful or not.
pub async fn report_to_service_manager(
    board: Arc<Board>,
    store: Arc<Store>,
    shops: &[ShopName],
    stages: usize,
    stop: CancellationToken,
) {
    let clock = Clock::System;
    send(&[NotifyState::Status(
        "starting: the first lists are being read",
    )]);
    while board.started() < stages {
        tokio::select! {
            () = stop.cancelled() => return stopping(),
            () = clock.sleep(READY_EVERY) => {}
        }
    }
    send(&[NotifyState::Ready]);
    // Half the time allowed, as the manager's manual asks.
    let feed_every = sd_notify::watchdog_enabled().map(|allowed| allowed / 2);
    let pause = feed_every.map_or(REPORT_EVERY, |feed| feed.min(REPORT_EVERY));
    let mut is_logged = false;
    loop {
        let overdue = board.overdue(clock.ticks());
        match &overdue {
            None => send(&[NotifyState::Watchdog]),
            Some(stage) if !is_logged => log_event!(
                STAGE_HUNG, code = "R001", stage = %stage,
                hint = "the service manager restarts the process; without one, restart it yourself",
                "a stage does not end: the watchdog is not fed any more"
            ),
            Some(_) => {}
        }
        is_logged = overdue.is_some();
        if let Ok(text) = status_text(&store, shops, clock.now(), overdue.as_deref()).await {
            send(&[NotifyState::Status(&text)]);
        }
        tokio::select! {
            () = stop.cancelled() => return stopping(),
            () = clock.sleep(pause) => {}
        }
    }
}

/// Today's counts, what needs a person, and when Kaspi was last read: of several shops, the one read
/// longest ago.
async fn status_text(
    store: &Store,
    shops: &[ShopName],
    now: Timestamp,
    overdue: Option<&str>,
) -> Result<String, StoreError> {
    let today = store.today(midnight(now)).await?;
    let totals = store.totals(None).await?;
    let list = store.oldest_list(shops).await?;
    let list = list.map_or_else(|| "never".to_owned(), time_of_day);
    let hung = overdue.map_or_else(String::new, |stage| format!("; {stage} hangs"));
    Ok(format!(
        "today {} orders, {} accepted, {} cancelled; {} held for a person; last good list {list}{hung}",
        today.orders, today.accepted, today.cancelled, totals.held
    ))
}

/// The merchant's.
fn zone() -> TimeZone {
    ALMATY.clone()
}

fn midnight(now: Timestamp) -> Timestamp {
    let day = now.to_zoned_datetime(zone()).start_of_day();
    day.map_or(now, |day| day.timestamp())
}

fn time_of_day(at: Timestamp) -> String {
    at.to_zoned_datetime(zone())
        .strftime("%H:%M:%S")
        .to_string()
}

fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log_event!(
            SERVICE_MANAGER_UNREACHABLE,
            "the service manager could not be notified: {error}"
        );
    }
}
