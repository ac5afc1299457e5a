//! How each death comes about: what leads to it, in which process, and what is looked at right after.

use jiff::SignedDuration;

use crate::copies;
use crate::crowd::{self, Crowd};
use crate::episode::{IMPORT, INIT, MORE_EVERY, ORDERS, Play, now};
use crate::process::Process;
use crate::scene::Scene;

impl Play {
    /// One death at the point, with all that leads to it.
    pub(crate) fn die(&mut self, scene: Scene, is_last: bool) -> Result<(), String> {
        let point = self.episode.point;
        match scene {
            Scene::Work { spared } => self.die_at_work(spared),
            Scene::NewDatabase => self.die_on_a_new_database(is_last),
            Scene::LostPost => self.die_after_a_lost_post(),
            Scene::ClockAhead => {
                self.stir(ORDERS);
                self.come_to_rest()?;
                self.set_database_ahead();
                self.dies(&["run"], point, 0)
            }
            Scene::Deadline => self.die_telling(),
            Scene::Import { spared } => {
                let daemon = self.working_daemon()?;
                let spared = self.rng.u32(0..=spared);
                self.desk
                    .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
                self.dies(&IMPORT, point, spared)?;
                self.import()?;
                daemon.kill()
            }
            Scene::Backup => {
                let daemon = self.working_daemon()?;
                let name = format!("copy-{}.db", self.report.deaths);
                self.dies(&["backup", &name], point, 0)?;
                copies::half_a_copy(&self.desk, &name)?;
                self.desk.start(&["backup", &name], None).succeeds()?;
                copies::a_copy(&self.desk, &name)?;
                daemon.kill()
            }
            Scene::Restore => self.die_restoring(),
            Scene::Person => self.die_speaking(),
            Scene::Moment { again } => self.die_at_a_moment(again),
        }
    }

    fn die_at_work(&mut self, spared: u32) -> Result<(), String> {
        let (point, spared) = (self.episode.point, self.rng.u32(0..=spared));
        self.stir(ORDERS);
        if point.starts_with("reservation") {
            let mut world = self.desk.server.world();
            self.crowd.waver(&mut world, now(), 3);
        }
        Crowd::settle_accepted(&mut self.desk.server.world(), now());
        self.dies(&["run"], point, spared)
    }

    fn die_on_a_new_database(&mut self, is_last: bool) -> Result<(), String> {
        let point = self.episode.point;
        if is_last {
            self.import()?;
            self.stir(ORDERS);
            self.come_to_rest()?;
            return self.dies(&["run"], point, 0);
        }
        self.desk.remove_database();
        self.desk
            .write("stock.csv", &crowd::shelf(&self.desk.server.world()));
        let args: &[&str] = if self.rng.bool() { &["run"] } else { &INIT };
        self.dies(args, point, 0)
    }

    fn die_after_a_lost_post(&mut self) -> Result<(), String> {
        let at = [
            "attempt.after_commit",
            "post.in_flight",
            "post.answered",
            "outcome.known",
        ];
        let (at, spared) = (at[self.rng.usize(..at.len())], self.rng.u32(0..=2));
        self.stir(ORDERS);
        self.dies(&["run"], at, spared)?;
        self.report.other_deaths += 1;
        self.dies(&["run"], self.episode.point, 0)
    }

    fn die_telling(&mut self) -> Result<(), String> {
        self.stir(ORDERS);
        let ordered = now() - SignedDuration::from_mins(130);
        let code = self.crowd.express(&mut self.desk.server.world(), ordered);
        self.say(|| format!("{code} waits since {ordered}"));
        // One pass reads the order, and notifies nobody.
        let once = self.desk.start(&["once", "--timeout", "1s"], None);
        once.exits()?;
        self.dies(&["run"], self.episode.point, 0)
    }

    /// A daemon with orders to see to.
    fn working_daemon(&mut self) -> Result<Process, String> {
        self.stir(ORDERS);
        let mut daemon = self.desk.start(&["run"], None);
        daemon.is_ready()?;
        self.report.other_deaths += 1;
        Ok(daemon)
    }

    fn die_restoring(&mut self) -> Result<(), String> {
        self.stir(ORDERS);
        self.come_to_rest()?;
        let name = format!("copy-{}.db", self.report.deaths);
        self.desk.start(&["backup", &name], None).succeeds()?;
        self.desk.remove_database();
        self.dies(&["restore", &name], self.episode.point, 0)?;
        if self.desk.path("qabyl.db").exists() {
            return copies::restored(&self.desk);
        }
        self.desk.start(&["restore", &name], None).succeeds()?;
        copies::restored(&self.desk)
    }

    fn die_speaking(&mut self) -> Result<(), String> {
        let code = self.crowd.express(&mut self.desk.server.world(), now());
        let daemon = self.working_daemon()?;
        self.until("the order is held by its rule", |play| {
            play.desk.database().spoken_for().contains(&code)
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
            self.report.deaths += 1;
        }
        Ok(())
    }

    /// Runs a command to its death at a point; orders keep coming.
    fn dies(&mut self, args: &[&str], point: &str, spared: u32) -> Result<(), String> {
        self.say(|| format!("{args:?} will die at {point} after {spared}"));
        let process = self.desk.start(args, Some((point, spared)));
        let is_daemon = args == ["run"];
        let mut next = MORE_EVERY;
        let died = process.dies_at(point, |age| {
            if is_daemon && age > next {
                next = age + MORE_EVERY;
                self.stir(2);
                Crowd::settle_accepted(&mut self.desk.server.world(), now());
            }
        });
        died.map_err(|why| format!("{why}\nthe log's last words:\n{}", self.desk.last_words()))
    }

    /// What a clock two hours ahead leaves behind.
    fn set_database_ahead(&self) {
        let mut database = self.desk.database();
        for statement in [
            "UPDATE scans SET started_at = started_at + 7200000, finished_at = finished_at + 7200000
             WHERE id > (SELECT MAX(id) - 2 FROM scans)",
            "UPDATE orders SET listed_at = listed_at + 7200000, seen_at = seen_at + 7200000
             WHERE listed_scan = (SELECT MAX(id) FROM scans WHERE kind = 'new')",
            "UPDATE actions SET due_at = due_at + 7200000 WHERE closed_at IS NULL",
        ] {
            database.change(statement);
        }
    }
}
