//! Backups of the database, made beside a running daemon. A backup gets its name only once it is complete and
//! on disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Store, StoreError, open};
use crate::crash_point::crash_point;
use crate::files::{create_private, folder_of};

/// Added to the name of a backup that is being made.
pub const PARTIAL: &str = ".partial";

/// A database's own file and what SQLite may keep beside it, by what is added to its name.
pub(crate) const FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

impl Store {
    /// Writes a copy of the database, as of one moment, to a file that does not exist yet. Only this user can
    /// read it. Writers continue in the meantime: this only reads.
    ///
    /// # Errors
    /// Any that occurs; then nothing is left under the backup's name.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        absent(to)?;
        let partial = beside(to, PARTIAL);
        remove(&partial)?;
        let from = open::options(&self.path).read_only(true);
        let made = async {
            crash_point("backup.begun");
            vacuum_into(from, &partial).await?;
            check(&partial).await?;
            crash_point("backup.copied");
            publish(&partial, to).await
        };
        let made = made.await;
        if made.is_err() {
            // The first error explains more than this one would.
            let _ = remove(&partial);
        }
        made
    }
}

/// The path with something added to its file name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn failed(path: &Path, error: &io::Error, advice: &str) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        why: format!("{error}: {advice}"),
    }
}

fn absent(to: &Path) -> Result<(), StoreError> {
    if to.symlink_metadata().is_err() {
        return Ok(());
    }
    let taken = io::Error::from(io::ErrorKind::AlreadyExists);
    Err(failed(to, &taken, "name a file that is not there yet"))
}

/// Removes a database file with the files SQLite may have left beside it.
pub(crate) fn remove(database: &Path) -> Result<(), StoreError> {
    for suffix in FILES {
        let file = beside(database, suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&file, &error, "it is in the way: remove it"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the content of a database into a new file, on its own connection: a full disk fails only that one.
pub(crate) async fn vacuum_into(from: SqliteConnectOptions, to: &Path) -> Result<(), StoreError> {
    let text = to.to_str().ok_or_else(|| StoreError::Open {
        path: to.to_owned(),
        why: "the path is not UTF-8 text: name another one".to_owned(),
    })?;
    let created = create_private(to);
    created.map_err(|error| failed(to, &error, "its folder must be there and writable"))?;
    let mut connection = from.connect().await?;
    sqlx::query("VACUUM INTO ?")
        .bind(text)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Renames a finished file durably, unless that name is taken.
pub(crate) async fn publish(finished: &Path, name: &Path) -> Result<(), StoreError> {
    let (from, to) = (finished.to_owned(), name.to_owned());
    let published = tokio::task::spawn_blocking(move || {
        File::open(&from)?.sync_all()?;
        // A link, unlike a rename, never replaces a file that was created in the meantime.
        match std::fs::hard_link(&from, &to) {
            Ok(()) => std::fs::remove_file(&from)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Some file systems have no links.
            Err(_) => std::fs::rename(&from, &to)?,
        }
        sync_folder(&to)
    });
    let published = published
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    published.map_err(|error| failed(name, &error, "see that its folder is writable and has room"))
}

/// Makes the names in a file's folder durable, where the file system supports that.
fn sync_folder(file: &Path) -> io::Result<()> {
    match File::open(folder_of(file))?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// Checks that a file is an undamaged database.
pub(crate) async fn check(file: &Path) -> Result<(), StoreError> {
    check_through(&open::options(file).read_only(true), file).await
}

/// As [`check`], opened with these options.
pub(crate) async fn check_through(
    options: &SqliteConnectOptions,
    file: &Path,
) -> Result<(), StoreError> {
    let mut connection = options.connect().await?;
    let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    if said == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: file.to_owned(),
        what: said,
    })
}
