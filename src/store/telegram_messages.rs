//! The tables `telegram_messages` and `telegram_buttons`: messages about held orders, and what their buttons hold.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::telegram_rows::{Objections, Row, message};
use super::{Store, StoreError, WriteTx, ms};
use crate::domain::buttons::{Button, Panel};
use crate::domain::ids::{OrderId, ShopName};

/// A message about a held order in one chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ButtonMessage {
    /// Its row.
    pub id: i64,
    /// The channel that it was sent through.
    pub channel: String,
    /// The chat and the message; `None` while it is unknown whether it arrived.
    pub place: Option<(i64, i64)>,
    /// The shop of the order.
    pub shop: ShopName,
    /// The order.
    pub order: OrderId,
    /// The version of the order that it shows.
    pub version: String,
    /// What it says of the order.
    pub text: String,
    /// The deadline: its buttons end then.
    pub ends_at: Timestamp,
    /// What its buttons ask.
    pub panel: Panel,
    /// Counts what it was changed to show.
    pub revision: i64,
    /// The last of them that it does show.
    pub shown: i64,
}

/// A new message.
#[derive(Debug, Clone)]
pub struct NewButtonMessage<'a> {
    /// The channel that it is sent through.
    pub channel: &'a str,
    /// The shop of the order.
    pub shop: &'a ShopName,
    /// The order.
    pub order: &'a OrderId,
    /// The version of the order that it shows.
    pub version: &'a str,
    /// What it says of the order.
    pub text: &'a str,
    /// The deadline.
    pub ends_at: Timestamp,
    /// The delivery that it is sent for.
    pub delivery: Option<i64>,
}

/// A button with the digest of what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewButton {
    /// SHA-256 of what it holds, in hex.
    pub digest: String,
    /// What it asks for.
    pub button: Button,
}

/// A button that somebody pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundButton {
    pub(crate) button: Button,
    pub(crate) is_used: bool,
    pub(crate) message: ButtonMessage,
}

const COLUMNS: &str = "
SELECT id, channel, chat, message, shop, order_id, version, body, ends_at, panel, panel_user, panel_ends_at,
  objections, revision, shown FROM telegram_messages ";

