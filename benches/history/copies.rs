//! Copies the rows of finished orders: every column as the daemon wrote it, under other names and at an earlier time.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// The orders are spread over so many days, up to now.
const DAYS: i64 = 170;

/// Tables with rows of each order, those that others refer to first, and the column with the order's id.
const TABLES: [(&str, &str); 7] = [
    ("orders", "id"),
    ("lines", "order_id"),
    ("decisions", "order_id"),
    ("reservations", "order_id"),
    ("actions", "order_id"),
    ("attempts", ""),
    ("audit", "order_id"),
];

/// Adds copies until there are so many finished orders. Returns the size of the database, bytes.
pub(crate) async fn fill(database: PathBuf, finished: u32) -> anyhow::Result<u64> {
    let mut connection = SqliteConnectOptions::new()
        .filename(&database)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-1000000")
        .connect()
        .await?;
    let originals: u32 = sqlx::query_scalar("SELECT COUNT(*) FROM orders")
        .fetch_one(&mut connection)
        .await?;
    let open: u32 = sqlx::query_scalar("SELECT COUNT(*) FROM orders WHERE state <> 'ARCHIVE'")
        .fetch_one(&mut connection)
        .await?;
    ensure!(
        originals > 0 && open == 0,
        "{open} of {originals} orders are not finished"
    );
    let copies = (finished / originals).saturating_sub(1);
    sqlx::query("BEGIN").execute(&mut connection).await?;
    for (table, order) in TABLES {
        copy(&mut connection, (table, order), (copies, originals)).await?;
    }
    sqlx::query("COMMIT").execute(&mut connection).await?;
    let bytes = file_bytes(&mut connection).await?;
    sqlx::query("PRAGMA journal_mode = WAL")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(bytes)
}

async fn file_bytes(connection: &mut SqliteConnection) -> anyhow::Result<u64> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    )
    .fetch_one(connection)
    .await?;
    Ok(bytes.unsigned_abs())
}

async fn copy(
    connection: &mut SqliteConnection,
    (table, order): (&str, &str),
    (copies, originals): (u32, u32),
) -> anyhow::Result<()> {
    let columns: Vec<(String, String)> =
        sqlx::query_as("SELECT name, type FROM pragma_table_info(?)")
            .bind(table)
            .fetch_all(&mut *connection)
            .await?;
    ensure!(!columns.is_empty(), "there is no table {table}");
    // Copy 1 is the oldest.
    let earlier =
        format!("(CAST({DAYS} * 86400000.0 / {copies} AS INTEGER) * ({copies} + 1 - k.n))");
    let new_code = format!("CAST(100000000 + k.n * {originals} + own.o_rowid AS TEXT)");
    let new_id = "(own.o_id || 'c' || k.n)";
    let value = |(name, kind): &(String, String)| {
        let stored = format!("own.\"{name}\"");
        let is_number = matches!(
            (table, name.as_str()),
            (
                "decisions" | "reservations" | "actions" | "attempts" | "audit",
                "id"
            ) | ("actions", "decision_id")
                | ("attempts", "action_id")
        );
        let is_time = kind == "INTEGER"
            && (name.ends_with("_at")
                || matches!(name.as_str(), "at" | "status_since" | "left_after"));
        match name.as_str() {
            _ if is_number => format!("{stored} + k.n * 100000"),
            name if name == order => new_id.to_owned(),
            "code" => new_code.clone(),
            _ if is_time => format!("{stored} - {earlier}"),
            "body" | "facts" | "detail" => format!(
                "replace(replace({stored}, '\"' || own.o_id || '\"', '\"' || {new_id} || '\"'), \
                 '\"' || own.o_code || '\"', '\"' || {new_code} || '\"')"
            ),
            _ => stored,
        }
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let of_orders = if table == "attempts" {
        "attempts t JOIN actions a ON a.id = t.action_id JOIN orders o ON o.shop = a.shop AND o.id = a.order_id"
            .to_owned()
    } else {
        format!("{table} t JOIN orders o ON o.shop = t.shop AND o.id = t.\"{order}\"")
    };
    let statement = format!(
        "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {copies}),
           own AS MATERIALIZED (SELECT {} FROM {of_orders} WHERE o.rowid <= {originals} ORDER BY t.rowid)
         INSERT INTO {table} ({}) SELECT {} FROM k CROSS JOIN own",
        own_columns(&columns),
        names.join(", "),
        values.join(", "),
    );
    sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .with_context(|| format!("copying {table}"))?;
    Ok(())
}

/// The columns of a row, and those of its order that name it.
fn own_columns(columns: &[(String, String)]) -> String {
    let own = columns.iter().map(|(name, _)| format!("t.\"{name}\""));
    let order = ["id", "code", "rowid"].map(|name| format!("o.{name} AS o_{name}"));
    own.chain(order).collect::<Vec<_>>().join(", ")
}
