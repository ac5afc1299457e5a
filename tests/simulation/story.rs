//! One seed from its first order to the quiet after it.

mod changes;
mod doings;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use qabyl::clock::SimulatedTime;
use qabyl::config::Config;
use qabyl::ledger::StockView;
use qabyl::pipeline::StageError;
use qabyl::store::{OrderFilter, StoreError};
use qabyl_sandbox::{ExternalEvent, Faults, Order, World};

use crate::judge::{self, Believed, Known, Sight};
use crate::link::Link;
use crate::plan::{Plan, TOKEN, start};
use crate::shop::{Ended, Process, Sleeper, Step, config};

/// Rounds of all stages after the faults end, at most.
const QUIET_ROUNDS: u32 = 60;

/// What a story came to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    pub(crate) schedules: usize,
    pub(crate) requests: usize,
    pub(crate) posts: usize,
    pub(crate) crashes: usize,
    pub(crate) orders: usize,
    /// Of everything that was asked, done and written.
    pub(crate) digest: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.requests += other.requests;
        self.posts += other.posts;
        self.crashes += other.crashes;
        self.orders += other.orders;
    }
}

struct Story {
    plan: Plan,
    config: Config,
    rng: Rng,
    time: Arc<SimulatedTime>,
    link: Arc<Link>,
    process: Option<Arc<Process>>,
    /// Stopped in mid-step while another took its place.
    sleeper: Option<Sleeper>,
    known: Known,
    /// Goods that left, and Kaspi does not show it.
    unshown: Vec<changes::Unshown>,
    /// How far each order had come by what the database said.
    ranks: BTreeMap<String, u8>,
    crashes: usize,
    lives: u64,
    verbose: bool,
}

/// # Errors
/// The first invariant that does not hold.
pub(crate) async fn run(seed: u64, verbose: bool) -> Result<Report, String> {
    let folder = folder();
    let mut plan = Plan::of(seed);
    let time = SimulatedTime::new(start());
    let mut world = World::new(plan.settings.clone());
    world.set_faults(plan.faults.clone());
    let orders = std::mem::take(&mut plan.orders);
    let count = orders.len();
    for order in orders {
        if order.created_at <= start() {
            world.place(order);
        } else {
            world.at(order.created_at, ExternalEvent::Placed(Box::new(order)));
        }
    }
    // One second on the ticks has passed when the clock is made.
    time.set(start() + SignedDuration::from_secs(1));
    let link = Link::new(world, Arc::clone(&time), seed, plan.untruth);
    let config = config(folder.path(), &plan);
    let process = Process::start(&config, &link, &time, seed).await;
    let mut story = Story {
        rng: Rng::with_seed(seed.wrapping_mul(0x9E37_79B9)),
        known: Known::new(plan.moves > 0.0),
        unshown: Vec::new(),
        ranks: BTreeMap::new(),
        process: Some(Arc::new(process)),
        sleeper: None,
        plan,
        config,
        time,
        link,
        crashes: 0,
        lives: 0,
        verbose,
    };
    if story.plan.changes > 0.0 {
        story.remap(Some(true)).await;
    }
    story.count_shelf(true).await;
    for _ in 0..story.plan.steps {
        story.happen().await?;
        story.step().await?;
    }
    story.quieten().await?;
    let report = story.report(count).await;
    let sight = story.sight();
    let judged = judge::judge(&story.link, story.process(), &story.known, &sight).await;
    if judged.is_err() || verbose {
        story.lay_open().await;
    }
    judged.map(|()| report)
}

