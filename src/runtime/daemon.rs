//! The daemon: one loop a stage and shop. A bell or a due time starts a run; cron only rings bells.

mod shared;

pub use shared::shared_stages;

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::shared::{spawn_feed, spawn_keeper, spawn_notifier};
use super::board::Board;
use super::build::ShopParts;
use super::troubles::Troubles;
use crate::clock::Clock;
use crate::config::Config;
use crate::kaspi::{Client, Credentials};
use crate::pipeline::housekeep::Keeper;
use crate::pipeline::notify::Notifier;
use crate::pipeline::sync_stock::Feeds;
use crate::pipeline::{Ctx, StageError, act, alert, decide, poll, sweep};

/// A stage looks by itself this often, bell or not: other processes write into the database too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A poll runs by itself when no bell rang for so long: the dead man's handle of cron.
const POLL_AT_LEAST: Duration = Duration::from_mins(1);
/// A shop that Kaspi refuses is asked for this often.
const DENIED_EVERY: Duration = Duration::from_secs(30);
/// Longest pause after failures in a row.
const PAUSE_LONGEST: Duration = Duration::from_secs(15);
/// How often waiting orders are looked through.
const ALERT_EVERY: Duration = Duration::from_secs(20);
/// How late a stage may begin its next run.
const LATE_MAX: Duration = Duration::from_mins(1);
/// Sweeps that were asked for follow each other no closer than this.
const SWEEP_SPACING: Duration = Duration::from_secs(3);

/// Stages of a shop: one more where it acts.
pub fn stages_of(shop: &ShopParts) -> usize {
    4 + usize::from(shop.writer.is_some())
}

/// The bells of one shop.
#[derive(Default)]
struct Bells {
    poll: Notify,
    decide: Notify,
    act: Notify,
    sweep: Notify,
    sweep_forced: AtomicBool,
}

/// What came of a stage's run: when to run again.
enum Again {
    /// At the next bell, and after so long without one.
    Within(Duration),
    /// After so long, bell or not.
    After(Duration),
}

/// A run that ended well: when to run again, and what it did, for the status page.
struct Ran {
    again: Again,
    report: Value,
}

impl Again {
    fn having(self, report: Value) -> Ran {
        Ran {
            again: self,
            report,
        }
    }
}

/// Runs all shops and keeps their database until `stop`, then lets what is under way end.
///
/// # Errors
/// A database error that makes going on pointless, as told by the stage that met it.
pub async fn run(
    shops: Vec<ShopParts>,
    (keeper, notifier): (Keeper, Notifier),
    (feeds, schedule): (Option<Feeds>, &Schedules),
    run_max: Duration,
    board: Arc<Board>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let tracker = TaskTracker::new();
    let fatal: Arc<std::sync::Mutex<Option<String>>> = Arc::default();
    let mut cron = JobScheduler::new().await?;
    let clients: Vec<_> = shops.iter().map(|shop| shop.client.clone()).collect();
    let spawner = Spawner {
        tracker: &tracker,
        run_max,
        board: &board,
        stop: &stop,
        fatal: &fatal,
    };
    spawn_keeper(keeper, &spawner);
    spawn_notifier(notifier, &spawner);
    let all_bells: Vec<Arc<Bells>> = shops.iter().map(|_| Arc::default()).collect();
    if let Some(feeds) = feeds.map(Arc::new) {
        for source in feeds.sources() {
            let bell = Arc::new(Notify::new());
            if let Some(when) = schedule.stock.get(&source.name) {
                let (rung, bell) = (Arc::clone(&source.rung), Arc::clone(&bell));
                let ring = move || {
                    rung.store(true, Ordering::Relaxed);
                    bell.notify_one();
                };
                let job = Job::new(when.as_str(), move |_, _| ring())?;
                cron.add(job).await?;
            }
            let feed = (Arc::clone(&feeds), source.name.clone(), bell);
            spawn_feed(feed, all_bells.clone(), &spawner);
        }
    }
    for (shop, bells) in shops.into_iter().zip(all_bells) {
        let rung = Arc::clone(&bells);
        cron.add(Job::new(schedule.poll.as_str(), move |_, _| {
            rung.poll.notify_one();
        })?)
        .await?;
        spawn_stages(shop, bells, &spawner);
    }
    cron.start().await?;
    stop.cancelled().await;
    // A request that changes something ends by itself, and soon; reads could go on for minutes.
    clients.iter().for_each(Client::end_reads);
    cron.shutdown().await?;
    tracker.close();
    tracker.wait().await;
    let told = fatal
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    told.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
}

