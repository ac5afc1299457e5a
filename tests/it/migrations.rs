//! The schema: which databases are taken, and what its triggers refuse.

use std::path::{Path, PathBuf};

use qabyl::store::{Access, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::world::start;

/// A shop with an order accepted and departed with the courier, one on its way, one that waits; a level, its
/// import, the audit log.
const ROWS: &str = "
INSERT INTO shops (name) VALUES ('main');
INSERT INTO scans (shop, kind, started_at, kaspi_at, finished_at, window_from, window_to, complete, orders, archive_read)
  VALUES ('main', 'new', 900, 900, 950, 0, 900, 1, 3, 0), ('main', 'sweep', 901, 901, 951, 0, 901, 1, 2, 1);
INSERT INTO orders (shop, id, code, state, status, created_at, body, first_seen_at, seen_at, lines_state, lines_due_at)
  VALUES ('main', 'a', '1', 'ARCHIVE', 'COMPLETED', 100, '{}', 110, 900, 'known', NULL),
         ('main', 'b', '2', 'KASPI_DELIVERY', 'ACCEPTED_BY_MERCHANT', 200, '{}', 210, 900, 'known', NULL),
         ('main', 'c', '3', 'NEW', 'APPROVED_BY_BANK', 300, '{}', 310, 900, 'unread', 310);
INSERT INTO stock_imports (source, at, as_of, rows, had, fell, semantics) VALUES ('csv', 50, 120, 1, 0, 0, 'physical');
INSERT INTO stock (sku, warehouse, source, on_hand, as_of, import_id, first_import)
  VALUES ('A', '', 'by hand', 10, 120, 1, 1);
INSERT INTO decisions (shop, order_id, at, verdict, rule, actor, policy_digest, body, facts)
  VALUES ('main', 'a', 111, 'accept', 'r', 'qabyl', 'd', '{}', '{}'),
         ('main', 'b', 211, 'accept', 'r', 'qabyl', 'd', '{}', '{}');
INSERT INTO reservations (shop, order_id, sku, warehouse, quantity, state, origin, made_at, confirmed_at,
    closed_at, departure, left_after, why)
  VALUES ('main', 'a', 'A', '', 2, 'consumed', 'decision', 111, 112, 130, 'interval', 130, 'COMPLETED'),
         ('main', 'b', 'A', '', 3, 'active', 'decision', 211, 212, NULL, NULL, NULL, NULL);
INSERT INTO actions (shop, order_id, decision_id, kind, origin, state, attempts, made_at, closed_at, why)
  VALUES ('main', 'a', 1, 'accept', 'engine', 'confirmed', 1, 111, 112, 'seen'),
         ('main', 'b', 2, 'accept', 'engine', 'confirmed', 1, 211, 212, 'seen');
INSERT INTO attempts (action_id, n, begun_at, ended_at, outcome)
  VALUES (1, 1, 111, 112, 'applied'), (2, 1, 211, 212, 'applied');
INSERT INTO audit (at, actor, epoch, shop, order_id, event, detail)
  VALUES (111, 'qabyl', 1, 'main', 'a', 'order.decided', '{}');
";

/// What the first migration of the time before 0.1.0 left behind, as far as anything looks at it.
const PRE_RELEASE: &str = "
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP
  NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
  VALUES (20261124000000, 'first', 1, x'00', 0), (20261129000000, 'archived', 1, x'00', 0);
CREATE TABLE orders (shop TEXT NOT NULL, id TEXT NOT NULL, code TEXT NOT NULL);
INSERT INTO orders VALUES ('main', 'a', '1');
CREATE TABLE lease (one INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, checked_at INTEGER);
INSERT INTO lease VALUES (1, 7, NULL);
";

/// A database with rows in it.
pub(crate) async fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("filled.db");
    let store = Store::open(&path, Access::Tool, start()).await.unwrap();
    store.close().await;
    let mut connection = look_into(&path).await;
    sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

/// A database made by a build from before 0.1.0.
pub(crate) async fn pre_release(folder: &Path) -> PathBuf {
    let path = folder.join("pre-release.db");
    std::fs::write(&path, "").unwrap();
    let mut connection = look_into(&path).await;
    sqlx::raw_sql(PRE_RELEASE)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    path
}

/// A connection of a test's own.
pub(crate) async fn look_into(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database);
    options.foreign_keys(true).connect().await.unwrap()
}

