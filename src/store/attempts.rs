//! The table `attempts`: one POST of an action.

use jiff::Timestamp;

use super::{Store, StoreError, WriteTx, ms};
use crate::domain::action::{Outcome, OutcomeKind};
use crate::domain::ids::ShopName;

pub(crate) const OPEN_ATTEMPTS: &str = "
SELECT COUNT(*) FROM attempts t INDEXED BY attempts_open CROSS JOIN actions a ON a.id = t.action_id
WHERE t.ended_at IS NULL AND a.shop = ?";

/// Writes the row of a POST about to be sent. Returns its id and its number, from 1.
pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    action: i64,
    now: Timestamp,
) -> Result<(i64, u32), StoreError> {
    let (attempt, n): (i64, i64) = sqlx::query_as(
        "INSERT INTO attempts (action_id, n, begun_at)
         VALUES (?1, (SELECT COUNT(*) + 1 FROM attempts WHERE action_id = ?1), ?2) RETURNING id, n",
    )
    .bind(action)
    .bind(ms(now))
    .fetch_one(tx.conn()?)
    .await?;
    Ok((attempt, u32::try_from(n).unwrap_or(u32::MAX)))
}

/// Writes how a POST ended.
pub(crate) async fn end(
    tx: &mut WriteTx<'_>,
    attempt: i64,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE attempts SET ended_at = ?, outcome = ?, detail = ? WHERE id = ? AND ended_at IS NULL",
    )
    .bind(ms(now))
    .bind(outcome.kind().word())
    .bind(outcome.why())
    .bind(attempt)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Ends the unfinished attempts of a shop, whose outcome is unknown.
pub(crate) async fn end_lost(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE attempts SET ended_at = ?, outcome = ?, detail = 'no outcome was recorded'
         WHERE ended_at IS NULL AND action_id IN (SELECT id FROM actions WHERE shop = ?)",
    )
    .bind(ms(now))
    .bind(OutcomeKind::Unknown.word())
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

impl Store {
    /// What was said to the last POST of an action.
    pub async fn last_reply(&self, action: i64) -> Result<Option<String>, StoreError> {
        let mut reader = self.read().await?;
        let said = sqlx::query_scalar(
            "SELECT detail FROM attempts WHERE action_id = ? ORDER BY n DESC LIMIT 1",
        );
        let said = said.bind(action).fetch_optional(&mut *reader).await?;
        Ok(said.flatten())
    }
}

/// Deletes the attempts of these orders (JSON).
pub(crate) async fn delete_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    let statement = "DELETE FROM attempts WHERE action_id IN (SELECT id FROM actions WHERE shop = ?
           AND order_id IN (SELECT value FROM json_each(?)))";
    tx.execute_for(statement, shop, orders).await
}

/// What the answer to a POST proves, from its word.
pub(crate) fn parse_outcome(word: &str) -> Result<OutcomeKind, StoreError> {
    OutcomeKind::parse(word).ok_or_else(|| StoreError::corrupt("an outcome", word))
}