/// When what is to be looked at, as cron with seconds.
#[derive(Debug, Clone, Default)]
pub struct Schedules {
    /// New orders.
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
}

struct Spawner<'a> {
    tracker: &'a TaskTracker,
    run_max: Duration,
    board: &'a Arc<Board>,
    stop: &'a CancellationToken,
    fatal: &'a Arc<std::sync::Mutex<Option<String>>>,
}

impl Spawner<'_> {
    /// A stage of all shops; one of a single shop has its credentials too.
    fn stage(&self, name: &'static str, shop: String, clock: &Clock) -> Stage {
        Stage {
            name,
            shop,
            clock: clock.clone(),
            run_max: self.run_max,
            board: Arc::clone(self.board),
            stop: self.stop.clone(),
            fatal: Arc::clone(self.fatal),
            credentials: None,
            trouble: Mutex::default(),
        }
    }
}

fn spawn_stages(shop: ShopParts, bells: Arc<Bells>, spawner: &Spawner<'_>) {
    let of_shop = shop.ctx;
    let stage = |name: &'static str| Stage {
        credentials: Some(shop.credentials.clone()),
        ..spawner.stage(name, of_shop.shop.to_string(), &of_shop.clock)
    };
    let (poll, decide, sweep) = (stage("poll"), stage("decide"), stage("sweep"));
    let (b, ctx) = (Arc::clone(&bells), Arc::clone(&of_shop));
    spawner.tracker.spawn(async move {
        poll.repeat(&b.poll, async || poll_once(&ctx, &b).await)
            .await;
    });
    let (b, ctx) = (Arc::clone(&bells), Arc::clone(&of_shop));
    spawner.tracker.spawn(async move {
        decide
            .repeat(&b.decide, async || decide_once(&ctx, &b).await)
            .await;
    });
    let (alert, quiet, ctx) = (stage("alert"), Notify::new(), Arc::clone(&of_shop));
    spawner.tracker.spawn(async move {
        alert
            .repeat(&quiet, async || {
                let told = alert::run_once(&ctx).await?;
                Ok(Again::Within(ALERT_EVERY).having(json!({ "told": told })))
            })
            .await;
    });
    let (b, ctx) = (Arc::clone(&bells), Arc::clone(&of_shop));
    spawner.tracker.spawn(async move {
        sweep
            .repeat(&b.sweep, async || sweep_once(&ctx, &b).await)
            .await;
    });
    if let Some(writer) = shop.writer {
        let (act, ctx) = (stage("act"), of_shop);
        spawner.tracker.spawn(async move {
            let stop = act.stop.clone();
            act.repeat(&bells.act, async || {
                let report = act::run_once(&ctx, &writer, &stop).await?;
                if report.wants_poll {
                    bells.poll.notify_one();
                }
                if report.sent > 0 || report.looked > 0 || report.wants_sweep {
                    bells.sweep_forced.store(true, Ordering::Relaxed);
                    bells.sweep.notify_one();
                    bells.decide.notify_one();
                }
                let did = json!({
                    "sent": report.sent, "applied": report.applied, "looked": report.looked,
                    "stopped": report.stopped,
                });
                Ok(Again::Within(LOOK_EVERY).having(did))
            })
            .await;
        });
    }
}

