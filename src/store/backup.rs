//! Copies of the database: taken beside a running daemon, checked, and put back. Each is made ready
//! under another name, so that what a killed process leaves behind passes for nothing.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{Access, Store, StoreError, lock, open};
use crate::crash_point::crash_point;

impl Store {
    /// Writes a copy of the database, as of one moment, to a file that is not there yet. The copy is
    /// readable by this user alone.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        nothing_at(to)?;
        let partial = beside(to, ".partial");
        let text = partial.to_str().ok_or_else(|| StoreError::Open {
            path: to.to_owned(),
            why: "the path is not UTF-8 text: name another one".to_owned(),
        })?;
        make_private(&partial)?;
        crash_point("backup.begun");
        let mut reader = self.read().await?;
        sqlx::query("VACUUM INTO ?")
            .bind(text)
            .execute(&mut *reader)
            .await?;
        drop(reader);
        check_file(&partial).await?;
        crash_point("backup.copied");
        publish(&partial, to)
    }
}

/// The path with something added to its file name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn nothing_at(path: &Path) -> Result<(), StoreError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(StoreError::Open {
        path: path.to_owned(),
        why: "it is there already: name a file that is not, in a folder that is writable"
            .to_owned(),
    })
}

/// Gives a finished file its name, for good.
fn publish(finished: &Path, to: &Path) -> Result<(), StoreError> {
    nothing_at(to)?;
    let published = || {
        std::fs::File::open(finished)?.sync_all()?;
        std::fs::rename(finished, to)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    published().map_err(|error| StoreError::Open {
        path: to.to_owned(),
        why: format!("{error}: see that its folder is writable and has room"),
    })
}

/// Makes an empty file, in the place of one that a killed process left, with what SQLite kept beside it.
fn make_private(file: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // Whatever stands in the way is told by the opening.
        let _ = std::fs::remove_file(beside(file, suffix));
    }
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    made.map(drop).map_err(|error| StoreError::Open {
        path: file.to_owned(),
        why: format!("{error}: name a file that is not there yet, in a folder that is writable"),
    })
}

/// Whether a file is a whole database.
async fn check_file(file: &Path) -> Result<(), StoreError> {
    let mut connection = open::options(file).read_only(true).connect().await?;
    check(file, &mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Whether the open file is a whole database.
pub(super) async fn check(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await?;
    if said == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: file.to_owned(),
        what: said,
    })
}

/// Puts a copy in the place of the database. Its readings of lists are dropped with it: they are as
/// old as the copy, so nothing is decided before every list was read again (R15).
///
/// # Errors
/// [`StoreError::Held`] while a daemon works on the database, [`StoreError::Open`] when there is a
/// database in that place, [`StoreError::Damaged`] for a copy that is not whole.
pub async fn restore(from: &Path, to: &Path, now: jiff::Timestamp) -> Result<(), StoreError> {
    check_file(from).await?;
    let _held = lock::take(to, now)?;
    // What another database kept beside it would be written into this one.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        nothing_at(&beside(to, suffix))?;
    }
    let ready = beside(to, ".restoring");
    make_private(&ready)?;
    std::fs::copy(from, &ready).map_err(|error| StoreError::Open {
        path: to.to_owned(),
        why: format!("{error}: nothing was put in place"),
    })?;
    crash_point("restore.copied");
    let store = Store::open(&ready, Access::Tool, now).await?;
    let mut tx = store.write().await?;
    for statement in [
        "DELETE FROM scans",
        "UPDATE orders SET listed_at = NULL, seen_at = first_seen_at",
    ] {
        sqlx::query(statement).execute(tx.conn()?).await?;
    }
    let detail = serde_json::json!({ "from": from.display().to_string() });
    tx.audit_row(now, "person", (None, None), "database.restored", detail);
    crash_point("restore.before_commit");
    tx.commit().await?;
    crash_point("restore.after_commit");
    store.close().await;
    // Closed, all of it is in the one file.
    nothing_at(&beside(&ready, "-wal"))?;
    publish(&ready, to)
}
