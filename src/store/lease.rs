//! The table `lease`: which process works on the database, when the file was last found undamaged, and
//! what troubles its upkeep.

use jiff::Timestamp;
use sqlx::{Connection as _, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};

/// Takes the next epoch. A row that comes back is no proof: only its COMMIT is. `checked`: the file was just found
/// undamaged.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    checked: bool,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let mut lease = connection.begin_with("BEGIN IMMEDIATE").await?;
    let epoch = sqlx::query_scalar(
        "UPDATE lease SET epoch = epoch + 1, pid = ?1, started_at = ?2 RETURNING epoch",
    )
    .bind(i64::from(std::process::id()))
    .bind(ms(now))
    .fetch_one(&mut *lease)
    .await?;
    if checked {
        sqlx::query("UPDATE lease SET checked_at = ?")
            .bind(ms(now))
            .execute(&mut *lease)
            .await?;
    }
    lease.commit().await.map_err(StoreError::Commit)?;
    Ok(epoch)
}

/// Begins an epoch in which no process works on the database yet, and whose file was not checked.
pub(crate) async fn begin_epoch(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    sqlx::query("UPDATE lease SET epoch = epoch + 1, checked_at = NULL")
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Notes when the file was found undamaged; `None` where it was not.
pub(crate) async fn note_check(
    tx: &mut WriteTx<'_>,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE lease SET checked_at = ?")
        .bind(at.map(ms))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// What works on the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worker {
    /// `qabyl run`.
    Daemon,
    /// `qabyl once`.
    Once,
}

impl Worker {
    const fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Once => "once",
        }
    }
}

impl Store {
    /// Notes that the database is being worked on.
    pub async fn note_worked(&self, worker: Worker, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE lease SET worked_at = ?, worker = ?")
            .bind(ms(now))
            .bind(worker.word())
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// What last worked on the database, and when.
    pub async fn last_worked(&self) -> Result<Option<(Worker, Timestamp)>, StoreError> {
        let mut reader = self.read().await?;
        let (worker, when): (Option<String>, Option<i64>) =
            sqlx::query_as("SELECT worker, worked_at FROM lease")
                .fetch_one(&mut *reader)
                .await?;
        let (Some(worker), Some(when)) = (worker, when) else {
            return Ok(None);
        };
        let known = [Worker::Daemon, Worker::Once];
        let found = known.into_iter().find(|known| known.word() == worker);
        let found = found.ok_or_else(|| StoreError::corrupt("a worker", worker))?;
        Ok(Some((found, at(when)?)))
    }

    /// Notes why no backup can be made, or that one was made.
    pub async fn note_backup(
        &self,
        problem: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let stored = self.backup_problem().await?;
        if stored.as_ref().map(|(_, why)| why.as_str()) == problem {
            return Ok(());
        }
        let since = problem.map(|_| stored.map_or(ms(now), |(since, _)| ms(since)));
        let mut tx = self.write().await?;
        sqlx::query("UPDATE lease SET backup_failing_since = ?, backup_problem = ?")
            .bind(since)
            .bind(problem)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// Since when no backup can be made, and why.
    pub async fn backup_problem(&self) -> Result<Option<(Timestamp, String)>, StoreError> {
        let mut reader = self.read().await?;
        let (since, why): (Option<i64>, Option<String>) =
            sqlx::query_as("SELECT backup_failing_since, backup_problem FROM lease")
                .fetch_one(&mut *reader)
                .await?;
        since.map(at).transpose().map(|since| since.zip(why))
    }

    /// Notes why a reload was refused, or that none stands refused.
    pub async fn note_reload(
        &self,
        problem: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE lease SET reload_refused_at = ?, reload_problem = ?")
            .bind(problem.map(|_| ms(now)))
            .bind(problem)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// When the last reload was refused, and why; `None` where it was not.
    pub async fn reload_problem(&self) -> Result<Option<(Timestamp, String)>, StoreError> {
        let mut reader = self.read().await?;
        let (refused, why): (Option<i64>, Option<String>) =
            sqlx::query_as("SELECT reload_refused_at, reload_problem FROM lease")
                .fetch_one(&mut *reader)
                .await?;
        refused.map(at).transpose().map(|refused| refused.zip(why))
    }
}