async fn change(database: &Path, statement: &'static str) {
    let mut connection = look_into(database).await;
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn refused(database: &Path, access: Access) -> StoreError {
    match Store::open(database, access, start()).await {
        Ok(_) => panic!("{} was opened", database.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_database_from_before_the_release_is_refused_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = pre_release(folder.path()).await;
    for access in [Access::Daemon, Access::Tool] {
        let error = refused(&path, access).await;
        assert_eq!(error.code(), "D010");
        assert!(error.is_fatal());
        let text = error.words();
        for word in [
            "pre-release.db",
            "0.1.0",
            "keep the file",
            "import the stock",
        ] {
            assert!(text.contains(word), "{text}");
        }
        for word in ["newer", "damaged"] {
            assert!(!text.contains(word), "{text}");
        }
    }
    let mut inside = look_into(&path).await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .fetch_all(&mut inside)
            .await
            .unwrap();
    assert_eq!(tables, ["_sqlx_migrations", "lease", "orders"]);
    let orders: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders")
        .fetch_one(&mut inside)
        .await
        .unwrap();
    assert_eq!(orders, 1);
}

/// Until 0.1.0 is tagged the initial schema is edited: a database of another edit is one from before it.
#[tokio::test]
async fn a_database_of_another_edit_of_the_initial_schema_is_refused_likewise() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    change(&path, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    assert_eq!(refused(&path, Access::Tool).await.code(), "D010");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_a_message_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    change(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (20990101000000, 'of the future', 1, x'00', 0)",
    )
    .await;
    let error = refused(&path, Access::Tool).await;
    assert_eq!(error.code(), "D004");
    assert!(!error.words().contains("0.1.0"), "{}", error.words());
}

#[tokio::test]
async fn every_table_is_explained_and_refers_to_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let mut inside = look_into(&path).await;
    let broken: Vec<(String, i64, String, i64)> = sqlx::query_as("PRAGMA foreign_key_check")
        .fetch_all(&mut inside)
        .await
        .unwrap();
    assert_eq!(broken, []);
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%'",
    )
    .fetch_all(&mut inside)
    .await
    .unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for table in tables {
        assert!(
            readme.contains(&format!("`{table}`")),
            "migrations/README.md: {table}"
        );
    }
}

/// The audit log is append-only, but for its old end once the mark has moved.
#[tokio::test]
async fn the_audit_log_is_shortened_at_its_old_end_alone() {
    const DAY: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
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
        (
            "UPDATE audit_retention SET deleted_before = ?",
            94 * DAY,
            "last week",
        ),
        ("DELETE FROM audit_retention WHERE one < ?", DAY, "one mark"),
        (
            "INSERT INTO audit_retention (one, deleted_before) VALUES (1, ?)",
            5,
            "one mark",
        ),
    ];
    for (statement, mark, why) in refused {
        let error = try_it(statement, mark).await.unwrap_err();
        assert!(error.contains(why), "{statement}: {error}");
    }
    assert_eq!(
        try_it("UPDATE audit_retention SET deleted_before = ?", 90 * DAY).await,
        Ok(1)
    );
    let back = try_it("UPDATE audit_retention SET deleted_before = ?", DAY).await;
    assert!(back.unwrap_err().contains("moves forward"));
    assert_eq!(
        try_it("DELETE FROM audit WHERE at < ?", 90 * DAY).await,
        Ok(1)
    );
    let rest = try_it("DELETE FROM audit WHERE at > ?", 0).await;
    assert!(rest.unwrap_err().contains("append-only"));
}