async fn one(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<Option<ButtonMessage>, StoreError> {
    // The columns are the list's own.
    let statement = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"));
    let row: Option<Row> = sqlx::query_as(statement)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(message).transpose()
}

/// The button that holds what has this digest.
pub(crate) async fn button(
    tx: &mut WriteTx<'_>,
    digest: &str,
) -> Result<Option<FoundButton>, StoreError> {
    let row: Option<(i64, String, Option<i64>)> = sqlx::query_as(
        "SELECT message_row, button, used_at FROM telegram_buttons WHERE digest = ?",
    )
    .bind(digest)
    .fetch_optional(tx.conn()?)
    .await?;
    let Some((id, word, used_at)) = row else {
        return Ok(None);
    };
    let message = one(tx.conn()?, id).await?;
    Ok(Some(FoundButton {
        button: Button::parse(&word).ok_or_else(|| StoreError::corrupt("a button", &word))?,
        is_used: used_at.is_some(),
        message: message.ok_or_else(|| StoreError::corrupt("a button", &word))?,
    }))
}

/// Binds a message to where it is.
pub(crate) async fn bind(
    tx: &mut WriteTx<'_>,
    id: i64,
    (chat, message): (i64, i64),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE telegram_messages SET chat = ?, message = ? WHERE id = ?")
        .bind(chat)
        .bind(message)
        .bind(id)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Its buttons are used up, and it asks this.
pub(crate) async fn ask(
    tx: &mut WriteTx<'_>,
    id: i64,
    panel: &Panel,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE telegram_buttons SET used_at = ? WHERE message_row = ? AND used_at IS NULL",
    )
    .bind(ms(now))
    .bind(id)
    .execute(tx.conn()?)
    .await?;
    let word = match panel {
        Panel::Decide { again: true } => "again",
        other => other.word(),
    };
    let second = panel.second();
    let objections = match panel {
        Panel::Override { asked, names, .. } => {
            let names = names.iter().map(|name| name.as_str().to_owned()).collect();
            let asked = *asked;
            serde_json::to_string(&Objections { asked, names }).ok()
        }
        _ => None,
    };
    let closed_at = matches!(panel, Panel::Ended).then(|| ms(now));
    sqlx::query(
        "UPDATE telegram_messages SET panel = ?2, panel_user = ?3, panel_ends_at = ?4, objections = ?5,
           closed_at = ?6, revision = revision + 1 WHERE id = ?1",
    )
    .bind(id)
    .bind(word)
    .bind(second.map(|second| second.user))
    .bind(second.map(|second| ms(second.until)))
    .bind(objections)
    .bind(closed_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Messages about a shop's orders follow its new name.
pub(crate) async fn move_to_shop(
    tx: &mut WriteTx<'_>,
    (from, to): (&ShopName, &ShopName),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE telegram_messages SET shop = ? WHERE shop = ?")
        .bind(to.as_str())
        .bind(from.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

async fn put_buttons(
    tx: &mut WriteTx<'_>,
    id: i64,
    buttons: &[NewButton],
) -> Result<(), StoreError> {
    // Those of a try whose answer is unknown are on no message, or are replaced now.
    sqlx::query("DELETE FROM telegram_buttons WHERE message_row = ? AND used_at IS NULL")
        .bind(id)
        .execute(tx.conn()?)
        .await?;
    for button in buttons {
        sqlx::query("INSERT INTO telegram_buttons (digest, message_row, button) VALUES (?, ?, ?)")
            .bind(&button.digest)
            .bind(id)
            .bind(button.button.word())
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}

impl Store {
    /// Writes a message down before it is sent. Returns its row.
    pub async fn add_button_message(
        &self,
        new: &NewButtonMessage<'_>,
        buttons: &[NewButton],
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut tx = self.write().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO telegram_messages (channel, shop, order_id, version, body, ends_at, delivery, made_at, panel, revision, shown)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'decide', 1, 1) RETURNING id",
        )
        .bind(new.channel)
        .bind(new.shop.as_str())
        .bind(new.order.as_str())
        .bind(new.version)
        .bind(new.text)
        .bind(ms(new.ends_at))
        .bind(new.delivery)
        .bind(ms(now))
        .fetch_one(tx.conn()?)
        .await?;
        put_buttons(&mut tx, id, buttons).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// A message arrived, here.
    pub async fn button_message_sent(&self, id: i64, place: (i64, i64)) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        bind(&mut tx, id, place).await?;
        tx.commit().await
    }

    /// A message was not sent.
    pub async fn button_message_dropped(&self, id: i64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        put_buttons(&mut tx, id, &[]).await?;
        sqlx::query("DELETE FROM telegram_buttons WHERE message_row = ?")
            .bind(id)
            .execute(tx.conn()?)
            .await?;
        sqlx::query("DELETE FROM telegram_messages WHERE id = ?")
            .bind(id)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// The messages of a channel that still have to follow their order, or do not show yet what they should.
    pub async fn open_button_messages(
        &self,
        channel: &str,
    ) -> Result<Vec<ButtonMessage>, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!(
            "{COLUMNS} WHERE id IN (SELECT id FROM telegram_messages WHERE channel = ?1 AND closed_at IS NULL
               UNION SELECT id FROM telegram_messages WHERE channel = ?1 AND shown <> revision) ORDER BY id"
        );
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(channel)
            .fetch_all(&mut *reader)
            .await?;
        rows.into_iter().map(message).collect()
    }

    /// A message has to show this instead; `changed`: what it says of the order, in which version, and the deadline.
    /// Nothing happens where somebody pressed in the meantime.
    pub async fn change_button_message(
        &self,
        before: &ButtonMessage,
        panel: &Panel,
        changed: Option<(&str, &str, Timestamp)>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let present = one(tx.conn()?, before.id).await?;
        if present.is_none_or(|present| present.revision != before.revision) {
            return Ok(false);
        }
        ask(&mut tx, before.id, panel, now).await?;
        if let Some((text, version, ends_at)) = changed {
            sqlx::query(
                "UPDATE telegram_messages SET body = ?2, version = ?3, ends_at = ?4 WHERE id = ?1",
            )
            .bind(before.id)
            .bind(text)
            .bind(version)
            .bind(ms(ends_at))
            .execute(tx.conn()?)
            .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The buttons that a message is about to get: what they hold is known to Telegram alone.
    pub async fn renew_buttons(
        &self,
        message: &ButtonMessage,
        buttons: &[NewButton],
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let present = one(tx.conn()?, message.id).await?;
        if present.is_none_or(|present| present.revision != message.revision) {
            return Ok(false);
        }
        put_buttons(&mut tx, message.id, buttons).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A message shows what it should, or there is nothing that could be changed.
    pub async fn button_message_shown(&self, message: &ButtonMessage) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE telegram_messages SET shown = ? WHERE id = ?")
            .bind(message.revision)
            .bind(message.id)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// The number of the newest row of the audit log, without which no order changes; and whether a message of a channel
    /// does not show what it should, or its time is over.
    pub async fn button_messages_due(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<(i64, bool), StoreError> {
        let mut reader = self.read().await?;
        let row: (Option<i64>, Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT id FROM audit ORDER BY id DESC LIMIT 1),
               (SELECT id FROM telegram_messages WHERE channel = ?1 AND shown <> revision LIMIT 1),
               (SELECT id FROM telegram_messages WHERE channel = ?1 AND closed_at IS NULL
                  AND (panel_ends_at <= ?2 OR (panel IN ('decide', 'again') AND ends_at <= ?2)) LIMIT 1)",
        )
        .bind(channel)
        .bind(ms(now))
        .fetch_one(&mut *reader)
        .await?;
        Ok((row.0.unwrap_or_default(), row.1.or(row.2).is_some()))
    }

    /// Whether the message of a delivery is known to have arrived.
    pub async fn is_delivery_sent(&self, delivery: i64) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM telegram_messages WHERE delivery = ? AND message IS NOT NULL",
        )
        .bind(delivery)
        .fetch_optional(&mut *reader)
        .await?;
        Ok(found.is_some())
    }

    /// Deletes messages from before then.
    pub async fn drop_button_messages(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut reader = self.read().await?;
        let first: Option<i64> =
            sqlx::query_scalar("SELECT id FROM telegram_messages WHERE made_at < ? LIMIT 1")
                .bind(ms(before))
                .fetch_optional(&mut *reader)
                .await?;
        drop(reader);
        if first.is_none() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        tx.execute_at(
            &[
                "DELETE FROM telegram_buttons WHERE message_row IN (SELECT id FROM telegram_messages WHERE made_at < ?)",
                "DELETE FROM telegram_messages WHERE made_at < ?",
            ],
            before,
        )
        .await?;
        tx.commit().await
    }
}
