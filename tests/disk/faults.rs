//! The n-th write, sync or truncation of the database's files fails, once or for a while.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use qabyl::clock::Clock;

use super::asked;
use super::daemon::Daemon;
use super::desk::{Desk, QUICK, copy_database, until};
use super::judge::{none, violations};
use super::shim::{Errno, Plan};

/// After a fault has ended, right work resumes within this (I8).
const RESUMES_WITHIN: Duration = Duration::from_mins(1);

/// How long a fault lasts that is not over at once.
const WHILE: Duration = Duration::from_millis(700);

/// The calls that are made to fail, in as many steps as asked for. Starting, listing, deciding, acting
/// and confirming are all within.
const CALLS: u64 = 300;

/// Orders that are placed until a call has failed, at most.
const ORDERS_MAX: u64 = 1_500;

/// What the program is doing when it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `qabyl run` makes its database.
    Fresh,
    /// `qabyl run` starts on one, with orders waiting.
    Start,
    /// `qabyl run` works.
    Work,
    /// `qabyl once` on orders that wait.
    Once,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    place: Place,
    n: u64,
    errno: Errno,
    lasts: bool,
}

impl Case {
    fn name(&self) -> String {
        let span = if self.lasts { "while" } else { "once" };
        format!("{:?}-{}-{}-{span}", self.place, self.n, self.errno.name()).to_lowercase()
    }

    /// Every place, error and span for each n.
    fn all(ns: impl Iterator<Item = u64>) -> Vec<Self> {
        let places = [Place::Fresh, Place::Start, Place::Work, Place::Once];
        let mut cases = Vec::new();
        for n in ns {
            for place in places {
                for errno in Errno::ALL {
                    cases.extend([false, true].map(|lasts| Self {
                        place,
                        n,
                        errno,
                        lasts,
                    }));
                }
            }
        }
        cases
    }
}

/// What a case showed.
#[derive(Debug, Default)]
struct Shown {
    /// Calls that failed; none when the program made fewer than n.
    failed: u64,
    /// From the fault's end until every order is handled.
    recovery: Duration,
    violations: Vec<String>,
}

async fn run(case: Case, template: PathBuf) -> Shown {
    let desk = Desk::new(&case.name(), None, &QUICK);
    let plan = Plan::new(&desk.path("plan"));
    if case.place != Place::Fresh {
        copy_database(&template, desk.database());
    }
    let mut shown = Shown::default();
    let outcome = match case.place {
        Place::Once => passes(&desk, case, &plan).await,
        _ => daemon(&desk, case, &plan).await,
    };
    match outcome {
        Ok(recovery) => shown.recovery = recovery,
        Err(why) => shown.violations.push(why),
    }
    shown.failed = plan.failed();
    shown.violations.extend(violations(&desk).await);
    if shown.violations.is_empty() && case.n % 60 != 1 {
        desk.forget();
    }
    let name = case.name();
    for violation in &mut shown.violations {
        *violation = format!("{name}: {violation}");
    }
    shown
}

/// The daemon is hit, works again by itself, and is killed.
async fn daemon(desk: &Desk, case: Case, plan: &Plan) -> Result<Duration, String> {
    let more = if case.lasts { u64::MAX / 2 } else { 0 };
    if case.place != Place::Work {
        plan.arm(case.n, case.errno, more);
        (0..4).for_each(|_| drop(desk.place()));
    }
    let mut command = desk.command(&["run"]);
    plan.load(&mut command, "qabyl.db");
    let mut daemon = Daemon::spawn(desk, command);
    if case.place == Place::Work {
        let polls = || desk.requests() > 2;
        until("it polls", RESUMES_WITHIN, polls).await?;
        plan.arm(case.n, case.errno, more);
    }
    let mut placed = 0;
    // Orders come until the fault is met.
    let hit = || {
        placed += 1;
        if placed < ORDERS_MAX && placed % 4 == 0 {
            desk.place();
        }
        plan.failed() > 0 || daemon.ended().is_some()
    };
    until("a call fails", RESUMES_WITHIN, hit).await?;
    if case.lasts {
        tokio::time::sleep(WHILE).await;
    }
    plan.disarm();
    // One that was hit before it began ends now, or is on its way to.
    let settled = || daemon.ended().is_some() || desk.log().contains("daemon.started");
    until("it begins or ends", RESUMES_WITHIN, settled).await?;
    if let Some(code) = daemon.ended() {
        daemon = again(desk, case, code)?;
    }
    if case.place == Place::Fresh {
        desk.import().await;
    }
    let healed = Clock::System.ticks();
    (0..8).for_each(|_| drop(desk.place()));
    let handled = || desk.waiting() == 0 || daemon.ended().is_some();
    until("work resumes", RESUMES_WITHIN, handled).await?;
    let recovery = Clock::System.ticks().saturating_sub(healed);
    if let Some(code) = daemon.ended() {
        return Err(format!("the daemon ended with {code}"));
    }
    daemon.kill();
    Ok(recovery)
}

