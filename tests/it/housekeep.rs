//! What keeps the database: hourly backups, old rows deleted, the write-ahead log short; and nothing that still
//! counts is lost by it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use qabyl::config::Config;
use qabyl::pipeline::housekeep::{self, Keeper};
use qabyl::store::{self, Access, Store};
use qabyl_sandbox::{OrderSeed, Settings};
use tokio_util::sync::CancellationToken;

use crate::migrations::look_into;
use crate::world::{TestWorld, start, world};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn keep(keeper: &Keeper) -> housekeep::Report {
    housekeep::run_once(keeper, &CancellationToken::new())
        .await
        .unwrap()
}

fn copying(world: &TestWorld, folder: &Path) -> Keeper {
    world.keeper(|config| {
        config.backup.directory = Some(folder.to_owned());
        config.backup.keep_hourly = 3;
        config.backup.keep_daily = 2;
    })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn copies_are_made_by_the_hour_and_thinned_out() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("300000001", "A", 1)]);
    world.once().await;
    let folder = world.folder().join("copies/of/this");
    let keeper = copying(&world, &folder);
    let first = keep(&keeper).await.backup.expect("there was none");
    assert_eq!((mode(&folder), mode(&first)), (0o700, 0o600));
    assert_eq!(
        names(&folder).len(),
        1,
        "nothing beside it: {:?}",
        names(&folder)
    );
    world.time.advance(Duration::from_secs(3599));
    assert_eq!(keep(&keeper).await.backup, None, "not due");

    // Not ours, whatever they look like; and what a killed copy left.
    let others = [
        "qabyl.db",
        "qabyl-before-upgrade.db",
        "other-20260302T060000Z.db",
        "notes.partial",
    ];
    for name in others {
        std::fs::write(folder.join(name), "mine").unwrap();
    }
    for name in [
        "qabyl-20260302T050000Z.db.partial",
        "qabyl-20260302T050000Z.db.partial-journal",
    ] {
        std::fs::write(folder.join(name), "half").unwrap();
    }
    for _ in 0..60 {
        world.time.advance(HOUR);
        // A new process each time: what is due is read from the names.
        keep(&copying(&world, &folder)).await.backup.expect("due");
    }
    let left = names(&folder);
    for name in others {
        assert!(
            left.iter().any(|left| left == name),
            "{name} is missing: {left:?}"
        );
    }
    let ours: Vec<&String> = left
        .iter()
        .filter(|name| !others.contains(&name.as_str()))
        .collect();
    assert_eq!(
        ours,
        [
            "qabyl-20260303T230000Z.db",
            "qabyl-20260304T170000Z.db",
            "qabyl-20260304T180000Z.db",
            "qabyl-20260304T190000Z.db"
        ]
    );
    let copy = folder.join(ours[3]);
    let to = world.folder().join("again.db");
    qabyl::ledger::restore(&copy, &to, SignedDuration::ZERO, world.now())
        .await
        .unwrap();
    let again = Store::open(&to, Access::Tool, world.now()).await.unwrap();
    assert_eq!(again.totals(None).await.unwrap().accepted, 1, "whole");
    world.finish().await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_stops_nothing_and_is_tried_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let folder = world.folder().join("in the way");
    std::fs::write(&folder, "a file").unwrap();
    let keeper = copying(&world, &folder.join("copies"));
    let mut logged = Vec::new();
    for minute in 0..8 {
        let report = keep(&keeper).await;
        let trouble = report.trouble.expect("it shows on the board");
        assert!(trouble.contains("in the way"), "{trouble}");
        logged.extend(report.is_logged.then_some(minute));
        world.time.advance(Duration::from_mins(1));
    }
    assert_eq!(logged, [0, 5], "once in five minutes");
    world.place_plain(&[("310000001", "A", 1)]);
    world.once().await;
    assert_eq!(world.posts("310000001"), ["accept"]);
    std::fs::remove_file(&folder).unwrap();
    let report = keep(&keeper).await;
    assert!(
        report.backup.is_some() && report.trouble.is_none(),
        "{report:?}"
    );
    world.finish().await;
}

/// A backup is one long reading: writers do not wait for its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_no_writer_up() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    world.once().await;
    let mut inside = look_into(world.store.path()).await;
    let fill = "INSERT INTO audit (at, actor, epoch, event, detail)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
      SELECT 0, 'test', 0, 'filler', json_quote(hex(randomblob(8000))) FROM n";
    sqlx::query(fill).execute(&mut inside).await.unwrap();
    let copy = world.folder().join("copy.db");
    let (shop, now) = (world.shop.ctx.shop.clone(), world.now());
    let (mut written, mut backup) = (0, Box::pin(world.store.backup(&copy)));
    loop {
        let by = qabyl::domain::people::Actor::command_line("test", "test");
        let write = world.store.set_paused(&shop, Some("a write"), &by, now);
        tokio::select! {
            biased;
            made = &mut backup => break made.unwrap(),
            done = write => {
                done.unwrap();
                written += 1;
            }
        }
    }
    assert!(written >= 5, "{written} writes while 60 MB were copied");
    assert!(copy.metadata().unwrap().len() > 60_000_000);
}

