//! A month in the life of a daemon: every stage, the real file, the world, and people who buy, change
//! their minds and receive their goods; a little of every trouble, a crash a day, a copy an hour. What
//! is watched is what a month would bring to light: memory, open files, the log, the database.
//!
//! `QABYL_SOAK_DAYS=30` lives through so many days of 2 000 orders; by default it is a morning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use qabyl::clock::{Clock, SimulatedTime};
use qabyl::config::{Config, Sources};
use qabyl::domain::ids::Sku;
use qabyl::domain::stock::{OnHand, StockRow};
use qabyl::pipeline::housekeep::{self, Keeper};
use qabyl::pipeline::{StageError, alert};
use qabyl::runtime::build;
use qabyl_sandbox::{DeliveryMode, ExternalEvent, Faults, OrderSeed, Settings, World};
use tokio_util::sync::CancellationToken;

use crate::environment;
use crate::link::{Crash, Link, Untruth};
use crate::plan::{TOKEN, start};
use crate::shop::{Ended, Process, Step};
use crate::soak_judge::Judge;
use crate::story::folder;
use crate::{asked, runtime};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Between two rounds of all stages.
const ROUND: Duration = Duration::from_mins(4);
const SKUS: usize = 40;
/// How long the database keeps finished orders; the world keeps it a little longer than lists reach.
const KEPT_DAYS: i64 = 4;
const WORLD_DAYS: i64 = 5;
/// The audit log keeps its last week whatever is asked.
const TRAIL_DAYS: i64 = 8;

const LOG_MAX: u64 = 8 * 1024 * 1024;

/// A little of everything, a day's worth of it in each day.
const FAULTS: &str = "http_500=0.003,http_502_html=0.001,http_429=0.002,drop_before=0.002,drop_after=0.003,\
                      truncated=0.002,html_200=0.001,post:late_effect=0.003,post:no_effect=0.002,\
                      post:http_500_after=0.003,hang=0.0005,slow=0.002";

fn config(folder: &Path) -> Config {
    let text = "[database]\npath = \"soak.db\"\n[kaspi]\nbase_url = \"http://127.0.0.1:1/shop/api\"\n\
         rate_start = 1000\nrate_per_second = 1000\nmax_in_flight = 4\n[confirm]\nsweep_every = \"2m\"\n[interlocks]\ncancel_budget_window = \"2d\"\n\
         cancels_per_hour_max = 40\nstock_max_age = \"36h\"\n[backup]\ndirectory = \"copies\"\n\
         keep_hourly = 3\nkeep_daily = 2\n[[shops]]\nname = \"sim\"\ntoken_env = \"UNUSED\"\nmode = \"act\"\n";
    let file = folder.join("qabyl.toml");
    std::fs::write(&file, text).unwrap();
    let env = BTreeMap::new().into();
    let sources = Sources {
        file: Some(file),
        search: Vec::new(),
        env,
        overrides: Vec::new(),
    };
    let mut config = Config::load(sources).unwrap().config;
    // Shorter than a person may ask for, so that a month shows it at work.
    config.retention.orders = days(KEPT_DAYS);
    config.retention.audit = days(TRAIL_DAYS);
    config
}

fn days(count: i64) -> Duration {
    Duration::try_from(DAY).unwrap() * u32::try_from(count).unwrap()
}

/// What a day's end looked like.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rss: u64,
    fds: u64,
    database: u64,
    orders: i64,
}

struct Soak {
    rng: Rng,
    config: Config,
    time: Arc<SimulatedTime>,
    link: Arc<Link>,
    process: Option<Arc<Process>>,
    keeper: Option<Keeper>,
    judge: Judge,
    /// Units of each SKU that ever came in.
    stocked: Vec<u32>,
    lives: u64,
    crashes: usize,
    copies: usize,
    dropped: usize,
    log_max: u64,
    placed: u32,
    samples: Vec<Sample>,
}

#[test]
fn soak() {
    let (days, length, orders) = match asked("QABYL_SOAK_DAYS").unwrap_or(0) {
        0 => (1, DAY / 6, 400),
        days => (i32::try_from(days).unwrap(), DAY, 2_000),
    };
    runtime().block_on(live(days, length, orders));
}

