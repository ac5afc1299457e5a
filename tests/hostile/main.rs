//! What a hostile, broken or half-dead server can do on the wire, against the real client and the real
//! daemon: every call ends in time, comes to the right class, stays small in memory, and the token
//! reaches no other host.
//!
//! `QABYL_HOSTILE_ONLY=TEXT` runs the behaviours whose name holds the text; `QABYL_HOSTILE_S=N` is how long
//! the daemon is kept under hostile input, 8 s by default.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at once, and says what it did"
)]

mod behaviour;
#[path = "../binary/mod.rs"]
mod binary;
mod calls;
mod cases;
mod catalogue;
mod clients;
mod cycle;
mod daemon;
mod endless;
mod figures;
mod honest;
mod logs;
mod process;
mod wire;

use std::collections::BTreeSet;

use behaviour::{Call, Class, Port};
use qabyl::clock::Clock;

/// Fewer would not be the suite that was asked for.
const BEHAVIOURS_MIN: usize = 60;

pub(crate) fn asked(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment says what a test runs"
    )]
    std::env::var(name).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_behaviour_against_every_call() {
    logs::listen();
    let elsewhere = wire::Elsewhere::open().await;
    let only = asked("QABYL_HOSTILE_ONLY").unwrap_or_default();
    let mut behaviours = catalogue::all();
    behaviours.retain(|behaviour| behaviour.name.contains(&only));
    let count = behaviours.len();
    let started = Clock::System.ticks();
    let mut verdict = cases::run(behaviours, elsewhere.address).await;
    // Among hundreds of sockets an answer may come a moment too late; alone it does not.
    let wrong = std::mem::take(&mut verdict.wrong);
    let mut again = catalogue::all();
    again.retain(|behaviour| {
        let case = format!("{} / ", behaviour.name);
        wrong.iter().any(|case_error| case_error.starts_with(&case))
    });
    verdict.wrong = cases::run(again, elsewhere.address).await.wrong;
    let took = Clock::System.ticks().saturating_sub(started);
    let (lines, leaked) = logs::heard();
    let strayed = elsewhere.got();
    let leaks = verdict.leaks.len() + leaked + strayed.len();
    println!("hostile cases took {:.1} s", took.as_secs_f64());
    figures::cases(format!(
        "{} cases ({count} behaviours x 4 calls), {} unbounded, {} wrong class, {leaks} token leaks",
        count * Call::ALL.len(),
        verdict.unbounded.len(),
        verdict.wrong.len(),
    ));
    let troubles = [verdict.unbounded, verdict.wrong, verdict.leaks].concat();
    assert!(troubles.is_empty(), "{troubles:#?}");
    assert!(leaked == 0, "{leaked} of {lines} log lines hold a secret");
    assert!(strayed.is_empty(), "another host was asked: {strayed:?}");
    assert!(
        !only.is_empty() || count >= BEHAVIOURS_MIN,
        "{count} behaviours"
    );
    assert!(lines > count, "the log was heard: {lines} lines");
}

/// The table itself keeps the rules: what it allows is never kinder than they are.
#[test]
fn the_table_allows_nothing_the_rules_forbid() {
    let behaviours = catalogue::all();
    let names: BTreeSet<_> = behaviours.iter().map(|behaviour| &behaviour.name).collect();
    assert_eq!(names.len(), behaviours.len(), "every name once");
    for behaviour in &behaviours {
        let posts = behaviour.allowed(Call::Post);
        let connects = matches!(behaviour.port, Port::Serves | Port::NeverAccepts);
        assert!(
            !posts.contains(&Class::NotSent) || !connects || posts.contains(&Class::Unknown),
            "{}: only a failure to connect proves that nothing was sent",
            behaviour.name
        );
        for call in Call::ALL {
            assert!(!behaviour.allowed(call).is_empty());
        }
    }
}
