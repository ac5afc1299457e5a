//! The real binary in front of a hostile server: small, stoppable, and right again once the server is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Server, Settings, World};

use crate::behaviour::{Port, Step};
use crate::calls::TOKEN;
use crate::cycle::Cycle;
use crate::endless::Endless;
use crate::figures::{self, mb};
use crate::process::{Daemon, keep_evidence, stock, until};
use crate::wire::{Elsewhere, Hostile};
use crate::{asked, catalogue};

/// What may be resident at the worst moment under hostile input.
pub(crate) const PEAK_KB_MAX: u64 = 64 * 1024;

/// What may be resident when there is nothing to do.
const IDLE_KB_MAX: u64 = 25 * 1024;

/// Work resumes by itself in this time after the last trouble.
const RESUMES_IN: Duration = Duration::from_mins(1);

/// A POST under way may end first, in 3 s; the rest is for a loaded machine.
const STOPS_IN: Duration = Duration::from_secs(20);

/// Behaviours met by some call, at least, before the daemon is judged.
const MET_MIN: usize = 12;

/// How long the daemon is kept under hostile input.
pub(crate) fn long() -> Duration {
    Duration::from_secs(asked("QABYL_HOSTILE_S").map_or(8, |text| text.parse().unwrap()))
}

pub(crate) fn sandbox() -> Server {
    let world = World::new(Settings {
        tokens: vec![TOKEN.to_owned()],
        canary: Some("canary-7f3a".to_owned()),
        ..Settings::default()
    });
    let address = "127.0.0.1:0".parse().unwrap();
    Server::start(address, world, Arc::new(|| Clock::System.now())).unwrap()
}

fn orders(sandbox: &Server, codes: std::ops::Range<u32>, sku: &str) -> Vec<String> {
    let codes: Vec<String> = codes.map(|n| format!("9{n:08}")).collect();
    for code in &codes {
        let seed = OrderSeed::new(code, Clock::System.now()).line(sku, 1);
        assert!(sandbox.world().place(seed));
    }
    codes
}

