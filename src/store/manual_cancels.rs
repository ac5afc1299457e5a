//! The table `manual_cancels`: cancels of the last hour by people, so that one person cannot cancel without end.

use jiff::{SignedDuration, Timestamp};

use super::{StoreError, WriteTx, ms};

/// How long a cancel counts.
const COUNTED: SignedDuration = SignedDuration::from_hours(1);

/// The number of cancels by this person within the last hour.
pub(crate) async fn within_an_hour(
    tx: &mut WriteTx<'_>,
    person: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let since = now.saturating_sub(COUNTED).unwrap_or(now);
    tx.execute_at(&["DELETE FROM manual_cancels WHERE at <= ?"], since)
        .await?;
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM manual_cancels WHERE person = ?")
        .bind(person)
        .fetch_one(tx.conn()?)
        .await?;
    Ok(count.unsigned_abs())
}

/// Counts one.
pub(crate) async fn note(
    tx: &mut WriteTx<'_>,
    person: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO manual_cancels (person, at) VALUES (?, ?)")
        .bind(person)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
