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
const ORDERS: u32 = 4;
/// While a point is not reached, more orders come this often.
const MORE_EVERY: Duration = Duration::from_millis(400);
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
pub(crate) struct Told {
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
    pub(crate) fn play(self, handle: &Handle, tell: bool) -> Told {
        let mut play = Play {
            desk: Desk::new(handle, self.seed),
            crowd: Crowd::new(self.seed),
            rng: fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9E37_79B9)),
            told: Told {
                point: self.point,
                seed: self.seed,
                ..Told::default()
            },
            episode: self,
            tell,
        };
        let ended = play.all();
        if let Some(folder) = crate::told("QABYL_EVIDENCE") {
            let name = format!("kill/{}-{}", self.point, self.seed);
            play.desk
                .keep_evidence(&std::path::Path::new(&folder).join(name));
        }
        let mut told = play.told;
        let posts = |world: &qabyl::sandbox::World| {
            let rows = world.ledger().requests().iter();
            rows.filter(|row| row.write.is_some()).count()
        };
        told.orders = play.crowd.orders();
        told.posts = u32::try_from(posts(&play.desk.server.world())).unwrap();
        told.violation = ended.err().map(|why| {
            format!(
                "violation, seed {seed}, point {point}, after {deaths} of {kills} deaths: {why}\n\
                 replay: QABYL_KILL_SEED={seed} QABYL_KILL_POINT={point} QABYL_KILLS_PER_POINT={kills} \
                 QABYL_KILLS_RANDOM={kills} cargo test --features failpoints --test kill -- --nocapture",
                seed = self.seed,
                point = self.point,
                deaths = told.deaths,
                kills = self.kills,
            )
        });
        told
    }
}

struct Play {
    episode: Episode,
    desk: Desk,
    crowd: Crowd,
    rng: fastrand::Rng,
    told: Told,
    tell: bool,
}

fn now() -> Timestamp {
    Clock::System.now()
}