async fn live(days: i32, length: SignedDuration, orders: u32) {
    let began = Clock::System.ticks();
    let folder = folder();
    let mut soak = Soak::begin(folder.path(), orders).await;
    for day in 0..days {
        soak.order_a_day(orders, start() + DAY * day);
        soak.live_until(start() + DAY * day + length).await;
        soak.end_of_day().await;
    }
    let took = Clock::System.ticks().saturating_sub(began).as_secs();
    soak.print_figures(days, took);
    leave_evidence(folder.path());
    soak.must_be_flat(days);
}

impl Soak {
    async fn begin(folder: &Path, orders: u32) -> Self {
        let config = config(folder);
        let time = SimulatedTime::new(start());
        let mut world = World::new(Settings {
            tokens: vec![TOKEN.to_owned()],
            late_by: Duration::from_mins(1),
            canary: Some("canary-7f3a".to_owned()),
            ..Settings::default()
        });
        world.set_faults(FAULTS.parse::<Faults>().unwrap());
        time.set(start() + SignedDuration::from_secs(1));
        let link = Link::new(world, Arc::clone(&time), 1, Untruth::default());
        let process = Process::start(&config, &link, &time, 1).await;
        let mut soak = Self {
            rng: Rng::with_seed(30),
            judge: Judge::default(),
            stocked: vec![0; SKUS],
            lives: 1,
            crashes: 0,
            copies: 0,
            dropped: 0,
            log_max: 0,
            placed: 0,
            samples: Vec::new(),
            keeper: None,
            process: Some(Arc::new(process)),
            config,
            time,
            link,
        };
        soak.keep();
        soak.count_shelf(orders).await;
        soak
    }

    fn process(&self) -> &Arc<Process> {
        self.process.as_ref().unwrap()
    }

    /// One that keeps the database, of this life of the process.
    fn keep(&mut self) {
        let process = self.process();
        let keeper = build::keeper(&self.config, Arc::clone(&process.store), process.clock());
        self.keeper = Some(keeper);
    }

    /// What a day's buyers will do.
    fn order_a_day(&mut self, orders: u32, from: Timestamp) {
        for _ in 0..orders {
            let created = from + SignedDuration::from_secs(self.rng.i64(0..86_400));
            let code = format!("{}", 100_000_000 + self.placed);
            self.placed += 1;
            let mut order = OrderSeed::new(&code, created);
            let delivered = self
                .rng
                .choice(&[DeliveryMode::Local, DeliveryMode::Pickup]);
            order = order.delivered(*delivered.unwrap(), self.rng.u8(..4) > 0);
            for _ in 0..self.rng.usize(1..=2) {
                let sku = format!("S{:02}", self.rng.usize(..SKUS));
                if order.lines.iter().all(|line| line.sku != sku) {
                    order = order.line(&sku, self.rng.u32(1..=2));
                }
            }
            order.pre_order = self.rng.u8(..) == 0;
            let mut seen = created;
            if self.rng.u8(..100) < 2 {
                seen = created + SignedDuration::from_mins(self.rng.i64(30..1200));
                order = order.visible_at(seen);
            }
            let later = |minutes: i64| seen + SignedDuration::from_mins(minutes);
            let leaves = self.rng.i64(60..240);
            let mut then = vec![(
                later(leaves + self.rng.i64(30..240)),
                ExternalEvent::Completed(code.clone()),
            )];
            // The shop's own deliveries leave at an unknown time: Kaspi shows them as archived, later.
            if order.kaspi_delivery {
                then.push((later(leaves), ExternalEvent::HandedOver(code.clone())));
            }
            if self.rng.u8(..100) < 4 {
                then.push((
                    later(self.rng.i64(1..300)),
                    ExternalEvent::BuyerCancels(code),
                ));
            }
            self.link.world(|world, _| {
                world.at(created, ExternalEvent::Placed(Box::new(order)));
                for (at, happening) in then {
                    world.at(at, happening);
                }
            });
        }
    }

