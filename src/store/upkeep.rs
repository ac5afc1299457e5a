//! Maintenance of the files: the write-ahead log is kept short, and the database is checked once a day.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteSynchronous;
use sqlx::{ConnectOptions as _, Connection as _};

use super::backup::{beside, check};
use super::{Store, StoreError, lease, ms, open};

/// A file found undamaged within this time is not checked again.
const CHECK_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// A file of at most this size is always checked: that takes little time. Bytes.
const SMALL: u64 = 64 * 1024 * 1024;

impl Store {
    /// Bytes in the log beside the database.
    pub fn log_bytes(&self) -> u64 {
        beside(&self.path, "-wal")
            .metadata()
            .map_or(0, |log| log.len())
    }

    /// Writes the log back into the file and truncates it, as far as no reader or writer has to wait. Returns
    /// what is left of it, in bytes.
    pub async fn shorten_log(&self) -> Result<u64, StoreError> {
        // On a connection of its own, which does not wait: while a reader is active the log stays.
        let mut connection = open::options(&self.path)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::ZERO)
            .connect()
            .await?;
        for checkpoint in [
            "PRAGMA wal_checkpoint(PASSIVE)",
            "PRAGMA wal_checkpoint(TRUNCATE)",
        ] {
            sqlx::query(checkpoint).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(self.log_bytes())
    }

    /// Checks the file unless that was done within a day, and by this process since it was opened. Returns
    /// whether it was checked.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: more writes would make it worse.
    pub async fn check_daily(&self, now: Timestamp) -> Result<bool, StoreError> {
        use std::sync::atomic::Ordering::Relaxed;
        let mut reader = self.read().await?;
        let checked: Option<i64> = sqlx::query_scalar("SELECT checked_at FROM lease")
            .fetch_one(&mut *reader)
            .await?;
        drop(reader);
        if self.checked.load(Relaxed) && is_recent(checked, now) {
            return Ok(false);
        }
        let found = check(&self.path).await;
        let is_whole = found.is_ok();
        // The next start checks again where this one found damage.
        let noted = self.note_check(is_whole.then_some(now)).await;
        found?;
        noted?;
        self.checked.store(true, Relaxed);
        Ok(true)
    }

    async fn note_check(&self, at: Option<Timestamp>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        lease::note_check(&mut tx, at).await?;
        tx.commit().await
    }
}

fn is_recent(checked: Option<i64>, now: Timestamp) -> bool {
    let age = checked.map(|at| SignedDuration::from_millis(ms(now).saturating_sub(at)));
    age.is_some_and(|age| age >= SignedDuration::ZERO && age < CHECK_EVERY)
}

/// Checks the file before it is used: a small one always, a large one unless it was found undamaged within a
/// day, so that a restart stays quick. Returns whether it was checked.
pub(crate) async fn check_at_start(path: &Path, now: Timestamp) -> Result<bool, StoreError> {
    let bytes = path.metadata().map_or(0, |file| file.len());
    if bytes > SMALL && is_recent(last_check(path).await, now) {
        return Ok(false);
    }
    check(path).await?;
    Ok(true)
}

/// When it was last found undamaged; `None` also where that is unknown, as in another schema.
async fn last_check(path: &Path) -> Option<i64> {
    let mut connection = open::options(path).read_only(true).connect().await.ok()?;
    let checked: Result<Option<i64>, _> = sqlx::query_scalar("SELECT checked_at FROM lease")
        .fetch_one(&mut connection)
        .await;
    // It was only read from.
    let _ = connection.close().await;
    checked.ok().flatten()
}