impl Play {
    fn say(&self, what: impl FnOnce() -> String) {
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
            self.told.deaths += 1;
            self.look_at_the_dead()?;
            if self.rng.bool() {
                self.come_to_rest()?;
            } else {
                self.go_on()?;
            }
        }
        self.end()
    }

    /// One death at the point, with all that leads to it.
    fn die(&mut self, scene: Scene, is_last: bool) -> Result<(), String> {
        let point = self.episode.point;
        match scene {
            Scene::Work { spared } => {
                let spared = self.rng.u32(0..=spared);
                self.stir(ORDERS);
                if point.starts_with("reservation") {
                    self.crowd.waver(&mut self.desk.server.world(), now(), 3);
                }
                Crowd::settle_accepted(&mut self.desk.server.world(), now());
                self.dies(&["run"], point, spared)
            }
            Scene::NewDatabase if !is_last => {
                self.desk.remove_database();
                self.desk
                    .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
                let args: &[&str] = if self.rng.bool() { &["run"] } else { &IMPORT };
                self.dies(args, point, 0)
            }
            Scene::NewDatabase => {
                self.import()?;
                self.stir(ORDERS);
                self.come_to_rest()?;
                self.dies(&["run"], point, 0)
            }
            Scene::LostPost => {
                let at = [
                    "attempt.after_commit",
                    "post.in_flight",
                    "post.answered",
                    "outcome.known",
                ];
                let (at, spared) = (*self.rng.choice(&at).unwrap(), self.rng.u32(0..=2));
                self.stir(ORDERS);
                self.dies(&["run"], at, spared)?;
                self.told.other_deaths += 1;
                self.dies(&["run"], point, 0)
            }
            Scene::ClockAhead => {
                self.stir(ORDERS);
                self.come_to_rest()?;
                self.set_books_ahead();
                self.dies(&["run"], point, 0)
            }
            Scene::Deadline => {
                self.stir(ORDERS);
                let ordered = now() - jiff::SignedDuration::from_mins(130);
                let code = self.crowd.express(&mut self.desk.server.world(), ordered);
                self.say(|| format!("{code} waits since {ordered}"));
                // One pass reads the order, and tells nobody.
                let _ = self
                    .desk
                    .start(&["once", "--timeout", "1s"], None)
                    .exits()?;
                self.dies(&["run"], point, 0)
            }
            Scene::Import { spared } => {
                let daemon = self.working_daemon()?;
                let spared = self.rng.u32(0..=spared);
                self.desk
                    .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
                let died = self.dies(&IMPORT, point, spared);
                died.and_then(|()| self.import())?;
                daemon.kill()
            }
            Scene::Backup => {
                let daemon = self.working_daemon()?;
                let name = format!("copy-{}.db", self.told.deaths);
                self.dies(&["backup", &name], point, 0)?;
                judge::half_a_copy(&self.desk, &name)?;
                self.desk.start(&["backup", &name], None).succeeds()?;
                judge::a_copy(&self.desk, &name)?;
                daemon.kill()
            }
            Scene::Restore => self.die_restoring(),
            Scene::Person => self.die_speaking(),
            Scene::Moment { again } => self.die_at_a_moment(again),
        }
    }

    /// A daemon with orders to see to.
    fn working_daemon(&mut self) -> Result<Process, String> {
        self.stir(ORDERS);
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        self.told.other_deaths += 1;
        Ok(daemon)
    }

    fn die_restoring(&mut self) -> Result<(), String> {
        self.stir(ORDERS);
        self.come_to_rest()?;
        let name = format!("copy-{}.db", self.told.deaths);
        self.desk.start(&["backup", &name], None).succeeds()?;
        self.desk.remove_database();
        self.dies(&["restore", &name], self.episode.point, 0)?;
        if self.desk.path("qabyl.db").exists() {
            return judge::restored(&self.desk);
        }
        self.desk.start(&["restore", &name], None).succeeds()?;
        judge::restored(&self.desk)
    }

    fn die_speaking(&mut self) -> Result<(), String> {
        let code = self.crowd.express(&mut self.desk.server.world(), now());
        let daemon = self.working_daemon()?;
        self.until("the order is held by its rule", |play| {
            play.desk.books().spoken_for().contains(&code)
        })?;
        let word: &[&str] = match self.rng.u8(..3) {
            0 => &["hold", &code],
            1 => {
                self.desk.start(&["hold", &code], None).succeeds()?;
                &["release", &code]
            }
            _ => &["accept", &code],
        };
        self.dies(word, self.episode.point, 0)?;
        // Said again, it does no harm: what was done stays done.
        let code = self.desk.start(word, None).exits()?;
        self.say(|| format!("{word:?} again: {code}"));
        daemon.kill()
    }

    fn die_at_a_moment(&mut self, again: bool) -> Result<(), String> {
        self.stir(ORDERS);
        let daemon = self.desk.start(&["run"], None);
        self.after(20..1_200);
        self.stir(2);
        daemon.kill()?;
        if again {
            let daemon = self.desk.start(&["run"], None);
            self.after(0..300);
            daemon.kill()?;
            self.told.deaths += 1;
        }
        Ok(())
    }

    /// Lets a moment pass: it is the moment that is tried.
    fn after(&mut self, span_ms: std::ops::Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.rng.u64(span_ms)));
    }

    /// Runs a command to its death at a point; orders keep coming.
    fn dies(&mut self, args: &[&str], point: &str, spared: u32) -> Result<(), String> {
        self.say(|| format!("{args:?} will die at {point} after {spared}"));
        let process = self.desk.start(args, Some((point, spared)));
        let is_daemon = args == ["run"];
        let mut next = MORE_EVERY;
        process.dies_at(point, |age| {
            if is_daemon && age > next {
                next = age + MORE_EVERY;
                self.stir(2);
                Crowd::settle_accepted(&mut self.desk.server.world(), now());
            }
        })
    }

    fn stir(&mut self, orders: u32) {
        self.crowd
            .stir(&mut self.desk.server.world(), now(), orders);
    }

    fn import(&mut self) -> Result<(), String> {
        self.desk
            .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
        self.desk.start(&IMPORT, None).succeeds()
    }

    /// What a clock two hours ahead leaves behind.
    fn set_books_ahead(&self) {
        let mut books = self.desk.books();
        for statement in [
            "UPDATE scans SET started_at = started_at + 7200000, finished_at = finished_at + 7200000
             WHERE id > (SELECT MAX(id) - 2 FROM scans)",
            "UPDATE orders SET listed_at = listed_at + 7200000, seen_at = seen_at + 7200000
             WHERE listed_scan = (SELECT MAX(id) FROM scans WHERE kind = 'new')",
            "UPDATE actions SET due_at = due_at + 7200000 WHERE closed_at IS NULL",
        ] {
            books.change(statement);
        }
    }

    fn look_at_the_dead(&mut self) -> Result<(), String> {
        let Some(mut books) = self.desk.books_of_the_dead() else {
            return Ok(());
        };
        let judged = judge::at_death(&mut books, &self.desk);
        drop(books);
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
        self.told.other_deaths += 1;
        daemon.kill()
    }

    /// A start in peace, until nothing is left to do: its time is taken.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.desk.troubles(false);
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        let mut books = self.desk.books();
        loop {
            if judge::is_idle(&mut books, &self.desk.server.world(), now()) {
                break;
            }
            if daemon.age() > PATIENCE {
                return Err("it does not come to rest".to_owned());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.told.idle.push(daemon.age());
        self.say(|| format!("idle after {:?}", daemon.age()));
        drop(books);
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
            let mut books = play.desk.books();
            judge::is_at_its_end(&mut books, &play.desk.server.world(), now()).is_ok()
        });
        if quiet.is_err() {
            let mut books = self.desk.books();
            let why = judge::is_at_its_end(&mut books, &self.desk.server.world(), now());
            return Err(format!("not at its end: {why:?}"));
        }
        daemon.stop()?;
        let mut books = self.desk.books();
        judge::all(&mut books, &self.desk)
    }

    fn until(&self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
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

const IMPORT: [&str; 4] = ["stock", "import", "stock.csv", "--confirm-zeros"];