    /// Rounds of all stages, housekeeping beside every third of them.
    async fn live_until(&mut self, end: Timestamp) {
        let (mut rounds, mut counted) = (0, false);
        while self.link.true_now() < end {
            let round_ends = self.link.true_now() + ROUND;
            if self.rng.u32(..360) == 0 {
                self.link.crash_at(Crash {
                    after: self.rng.u32(..20),
                    handled: self.rng.bool(),
                });
            }
            if !counted && end.duration_since(self.link.true_now()) < DAY / 2 {
                counted = true;
                self.count_shelf(self.placed).await;
            }
            rounds += 1;
            self.round(rounds % 3 == 0).await;
            let left = round_ends.duration_since(self.link.true_now());
            self.time
                .advance(Duration::try_from(left).unwrap_or_default());
        }
    }

    async fn round(&mut self, keeps: bool) {
        let keeper = self.keeper.take().unwrap();
        let stop = CancellationToken::new();
        let kept = async {
            if keeps {
                Some(housekeep::run_once(&keeper, &stop).await.unwrap())
            } else {
                None
            }
        };
        let process = self.process.take().unwrap();
        let (kept, crashed) = tokio::join!(kept, stages(&process, &self.link));
        if let Some(kept) = kept {
            assert_eq!(kept.trouble, None, "a copy an hour");
            self.copies += usize::from(kept.backup.is_some());
            self.dropped += kept.orders;
            self.log_max = self.log_max.max(process.store.log_bytes());
        }
        if crashed {
            drop((keeper, process));
            self.crashes += 1;
            self.lives += 1;
            self.link.revive();
            let process = Process::start(&self.config, &self.link, &self.time, self.lives).await;
            self.process = Some(Arc::new(process));
            self.keep();
        } else {
            (self.process, self.keeper) = (Some(process), Some(keeper));
        }
    }

    /// The shelf is counted, and filled up for about a day: not of every SKU enough.
    async fn count_shelf(&mut self, orders: u32) {
        let left = self.judge.departed(&self.link);
        let now = self.process().clock().now();
        let a_day = orders.min(2_000) * 9 / 4 / u32::try_from(SKUS).unwrap() + 4;
        let mut rows = Vec::new();
        for number in 0..SKUS {
            let sku = format!("S{number:02}");
            let departed = left.get(&sku).copied().unwrap_or(0);
            let there = self.stocked[number].saturating_sub(departed);
            let wanted = a_day * self.rng.u32(85..130) / 100;
            let arrived = wanted.saturating_sub(there);
            self.stocked[number] += arrived;
            self.judge
                .arrive(&sku, self.stocked[number], self.link.true_now());
            rows.push(StockRow {
                sku: Sku::new(&sku).unwrap(),
                warehouse: String::new(),
                on_hand: OnHand::Exactly(there + arrived),
                as_of: now,
            });
        }
        let trusted = (true, qabyl::domain::stock::Semantics::Physical);
        let store = &self.process().store;
        store
            .import_stock("soak", &rows, trusted, "soak", now)
            .await
            .unwrap();
    }

    async fn end_of_day(&mut self) {
        let before = self.link.true_now() - SignedDuration::from_hours(24 * WORLD_DAYS);
        // What lists say of orders that changed just now is read once more.
        for _ in 0..2 {
            self.round(false).await;
        }
        let process = self.process.as_ref().unwrap();
        self.judge.day(&self.link, process).await;
        self.link.world(|world, _| world.forget(before));
        let totals = self.process().store.totals(None).await.unwrap();
        self.samples.push(Sample {
            rss: resident(),
            fds: std::fs::read_dir("/proc/self/fd").unwrap().count() as u64,
            database: self.config.database.path.metadata().unwrap().len(),
            orders: totals.orders,
        });
        if asked("QABYL_SOAK_DAYS").is_some() {
            let day = self.samples.len();
            println!(
                "day {day}: {:?}, log at most {} KB",
                self.samples[day - 1],
                self.log_max / 1024
            );
        }
    }

