//! The power is cut: what reached the disk is all there is. Every POST that the sandbox saw and
//! everything the log said must be in what is left.

use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::store::{Access, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::asked;
use super::daemon::Daemon;
use super::desk::{Desk, QUICK, until};
use super::image::Disk;
use super::judge::{none, violations};
use super::records::{Book, Reported, damage};

const PATIENCE: Duration = Duration::from_mins(1);

const MEBIBYTES: u64 = 64;

/// Cuts under one writer; then a new disk is taken, before the old one is full.
const CUTS_A_DISK: u64 = 20;

/// What the cuts under the daemon showed.
#[derive(Default)]
struct Shown {
    acknowledged: u64,
    lost: Vec<String>,
}

/// Cuts the power under one daemon at random moments of its work.
async fn daemon(cuts: u64, seed: u64, shown: &mut Shown) {
    let disk = Disk::new(MEBIBYTES);
    let desk = Desk::new(&format!("power-{seed}"), Some(disk.home()), &QUICK);
    let mut rng = fastrand::Rng::with_seed(seed);
    desk.import().await;
    let daemon = Daemon::start(&desk);
    for _ in 0..cuts {
        let enough = desk.posts() + rng.usize(1..30);
        let busy = || {
            desk.place();
            desk.posts() >= enough
        };
        until("requests leave", PATIENCE, busy).await.unwrap();
        tokio::time::sleep(Duration::from_millis(rng.u64(0..60))).await;
        daemon.freeze();
        // What is on the wire arrives.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let log = desk.log();
        let reported = Reported::by_now(&desk.server.world(), &log);
        let left = disk.cut();
        daemon.thaw();
        shown.acknowledged += reported.count();
        shown.lost.extend(lost(&left, &reported).await);
    }
    daemon.kill();
    shown.lost.extend(violations(&desk).await);
}

/// What was reported and is not on the disk after a cut.
async fn lost(left: &[u8], reported: &Reported) -> Vec<String> {
    let disk = Disk::after_the_cut(left);
    let database = disk.home().join("qabyl.db");
    // The next daemon must be able to start on it.
    match Store::open(&database, Access::Daemon, Clock::System.now()).await {
        Ok(store) => store.close().await,
        Err(why) => return vec![format!("after the cut no daemon starts: {why}")],
    }
    match (damage(&database).await, Book::read(&database).await) {
        (Ok(damage), Ok(book)) => [damage, reported.missing_from(&book)].concat(),
        (Err(why), _) | (_, Err(why)) => vec![why],
    }
}

/// Commits rows with this setting on a disk of its own, and cuts the power at random. Gives commits
/// acknowledged and lost.
async fn driver(synchronous: SqliteSynchronous, cuts: u64, seed: u64) -> (u64, u64) {
    let disk = Disk::new(MEBIBYTES);
    let database = disk.home().join("qabyl.db");
    let store = Store::open(&database, Access::Tool, Clock::System.now()).await;
    store.unwrap().close().await;
    let options = SqliteConnectOptions::new()
        .filename(&database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .disable_statement_logging();
    let mut connection = options.connect().await.unwrap();
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut written, mut acknowledged, mut lost) = (0_u64, 0, 0);
    for _ in 0..cuts {
        for _ in 0..rng.u64(1..120) {
            sqlx::query(
                "INSERT INTO audit (at, actor, epoch, event, detail) VALUES (?, 'driver', 0, 'commit', '{}')",
            )
            .bind(i64::try_from(written).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
            written += 1;
        }
        let left = Disk::after_the_cut(&disk.cut());
        let found = rows(&left).await;
        acknowledged += written;
        lost += written.saturating_sub(found);
    }
    connection.close().await.unwrap();
    (acknowledged, lost)
}

async fn rows(disk: &Disk) -> u64 {
    let options = SqliteConnectOptions::new().filename(disk.home().join("qabyl.db"));
    let mut connection = options.connect().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM audit WHERE actor = 'driver'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    count.unsigned_abs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs root and loop devices"]
async fn a_power_cut_loses_nothing_acknowledged() {
    let cuts = asked("QABYL_POWER_CUTS", 10);
    let mut shown = Shown::default();
    let mut left = cuts;
    while left > 0 {
        let now = left.min(CUTS_A_DISK);
        daemon(now, left, &mut shown).await;
        left -= now;
    }
    let (of_full, full) = driver(SqliteSynchronous::Full, cuts, 1).await;
    let (of_normal, normal) = driver(SqliteSynchronous::Normal, cuts, 2).await;
    println!(
        "power: {cuts} cuts, FULL lost {}, NORMAL lost {normal}; acknowledged {} by the daemon, {of_full} and \
         {of_normal} by the driver",
        u64::try_from(shown.lost.len()).unwrap() + full,
        shown.acknowledged,
    );
    none(&shown.lost);
    assert_eq!(full, 0, "commits lost with FULL");
    assert!(
        normal > 0,
        "a cut that loses nothing with NORMAL sees nothing"
    );
    assert!(shown.acknowledged > cuts * 5, "the cuts hit work");
}
