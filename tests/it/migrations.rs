//! Schema changes on databases that hold something: nothing is lost, and what was true stays true.

use std::path::{Path, PathBuf};

use qabyl::domain::stock::Semantics;
use qabyl::store::{Access, OrderFilter, Store};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::world::start;

pub(crate) const FIRST: &str = "20261124000000_first.sql";

/// What a shop left behind under the first schema: an order accepted and gone with the courier, one on
/// its way, one that waits; a level, its import, the trail.
const ROWS: &str = "
INSERT INTO shops (name) VALUES ('main');
INSERT INTO scans (shop, kind, started_at, finished_at, window_from, window_to, complete, orders)
  VALUES ('main', 'new', 900, 950, 0, 900, 1, 3), ('main', 'sweep', 901, 951, 0, 901, 1, 2);
INSERT INTO orders (shop, id, code, state, status, created_at, body, first_seen_at, seen_at, lines_state)
  VALUES ('main', 'a', '1', 'ARCHIVE', 'COMPLETED', 100, '{}', 110, 900, 'known'),
         ('main', 'b', '2', 'KASPI_DELIVERY', 'ACCEPTED_BY_MERCHANT', 200, '{}', 210, 900, 'known'),
         ('main', 'c', '3', 'NEW', 'APPROVED_BY_BANK', 300, '{}', 310, 900, 'unread');
INSERT INTO stock_imports (source, at, rows, had, fell) VALUES ('csv', 50, 1, 0, 0);
INSERT INTO stock (sku, warehouse, on_hand, as_of, import_id) VALUES ('A', '', 10, 120, 1);
INSERT INTO decisions (shop, order_id, at, verdict, rule, actor, policy_digest, body, facts)
  VALUES ('main', 'a', 111, 'accept', 'r', 'qabyl', 'd', '{}', '{}'),
         ('main', 'b', 211, 'accept', 'r', 'qabyl', 'd', '{}', '{}');
INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, state, origin, made_at, confirmed_at,
    closed_at, left_after, why)
  VALUES ('main', 'a', 'A', '', 2, 'consumed', 'decision', 111, 112, 130, 130, 'COMPLETED'),
         ('main', 'b', 'A', '', 3, 'active', 'decision', 211, 212, NULL, NULL, NULL);
INSERT INTO actions (shop, order_id, decision_id, kind, origin, state, attempts, made_at, closed_at)
  VALUES ('main', 'a', 1, 'accept', 'engine', 'confirmed', 1, 111, 112),
         ('main', 'b', 2, 'accept', 'engine', 'confirmed', 1, 211, 212);
INSERT INTO attempts (action_id, n, begun_at, ended_at, outcome)
  VALUES (1, 1, 111, 112, 'applied'), (2, 1, 211, 212, 'applied');
INSERT INTO audit (at, actor, epoch, shop, order_id, event, detail)
  VALUES (111, 'qabyl', 1, 'main', 'a', 'order.decided', '{}');
";

/// A database of the first schema with rows in it.
pub(crate) async fn of_old(folder: &Path) -> PathBuf {
    let only_first = folder.join("migrations");
    std::fs::create_dir(&only_first).unwrap();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    std::fs::copy(all.join(FIRST), only_first.join(FIRST)).unwrap();
    let path = folder.join("old.db");
    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap();
    let migrator = Migrator::new(only_first).await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

/// A connection of a test's own.
pub(crate) async fn look_into(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database);
    options.foreign_keys(true).connect().await.unwrap()
}

#[tokio::test]
async fn an_old_database_is_brought_up_to_date_and_holds_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_old(folder.path()).await;
    let store = Store::open(&path, Access::Daemon, start()).await.unwrap();
    let totals = store.totals(None).await.unwrap();
    assert_eq!(
        (totals.orders, totals.accepted, totals.undecided),
        (3, 2, 1)
    );
    let levels = store.stock_levels(Semantics::Physical, None).await.unwrap();
    let promised = levels[0].promised;
    assert_eq!(promised.confirmed + promised.pending, 5, "{promised:?}");
    let filter = OrderFilter {
        limit: 10,
        code: Some("nobody".to_owned()),
        ..OrderFilter::default()
    };
    assert!(store.orders(&filter).await.unwrap().is_empty());
    let trail = store.audit_rows(None, 10).await.unwrap();
    let events: Vec<&str> = trail.iter().map(|row| row.event.as_str()).collect();
    assert_eq!(events, ["order.decided", "ledger.baseline"]);
    let books = store.check_books(Semantics::Physical).await.unwrap();
    assert_eq!(
        (books.levels, books.promises, books.differences),
        (1, 2, Vec::new())
    );
    store.close().await;

    let mut inside = look_into(&path).await;
    let broken: Vec<(String, i64, String, i64)> = sqlx::query_as("PRAGMA foreign_key_check")
        .fetch_all(&mut inside)
        .await
        .unwrap();
    assert_eq!(broken, []);
    let whole: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut inside)
        .await
        .unwrap();
    assert_eq!(whole, "ok");
}

/// The trail is append-only, but for its old end once the mark has moved.
#[tokio::test]
async fn the_trail_is_shortened_at_its_old_end_alone() {
    const DAY: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let path = of_old(folder.path()).await;
    let store = Store::open(&path, Access::Tool, start()).await.unwrap();
    store.close().await;
    let mut inside = look_into(&path).await;
    let mut try_it = async |statement: &'static str, mark: i64| {
        let done = sqlx::query(statement).bind(mark).execute(&mut inside).await;
        done.map(|done| done.rows_affected())
            .map_err(|error| error.to_string())
    };
    let late =
        "INSERT INTO audit (at, actor, epoch, event, detail) VALUES (?, 'qabyl', 1, 'late', '{}')";
    try_it(late, 100 * DAY).await.unwrap();
    let refused = [
        ("DELETE FROM audit WHERE at < ?", DAY, "append-only"),
        (
            "UPDATE audit SET actor = 'nobody' WHERE at < ?",
            DAY,
            "append-only",
        ),
        ("UPDATE audit_since SET at = ?", 94 * DAY, "last week"),
        ("DELETE FROM audit_since WHERE at < ?", DAY, "one mark"),
        (
            "INSERT INTO audit_since (one, at) VALUES (1, ?)",
            5,
            "one mark",
        ),
    ];
    for (statement, mark, why) in refused {
        let error = try_it(statement, mark).await.unwrap_err();
        assert!(error.contains(why), "{statement}: {error}");
    }
    assert_eq!(
        try_it("UPDATE audit_since SET at = ?", 90 * DAY).await,
        Ok(1)
    );
    let back = try_it("UPDATE audit_since SET at = ?", DAY).await;
    assert!(back.unwrap_err().contains("moves forward"));
    assert_eq!(
        try_it("DELETE FROM audit WHERE at < ?", 90 * DAY).await,
        Ok(2)
    );
    let rest = try_it("DELETE FROM audit WHERE at > ?", 0).await;
    assert!(rest.unwrap_err().contains("append-only"));
}
