//! One database, one sandbox, many deaths; then peace, and the judgement.

use std::time::Duration;

use jiff::Timestamp;
use qabyl::clock::Clock;
use tokio::runtime::Handle;

use crate::crowd::{self, Crowd};
use crate::desk::Desk;
use crate::judge;
use crate::process::{PATIENCE, Process};
use crate::scene::Scene;

/// New orders at each death.
pub(crate) const ORDERS: u32 = 4;
/// While a point is not reached, more orders come this often.
pub(crate) const MORE_EVERY: Duration = Duration::from_millis(400);
/// How often it is looked whether something has come true.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is to be played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Episode {
    pub(crate) point: &'static str,
    pub(crate) seed: u64,
    pub(crate) kills: u32,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct EpisodeReport {
    pub(crate) point: &'static str,
    pub(crate) seed: u64,
    /// Deaths where and when they were meant.
    pub(crate) deaths: u32,
    /// Deaths that only led there, or ended a process that was idle.
    pub(crate) other_deaths: u32,
    /// From a start to nothing left to do.
    pub(crate) idle: Vec<Duration>,
    pub(crate) orders: u32,
    pub(crate) posts: u32,
    pub(crate) violation: Option<String>,
}

impl Episode {
    pub(crate) fn play(self, handle: &Handle, tell: bool) -> EpisodeReport {
        let mut play = Play {
            desk: Desk::new(handle, self.seed),
            crowd: Crowd::new(self.seed),
            rng: fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9E37_79B9)),
            report: EpisodeReport {
                point: self.point,
                seed: self.seed,
                ..EpisodeReport::default()
            },
            episode: self,
            tell,
        };
        let ended = play.all();
        if let Some(folder) = crate::setting("QABYL_EVIDENCE") {
            let name = format!("kill/{}-{}", self.point, self.seed);
            play.desk
                .keep_evidence(&std::path::Path::new(&folder).join(name));
        }
        let mut report = play.report;
        let posts = |world: &qabyl_sandbox::World| {
            let rows = world.ledger().requests().iter();
            rows.filter(|row| row.write.is_some()).count()
        };
        report.orders = play.crowd.orders();
        report.posts = u32::try_from(posts(&play.desk.server.world())).unwrap();
        report.violation = ended.err().map(|why| {
            format!(
                "violation, seed {seed}, point {point}, after {deaths} of {kills} deaths: {why}\n\
                 replay: QABYL_KILL_SEED={seed} QABYL_KILL_POINT={point} QABYL_KILLS_PER_POINT={kills} \
                 QABYL_KILLS_RANDOM={kills} cargo test --features failpoints --test kill -- --nocapture",
                seed = self.seed,
                point = self.point,
                deaths = report.deaths,
                kills = self.kills,
            )
        });
        report
    }
}

/// An episode under way.
pub(crate) struct Play {
    pub(crate) episode: Episode,
    pub(crate) desk: Desk,
    pub(crate) crowd: Crowd,
    pub(crate) rng: fastrand::Rng,
    pub(crate) report: EpisodeReport,
    tell: bool,
}

pub(crate) fn now() -> Timestamp {
    Clock::System.now()
}

impl Play {
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.tell {
            println!("{} {}", now(), what());
        }
    }

    fn all(&mut self) -> Result<(), String> {
        let scene = Scene::of(self.episode.point);
        if scene != Scene::NewDatabase {
            self.import()?;
        }
        for number in 0..self.episode.kills {
            let is_last = number + 1 == self.episode.kills;
            self.die(scene, is_last)?;
            self.report.deaths += 1;
            self.look_at_the_dead()?;
            if self.rng.bool() {
                self.come_to_rest()?;
            } else {
                self.go_on()?;
            }
        }
        self.end()
    }

    pub(crate) fn stir(&mut self, orders: u32) {
        self.crowd
            .stir(&mut self.desk.server.world(), now(), orders);
    }

    pub(crate) fn import(&mut self) -> Result<(), String> {
        self.desk
            .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
        // Where there is no database yet, it makes one.
        self.desk.start(&INIT, None).succeeds()?;
        self.desk.start(&IMPORT, None).succeeds()
    }

    /// Lets a moment pass: it is the moment that is tried.
    pub(crate) fn after(&mut self, span_ms: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.rng.u64(span_ms)));
    }

    fn look_at_the_dead(&mut self) -> Result<(), String> {
        let Some(mut database) = self.desk.database_of_the_dead() else {
            return Ok(());
        };
        let judged = judge::at_death(&mut database, &self.desk);
        drop(database);
        self.desk.forget_the_dead();
        judged
    }

    /// A start while troubles go on, and another end soon after it.
    fn go_on(&mut self) -> Result<(), String> {
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        self.after(0..300);
        self.dismiss(daemon)
    }

    fn dismiss(&mut self, daemon: Process) -> Result<(), String> {
        if self.rng.bool() {
            return daemon.stop();
        }
        self.report.other_deaths += 1;
        daemon.kill()
    }

    /// A start in peace, until nothing is left to do: its time is taken.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), String> {
        self.desk.troubles(false);
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        let mut database = self.desk.database();
        loop {
            if judge::is_idle(&mut database, &self.desk.server.world(), now()) {
                break;
            }
            if daemon.age() > PATIENCE {
                return Err("it does not come to rest".to_owned());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.report.idle.push(daemon.age());
        self.say(|| format!("idle after {:?}", daemon.age()));
        drop(database);
        self.desk.troubles(true);
        self.dismiss(daemon)
    }

    /// All troubles end; what is begun is brought to its end, and judged.
    fn end(&mut self) -> Result<(), String> {
        self.desk.troubles(false);
        self.import()?;
        self.say(|| "all troubles end".to_owned());
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        let quiet = self.until("everything is at its end", |play| {
            let mut database = play.desk.database();
            judge::is_at_its_end(&mut database, &play.desk.server.world(), now()).is_ok()
        });
        if quiet.is_err() {
            let mut database = self.desk.database();
            let why = judge::is_at_its_end(&mut database, &self.desk.server.world(), now());
            return Err(format!("not at its end: {why:?}"));
        }
        daemon.stop()?;
        let mut database = self.desk.database();
        judge::all(&mut database, &self.desk)
    }

    pub(crate) fn until(&self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let started = Clock::System.ticks();
        while !done(self) {
            if Clock::System.ticks().saturating_sub(started) > PATIENCE {
                return Err(format!("{PATIENCE:?} passed, and not yet: {what}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

pub(crate) const INIT: [&str; 1] = ["init"];
pub(crate) const IMPORT: [&str; 4] = ["stock", "import", "stock.csv", "--confirm-zeros"];