async fn poll_once(ctx: &Ctx, bells: &Bells) -> Result<Ran, StageError> {
    let report = poll::run_once(ctx).await?;
    if report.is_news() {
        tracing::info!(
            event = "poll.news", shop = %ctx.shop, listed = report.listed, new = report.observed.new,
            changed = report.observed.changed, lines_read = report.lines_read, "new orders were read"
        );
    }
    if let Some(problem) = &report.problem {
        tracing::warn!(event = "poll.incomplete", shop = %ctx.shop, why = %problem, "nothing is decided from this list: {problem}");
    }
    bells.decide.notify_one();
    bells.act.notify_one();
    let did = json!({
        "listed": report.listed, "new": report.observed.new, "changed": report.observed.changed,
        "lines_read": report.lines_read, "lines_failed": report.lines_failed, "problem": report.problem,
    });
    let again = Again::Within(if report.lines_failed > 0 || report.problem.is_some() {
        LOOK_EVERY * 5
    } else {
        POLL_AT_LEAST
    });
    Ok(again.having(did))
}

async fn decide_once(ctx: &Ctx, bells: &Bells) -> Result<Ran, StageError> {
    let report = decide::run_once(ctx).await?;
    if report.accepts + report.cancels > 0 {
        bells.act.notify_one();
    }
    if report.wants_sweep {
        bells.sweep_forced.store(true, Ordering::Relaxed);
        bells.sweep.notify_one();
    }
    let did = json!({
        "looked_at": report.looked_at, "written": report.written, "accepts": report.accepts,
        "cancels": report.cancels, "next_at": report.next_at,
    });
    Ok(Again::Within(LOOK_EVERY * 2).having(did))
}

async fn sweep_once(ctx: &Ctx, bells: &Bells) -> Result<Ran, StageError> {
    let forced = bells.sweep_forced.swap(false, Ordering::Relaxed);
    let report = match sweep::run_once(ctx, forced).await {
        Ok(report) => report,
        Err(error) => {
            bells.sweep_forced.fetch_or(forced, Ordering::Relaxed);
            return Err(error);
        }
    };
    // What was asked for is waited for.
    if report.observed.is_news() || forced && report.swept {
        bells.decide.notify_one();
        bells.act.notify_one();
    }
    let did = json!({
        "listed": report.listed, "singles": report.singles, "new": report.observed.new,
        "changed": report.observed.changed, "problem": report.problem,
    });
    if report.swept {
        // Orders accepted elsewhere hold stock once their lines are read.
        if report.observed.new > 0 {
            bells.poll.notify_one();
        }
        return Ok(Again::After(SWEEP_SPACING).having(did));
    }
    Ok(Again::Within(LOOK_EVERY).having(Value::Null))
}

struct Stage {
    name: &'static str,
    shop: String,
    clock: Clock,
    /// A run that lasts longer hangs.
    run_max: Duration,
    board: Arc<Board>,
    stop: CancellationToken,
    fatal: Arc<std::sync::Mutex<Option<String>>>,
    /// Of the shop, where the stage works for one.
    credentials: Option<Credentials>,
    /// What went wrong in a run that ended well all the same, for the board.
    trouble: Mutex<Option<String>>,
}

