//! One seed from its first order to the quiet after it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use qabyl::clock::SimulatedTime;
use qabyl::config::Config;
use qabyl::domain::decision::{CancelReason, Verdict};
use qabyl::domain::ids::Sku;
use qabyl::domain::stock::StockRow;
use qabyl::pipeline::StageError;
use qabyl::runtime::build;
use qabyl::sandbox::{Faults, Happening, Order, Status, World};
use qabyl::store::{OrderFilter, StockView, StoreError};

use crate::judge::{self, Known, Sight};
use crate::link::{Crash, Link};
use crate::plan::{Plan, TOKEN, start};
use crate::shop::{Ended, Process, Sleeper, Step, config};

/// Rounds of all stages after the faults end, at most.
const QUIET_ROUNDS: u32 = 60;

/// What a story came to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Told {
    pub(crate) schedules: usize,
    pub(crate) requests: usize,
    pub(crate) posts: usize,
    pub(crate) crashes: usize,
    pub(crate) orders: usize,
    /// Of everything that was asked, done and written.
    pub(crate) digest: u64,
}

impl Told {
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
    /// How far each order had come by what the database said.
    ranks: BTreeMap<String, u8>,
    crashes: usize,
    lives: u64,
    tell: bool,
}

/// # Errors
/// The first invariant that does not hold.
pub(crate) async fn run(seed: u64, tell: bool) -> Result<Told, String> {
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
            world.at(order.created_at, Happening::Placed(Box::new(order)));
        }
    }
    // One second on the ticks has passed when the clock is made.
    time.set(start() + SignedDuration::from_secs(1));
    let link = Link::new(world, Arc::clone(&time), seed, plan.lies, plan.stale);
    let config = config(folder.path(), &plan);
    let process = Process::start(&config, &link, &time, seed).await;
    let mut story = Story {
        rng: Rng::with_seed(seed.wrapping_mul(0x9E37_79B9)),
        known: Known::default(),
        ranks: BTreeMap::new(),
        process: Some(Arc::new(process)),
        sleeper: None,
        plan,
        config,
        time,
        link,
        crashes: 0,
        lives: 0,
        tell,
    };
    story.count_shelf(true).await;
    for _ in 0..story.plan.steps {
        story.happen().await?;
        story.step().await?;
    }
    story.quieten().await?;
    let told = story.told(count).await;
    // A new process knows the time by a clock that was set, and one that slept sends what it had begun.
    let is_steady = story.plan.clock_jumps == 0.0;
    let sight = Sight {
        settles: story.plan.takeovers == 0.0 && (is_steady || story.lives == 0),
        is_steady,
        is_available: story.plan.is_available,
        lag: if story.plan.stale > 0.0 || !is_steady {
            judge::SEEN_BY
        } else {
            judge::LAST_LOOK
        },
        lookback: story.plan.lookback,
    };
    let judged = judge::judge(&story.link, story.process(), &story.known, &sight).await;
    if judged.is_err() || tell {
        story.lay_open().await;
    }
    judged.map(|()| told)
}

