//! The table `manual_keys`: requests of people that were answered, so that the same one sent twice is done once.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::{Store, StoreError, WriteTx, ms};
use crate::domain::people::Refusal;

/// How long a key is remembered: a client repeats within minutes.
const KEPT: SignedDuration = SignedDuration::from_hours(48);

/// A request that may come twice.
#[derive(Debug, Clone, Copy)]
pub struct KeyedRequest<'a> {
    /// Whose keys these are: others may use the same ones.
    pub person: &'a str,
    /// The key.
    pub key: &'a str,
    /// All that is asked for, in one text.
    pub request: &'a str,
}

/// The answer that the same request had. Another one with its key is refused.
pub(crate) async fn answer(
    connection: &mut SqliteConnection,
    asked: &KeyedRequest<'_>,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let since = now.saturating_sub(KEPT).unwrap_or(now);
    let known: Option<(String, String)> = sqlx::query_as(
        "SELECT request, answer FROM manual_keys WHERE person = ? AND key = ? AND at >= ?",
    )
    .bind(asked.person)
    .bind(asked.key)
    .bind(ms(since))
    .fetch_optional(connection)
    .await?;
    match known {
        None => Ok(None),
        Some((request, answer)) if request == asked.request => Ok(Some(answer)),
        Some(_) => Err(Refusal::KeyUsed.into()),
    }
}

/// Keeps the answer to a request.
pub(crate) async fn keep(
    tx: &mut WriteTx<'_>,
    asked: &KeyedRequest<'_>,
    answer: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let since = now.saturating_sub(KEPT).unwrap_or(now);
    tx.execute_at(&["DELETE FROM manual_keys WHERE at < ?"], since)
        .await?;
    sqlx::query(
        "INSERT INTO manual_keys (person, key, at, request, answer) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(asked.person)
    .bind(asked.key)
    .bind(ms(now))
    .bind(asked.request)
    .bind(answer)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

impl Store {
    /// The answer that the same request had within the last two days.
    pub async fn answered(
        &self,
        asked: &KeyedRequest<'_>,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let mut reader = self.read().await?;
        answer(&mut reader, asked, now).await
    }

    /// Keeps the answer to a request that changed nothing; returns the one it had before, where it was answered in the
    /// meantime.
    pub async fn keep_answer(
        &self,
        asked: &KeyedRequest<'_>,
        given: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let mut tx = self.write().await?;
        let before = answer(tx.conn()?, asked, now).await?;
        if before.is_none() {
            keep(&mut tx, asked, given, now).await?;
            tx.commit().await?;
        }
        Ok(before)
    }
}