/// Orders accepted, departed with the courier and archived; the shelf counted after.
async fn sold(world: &mut TestWorld, codes: &[&str]) {
    for code in codes {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.once().await;
    world.time.advance(HOUR);
    let now = world.now();
    for code in codes {
        assert!(world.kaspi().hand_over(code, now) && world.kaspi().complete(code, now));
    }
    world.later(HOUR).await;
}

fn keeping(world: &TestWorld, orders: Duration, audit: Duration) -> Keeper {
    world.keeper(|config: &mut Config| {
        config.retention.orders = orders;
        config.retention.audit = audit;
        config.retention.batch = 2;
    })
}

async fn rows(world: &TestWorld, table: &str) -> i64 {
    let mut inside = look_into(world.store.path()).await;
    let count = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count))
        .fetch_one(&mut inside)
        .await
        .unwrap()
}

async fn available(world: &TestWorld) -> i64 {
    let level = &world.levels().await[0];
    level.listing.on_hand.unwrap() - level.promised.confirmed - level.promised.in_doubt
}

#[tokio::test]
async fn what_is_over_and_old_goes_whole_and_what_still_counts_stays() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20), ("B", 1)]).await;
    let old = [
        "320000001",
        "320000002",
        "320000003",
        "320000004",
        "320000005",
    ];
    sold(&mut world, &old).await;
    // Counted since: the shelf no longer needs them.
    world.stock(&[("A", 15), ("B", 1)]).await;
    // As old, and not over: accepted and never picked up. Or over, and still holding its unit.
    world.place_plain(&[("320000006", "A", 1), ("320000009", "A", 1)]);
    world.once().await;
    let mut inside = look_into(world.store.path()).await;
    let forged =
        "UPDATE orders SET state = 'ARCHIVE', status = 'CANCELLED' WHERE code = '320000009'";
    sqlx::query(forged).execute(&mut inside).await.unwrap();
    drop(inside);
    world.stock(&[("A", 15), ("B", 1)]).await;
    // Archived, and departed after the last count.
    sold(&mut world, &["320000007"]).await;
    world.time.advance(100 * DAY);
    world.place_plain(&[("320000008", "B", 1)]);
    world.brief().await;
    let before = available(&world).await;

    let report = keep(&keeping(&world, 61 * DAY, 61 * DAY)).await;
    assert_eq!(report.orders, 5, "{report:?}");
    assert_eq!(available(&world).await, before, "no unit came back by it");
    let left: Vec<String> = world
        .views()
        .await
        .iter()
        .map(|v| v.order.code.to_string())
        .collect();
    assert_eq!(left, ["320000008", "320000007", "320000009", "320000006"]);
    for (table, rest) in [
        ("lines", 4),
        ("decisions", 4),
        ("reservations", 3),
        ("actions", 3),
        ("attempts", 3),
    ] {
        assert_eq!(rows(&world, table).await, rest, "{table}");
    }
    assert_eq!(rows(&world, "pragma_foreign_key_check").await, 0);
    let audit = world.store.audit_rows(None, 1000).await.unwrap();
    let dropped: Vec<&str> = audit
        .iter()
        .filter(|row| row.event == "order.deleted")
        .map(|row| row.detail.as_str())
        .collect();
    assert_eq!(dropped.len(), 5);
    for (row, code) in dropped.iter().zip(old) {
        assert!(row.contains("COMPLETED"), "{row}");
        assert!(dropped.iter().any(|row| row.contains(code)), "{code}");
    }
    assert!(
        report.audit_rows > 0
            && !audit
                .iter()
                .any(|row| row.event == "stock.imported" && row.at == start())
    );
    let last = world.store.audit_rows(Some("320000001"), 10).await.unwrap();
    assert_eq!(
        last.last().unwrap().event,
        "order.deleted",
        "still recorded"
    );
    assert_eq!(
        keep(&keeping(&world, 61 * DAY, 61 * DAY)).await.orders,
        0,
        "nothing more"
    );
}

