//! kill -9 at every crash point of the real binary (`src/crash_point.rs`), at random moments, and again
//! while it recovers. The sandbox's ledger and the database say whether anything was lost, done twice or
//! done wrongly.
//!
//! An episode is one database and one sandbox: orders keep coming, the process dies again and again, in
//! the end all troubles cease and everything must be right.
//!
//! `cargo test --features failpoints --test kill -- --nocapture`
//!
//! | variable | default | |
//! |---|---|---|
//! | `QABYL_KILLS_PER_POINT` | 5 | deaths at each crash point |
//! | `QABYL_KILLS_RANDOM` | 10 | deaths at random moments, and as many double ones |
//! | `QABYL_KILL_SEED`, `QABYL_KILL_POINT` | 1, all | where to begin; one episode alone, printed as it goes |
//! | `QABYL_KILL_WORKERS` | 2 | episodes at a time |
//! | `QABYL_IDLE_P99_MS` | not asserted | how soon the process must be idle again |
//! | `QABYL_EVIDENCE` | none | a folder for logs and databases |
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at once, and says what it did"
)]

#[path = "../binary/mod.rs"]
mod binary;
mod copies;
mod crowd;
mod database;
mod deaths;
mod desk;
mod episode;
mod judge;
mod process;
mod scene;

use std::sync::Mutex;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::crash_point::NAMES;

use episode::{Episode, EpisodeReport};
use scene::{DOUBLE, RANDOM};

/// Deaths of one episode, at most: a longer one would judge no better, and hide which death it was.
const KILLS_PER_EPISODE: u32 = 20;

/// After so many that went wrong, each of which may wait for minutes, the rest would say no more.
const STOP_AT: usize = 5;

/// Episodes at a time, where the environment says nothing else.
const WORKERS: usize = 2;

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says what a test runs"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    setting(name).and_then(|text| text.parse().ok())
}

/// What is to be played: each point's deaths, in episodes of a bearable length.
fn episodes() -> Vec<Episode> {
    let per_point = number("QABYL_KILLS_PER_POINT").unwrap_or(5);
    let random = number("QABYL_KILLS_RANDOM").unwrap_or(10);
    let first = number("QABYL_KILL_SEED").unwrap_or(1);
    if let Some(name) = setting("QABYL_KILL_POINT") {
        let all = NAMES.into_iter().chain([RANDOM, DOUBLE]);
        let point = all.into_iter().find(|point| *point == name);
        let point = point.unwrap_or_else(|| panic!("there is no crash point {name}"));
        let kills = if NAMES.contains(&point) {
            per_point
        } else {
            random
        };
        return vec![Episode {
            point,
            seed: first,
            kills,
        }];
    }
    let points = NAMES.into_iter().map(|name| (name, per_point));
    let wanted = points.chain([(RANDOM, random), (DOUBLE, random)]);
    let mut episodes = Vec::new();
    for (point, kills) in wanted {
        let mut left = kills;
        while left > 0 {
            let kills = left.min(KILLS_PER_EPISODE);
            let seed = first + episodes.len() as u64;
            episodes.push(Episode { point, seed, kills });
            left -= kills;
        }
    }
    episodes
}

/// The value below which `share` of them lie.
fn percentile(sorted: &[Duration], share: f64) -> u128 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among some thousand samples"
    )]
    let rank = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(rank).map_or(0, Duration::as_millis)
}

#[test]
fn every_crash_point_is_survived() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let tell = setting("QABYL_KILL_POINT").is_some();
    let mut all = episodes();
    let count = all.len();
    all.reverse();
    let (queue, ended) = (Mutex::new(all), Mutex::new(Vec::<EpisodeReport>::new()));
    let worker = || {
        loop {
            let failed = |report: &EpisodeReport| report.violation.is_some();
            if ended
                .lock()
                .unwrap()
                .iter()
                .filter(|report| failed(report))
                .count()
                >= STOP_AT
            {
                return;
            }
            let next = queue.lock().unwrap().pop();
            let Some(episode) = next else { return };
            let report = episode.play(runtime.handle(), tell);
            if let Some(why) = &report.violation {
                println!("{why}");
            }
            let mut ended = ended.lock().unwrap();
            ended.push(report);
            if ended.len() % 25 == 0 {
                println!("{} of {count} episodes have ended", ended.len());
            }
        }
    };
    let started = Clock::System.ticks();
    std::thread::scope(|scope| {
        for _ in 0..number("QABYL_KILL_WORKERS").unwrap_or(WORKERS) {
            scope.spawn(worker);
        }
    });
    let took = Clock::System.ticks().saturating_sub(started).as_secs();
    let ended = ended.into_inner().unwrap();
    let mut idle: Vec<Duration> = ended
        .iter()
        .flat_map(|report| report.idle.clone())
        .collect();
    idle.sort();
    let slowest = ended.iter().max_by_key(|report| report.idle.iter().max());
    let violations = ended
        .iter()
        .filter(|report| report.violation.is_some())
        .count();
    let points: std::collections::BTreeSet<_> = ended
        .iter()
        .filter(|report| report.deaths > 0)
        .map(|report| report.point)
        .collect();
    let sum = |of: fn(&EpisodeReport) -> u32| ended.iter().map(of).sum::<u32>();
    let (p50, p99) = (percentile(&idle, 0.5), percentile(&idle, 0.99));
    println!(
        "kills: {} at {} points, {violations} violations; idle again p50 {p50} ms, p99 {p99} ms; \
         {} starts timed, {} orders, {} POSTs, {} other deaths, {took} s",
        sum(|report| report.deaths),
        points.len(),
        idle.len(),
        sum(|report| report.orders),
        sum(|report| report.posts),
        sum(|report| report.other_deaths),
    );
    if let Some(report) = slowest {
        let (point, seed, longest) = (report.point, report.seed, report.idle.iter().max());
        println!("longest until idle again: {longest:?} at {point}, seed {seed}");
    }
    assert_eq!(violations, 0, "{violations} of {count} episodes went wrong");
    assert_eq!(ended.len(), count, "every episode came to an end");
    if let Some(limit) = number::<u128>("QABYL_IDLE_P99_MS") {
        assert!(
            p99 <= limit,
            "idle again after {p99} ms, {limit} ms allowed"
        );
    }
}
