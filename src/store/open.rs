//! Opening the database: its settings, its lock, its schema, its lease.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::Mutex;

use super::{Access, Store, StoreError, lease, lock, turn};
use crate::crash_point::crash_point;
use crate::files::{folder_of, open_private_linked};

pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Oldest SQLite without the WAL-reset corruption.
const SQLITE_OLDEST: (u32, u32, u32) = (3, 51, 3);

/// Reading connections: a read takes milliseconds, and each connection has a cache of its own.
const READERS: u32 = 2;

/// Rows a reading connection hands over at once: one wake-up a row took a quarter of a replay's time.
const READ_AHEAD: usize = 512;

/// How long a writer waits for another process's write.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// How often it looks again where SQLite does not wait by itself.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(25);
/// Bytes of the log that are kept for the next writes: as many as SQLite writes before it starts the log again.
const LOG_KEPT: &str = "4194304";

pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // A log that one large write made long is cut at its next start.
        .pragma("journal_size_limit", LOG_KEPT)
        // A database that comes from elsewhere may not call what only this program may.
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}

/// A writer connection: WAL with a sync at every commit, so that a committed intent survives a power
/// cut.
pub(crate) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut tries = 0;
    let mut connection = loop {
        match options.connect().await {
            // While another process turns a new file to WAL, SQLite says so at once, without waiting.
            Err(error) if is_busy(&error) && BUSY_PAUSE * tries < BUSY => tries += 1,
            connected => break connected?,
        }
        tokio::time::sleep(BUSY_PAUSE).await;
    };
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

fn is_busy(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return false;
    };
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    // SQLITE_BUSY and its extended codes.
    code.is_some_and(|code| code & 0xff == 5)
}

impl Store {
    /// Opens the database, creates it if it does not exist, and migrates its schema.
    ///
    /// # Errors
    /// [`StoreError::Held`] when a daemon is asked for and another one holds it.
    pub async fn open(path: &Path, access: Access, now: Timestamp) -> Result<Self, StoreError> {
        let failed = |why: std::io::Error| lock::cannot_open(path, &why);
        refuse_network_file_system(path)?;
        let held = match access {
            Access::Daemon => Some(lock::take(path, now)?),
            Access::Tool => None,
        };
        crash_point("lock.taken");
        drop(open_private_linked(path).map_err(failed)?);
        // Held until the schema is there.
        let _making = turn::to_make(path).await;
        let mut connection = writer(path).await?;
        check_version(path, &mut connection).await?;
        let checked = access == Access::Daemon && super::upkeep::check_at_start(path, now).await?;
        refuse_pre_release(path, &mut connection).await?;
        crash_point("migrate.before");
        migrate(&mut connection).await?;
        crash_point("migrate.after");
        let epoch = match access {
            Access::Tool => 0,
            Access::Daemon => lease::take(&mut connection, checked, now).await?,
        };
        crash_point("lease.taken");
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            // A reader is a file on a local disk: there is nothing to ping.
            .test_before_acquire(false)
            .connect_lazy_with(options(path).read_only(true).row_buffer_size(READ_AHEAD));
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

/// File systems on which SQLite's locks or its shared memory do not work between machines or processes: by the
/// number in `statfs(2)`, with their names.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [(u32, &str); 5] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x6573_5546, "FUSE"),
];

#[cfg(target_os = "linux")]
fn refuse_network_file_system(path: &Path) -> Result<(), StoreError> {
    let Ok(found) = rustix::fs::statfs(folder_of(path)) else {
        // Opening the file says why.
        return Ok(());
    };
    match network_file_system(found.f_type) {
        None => Ok(()),
        Some(name) => Err(StoreError::Open {
            path: path.to_owned(),
            why: format!(
                "it is on {name}, where locks cannot be relied on: put the database on a local file system"
            ),
        }),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network_file_system(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The name of a file system that cannot hold the database. The system gives the number as signed or unsigned.
#[cfg(target_os = "linux")]
fn network_file_system(number: i64) -> Option<&'static str> {
    let mut known = NETWORK_FILE_SYSTEMS.iter();
    let found = known.find(|(known, _)| number & 0xffff_ffff == i64::from(*known));
    found.map(|(_, name)| *name)
}

/// Tables, indexes and triggers of a database, as their statements.
async fn schema(connection: &mut SqliteConnection) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> '_sqlx_migrations' ORDER BY name",
    );
    Ok(rows.fetch_all(connection).await?)
}

/// Refuses a database that has other tables, indexes or triggers than the migrations make: a trigger that somebody
/// planted would run with every write.
pub(crate) async fn refuse_foreign_schema(
    path: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let mut fresh = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await?;
    MIGRATIONS.run(&mut fresh).await?;
    let (expected, found) = (schema(&mut fresh).await?, schema(connection).await?);
    fresh.close().await?;
    let differs = |one: &[(String, String)], other: &[(String, String)]| {
        let mut names = one.iter().filter(|part| !other.contains(part));
        names.next().map(|(name, _)| name.clone())
    };
    match differs(&found, &expected).or_else(|| differs(&expected, &found)) {
        None => Ok(()),
        Some(name) => Err(StoreError::Open {
            path: path.to_owned(),
            why: format!(
                "its schema is not the one that Qabyl makes: {name:?} differs; restore a copy that `qabyl backup` made"
            ),
        }),
    }
}

/// Until 0.1.0 the initial schema is edited in place, so that a database of another edit of it, or of the
/// migrations before it, has other tables than this code expects.
pub(crate) async fn refuse_pre_release(
    path: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let tables: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *connection)
            .await?;
    if tables == 0 {
        return Ok(());
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version LIMIT 1")
            .fetch_all(connection)
            .await?;
    let is_initial = |(version, checksum): &(i64, Vec<u8>)| {
        let initial = MIGRATIONS.iter().next();
        initial.is_some_and(|initial| {
            initial.version == *version && initial.checksum.as_ref() == checksum.as_slice()
        })
    };
    if applied.iter().all(is_initial) {
        return Ok(());
    }
    Err(StoreError::PreRelease {
        path: path.to_owned(),
    })
}

/// Brings the schema up to date, whole or not at all: another process may open the same new file at
/// the same moment, and one that is killed half-way leaves nothing that stops the next one.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let applied: Result<i64, _> = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await;
    if applied.is_ok_and(|applied| usize::try_from(applied) == Ok(MIGRATIONS.iter().count())) {
        // Only compared with what was applied: nothing is locked.
        return Ok(MIGRATIONS.run(connection).await?);
    }
    // Each migration's own transaction becomes a savepoint in this one.
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
    MIGRATIONS.run(&mut *all).await?;
    all.commit().await.map_err(StoreError::Commit)
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::network_file_system;

    #[test]
    fn a_network_file_system_is_recognised_signed_or_not() {
        assert_eq!(network_file_system(0xff53_4d42), Some("CIFS"));
        assert_eq!(
            network_file_system(i64::from(0xff53_4d42_u32.cast_signed())),
            Some("CIFS")
        );
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0x6573_5546), Some("FUSE"));
        for local in [0xef53, 0x9123_683e, 0x0102_1994, 0x5846_5342] {
            assert_eq!(network_file_system(local), None, "ext4, btrfs, tmpfs, xfs");
        }
    }
}
