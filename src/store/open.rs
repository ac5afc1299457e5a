//! Opening the database: its settings, its lock, its schema, its lease.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::Mutex;

use super::{Access, Store, StoreError, lock};

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Oldest SQLite without the WAL-reset corruption.
const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);

/// How long a writer waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes of the log that are kept for the next writes: as many as SQLite writes before it begins anew.
const LOG_KEPT: &str = "4194304";

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // A log that one large write made long is cut at its next start.
        .pragma("journal_size_limit", LOG_KEPT)
        .disable_statement_logging()
}

/// A writer connection: WAL with a sync at every commit, so that a committed intent survives a power
/// cut.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    let (mode, sync): (String, i64) = (
        sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&mut connection)
            .await?,
        sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut connection)
            .await?,
    );
    if mode != "wal" || sync != 2 {
        return Err(StoreError::Open {
            path: path.to_owned(),
            why: format!(
                "journal mode is {mode} and synchronous is {sync}, and wal and 2 are needed: \
                 put the database on a local file system"
            ),
        });
    }
    Ok(connection)
}

impl Store {
    /// Opens the database, making it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Held`] when a daemon is asked for and another one holds it.
    pub async fn open(path: &Path, access: Access, now: Timestamp) -> Result<Self, StoreError> {
        let failed = |why: std::io::Error| StoreError::Open {
            path: path.to_owned(),
            why: format!("{why}: its directory must exist and be writable by this user"),
        };
        let held = match access {
            Access::Daemon => Some(lock::take(path, now)?),
            Access::Tool => None,
        };
        drop(lock::private(path).map_err(failed)?);
        let mut connection = writer(path).await?;
        check_version(path, &mut connection).await?;
        let checked = access == Access::Daemon && super::upkeep::check_at_start(path, now).await?;
        MIGRATIONS.run(&mut connection).await?;
        let epoch = match access {
            Access::Tool => 0,
            Access::Daemon => {
                sqlx::query_scalar(
                    "UPDATE lease SET epoch = epoch + 1, pid = ?1, started_at = ?2,
                       checked_at = IIF(?3, ?2, checked_at) RETURNING epoch",
                )
                .bind(i64::from(std::process::id()))
                .bind(now.as_millisecond())
                .bind(checked)
                .fetch_one(&mut connection)
                .await?
            }
        };
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .min_connections(0)
            .connect_lazy_with(options(path).read_only(true));
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(Some(connection)),
            readers,
            epoch,
            checked: checked.into(),
            _lock: held,
        })
    }
}

async fn check_version(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    let numbers: Vec<u32> = version
        .split('.')
        .filter_map(|number| u32::from_str(number).ok())
        .collect();
    let found = match numbers[..] {
        [major, minor, fix] => (major, minor, fix),
        _ => (0, 0, 0),
    };
    if found < SQLITE_OLDEST {
        return Err(StoreError::Open {
            path: path.to_owned(),
            why: format!("SQLite {version} is built in, and 3.51.3 or newer is needed"),
        });
    }
    Ok(())
}
