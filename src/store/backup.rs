//! Copies of the database: taken beside a running daemon, checked, and put back.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::Connection as _;

use super::{Access, Store, StoreError, open};
use crate::crash_point::crash_point;

impl Store {
    /// Writes a copy of the database, as of one moment, to a file that is not there yet. The copy is
    /// readable by this user alone.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let text = to.to_str().ok_or_else(|| StoreError::Open {
            path: to.to_owned(),
            why: "the path is not UTF-8 text: name another one".to_owned(),
        })?;
        make_private(to)?;
        crash_point("backup.begun");
        let mut reader = self.read().await?;
        sqlx::query("VACUUM INTO ?")
            .bind(text)
            .execute(&mut *reader)
            .await?;
        drop(reader);
        crash_point("backup.copied");
        check(to).await
    }
}

fn make_private(file: &Path) -> Result<(), StoreError> {
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
pub(super) async fn check(file: &Path) -> Result<(), StoreError> {
    let mut connection = open::options(file).read_only(true).connect().await?;
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

/// Puts a copy in the place of the database. Its readings of lists are dropped with it: they are as
/// old as the copy, so nothing is decided before every list was read again (R15).
///
/// # Errors
/// [`StoreError::Held`] while a daemon works on the database, [`StoreError::Open`] when there is a
/// database in that place, [`StoreError::Damaged`] for a copy that is not whole.
pub async fn restore(from: &Path, to: &Path, now: jiff::Timestamp) -> Result<(), StoreError> {
    check(from).await?;
    make_private(to)?;
    std::fs::copy(from, to).map_err(|error| StoreError::Open {
        path: to.to_owned(),
        why: format!("{error}: nothing was put in place"),
    })?;
    crash_point("restore.copied");
    let store = Store::open(to, Access::Daemon, now).await?;
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
    Ok(())
}
