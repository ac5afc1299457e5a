//! The tables `enrolment_codes` and `enrolment_tries`: codes by which users link their Telegram account, and wrong ones
//! that somebody sent.

use jiff::{SignedDuration, Timestamp};

use super::{StoreError, WriteTx, ms};

/// A user's new code; it replaces the one before.
pub(crate) async fn put_code(
    tx: &mut WriteTx<'_>,
    (user, digest): (i64, &str),
    ends_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrolment_codes (user_id, digest, ends_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id) DO UPDATE SET digest = ?2, ends_at = ?3",
    )
    .bind(user)
    .bind(digest)
    .bind(ms(ends_at))
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Uses up the code with this digest. Returns the user whose it is; `None` where there is no such code, or its time is
/// over.
pub(crate) async fn use_code(
    tx: &mut WriteTx<'_>,
    digest: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    tx.execute_at(&["DELETE FROM enrolment_codes WHERE ends_at <= ?"], now)
        .await?;
    let user = sqlx::query_scalar("DELETE FROM enrolment_codes WHERE digest = ? RETURNING user_id");
    Ok(user.bind(digest).fetch_optional(tx.conn()?).await?)
}

/// A user's code is no longer good.
pub(crate) async fn drop_code(tx: &mut WriteTx<'_>, user: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM enrolment_codes WHERE user_id = ?")
        .bind(user)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Wrong codes that somebody sent within this time.
pub(crate) async fn wrong_tries(
    tx: &mut WriteTx<'_>,
    (telegram, within): (i64, SignedDuration),
    now: Timestamp,
) -> Result<u64, StoreError> {
    let since = now.saturating_sub(within).unwrap_or(now);
    tx.execute_at(&["DELETE FROM enrolment_tries WHERE at <= ?"], since)
        .await?;
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM enrolment_tries WHERE telegram = ?")
        .bind(telegram)
        .fetch_one(tx.conn()?)
        .await?;
    Ok(count.unsigned_abs())
}

/// Notes a wrong code.
pub(crate) async fn note_wrong(
    tx: &mut WriteTx<'_>,
    telegram: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO enrolment_tries (telegram, at) VALUES (?, ?)")
        .bind(telegram)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
