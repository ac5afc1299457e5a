//! The disk is full, once or for a time, and then it is not.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use qabyl::clock::Clock;

use super::asked;
use super::binary;
use super::daemon::Daemon;
use super::desk::{Desk, Limits, QUICK, until};
use super::image::Disk;
use super::judge::{none, violations};
use super::records::{Book, Reported};

/// After a fault has ended, right work resumes within this (I8).
const RESUMES_WITHIN: Duration = Duration::from_mins(1);

/// How long a queue of orders may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Sets the size beyond which no file of a process may grow.
fn limit_files(daemon: &Daemon, bytes: &str) {
    let mut prlimit = Command::new("prlimit");
    let pid = daemon.pid().to_string();
    let status = prlimit
        .args(["--pid", &pid, &format!("--fsize={bytes}:")])
        .status();
    assert!(status.unwrap().success(), "prlimit of util-linux is needed");
}

/// What once went wrong in libraries below: after one failed COMMIT all later ones said Ok and none of
/// them happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn full_once_then_a_hundred_requests_then_killed() {
    let desk = Desk::new("full-once", None, &QUICK);
    desk.import().await;
    // A process over its limit is signalled, and the write fails if the signal is ignored.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" run 2>&1"]);
    command.arg(binary::path()).current_dir(desk.path(""));
    let daemon = Daemon::spawn_piped(&desk, command);
    let polls = || desk.requests() > 2;
    until("it polls", RESUMES_WITHIN, polls).await.unwrap();

    let written = desk.database().with_extension("db-wal").metadata().unwrap();
    limit_files(&daemon, &written.len().to_string());
    desk.place();
    let fails = || desk.log().contains("\"D005\"");
    until("a write fails", RESUMES_WITHIN, fails).await.unwrap();
    limit_files(&daemon, "unlimited");

    (0..100).for_each(|_| drop(desk.place_plenty()));
    let sent = || desk.waiting() == 0;
    until("all is sent", RESUMES_WITHIN, sent).await.unwrap();
    daemon.kill();
    assert!(desk.posts() >= 101, "{} requests", desk.posts());
    none(&violations(&desk).await);
}

/// Takes all the space there is.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let piece = vec![0xAA; size];
        while file
            .write_all(&piece)
            .and_then(|()| file.sync_data())
            .is_ok()
        {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs root and a loop device"]
async fn full_for_a_time() {
    let full_for = Duration::from_secs(asked("QABYL_FULL_S", 10));
    let disk = Disk::new(24);
    // Slowly, so that decided orders wait for their turn when the disk is full.
    let limits = Limits {
        rate_per_second: 30,
        ..QUICK
    };
    let desk = Desk::new("full", Some(disk.home()), &limits);
    desk.import().await;
    let mut daemon = Daemon::start(&desk);
    (0..100).for_each(|_| drop(desk.place()));
    let busy = || desk.posts() > 3;
    until("requests leave", RESUMES_WITHIN, busy).await.unwrap();

    let filler = disk.home().join("filler");
    fill(&filler);
    let since = Clock::System.ticks();
    while Clock::System.ticks().saturating_sub(since) < full_for {
        desk.place();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let waited = desk.waiting();
    assert!(waited > 4, "the disk was never full: {waited} orders wait");
    assert_eq!(daemon.ended(), None, "{}", desk.log());
    // Nothing leaves without its row, which others can read.
    let reported = Reported::by_now(&desk.server.world(), &desk.log());
    let book = Book::read(desk.database()).await.unwrap();
    none(&reported.missing_from(&book));
    let log = desk.log();
    for words in ["\"D005\"", "full", "free space"] {
        assert!(log.contains(words), "the log does not say `{words}`: {log}");
    }

    let sent = desk.posts();
    std::fs::remove_file(&filler).unwrap();
    let freed = Clock::System.ticks();
    let since_full = freed.saturating_sub(since);
    let resumed = until("work resumes", RESUMES_WITHIN, || desk.posts() > sent).await;
    let took = Clock::System.ticks().saturating_sub(freed);
    println!(
        "full disk: {:.0} s full, work resumed after {:.1} s; {waited} orders had waited",
        since_full.as_secs_f64(),
        took.as_secs_f64()
    );
    resumed.unwrap();
    let handled = || desk.waiting() == 0;
    until("all is handled", PATIENCE, handled).await.unwrap();
    assert_eq!(daemon.ended(), None, "{}", desk.log());
    daemon.kill();
    none(&violations(&desk).await);
}