    fn print_figures(&self, days: i32, took: u64) {
        let requests = self.link.world(|world, _| world.ledger().requests_total());
        let (first, last) = (self.samples[0], self.samples[self.samples.len() - 1]);
        let database = self.samples.iter().map(|sample| sample.database).max();
        println!(
            "soak: {days} days, {} orders, {requests} requests; RSS {}..{} MB, fds {}..{}, WAL max {:.1} MB, \
             database {:.1} MB, {} violations, in {took} s",
            self.placed,
            first.rss >> 20,
            last.rss >> 20,
            first.fds,
            last.fds,
            mb(self.log_max),
            mb(database.unwrap_or(0)),
            self.judge.violations.len()
        );
        println!(
            "soak: {} accepts, {} cancels, {} crashes, {} backups, {} orders deleted",
            self.judge.accepts, self.judge.cancels, self.crashes, self.copies, self.dropped
        );
    }

    fn must_be_flat(&self, days: i32) {
        let violations: Vec<_> = self.judge.violations.iter().take(5).collect();
        assert!(violations.is_empty(), "{violations:#?}");
        assert!(
            self.log_max <= LOG_MAX,
            "the log grew to {} bytes",
            self.log_max
        );
        assert!(self.judge.accepts > 30 && self.copies > 2);
        let steady = &self.samples[self.samples.len().min(5)..];
        if steady.len() < 9 {
            return;
        }
        assert!(self.dropped > 0 && self.crashes > 2 && self.judge.cancels > 10);
        let (days, orders) = (
            usize::try_from(days).unwrap(),
            usize::try_from(self.placed).unwrap(),
        );
        assert!(
            self.judge.accepts > orders * 3 / 4,
            "most orders are accepted"
        );
        assert!(self.copies >= 20 * days, "a copy an hour: {}", self.copies);
        let third = steady.len() / 3;
        let (early, late) = (&steady[..third], &steady[steady.len() - third..]);
        let median = |samples: &[Sample], of: fn(&Sample) -> u64| {
            let mut all: Vec<u64> = samples.iter().map(of).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let rss = (median(early, |s| s.rss), median(late, |s| s.rss));
        assert!(
            rss.1 <= rss.0 + rss.0 / 10 + (4 << 20),
            "memory grows: {rss:?}"
        );
        let fds = (median(early, |s| s.fds), median(late, |s| s.fds));
        assert!(fds.1 <= fds.0 + 2, "open files grow: {fds:?}");
        let known = |samples: &[Sample]| samples.iter().map(|s| s.orders).max().unwrap();
        assert!(known(late) <= known(early) * 11 / 10, "orders are deleted");
        let most = |samples: &[Sample]| samples.iter().map(|s| s.database).max().unwrap();
        assert!(
            most(late) <= most(early) * 11 / 10,
            "the database grows: {} to {}",
            most(early),
            most(late)
        );
    }
}

/// One round of all stages. Gives whether the process died in it.
async fn stages(process: &Arc<Process>, link: &Link) -> bool {
    for step in [
        Step::Poll,
        Step::Decide,
        Step::Act,
        Step::Sweep { force: true },
        Step::Decide,
        Step::Act,
    ] {
        match Arc::clone(process).step(step, link).await {
            Ended::Crashed => return true,
            Ended::Failed(StageError::Api(_)) | Ended::Done => {}
            Ended::Failed(error) => panic!("the database: {error:?}"),
            Ended::Asleep(_) => unreachable!("nobody stops it here"),
        }
    }
    alert::run_once(&process.shop.ctx).await.unwrap();
    false
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// The database, for whoever looks for what must not be in it.
fn leave_evidence(folder: &Path) {
    let Some(place) = environment("QABYL_EVIDENCE") else {
        return;
    };
    let place = PathBuf::from(place).join("soak");
    std::fs::create_dir_all(&place).unwrap();
    for name in ["soak.db", "soak.db-wal"] {
        // The log is not there when it was just written back.
        let _ = std::fs::copy(folder.join(name), place.join(name));
    }
}
