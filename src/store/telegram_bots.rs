//! The table `telegram_bots`: how far the updates of each bot are handled, and when they were last asked for.

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError, WriteTx, at, ms};

/// After a week without updates Telegram may give the next one any number, a lower one too. A day before that, none of the old
/// ones can come again: Telegram keeps them for a day.
const NUMBERS_KEPT: SignedDuration = SignedDuration::from_hours(6 * 24);

/// How far a bot's updates are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BotState {
    /// The first update that is not handled yet; `None` where the next one may have any number.
    pub next_update: Option<i64>,
    /// Every update that was sent before this was fetched and handled.
    pub polled_at: Option<Timestamp>,
}

/// Notes in the transaction of its effect that an update is handled. `false` where it was handled before.
pub(crate) async fn take_update(
    tx: &mut WriteTx<'_>,
    (bot, update): (i64, i64),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO telegram_bots (bot, next_update, updated_at) VALUES (?1, ?2 + 1, ?3)
         ON CONFLICT (bot) DO UPDATE SET next_update = ?2 + 1, updated_at = ?3
         WHERE next_update <= ?2 OR updated_at < ?4",
    )
    .bind(bot)
    .bind(update)
    .bind(ms(now))
    .bind(ms(now.saturating_sub(NUMBERS_KEPT).unwrap_or(now)))
    .execute(tx.conn()?)
    .await?;
    Ok(done.rows_affected() > 0)
}

impl Store {
    /// How far a bot's updates are handled.
    pub async fn bot_state(&self, bot: i64, now: Timestamp) -> Result<BotState, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<(i64, i64, Option<i64>)> = sqlx::query_as(
            "SELECT next_update, updated_at, polled_at FROM telegram_bots WHERE bot = ?",
        )
        .bind(bot)
        .fetch_optional(&mut *reader)
        .await?;
        let Some((next, updated_at, polled_at)) = row else {
            return Ok(BotState::default());
        };
        let is_recent = now.duration_since(at(updated_at)?) < NUMBERS_KEPT;
        Ok(BotState {
            next_update: is_recent.then_some(next),
            polled_at: polled_at.map(at).transpose()?,
        })
    }

    /// Notes that an update without any effect is handled.
    pub async fn pass_update(
        &self,
        (bot, update): (i64, i64),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let is_new = take_update(&mut tx, (bot, update), now).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    /// Notes that every update that was sent before this was fetched and handled.
    pub async fn note_polled(&self, bot: i64, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO telegram_bots (bot, next_update, updated_at, polled_at) VALUES (?1, 0, ?2, ?2)
             ON CONFLICT (bot) DO UPDATE SET polled_at = ?2",
        )
        .bind(bot)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
        tx.commit().await
    }
}