/// What the hostile minutes may not leave behind.
fn judge(sandbox: &Server, log: &str) {
    let world = sandbox.world();
    let ledger = world.ledger();
    assert!(
        ledger.both_actions_sent().is_empty(),
        "{:?}",
        ledger.both_actions_sent()
    );
    assert!(
        ledger.blind_repeats().is_empty(),
        "{:?}",
        ledger.blind_repeats()
    );
    let sold = world.units_promised_by_sku();
    let sold = |sku: &str| sold.get(sku).copied().unwrap_or(0);
    assert!(
        sold("A") <= 400 && sold("B") == 0,
        "A {}, B {}",
        sold("A"),
        sold("B")
    );
    for secret in [TOKEN, "canary-7f3a"] {
        assert!(!log.contains(secret), "{secret} was logged");
    }
    assert!(!log.contains("panicked"), "a stage panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_daemon_stays_small_and_comes_back() {
    let sandbox = sandbox();
    let elsewhere = Elsewhere::open().await;
    let cycle = Cycle::open(sandbox.addr(), elsewhere.address, catalogue::all()).await;
    let folder = Daemon::folder(&format!("http://{}/shop/api", cycle.address));
    stock(&folder, "sku,on_hand\nA,400\nB,0\n");
    // Nothing is accepted before accepted orders were read once, all of them (R8): that much is granted.
    cycle.turn(true);
    orders(&sandbox, 90..91, "A");
    let daemon = Daemon::start(folder, Some(&elsewhere), "hostile.log");
    let posts_in_all = || {
        let world = sandbox.world();
        let requests = world.ledger().requests();
        requests.iter().filter(|row| row.write.is_some()).count()
    };
    until(RESUMES_IN, || posts_in_all() > 0).await;
    cycle.turn(false);
    let granted = posts_in_all();
    let posts = || posts_in_all() - granted;
    orders(&sandbox, 0..60, "A");
    orders(&sandbox, 100..110, "B");
    let started = Clock::System.ticks();
    let mut more = 200;
    until(long() + RESUMES_IN, || {
        let passed = Clock::System.ticks().saturating_sub(started);
        // New orders keep coming, so that there is something to send.
        if more < 300 && passed * 100 > long() * (more - 200) {
            orders(&sandbox, more..more + 1, "A");
            more += 1;
        }
        // On a loaded machine it takes longer before enough has happened.
        passed > long() && cycle.met().len() > MET_MIN && posts() > 0
    })
    .await;
    let peak = daemon.peak();
    let (folder, stopped_in, log) = daemon.stop().await;
    keep_evidence(&folder, "hostile");
    judge(&sandbox, &log);
    let (met, posts) = (cycle.met(), posts());

    let daemon = Daemon::start(folder, Some(&elsewhere), "honest.log");
    until(Duration::from_secs(2), || false).await;
    cycle.turn(true);
    let turned = Clock::System.ticks();
    let codes = orders(&sandbox, 500..505, "A");
    let handled = until(RESUMES_IN, || {
        let world = sandbox.world();
        codes
            .iter()
            .all(|code| world.order(code).unwrap().status.as_str() == "ACCEPTED_BY_MERCHANT")
    })
    .await;
    let resumed_in = Clock::System.ticks().saturating_sub(turned);
    let peak_after = daemon.peak();
    let (folder, _, log) = daemon.stop().await;
    keep_evidence(&folder, "hostile");
    figures::peak(peak.max(peak_after));
    println!(
        "hostile daemon: {} s, {} behaviours met by {} calls, {posts} POSTs; stopped in {:.1} s, right again in {:.1} s; peak {:.1} MB, afterwards {:.1} MB",
        long().as_secs(),
        met.iter()
            .map(|(_, name)| name)
            .collect::<BTreeSet<_>>()
            .len(),
        met.len(),
        stopped_in.as_secs_f64(),
        resumed_in.as_secs_f64(),
        mb(peak),
        mb(peak_after),
    );
    judge(&sandbox, &log);
    assert!(handled, "not handled in {RESUMES_IN:?}:\n{}", tail(&log));
    assert!(stopped_in < STOPS_IN, "{stopped_in:?}");
    assert!(
        peak <= PEAK_KB_MAX && peak_after <= PEAK_KB_MAX,
        "{peak} and {peak_after} kB"
    );
    assert!(
        elsewhere.got().is_empty(),
        "another host was asked: {:?}",
        elsewhere.got()
    );
    assert!(met.len() > MET_MIN && posts > 0, "{met:?}, {posts} POSTs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_idle_daemon_is_small() {
    let sandbox = sandbox();
    let folder = Daemon::folder(&sandbox.base_url());
    stock(&folder, "sku,on_hand\nA,400\n");
    let codes = orders(&sandbox, 0..20, "A");
    let daemon = Daemon::start(folder, None, "idle.log");
    let handled = until(RESUMES_IN, || {
        let world = sandbox.world();
        codes
            .iter()
            .all(|code| world.order(code).unwrap().status.as_str() == "ACCEPTED_BY_MERCHANT")
    })
    .await;
    let polls = sandbox.world().ledger().requests_total() + 20;
    until(RESUMES_IN, || {
        sandbox.world().ledger().requests_total() > polls
    })
    .await;
    let resident = daemon.resident();
    let (folder, _, log) = daemon.stop().await;
    keep_evidence(&folder, "hostile-idle");
    figures::idle(resident);
    println!("hostile idle: {:.1} MB", mb(resident));
    assert!(handled, "{}", tail(&log));
    judge(&sandbox, &log);
    assert!(resident <= IDLE_KB_MAX, "{resident} kB");
}

/// Full pages of orders nobody has seen, for ever: lists are cut at `kaspi.pages_max`, reported as
/// incomplete, and nothing is decided from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_without_end_are_cut() {
    let endless = Endless::open().await;
    let folder = Daemon::folder(&format!("http://{}/shop/api", endless.address));
    let daemon = Daemon::start(folder, None, "endless.log");
    let logged = |daemon: &Daemon| {
        let log = std::fs::read_to_string(&daemon.log).unwrap();
        log.contains("poll.incomplete")
    };
    until(long(), || false).await;
    let cut = until(Duration::from_mins(5), || logged(&daemon)).await;
    let peak = daemon.peak();
    let (folder, stopped_in, log) = daemon.stop().await;
    keep_evidence(&folder, "hostile-endless");
    let (pages, posts) = endless.counted();
    figures::peak(peak);
    println!(
        "hostile lists: {pages} pages of 100 without end, {posts} POSTs; stopped in {:.1} s; peak {:.1} MB",
        stopped_in.as_secs_f64(),
        mb(peak)
    );
    assert!(cut, "{}", tail(&log));
    assert!(posts == 0 && pages >= 200, "{pages} pages, {posts} POSTs");
    assert!(peak <= PEAK_KB_MAX, "{peak} kB");
    assert!(stopped_in < STOPS_IN, "{stopped_in:?}");
}

/// A read may take minutes, with its repeats; whoever stops the daemon does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_reads() {
    let silent = Hostile::open(Port::Serves, vec![Step::Read, Step::Hold]).await;
    let folder = Daemon::folder(&format!("http://{}/shop/api", silent.address));
    let file = folder.path().join("qabyl.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let patient = config.replace("request_timeout = \"2s\"", "request_timeout = \"300s\"");
    assert_ne!(config, patient);
    std::fs::write(&file, patient).unwrap();
    let daemon = Daemon::start(folder, None, "silent.log");
    let asked = until(RESUMES_IN, || !silent.seen.all().is_empty()).await;
    assert!(asked, "it reads");
    let (_, stopped_in, log) = daemon.stop().await;
    assert!(stopped_in < STOPS_IN, "{stopped_in:?}");
    assert!(!log.contains("stage.failed"), "a stop is no failure: {log}");
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
