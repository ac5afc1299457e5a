//! Copies by the real binary: made by the daemon, put back by a person, at the wrong moment and in the
//! wrong place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::store::{Access, Store};
use qabyl_sandbox::Settings;
use sqlx::Connection as _;

use super::daemon::{Daemon, until};
use super::{Desk, said};
use crate::migrations::{filled, look_into, pre_release};

const CODE: &str = "900000001";

/// A desk with one order accepted and a copy of that in `copy.db`.
async fn copied() -> Desk {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,2\n").await;
    desk.place(CODE, "A", 1);
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&["backup", "copy.db"]).await.ok();
    desk
}

fn lose(desk: &Desk) {
    for name in ["qabyl.db", "qabyl.db-wal", "qabyl.db-shm"] {
        let _ = std::fs::remove_file(desk.path(name));
    }
}

fn beside(desk: &Desk, name: &str) -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(desk.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|found| found.starts_with(name) && found != name)
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_makes_copies_and_tells_where_it_cannot() {
    let desk = Desk::new(Settings::default());
    let config = desk.config("act", "[backup]\ndirectory = \"copies\"\n");
    desk.write("qabyl.toml", &config);
    desk.write("copies", "a file in the way");
    desk.stock("sku,on_hand\nA,2\n").await;
    let daemon = Daemon::start(&desk);
    let log = || std::fs::read_to_string(desk.path("log")).unwrap();
    until("it is logged", || log().contains("\"backup.failed\"")).await;
    desk.place(CODE, "A", 1);
    until("orders go on", || {
        desk.status(CODE) == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    assert_eq!(log().matches("\"backup.failed\"").count(), 1);
    assert!(log().contains("\"B001\""));
    assert_eq!(daemon.stop(), Some(0));

    std::fs::remove_file(desk.path("copies")).unwrap();
    let daemon = Daemon::start(&desk);
    until("a copy is made", || log().contains("\"backup.made\"")).await;
    assert_eq!(daemon.stop(), Some(0));
    let copies: Vec<_> = std::fs::read_dir(desk.path("copies")).unwrap().collect();
    assert_eq!(copies.len(), 1);
    let copy = copies[0].as_ref().unwrap().path();
    lose(&desk);
    let restored = desk.qabyl(&["restore", copy.to_str().unwrap()]).await.ok();
    let output = &restored.out;
    assert!(output.contains("import any later stock"), "{output}");
    desk.qabyl(&["orders", "show", CODE]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_in_the_place_of_anything() {
    let desk = copied().await;
    desk.qabyl(&["restore", "copy.db"])
        .await
        .fails(1, &["qabyl.db", "is there"]);
    lose(&desk);
    // What another database left would be written into this one.
    for left in ["qabyl.db-wal", "qabyl.db-shm", "qabyl.db-journal"] {
        desk.write(left, "frames of another life");
        desk.qabyl(&["restore", "copy.db"])
            .await
            .fails(1, &[left, "is there"]);
        assert!(!desk.path("qabyl.db").exists());
        std::fs::remove_file(desk.path(left)).unwrap();
    }
    // A daemon goes on writing into a file whose name is removed.
    let daemon = Daemon::start(&desk);
    until("it is open", || desk.path("qabyl.db").exists()).await;
    let polled = desk.server.world().ledger().requests_total();
    until("it works", || {
        desk.server.world().ledger().requests_total() > polled
    })
    .await;
    lose(&desk);
    desk.qabyl(&["restore", "copy.db"])
        .await
        .fails(1, &["in use by process"]);
    assert!(!desk.path("qabyl.db").exists());
    daemon.kill();
    lose(&desk);
    desk.qabyl(&["restore", "copy.db"]).await.ok();
    assert_eq!(beside(&desk, "qabyl.db"), ["qabyl.db.lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_copy_is_not_put_in_place() {
    let desk = copied().await;
    lose(&desk);
    let whole = std::fs::read(desk.path("copy.db")).unwrap();
    std::fs::write(desk.path("short.db"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(desk.path("none.db"), "").unwrap();
    desk.write(
        "text.db",
        "not a database at all, but long enough to be looked at as one by somebody",
    );
    let mut other = look_into_new(&desk.path("other.db")).await;
    sqlx::raw_sql("CREATE TABLE orders (id INTEGER)")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    std::fs::copy(desk.path("copy.db"), desk.path("newer.db")).unwrap();
    let mut newer = look_into(&desk.path("newer.db")).await;
    let future =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                  VALUES (20990101000000, 'of the future', 1, x'00', 0)";
    sqlx::raw_sql(future).execute(&mut newer).await.unwrap();
    newer.close().await.unwrap();
    std::fs::copy(desk.path("copy.db"), desk.path("planted.db")).unwrap();
    let mut planted = look_into(&desk.path("planted.db")).await;
    let trigger = "CREATE TRIGGER harmless AFTER UPDATE ON shops
                   BEGIN DELETE FROM lines; END";
    sqlx::raw_sql(trigger).execute(&mut planted).await.unwrap();
    planted.close().await.unwrap();
    pre_release(desk.folder()).await;
    for (name, why) in [
        ("short.db", ""),
        ("none.db", "not a database of Qabyl"),
        ("text.db", ""),
        ("other.db", "not a database of Qabyl"),
        ("newer.db", "schema"),
        ("planted.db", "\"harmless\" differs"),
        ("pre-release.db", "0.1.0"),
        ("nowhere.db", "nowhere.db"),
    ] {
        desk.qabyl(&["restore", name]).await.fails(1, &[why]);
        assert_eq!(beside(&desk, "qabyl.db"), ["qabyl.db.lock"], "{name}");
        assert!(!desk.path("qabyl.db").exists(), "{name}");
    }
    desk.qabyl(&["restore", "copy.db"]).await.ok();
}

async fn look_into_new(path: &Path) -> sqlx::SqliteConnection {
    std::fs::write(path, "").unwrap();
    look_into(path).await
}

/// A copy made by hand, with its log beside it; one that anybody may read; one of an older version.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_other_kinds_are_put_back_whole_and_private() {
    let desk = copied().await;
    let daemon = Daemon::start(&desk);
    desk.place("900000002", "A", 1);
    until("it is accepted", || {
        desk.status("900000002") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    daemon.kill();
    for suffix in ["", "-wal"] {
        let (from, to) = (format!("qabyl.db{suffix}"), format!("by-hand.db{suffix}"));
        std::fs::copy(desk.path(&from), desk.path(&to)).unwrap();
    }
    assert!(
        desk.path("by-hand.db-wal").metadata().unwrap().len() > 0,
        "the log holds something"
    );
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("by-hand.db"), open).unwrap();
    lose(&desk);
    desk.qabyl(&["restore", "by-hand.db"]).await.ok();
    desk.qabyl(&["orders", "show", "900000002"]).await.ok();
    let mode = desk
        .path("qabyl.db")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    lose(&desk);
    let filled = filled(desk.folder()).await;
    let sealed = desk.path("sealed");
    std::fs::create_dir(&sealed).unwrap();
    std::fs::copy(filled, sealed.join("copy.db")).unwrap();
    desk.qabyl(&["restore", "sealed/copy.db"]).await.ok();
    assert_eq!(
        std::fs::read_dir(&sealed).unwrap().count(),
        1,
        "nothing is written beside it"
    );
    let now = Clock::System.now();
    let store = Store::open(&desk.path("qabyl.db"), Access::Tool, now)
        .await
        .unwrap();
    assert_eq!(store.totals(None).await.unwrap().orders, 3);
    store.close().await;
}

/// Killed at any moment, a restore leaves nothing in place, or all of it; the next one goes through.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_nothing_or_the_whole() {
    let desk = copied().await;
    let mut inside = look_into(&desk.path("copy.db")).await;
    let fill = "INSERT INTO audit (at, actor, epoch, event, detail)
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
      SELECT 0, 'test', 0, 'filler', json_quote(hex(randomblob(8000))) FROM n";
    sqlx::query(fill).execute(&mut inside).await.unwrap();
    inside.close().await.unwrap();
    lose(&desk);
    let (mut wait, mut nothing, mut whole) = (Duration::from_millis(2), 0, 0);
    while whole < 3 {
        let mut child = desk.command(&["restore", "copy.db"]).spawn().unwrap();
        tokio::time::sleep(wait).await;
        // It may have ended by now.
        let _ = child.kill();
        child.wait().unwrap();
        wait = wait * 5 / 4;
        assert!(wait < Duration::from_mins(1), "it never gets through");
        if !desk.path("qabyl.db").exists() {
            nothing += 1;
            continue;
        }
        whole += 1;
        let mut inside = look_into(&desk.path("qabyl.db")).await;
        let scans: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM scans")
            .fetch_one(&mut inside)
            .await
            .unwrap();
        let marks: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM restores")
            .fetch_one(&mut inside)
            .await
            .unwrap();
        assert_eq!(
            (scans, marks),
            (0, 1),
            "no list of before, and it is to catch up"
        );
        inside.close().await.unwrap();
        lose(&desk);
    }
    assert!(nothing >= 3, "{nothing} were killed in time");
    let mut last = desk.command(&["restore", "copy.db"]);
    said(&last.output().unwrap()).ok();
    assert_eq!(
        beside(&desk, "qabyl.db"),
        ["qabyl.db.lock"],
        "nothing is left of the others"
    );
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.posts(CODE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_copy_of_nothing() {
    let desk = Desk::bare(Settings::default());
    desk.qabyl(&["backup", "copy.db"])
        .await
        .fails(1, &["no database"]);
    assert!(!desk.path("copy.db").exists() && !desk.path("qabyl.db").exists());
}