/// A daemon may end only before it has begun, and must say why; the next one works.
fn again(desk: &Desk, case: Case, code: i32) -> Result<Daemon, String> {
    let log = desk.log();
    if case.place == Place::Work || log.contains("daemon.started") {
        return Err(format!("a fault at work ended the daemon with {code}"));
    }
    let words = log
        .lines()
        .rfind(|line| line.starts_with("qabyl: "))
        .unwrap_or_default();
    if code != 1 || words.len() < 30 {
        return Err(format!("it could not start: code {code}, '{words}'"));
    }
    Ok(Daemon::start(desk))
}

/// One pass is hit, and may fail with words; the next one does the work.
async fn passes(desk: &Desk, case: Case, plan: &Plan) -> Result<Duration, String> {
    (0..8).for_each(|_| drop(desk.place()));
    plan.arm(
        case.n,
        case.errno,
        if case.lasts { u64::MAX / 2 } else { 0 },
    );
    let mut command = desk.command(&["once", "--timeout", "20s"]);
    plan.load(&mut command, "qabyl.db");
    let output = desk.run(command).await;
    plan.disarm();
    let words = String::from_utf8_lossy(&output.stderr);
    let says = words.lines().any(|line| line.starts_with("qabyl: "));
    match output.status.code() {
        Some(0) => {}
        Some(1) if says => {}
        code => return Err(format!("`once` ended with {code:?}: {words}")),
    }
    let healed = Clock::System.ticks();
    let output = desk.run(desk.command(&["once", "--timeout", "50s"])).await;
    if !output.status.success() || desk.waiting() > 0 {
        return Err(format!("{} orders still wait: {output:?}", desk.waiting()));
    }
    Ok(Clock::System.ticks().saturating_sub(healed))
}

/// A database with stock in it, closed.
async fn template(folder: &Path) -> PathBuf {
    let desk = Desk::new("template", None, &QUICK);
    desk.import().await;
    let path = folder.join("template.db");
    copy_database(desk.database(), &path);
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
#[ignore = "needs a C compiler for the shim, and some minutes"]
async fn the_nth_call_fails() {
    let count = asked("QABYL_DISK_N", 20).clamp(1, CALLS);
    let jobs = usize::try_from(asked("QABYL_DISK_JOBS", 3)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let template = template(folder.path()).await;
    let cases = Case::all((0..count).map(|step| 1 + step * CALLS / count));
    let runs = cases.len();
    let shown: Vec<Shown> = stream::iter(cases)
        .map(|case| run(case, template.clone()))
        .buffer_unordered(jobs)
        .inspect(|shown| shown.violations.iter().for_each(|what| println!("{what}")))
        .collect()
        .await;
    let hit = shown.iter().filter(|shown| shown.failed > 0).count();
    let slowest = shown.iter().map(|shown| shown.recovery).max();
    let found: Vec<String> = shown
        .into_iter()
        .flat_map(|shown| shown.violations)
        .collect();
    println!(
        "disk: {runs} faults (n = 1..{CALLS} x EIO, ENOSPC), {} violations, slowest recovery {:.1} s; {count} values of n, \
         {hit} faults met",
        found.len(),
        slowest.unwrap_or_default().as_secs_f64()
    );
    none(&found);
    assert!(hit * 4 > runs * 3, "{hit} of {runs} faults were met");
}
