//! The table `lease`: which process works on the database, and when the file was last found undamaged.

use jiff::Timestamp;
use sqlx::{Connection as _, SqliteConnection};

use super::{StoreError, WriteTx, ms};

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
