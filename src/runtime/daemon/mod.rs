//! The daemon: one loop for each stage of `pipeline/stages.rs` and what it works for. A stage runs when
//! its period has passed or it is woken; cron only wakes stages.

mod idle;
mod schedules;
mod shared_stages;
mod shop_stages;
mod stage_loop;
mod wakes;

pub use schedules::Schedules;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::shared_stages::{spawn_housekeep, spawn_listen, spawn_notify, spawn_stock};
use self::stage_loop::{Fatal, StageLoop};
use self::wakes::{ShopWakes, Wakes};
use super::board::Board;
use super::build::ShopParts;
use crate::clock::Clock;
use crate::cron::Cron;
use crate::kaspi::Client;
use crate::pipeline::housekeep::Keeper;
use crate::pipeline::notify::Notifier;
use crate::pipeline::stages::{self, Scope, Stage};
use crate::pipeline::sync_stock::Feeds;
use crate::pipeline::telegram::Listener;

/// What the daemon runs.
pub struct Work {
    /// The shops.
    pub shops: Vec<ShopParts>,
    /// Keeps the database.
    pub keeper: Keeper,
    /// Sends notifications.
    pub notifier: Notifier,
    /// Listens to Telegram bots.
    pub listener: Listener,
    /// Sources of stock, where there are any.
    pub feeds: Option<Arc<Feeds>>,
    /// When cron wakes what.
    pub schedules: Schedules,
    /// A run of a stage that lasts longer hangs.
    pub run_max: Duration,
}

impl Work {
    /// How many stages run on their own.
    pub fn stages(&self) -> usize {
        let of = |scope: Scope| match scope {
            Scope::Shop | Scope::ActingShop => {
                self.shops.iter().filter(|shop| shop.runs(scope)).count()
            }
            Scope::Source => self.feeds.as_ref().map_or(0, |feeds| feeds.sources().len()),
            Scope::Channel => self.notifier.channel_names().len(),
            Scope::Bot => self.listener.names().len(),
            Scope::Database => 1,
        };
        stages::ALL.iter().map(|stage| of(stage.scope)).sum()
    }
}

/// Runs all stages until `stop`, then waits for current runs to end.
///
/// # Errors
/// An invalid schedule, or a database error that cannot be recovered from.
pub async fn run(work: Work, board: Arc<Board>, stop: CancellationToken) -> anyhow::Result<()> {
    let tracker = TaskTracker::new();
    let fatal = Fatal::default();
    let mut cron = Cron::default();
    let clients: Vec<_> = work.shops.iter().map(|shop| shop.client.clone()).collect();
    let spawner = Spawner {
        tracker: &tracker,
        run_max: work.run_max,
        board: &board,
        stop: &stop,
        fatal: &fatal,
    };
    spawn_housekeep(work.keeper, &spawner);
    spawn_notify(work.notifier, &spawner);
    spawn_listen(work.listener, &spawner);
    let wakes: Vec<Arc<Wakes>> = work.shops.iter().map(|_| Arc::default()).collect();
    if let Some(feeds) = work.feeds {
        for source in feeds.sources() {
            let woken = Arc::new(Notify::new());
            work.schedules.wake_source(&mut cron, source, &woken);
            let of_source = (Arc::clone(&feeds), source.name.clone(), woken);
            spawn_stock(of_source, wakes.clone(), &spawner);
        }
    }
    let clock = work
        .shops
        .first()
        .map_or(Clock::System, |shop| shop.ctx.clock.clone());
    work.schedules.wake_polls(&mut cron, &wakes, &clock);
    let names = work.shops.iter().map(|shop| shop.ctx.shop.clone());
    let by_shop: Arc<ShopWakes> = Arc::new(names.zip(wakes).collect());
    if let Some(shop) = work.shops.first() {
        let (store, sweep_every) = (Arc::clone(&shop.ctx.store), shop.ctx.settings.sweep_every);
        let shops = Arc::clone(&by_shop);
        tracker.spawn(idle::spread_sweeps(
            Arc::clone(&shops),
            (
                clock.clone(),
                Duration::try_from(sweep_every).unwrap_or_default(),
            ),
            stop.clone(),
        ));
        tracker.spawn(idle::watch(store, shops, clock, stop.clone()));
    }
    for shop in work.shops {
        shop_stages::spawn(shop, &by_shop, &spawner);
    }
    let cron = cron.start().await?;
    stop.cancelled().await;
    // Writes end soon by themselves; reads may take minutes.
    clients.iter().for_each(Client::end_reads);
    cron.end().await?;
    tracker.close();
    tracker.wait().await;
    let met = fatal.lock().unwrap_or_else(PoisonError::into_inner).take();
    met.map_or(Ok(()), |why| Err(anyhow::anyhow!(why)))
}

/// What every stage's loop has in common.
struct Spawner<'a> {
    tracker: &'a TaskTracker,
    run_max: Duration,
    board: &'a Arc<Board>,
    stop: &'a CancellationToken,
    fatal: &'a Fatal,
}

impl Spawner<'_> {
    /// The loop of a stage without credentials.
    fn stage(&self, stage: Stage, of: String, clock: &Clock) -> StageLoop {
        StageLoop {
            stage,
            of,
            clock: clock.clone(),
            run_max: self.run_max,
            board: Arc::clone(self.board),
            stop: self.stop.clone(),
            fatal: Arc::clone(self.fatal),
            credentials: None,
        }
    }
}