impl Story {
    fn process(&self) -> &Arc<Process> {
        self.process.as_ref().unwrap()
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.tell {
            println!("{} {}", self.link.true_now(), what());
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    /// What others do between two steps.
    async fn happen(&mut self) -> Result<(), String> {
        let wait = match self.rng.u8(..) {
            0..60 => 0,
            60..200 => self.rng.u64(1..30_000),
            _ => self.rng.u64(30_000..400_000),
        };
        self.time.advance(Duration::from_millis(wait));
        if self.chance(self.plan.people) {
            self.people().await;
        }
        if self.plan.foreign > 0.0 && self.chance(self.plan.foreign) {
            self.cabinet();
        }
        if self.chance(self.plan.outages) {
            self.outage();
        }
        if self.chance(self.plan.clock_jumps) {
            let by = *self
                .rng
                .choice(&[-172_800, -3_600, -200, 0, 200, 3_600, 172_800])
                .unwrap();
            let now = self.link.true_now() + SignedDuration::from_secs(by);
            self.time.set(now);
            self.say(|| format!("clock jumps to {now}"));
        }
        if self.chance(self.plan.couriers) {
            self.courier();
        }
        if self.chance(self.plan.counts) {
            self.count_shelf(false).await;
        }
        if self.chance(self.plan.crashes) {
            let crash = Crash {
                after: self.rng.u32(0..12),
                handled: self.rng.bool(),
            };
            self.say(|| format!("will die: {crash:?}"));
            self.link.crash_at(crash);
        }
        if self.sleeper.is_none() && self.chance(self.plan.takeovers) {
            self.link.sleep_at(self.rng.u32(0..12));
        } else if self.rng.u8(..) < 60 {
            self.wake_sleeper().await?;
        }
        Ok(())
    }

    fn outage(&mut self) {
        let kind = self.rng.u8(..4);
        self.say(|| format!("outage {kind}"));
        self.link.world(|world, _| match kind {
            0 => world.set_down(true),
            1 => world.set_tokens(["another"]),
            _ => {
                world.set_down(false);
                world.set_tokens([TOKEN]);
            }
        });
    }

    /// Somebody accepts an order in the cabinet.
    fn cabinet(&mut self) {
        let waits =
            |order: &Order, now| order.visible_at <= now && order.status == Status::ApprovedByBank;
        if let Some(code) = self.act_on_one(waits, World::cabinet_accepts) {
            self.say(|| format!("the cabinet accepts {code}"));
        }
    }

    /// Somebody's goods leave.
    fn courier(&mut self) {
        let waits = |order: &Order, _| {
            order.status == Status::AcceptedByMerchant && order.handed_over_at.is_none()
        };
        if let Some(code) = self.act_on_one(waits, World::hand_over) {
            self.say(|| format!("the courier takes {code}"));
        }
    }

    /// Does something to one of the orders that fit, where there are any and it can be done.
    fn act_on_one(
        &mut self,
        fits: impl Fn(&Order, Timestamp) -> bool,
        act: impl Fn(&mut World, &str, Timestamp) -> bool,
    ) -> Option<String> {
        let pick = self.rng.usize(..);
        self.link.world(|world, now| {
            let fitting = world.orders().iter().filter(|order| fits(order, now));
            let fitting: Vec<_> = fitting.map(|order| order.code().to_owned()).collect();
            let code = fitting.get(pick % fitting.len().max(1))?.clone();
            act(world, &code, now).then_some(code)
        })
    }

    /// The buyer, the cabinet, the courier, or a person at Qabyl's own command line.
    async fn people(&mut self) {
        let (roll, pick) = (self.rng.u8(..10), self.rng.usize(..));
        let Some(code) = self.link.world(|world, now| {
            let seen: Vec<&str> = world
                .orders()
                .iter()
                .filter(|order| order.visible_at <= now)
                .map(Order::code)
                .collect();
            (!seen.is_empty()).then(|| seen[pick % seen.len()].to_owned())
        }) else {
            return;
        };
        self.say(|| format!("person {roll} about {code}"));
        let done = self.link.world(|world, now| match roll {
            0 | 1 => world.buyer_cancels(&code, now),
            2 => world.cabinet_accepts(&code, now),
            3 => world.cabinet_cancels(&code, now),
            4 | 5 => world.hand_over(&code, now),
            6 => world.complete(&code, now),
            _ => false,
        });
        if roll < 7 {
            if done && roll == 3 {
                self.known.by_hand.insert(code);
            }
            return;
        }
        self.command(&code, roll).await;
    }

    async fn command(&mut self, code: &str, roll: u8) {
        let process = self.process.take().unwrap();
        let (store, now) = (&process.store, process.clock().now());
        if let Ok((shop, id)) = store.find_order(code, None).await {
            let input = build::deciding_input(&self.config);
            let verdict = match self.rng.u8(..3) {
                0 => Verdict::Accept,
                _ => Verdict::Cancel {
                    reason: CancelReason::BuyerNotReachable,
                    comment: "simulated".to_owned(),
                },
            };
            let done = match roll {
                7 => {
                    store
                        .hold_order(&shop, &id, "simulated", "person:sim", now)
                        .await
                }
                8 => store.release_order(&shop, &id, "person:sim", now).await,
                _ => {
                    self.known.by_hand.insert(code.to_owned());
                    store
                        .order_by_person(&shop, &id, &verdict, &input, "person:sim", now)
                        .await
                }
            };
            self.say(|| format!("command about {code}: {done:?}"));
        }
        self.process = Some(process);
    }

    /// The shelf is counted and imported; sometimes more came in, sometimes some is lost, sometimes a
    /// number is missing.
    async fn count_shelf(&mut self, first: bool) {
        let mut rows = Vec::new();
        let is_available = self.plan.is_available;
        let left = self.link.world(|world, _| {
            units(world, |order| {
                let is_taken_off = is_available && order.status.as_str() == "ACCEPTED_BY_MERCHANT";
                is_taken_off
                    || order.handed_over_at.is_some()
                    || order.status.as_str() == "COMPLETED"
            })
        });
        let now = self.process().clock().now();
        for (sku, start) in self.plan.stock.clone() {
            let left = left.get(&sku).copied().unwrap_or(0);
            let there = self.known.capacity(&sku);
            let capacity = match self.rng.u8(..) {
                _ if first => start,
                0..60 => there + self.rng.u32(1..4),
                // Broken, or lost.
                60..90 => there - self.rng.u32(0..=there.saturating_sub(left)),
                _ => there,
            };
            self.known.counted(&sku, capacity, self.link.true_now());
            let on_hand = capacity.saturating_sub(left);
            let on_hand = (self.rng.u8(..) > 8).then_some(on_hand);
            rows.push(StockRow {
                sku: Sku::new(&sku).unwrap(),
                warehouse: String::new(),
                on_hand,
                as_of: now,
            });
        }
        self.say(|| {
            format!(
                "counted {:?}",
                rows.iter()
                    .map(|r| (r.sku.as_str(), r.on_hand))
                    .collect::<Vec<_>>()
            )
        });
        let taken = self
            .process()
            .store
            .import_stock("sim", &rows, true, "sim", now)
            .await;
        taken.unwrap();
    }

    async fn step(&mut self) -> Result<(), String> {
        let step = match self.rng.u8(..10) {
            0..3 => Step::Poll,
            3..6 => Step::Decide,
            6..8 => Step::Act,
            8 => Step::Confirm { please: true },
            _ => Step::Confirm { please: false },
        };
        let before = if step == Step::Decide {
            self.free().await
        } else {
            BTreeMap::new()
        };
        self.take(step).await;
        self.never_back(step).await?;
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

    /// Units of each SKU that are not promised.
    async fn free(&self) -> BTreeMap<String, i64> {
        let semantics = build::deciding_input(&self.config).semantics;
        let views = self
            .process()
            .store
            .stock_levels(semantics, None)
            .await
            .unwrap();
        let free = |view: StockView| {
            let promised = view.promised.confirmed + view.promised.pending;
            (
                view.listing.sku.to_string(),
                view.listing.on_hand.unwrap_or(0) - promised,
            )
        };
        views.into_iter().map(free).collect()
    }

    /// R11: what is known of an order never goes back.
    async fn never_back(&mut self, step: Step) -> Result<(), String> {
        if self.plan.stale == 0.0 || matches!(step, Step::Decide) {
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

    async fn take(&mut self, step: Step) {
        let ended = Arc::clone(self.process()).step(step, &self.link).await;
        self.say(|| match &ended {
            Ended::Failed(error) => format!("{step:?}: {error}"),
            ended => format!("{step:?}: {ended:?}"),
        });
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
        self.count_shelf(false).await;
        self.say(|| "all troubles end".to_owned());
        let mut quiet = 0;
        for round in 0..QUIET_ROUNDS {
            for step in [
                Step::Poll,
                Step::Confirm { please: true },
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

    /// Tells everything that was asked, done and written, in the order of time.
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
                    "trail {} {:?} {} {} {}",
                    row.at, row.code, row.actor, row.event, row.detail
                )
            });
        }
    }

    async fn told(&self, orders: usize) -> Told {
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
        Told {
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

/// Units of each SKU in the orders that `counts` picks.
pub(crate) fn units(world: &World, counts: impl Fn(&Order) -> bool) -> BTreeMap<String, u32> {
    let mut units = BTreeMap::new();
    for line in world
        .orders()
        .iter()
        .filter(|order| counts(order))
        .flat_map(Order::lines)
    {
        *units.entry(line.sku.clone()).or_default() += line.quantity;
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
