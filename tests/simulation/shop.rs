//! The process: store, client and stages over one database file; it can die at any request and start
//! again.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use qabyl::clock::{Clock, SimulatedTime};
use qabyl::config::{Config, Sources};
use qabyl::pipeline::{StageError, act, decide, poll, sweep};
use qabyl::runtime::build::{self, ShopParts};
use qabyl::store::{Access, Store};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::link::{Link, REQUEST_TIMEOUT};
use crate::plan::{Plan, TOKEN};

/// Real time in which a dying process's last write ends.
const LAST_WORDS: Duration = Duration::from_millis(25);
/// Real time that no step takes.
const HANGS_AFTER: Duration = Duration::from_mins(5);

/// One of the stages, or all in the order of `qabyl once`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Poll,
    Decide,
    Act,
    Sweep { force: bool },
}

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Done,
    Failed(StageError),
    Crashed,
    /// It was stopped at a request, and is as it was then.
    Asleep(Sleeper),
}

/// A process stopped in the middle of a step.
pub(crate) struct Sleeper(Work);

type Work = Pin<Box<dyn Future<Output = Result<(), StageError>>>>;

impl std::fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sleeper")
    }
}

impl Sleeper {
    /// Goes on where it was stopped, to the end of its step.
    ///
    /// # Errors
    /// It does not go on.
    pub(crate) async fn wake(self, link: &Link) -> Result<Result<(), StageError>, String> {
        link.wake();
        let ended = tokio::time::timeout(HANGS_AFTER, self.0).await;
        ended.map_err(|_| "a process that wakes does not go on".to_owned())
    }
}

pub(crate) struct Process {
    pub(crate) store: Arc<Store>,
    pub(crate) shop: ShopParts,
    time: Arc<SimulatedTime>,
}

/// No order of a story is older than 14 days, and the kept seeds were found with lists of that depth.
/// Goods come in unannounced here, which can hide a departure between two counts: counts prove nothing.
pub(crate) fn config(folder: &Path, plan: &Plan) -> Config {
    let text = format!(
        "[database]\npath = \"sim.db\"\n[kaspi]\nbase_url = \"http://127.0.0.1:1/shop/api\"\n\
         rate_start = 100\nrate_per_second = 100\nmax_in_flight = {}\nrequest_timeout = \"{}s\"\n[poll]\nlookback = \"{}s\"\n[confirm]\ndeep_lookback = \"14d\"\n[interlocks]\n\
         cancel_confirm_after = \"{}s\"\ncancel_budget_share = \"off\"\ncancels_per_hour_max = \"off\"\n\
         stock_collapse_share = \"off\"\n[stock]\nsemantics = \"{}\"\n[ledger]\ncancel_evidence = \"strict\"\n[[shops]]\nname = \"sim\"\ntoken_env = \"UNUSED\"\nmode = \"act\"\n",
        plan.max_in_flight,
        REQUEST_TIMEOUT.as_secs(),
        plan.lookback.as_secs(),
        plan.cancel_confirm_after.as_secs(),
        if plan.is_available {
            "available"
        } else {
            "physical"
        },
    );
    let file = folder.join("qabyl.toml");
    std::fs::write(&file, text).unwrap();
    let env = std::collections::BTreeMap::new().into();
    let sources = Sources {
        file: Some(file),
        search: Vec::new(),
        env,
        overrides: Vec::new(),
    };
    Config::load(sources).unwrap().config
}

impl Process {
    pub(crate) async fn start(
        config: &Config,
        link: &Arc<Link>,
        time: &Arc<SimulatedTime>,
        seed: u64,
    ) -> Self {
        let clock = Clock::Simulated(Arc::clone(time));
        let store = Store::open(&config.database.path, Access::Daemon, clock.now()).await;
        let store = Arc::new(store.unwrap());
        let policy = build::policy(qabyl::rules_file::default_rules(), build::limits(config));
        let parts = (Arc::clone(&store), clock, Arc::new(policy));
        let token = SecretString::from(TOKEN);
        let transport: Arc<dyn qabyl::kaspi::Transport> = Arc::clone(link) as _;
        let shop = build::shop(config, &config.shops[0], token, transport, parts, seed).await;
        Self {
            store,
            shop: shop.unwrap(),
            time: Arc::clone(time),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::Simulated(Arc::clone(&self.time))
    }

    /// Stopped within a write it would only keep others out: those under way end first.
    async fn stopped(&self, mut work: Work) -> Ended {
        let store = &self.store;
        tokio::select! {
            biased;
            done = store.add_shop(&self.shop.ctx.shop) => {
                done.unwrap();
                Ended::Asleep(Sleeper(work))
            }
            done = &mut work => done.map_or_else(Ended::Failed, |()| Ended::Done),
        }
    }

    async fn work(self: Arc<Self>, step: Step) -> Result<(), StageError> {
        let ctx = &self.shop.ctx;
        match step {
            Step::Poll => poll::run_once(ctx).await.map(drop),
            Step::Decide => decide::run_once(ctx).await.map(drop),
            Step::Sweep { force } => sweep::run_once(ctx, force).await.map(drop),
            Step::Act => {
                let writer = self.shop.writer.as_ref().unwrap();
                act::run_once(ctx, writer, &CancellationToken::new())
                    .await
                    .map(drop)
            }
        }
    }

    /// Runs one stage until it ends, or the process dies or is stopped in it.
    pub(crate) async fn step(self: Arc<Self>, step: Step, link: &Link) -> Ended {
        let mut work: Work = Box::pin(Arc::clone(&self).work(step));
        tokio::select! {
            biased;
            done = &mut work => {
                // What slept was given up by its own step.
                let _ = link.asleep.notified().now_or_never();
                done.map_or_else(Ended::Failed, |()| Ended::Done)
            }
            () = link.crashed.notified() => {
                // What was scripted before still happens, so that a seed replays; dying
                // in mid-write is for the tests that kill the real binary.
                let _ = tokio::time::timeout(LAST_WORDS, work).await;
                Ended::Crashed
            }
            () = link.asleep.notified() => self.stopped(work).await,
            () = tokio::time::sleep(HANGS_AFTER) => panic!("{step:?} hangs"),
        }
    }
}