impl Story {
    fn process(&self) -> &Arc<Process> {
        self.process.as_ref().unwrap()
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.verbose {
            println!("{} {}", self.link.true_now(), what());
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    async fn step(&mut self) -> Result<(), String> {
        let step = match self.rng.u8(..10) {
            0..3 => Step::Poll,
            3..6 => Step::Decide,
            6..8 => Step::Act,
            8 => Step::Sweep { force: true },
            _ => Step::Sweep { force: false },
        };
        let is_swept = step == Step::Sweep { force: true } && self.plan.is_calm;
        let before = if step == Step::Decide {
            self.free().await
        } else {
            BTreeMap::new()
        };
        let is_done = self.take(step).await;
        self.never_back(step).await?;
        // A field that cannot be read is no part of a level's bounds: the order keeps accepts back by itself.
        if is_done && is_swept && self.plan.changes == 0.0 {
            let within = self.within_bounds().await;
            if within.is_err() {
                self.lay_open().await;
            }
            within?;
        }
        // A clock that was set makes a pass count the shelf otherwise.
        if step != Step::Decide || self.plan.clock_jumps > 0.0 {
            return Ok(());
        }
        let after = self.free().await;
        match before
            .iter()
            .find(|(sku, free)| after[*sku] < (**free).min(0))
        {
            Some((sku, free)) => Err(format!(
                "I2: one pass promised more of {sku} than the {free} there were"
            )),
            None => Ok(()),
        }
    }

    fn sight(&self) -> Sight {
        // A new process knows the time by a clock that was set, and one that slept sends what it had begun.
        let is_steady = self.plan.clock_jumps == 0.0;
        Sight {
            settles: self.plan.takeovers == 0.0 && (is_steady || self.lives == 0),
            is_steady,
            unseen: if self.plan.is_calm {
                judge::UNSEEN_CALM
            } else {
                judge::UNSEEN
            },
            is_available: self.plan.is_available,
            lag: if self.plan.untruth.stale > 0.0 || !is_steady {
                judge::SEEN_BY
            } else {
                judge::LAST_LOOK
            },
            lookback: self.plan.lookback,
        }
    }

    /// Judges what the product believes of each level, once all that Kaspi shows was read.
    async fn within_bounds(&self) -> Result<(), String> {
        let store = &self.process().store;
        let filter = OrderFilter {
            limit: 1000,
            ..OrderFilter::default()
        };
        let orders = store.orders(&filter).await.unwrap();
        let settings = qabyl::runtime::build::stock_settings(&self.config);
        let views = store.stock_levels(&settings, (None, None)).await.unwrap();
        let believed = views.into_iter().filter_map(|view| {
            let on_hand = view.listing.on_hand? - view.promised.confirmed;
            let warehouse = view.listing.warehouse;
            let level = match warehouse.rsplit_once('_') {
                Some((_, point)) => format!("{}@{point}", view.listing.sku),
                None => view.listing.sku.to_string(),
            };
            Some(Believed {
                level,
                certain: on_hand - view.promised.in_doubt,
                possible: on_hand + view.promised.returned,
            })
        });
        let believed: Vec<Believed> = believed.collect();
        let sight = self.sight();
        self.link.world(|world, now| {
            judge::bounds(world, &self.known, (&orders, &believed), (&sight, now))
        })
    }

    /// Units of each SKU that are not promised.
    async fn free(&self) -> BTreeMap<String, i64> {
        let settings = qabyl::runtime::build::stock_settings(&self.config);
        let views = self
            .process()
            .store
            .stock_levels(&settings, (None, None))
            .await
            .unwrap();
        let free = |view: StockView| {
            let promised = view.promised.confirmed + view.promised.in_doubt;
            (
                format!("{}@{}", view.listing.sku, view.listing.warehouse),
                view.listing.on_hand.unwrap_or(0) - promised,
            )
        };
        views.into_iter().map(free).collect()
    }

    /// R11: what is known of an order never goes back.
    async fn never_back(&mut self, step: Step) -> Result<(), String> {
        if self.plan.untruth.stale == 0.0 || matches!(step, Step::Decide) {
            return Ok(());
        }
        let filter = OrderFilter {
            limit: 1000,
            ..OrderFilter::default()
        };
        for view in self.process().store.orders(&filter).await.unwrap() {
            let rank = match view.order.status.as_str() {
                "APPROVED_BY_BANK" => 0,
                "ACCEPTED_BY_MERCHANT" => 1,
                "CANCELLED" | "COMPLETED" => 2,
                _ => continue,
            };
            let before = self
                .ranks
                .insert(view.order.code.to_string(), rank)
                .unwrap_or(0);
            if rank < before {
                return Err(format!(
                    "R11: {} goes back to {}",
                    view.order.code, view.order.status
                ));
            }
        }
        Ok(())
    }

    /// Takes a step; whether it was done.
    async fn take(&mut self, step: Step) -> bool {
        let ended = Arc::clone(self.process()).step(step, &self.link).await;
        self.say(|| match &ended {
            Ended::Failed(error) => format!("{step:?}: {error}"),
            ended => format!("{step:?}: {ended:?}"),
        });
        let is_done = matches!(ended, Ended::Done);
        match ended {
            Ended::Done | Ended::Failed(StageError::Api(_)) => {}
            Ended::Failed(error) => panic!("the database: {error:?}"),
            Ended::Crashed => {
                self.crashes += 1;
                drop((self.process.take(), self.sleeper.take()));
                self.link.revive();
                self.start_process().await;
            }
            Ended::Asleep(sleeper) => {
                self.sleeper = Some(sleeper);
                // As when its lock was deleted, or lies on a disk that forgot it.
                let mut lock = self.config.database.path.clone().into_os_string();
                lock.push(".lock");
                std::fs::remove_file(lock).unwrap();
                self.start_process().await;
            }
        }
        is_done
    }

    async fn start_process(&mut self) {
        self.lives += 1;
        let process = Process::start(&self.config, &self.link, &self.time, self.lives).await;
        self.process = Some(Arc::new(process));
    }

    /// The one that was replaced goes on: it may do nothing but find that out. A request that was
    /// written down before it slept may still leave; another may not.
    async fn wake_sleeper(&mut self) -> Result<(), String> {
        let Some(sleeper) = self.sleeper.take() else {
            return Ok(());
        };
        let posts = |link: &Link| {
            link.world(|world, _| {
                let rows = world.ledger().requests().iter();
                rows.filter(|row| row.write.is_some()).count()
            })
        };
        let before = posts(&self.link);
        let ended = sleeper.wake(&self.link).await?;
        let sent = posts(&self.link) - before;
        self.say(|| format!("the sleeper woke, sent {sent}, and ended {ended:?}"));
        match ended {
            Err(StageError::Store(StoreError::LeaseLost { .. }))
                if sent <= self.plan.max_in_flight =>
            {
                Ok(())
            }
            // It only read.
            Ok(()) | Err(StageError::Api(_)) if sent == 0 => Ok(()),
            ended => Err(format!(
                "R14: a process that was replaced sent {sent} and ended {ended:?}"
            )),
        }
    }

    /// Every trouble ends; then nothing may stay undone.
    async fn quieten(&mut self) -> Result<(), String> {
        self.wake_sleeper().await?;
        self.link.honest();
        self.link.world(|world, _| {
            world.set_faults(Faults::default());
            world.set_down(false);
            world.set_tokens([TOKEN]);
        });
        let now = self.link.true_now();
        self.time.set(now);
        // Then every list goes deep once.
        if self.plan.lookback < Duration::from_hours(24) {
            self.time.advance(Duration::from_mins(61));
        }
        self.end_changes().await;
        self.count_shelf(false).await;
        self.say(|| "all troubles end".to_owned());
        let mut quiet = 0;
        for round in 0..QUIET_ROUNDS {
            for step in [
                Step::Poll,
                Step::Sweep { force: true },
                Step::Decide,
                Step::Act,
            ] {
                self.take(step).await;
            }
            // What is not done soon waits for its settle, or for its turn.
            let pause = if round < 4 { 30 } else { 120 };
            self.time.advance(Duration::from_secs(pause));
            let totals = self.process().store.totals(None).await.unwrap();
            let coming = self.link.world(|world, _| world.next_due());
            let coming = coming.filter(|due| *due < far(now));
            let pending = coming.is_some();
            let open = totals.open_actions - totals.stuck + totals.undecided + totals.waiting;
            quiet = if open == 0 && !pending { quiet + 1 } else { 0 };
            self.say(|| format!("{open} open, the world has more to come: {pending}"));
            if quiet == 3 {
                return Ok(());
            }
            // Nothing is done before the world does something.
            if let (Some(due), 0) = (coming, open) {
                let wait = due.duration_since(self.link.true_now());
                self.time
                    .advance(Duration::try_from(wait).unwrap_or_default());
            }
        }
        let totals = self.process().store.totals(None).await.unwrap();
        let filter = OrderFilter {
            limit: 1000,
            ..OrderFilter::default()
        };
        for view in self.process().store.orders(&filter).await.unwrap() {
            let open = view.actions.iter().any(|action| action.closed_at.is_none());
            if open || (view.order.awaits_merchant() && view.held.is_none()) {
                self.say(|| format!("open: {view:#?}"));
            }
        }
        Err(format!(
            "not quiet {QUIET_ROUNDS} rounds after the last trouble: {totals:?}"
        ))
    }

    /// Prints everything that was asked, done and written, in the order of time.
    async fn lay_open(&self) {
        self.link.world(|world, _| {
            for row in world
                .ledger()
                .requests()
                .iter()
                .filter(|row| row.write.is_some())
            {
                self.say(|| format!("sent {row:?}"));
            }
            for row in world.ledger().effects() {
                self.say(|| format!("effect {row:?}"));
            }
        });
        let filter = OrderFilter {
            limit: 1000,
            ..OrderFilter::default()
        };
        for view in self.process().store.orders(&filter).await.unwrap() {
            let Some(last) = &view.decision else { continue };
            self.say(|| {
                format!(
                    "decided {} at {}: {:?} on {:?}",
                    view.order.code,
                    last.at,
                    last.decision.verdict,
                    last.facts.lines()
                )
            });
        }
        for row in self
            .process()
            .store
            .audit_rows(None, u32::MAX)
            .await
            .unwrap()
        {
            self.say(|| {
                format!(
                    "audit {} {:?} {} {} {}",
                    row.at, row.code, row.actor, row.event, row.detail
                )
            });
        }
    }

    async fn report(&self, orders: usize) -> Report {
        let mut hasher = DefaultHasher::new();
        let (requests, posts) = self.link.world(|world, _| {
            let ledger = world.ledger();
            for row in ledger.requests() {
                format!("{row:?}").hash(&mut hasher);
            }
            format!("{:?}", ledger.effects()).hash(&mut hasher);
            let posts = ledger
                .requests()
                .iter()
                .filter(|row| row.write.is_some())
                .count();
            (ledger.requests_total(), posts)
        });
        for row in self
            .process()
            .store
            .audit_rows(None, u32::MAX)
            .await
            .unwrap()
        {
            format!("{row:?}").hash(&mut hasher);
        }
        Report {
            schedules: 1,
            requests,
            posts,
            crashes: self.crashes,
            orders,
            digest: hasher.finish(),
        }
    }
}

/// Orders come within the first hours; what is due later is a deadline.
fn far(now: Timestamp) -> Timestamp {
    now + SignedDuration::from_mins(30)
}

/// Units of each level of the shelf in the orders that `counts` picks, where these lie now.
pub(crate) fn units(
    world: &World,
    known: &Known,
    counts: impl Fn(&Order) -> bool,
) -> BTreeMap<String, u32> {
    let mut units = BTreeMap::new();
    for order in world.orders().iter().filter(|order| counts(order)) {
        for line in order.lines() {
            let level = known.level(order, &line.sku, Timestamp::MAX);
            *units.entry(level).or_default() += line.quantity;
        }
    }
    units
}

/// In memory where the machine has such a place: what is simulated here is not the disk.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}