impl Stage {
    /// Runs until stopped: at once, then at each bell, and by itself when it says so.
    async fn repeat<F: Future<Output = Result<Ran, StageError>>>(
        &self,
        bell: &Notify,
        mut run: impl FnMut() -> F,
    ) {
        let mut failures: u32 = 0;
        let mut troubles = Troubles::default();
        while !self.stop.is_cancelled() {
            let shop = self.shop.as_str();
            let started = self.clock.now();
            let ends_by = self.clock.ticks() + self.run_max;
            self.board.update(shop, self.name, |stage| {
                stage.running_since = Some(started);
                stage.overdue_at = Some(ends_by);
            });
            let Ok(result) = AssertUnwindSafe(run()).catch_unwind().await else {
                self.panicked().await;
                continue;
            };
            if self.stop.is_cancelled() && matches!(result, Err(StageError::Api(_))) {
                return;
            }
            self.report(&result, &mut troubles);
            // After a failure the bell is not answered: it would shorten the pause. A new token is.
            let (wait, deaf) = match result {
                Ok(ran) => {
                    failures = 0;
                    match ran.again {
                        Again::Within(wait) => (wait, false),
                        Again::After(wait) => (wait, true),
                    }
                }
                Err(error) => {
                    if let StageError::Store(store) = &error
                        && store.is_fatal()
                    {
                        *self
                            .fatal
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(store.to_string());
                        self.stop.cancel();
                        return;
                    }
                    failures = failures.saturating_add(1);
                    (pause_after(&error, failures, self.clock.now()), true)
                }
            };
            let next_by = self.clock.ticks() + wait + LATE_MAX;
            self.board
                .update(shop, self.name, |stage| stage.overdue_at = Some(next_by));
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(wait) => {}
                () = bell.notified(), if !deaf => {}
                () = self.new_token() => {}
            }
        }
    }

    async fn new_token(&self) {
        match &self.credentials {
            Some(credentials) => credentials.changed().await,
            None => std::future::pending().await,
        }
    }

    /// A fault in the program, not in the world: told, and the stage begins anew from the database.
    async fn panicked(&self) {
        let shop = self.shop.as_str();
        let now = self.clock.now();
        self.board.update(shop, self.name, |stage| {
            stage.runs += 1;
            stage.failures += 1;
            stage.last_run = Some(now);
            stage.running_since = None;
            stage.last_error = Some("it panicked".to_owned());
        });
        tracing::error!(
            event = "stage.panicked",
            shop,
            stage = self.name,
            code = "R002",
            hint = "report this with the lines before it; work goes on",
            "a stage panicked and begins anew"
        );
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(PAUSE_LONGEST) => {}
        }
    }

    fn report(&self, result: &Result<Ran, StageError>, troubles: &mut Troubles) {
        let shop = self.shop.as_str();
        let now = self.clock.now();
        let (error, hint, code) = match result {
            Ok(_) => (None, None, ""),
            Err(error) => (Some(error.words()), Some(error.hint()), error.code()),
        };
        let trouble = self.trouble.lock();
        let trouble = trouble.unwrap_or_else(PoisonError::into_inner).take();
        self.board.update(shop, self.name, |stage| {
            stage.runs += 1;
            stage.last_run = Some(now);
            stage.running_since = None;
            match result {
                Ok(ran) => {
                    stage.last_ok = Some(now);
                    // A run that had nothing to do leaves the last one that had to be seen.
                    if !ran.report.is_null() {
                        stage.last_report.clone_from(&ran.report);
                    }
                }
                Err(_) => stage.failures += 1,
            }
            stage.last_error = error.clone().or(trouble);
            stage.hint = hint.map(str::to_owned);
        });
        let Some(error) = error else {
            if let Some((failures, span)) = troubles.over(now) {
                tracing::info!(
                    event = "stage.recovered",
                    shop,
                    stage = self.name,
                    failures,
                    failed_for_s = span.as_secs(),
                    "works again"
                );
            }
            return;
        };
        if let Some(repeats) = troubles.failed(code, now) {
            tracing::warn!(
                event = "stage.failed",
                shop,
                stage = self.name,
                code,
                repeats,
                hint,
                "{error}"
            );
        }
    }
}

fn pause_after(error: &StageError, failures: u32, now: Timestamp) -> Duration {
    use crate::kaspi::ApiError;
    match error {
        StageError::Api(error) if error.is_denied() => DENIED_EVERY,
        StageError::Api(ApiError::Snooze { until } | ApiError::Breaker { until }) => {
            Duration::try_from(until.duration_since(now))
                .unwrap_or_default()
                .max(Duration::from_millis(200))
        }
        _ => (Duration::from_millis(500) * 2_u32.pow(failures.min(6))).min(PAUSE_LONGEST),
    }
}