/// A list that reaches back further than orders are kept shows old ones again: they are none that came
/// in, and take no unit.
#[tokio::test]
async fn an_order_let_go_does_not_come_back_as_new() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    // On its way for ever: lists reach back to it.
    world.place_plain(&[("330000000", "A", 1)]);
    world.time.advance(HOUR);
    let old = ["330000001", "330000002", "330000003"];
    sold(&mut world, &old).await;
    for _ in 0..20 {
        world.later(DAY).await;
    }
    world.stock(&[("A", 17)]).await;
    world.place_plain(&[("330000004", "A", 1)]);
    world.once().await;
    // Far shorter than any configuration may ask for.
    assert_eq!(keep(&keeping(&world, 10 * DAY, 61 * DAY)).await.orders, 3);
    let (known, units) = (world.views().await.len(), available(&world).await);
    // Put back from a copy, the archive is listed back to there.
    let copy = world.folder().join("copy.db");
    world.store.backup(&copy).await.unwrap();
    world.put_back(&copy).await;
    world.later(HOUR).await;
    assert_eq!(
        world.views().await.len(),
        known,
        "{:?}",
        world.views().await
    );
    assert_eq!(available(&world).await, units);
    let decided = rows(&world, "orders WHERE first_seen_at > 1775000000000").await;
    assert_eq!(decided, 0);
}

#[tokio::test]
async fn a_clock_set_wrong_by_years_lets_nothing_go() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    sold(&mut world, &["340000001", "340000002"]).await;
    world.stock(&[("A", 18)]).await;
    let right = world.now();
    let before = rows(&world, "audit").await;
    world
        .time
        .set(right + SignedDuration::from_hours(24 * 4000));
    let report = keep(&keeping(&world, 180 * DAY, 400 * DAY)).await;
    assert_eq!((report.orders, report.audit_rows), (0, 0));
    assert_eq!(world.views().await.len(), 2);
    assert!(rows(&world, "audit").await >= before);
}

#[tokio::test]
async fn a_log_made_long_is_cut_once_nobody_reads_it() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let log = |world: &TestWorld| {
        let mut path = world.store.path().as_os_str().to_owned();
        path.push("-wal");
        PathBuf::from(path).metadata().unwrap().len()
    };
    let mut inside = look_into(world.store.path()).await;
    // A reader that stands still keeps the write-ahead log from starting over.
    let mut reader = look_into(world.store.path()).await;
    sqlx::query("BEGIN").execute(&mut reader).await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM audit")
        .execute(&mut reader)
        .await
        .unwrap();
    for _ in 0..3 {
        let fill = "INSERT INTO audit (at, actor, epoch, event, detail)
          WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
          SELECT 0, 'test', 0, 'filler', json_quote(hex(randomblob(8000))) FROM n";
        sqlx::query(fill).execute(&mut inside).await.unwrap();
    }
    assert!(log(&world) > 16_000_000, "{}", log(&world));
    keep(&keeping(&world, 180 * DAY, 400 * DAY)).await;
    assert!(log(&world) > 16_000_000, "the reader still needs it");
    sqlx::query("COMMIT").execute(&mut reader).await.unwrap();
    keep(&keeping(&world, 180 * DAY, 400 * DAY)).await;
    assert!(log(&world) < 8_000_000, "{}", log(&world));
    world.place(OrderSeed::new("350000001", world.now()).line("A", 1));
    world.once().await;
    assert_eq!(world.posts("350000001"), ["accept"]);
    world.finish().await;
}

/// Imports by the minute leave no rows behind for ever.
#[tokio::test]
async fn imports_without_a_level_go() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20), ("B", 3)]).await;
    for _ in 0..5 {
        world.time.advance(DAY);
        world.stock(&[("A", 20)]).await;
    }
    world.time.advance(100 * DAY);
    keep(&keeping(&world, 61 * DAY, 61 * DAY)).await;
    // The first import still says what is there of B.
    assert_eq!(rows(&world, "stock_imports").await, 2);
    assert_eq!(world.levels().await.len(), 2);
}

/// A large file that was found whole today is not read from end to end at each start, and the stage does
/// it instead; damage ends the work, and the next start sees it.
#[tokio::test]
async fn a_large_database_is_looked_through_once_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.db");
    let now = start();
    let store = Store::open(&path, Access::Daemon, now).await.unwrap();
    assert!(!store.check_daily(now).await.unwrap(), "the start did it");
    assert!(store.check_daily(now + DAY).await.unwrap(), "a day on");
    let mut inside = look_into(&path).await;
    let fill = "INSERT INTO audit (at, actor, epoch, event, detail)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)
      SELECT 0, 'test', 0, 'filler', json_quote(hex(randomblob(8000))) FROM n";
    sqlx::query(fill).execute(&mut inside).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut inside)
        .await
        .unwrap();
    drop(inside);
    store.close().await;
    // Damage in the middle of it.
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 70_000_000);
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096 * 64].fill(0xAA);
    std::fs::write(&path, bytes).unwrap();
    let soon = now + DAY + HOUR;
    let store = Store::open(&path, Access::Daemon, soon)
        .await
        .expect("not looked through");
    let found = store.check_daily(soon).await.unwrap_err();
    assert!(
        matches!(found, store::StoreError::Damaged { .. }) && found.is_fatal(),
        "{found}"
    );
    store.close().await;
    let again = Store::open(&path, Access::Daemon, soon).await.unwrap_err();
    assert!(
        matches!(again, store::StoreError::Damaged { .. }),
        "{again}"
    );
}
