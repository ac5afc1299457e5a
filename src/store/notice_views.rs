//! What is read of notices, their deliveries and channels.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::FromRow;

use super::{Store, StoreError, at, ms};
use crate::domain::ids::ShopName;
use crate::domain::notice::Kind;

/// A notice as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNotice {
    /// Its row.
    pub id: i64,
    /// When its event happened.
    pub at: Timestamp,
    /// Identifies its event.
    pub key: String,
    /// What it reports.
    pub kind: Kind,
    /// The shop, where it is about one.
    pub shop: Option<String>,
    /// Its facts.
    pub facts: Value,
}

/// A message to one channel that is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its row.
    pub id: i64,
    /// Sent with every attempt, so that the receiver recognises a repeat.
    pub token: String,
    /// When it was packed.
    pub made_at: Timestamp,
    /// Attempts so far.
    pub attempts: i64,
    /// How often its channel rejected it as it is.
    pub rejections: i64,
    /// Whether it reports only numbers.
    pub is_summary: bool,
    /// Its notices, the oldest first.
    pub notices: Vec<StoredNotice>,
}

/// The state of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// Its name.
    pub name: String,
    /// Messages that wait to be sent to it.
    pub due: i64,
    /// Messages it accepted.
    pub delivered: i64,
    /// Messages given up.
    pub dropped: i64,
    /// When the last message was given up as invalid.
    pub last_dropped_at: Option<Timestamp>,
    /// Whether its last error refuses every message.
    pub refused: bool,
    /// Failures in a row.
    pub failures: i64,
    /// Since when it fails.
    pub failing_since: Option<Timestamp>,
    /// No message is sent before this moment.
    pub retry_at: Option<Timestamp>,
    /// Its last error, while it fails.
    pub last_error: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    token: String,
    made_at: i64,
    attempts: i64,
    rejections: i64,
    is_summary: bool,
}

/// Id, time, key, kind, shop, facts.
type NoticeRow = (i64, i64, String, String, Option<String>, String);

fn stored_notice(row: NoticeRow) -> Result<Option<StoredNotice>, StoreError> {
    let (id, when, key, kind, shop, facts) = row;
    // A kind written by a newer release cannot be reported by this one.
    let Some(kind) = Kind::parse(&kind) else {
        return Ok(None);
    };
    Ok(Some(StoredNotice {
        id,
        at: at(when)?,
        key,
        kind,
        shop,
        facts: serde_json::from_str(&facts)
            .map_err(|_| StoreError::corrupt("a notice's facts", facts))?,
    }))
}

#[derive(FromRow)]
struct ChannelRow {
    name: String,
    due: i64,
    delivered: i64,
    dropped: i64,
    last_dropped_at: Option<i64>,
    refused: bool,
    failures: i64,
    failing_since: Option<i64>,
    retry_at: Option<i64>,
    last_error: Option<String>,
}

const CHANNELS: &str = "
SELECT c.name, c.refused, c.failures, c.failing_since, c.retry_at, c.last_error,
  (SELECT COUNT(*) FROM deliveries INDEXED BY deliveries_due WHERE channel = c.name AND state = 'due') AS due,
  (SELECT COUNT(*) FROM deliveries WHERE channel = c.name AND state = 'delivered') AS delivered,
  (SELECT COUNT(*) FROM deliveries WHERE channel = c.name AND state = 'dropped') AS dropped,
  (SELECT MAX(closed_at) FROM deliveries WHERE channel = c.name AND state = 'dropped' AND rejections > 0)
    AS last_dropped_at
FROM channels c WHERE c.configured = 1 ORDER BY c.name";

impl Store {
    /// Whether a notice with this key exists.
    pub async fn is_noticed(&self, key: &str) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM notices WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut *reader)
            .await?;
        Ok(known.is_some())
    }

    /// The notices of these kinds that a channel has not been sent and is not going to be: they were written before
    /// it was added, or their message was given up when it was removed.
    pub async fn unsent_notices(
        &self,
        channel: &str,
        kinds: &[Kind],
        since: Timestamp,
    ) -> Result<Vec<StoredNotice>, StoreError> {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let mut reader = self.read().await?;
        let rows: Vec<NoticeRow> = sqlx::query_as(
            "SELECT id, at, key, kind, shop, facts FROM notices n
             WHERE id <= (SELECT packed_to FROM channels WHERE name = ?1) AND at >= ?2
               AND kind IN (SELECT value FROM json_each(?3))
               AND NOT EXISTS (SELECT 1 FROM delivery_notices t JOIN deliveries d ON d.id = t.delivery
                 WHERE t.channel = ?1 AND t.notice = n.id AND d.state IN ('due', 'delivered'))
             ORDER BY id",
        )
        .bind(channel)
        .bind(ms(since))
        .bind(json!(words).to_string())
        .fetch_all(&mut *reader)
        .await?;
        let notices = rows.into_iter().map(stored_notice);
        let notices = notices.collect::<Result<Vec<_>, StoreError>>()?;
        Ok(notices.into_iter().flatten().collect())
    }

    /// The kinds of these that were delivered to a channel about a shop since `since`, the newest first.
    pub async fn delivered_kinds(
        &self,
        channel: &str,
        shop: &str,
        kinds: &[Kind],
        since: Timestamp,
    ) -> Result<Vec<Kind>, StoreError> {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let mut reader = self.read().await?;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT n.kind FROM delivery_notices t JOIN deliveries d ON d.id = t.delivery
             JOIN notices n ON n.id = t.notice
             WHERE t.channel = ?1 AND n.shop = ?2 AND n.kind IN (SELECT value FROM json_each(?3))
               AND d.state = 'delivered' AND d.closed_at >= ?4 ORDER BY n.id DESC",
        )
        .bind(channel)
        .bind(shop)
        .bind(json!(words).to_string())
        .bind(ms(since))
        .fetch_all(&mut *reader)
        .await?;
        Ok(found.iter().filter_map(|word| Kind::parse(word)).collect())
    }

    /// The oldest messages that wait for a channel; none while it is paused after a failure.
    pub async fn due_deliveries(
        &self,
        channel: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT d.id, d.token, d.made_at, d.attempts, d.rejections, d.is_summary
             FROM deliveries d INDEXED BY deliveries_due JOIN channels c ON c.name = d.channel
             WHERE d.channel = ? AND d.state = 'due' AND (c.retry_at IS NULL OR c.retry_at <= ?) ORDER BY d.id LIMIT ?",
        )
        .bind(channel)
        .bind(ms(now))
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let rows: Vec<NoticeRow> = sqlx::query_as(
                "SELECT n.id, n.at, n.key, n.kind, n.shop, n.facts
                 FROM delivery_notices t JOIN notices n ON n.id = t.notice WHERE t.delivery = ? ORDER BY n.id",
            )
            .bind(row.id)
            .fetch_all(&mut *reader)
            .await?;
            let notices = rows.into_iter().map(stored_notice);
            let notices = notices.collect::<Result<Vec<_>, StoreError>>()?;
            due.push(Delivery {
                id: row.id,
                token: row.token,
                made_at: at(row.made_at)?,
                attempts: row.attempts,
                rejections: row.rejections,
                is_summary: row.is_summary,
                notices: notices.into_iter().flatten().collect(),
            });
        }
        Ok(due)
    }

    /// The state of every channel that was ever configured.
    pub async fn channels(&self) -> Result<Vec<ChannelState>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<ChannelRow> = sqlx::query_as(CHANNELS).fetch_all(&mut *reader).await?;
        let state = |row: ChannelRow| {
            Ok(ChannelState {
                name: row.name,
                due: row.due,
                delivered: row.delivered,
                dropped: row.dropped,
                last_dropped_at: row.last_dropped_at.map(at).transpose()?,
                refused: row.refused,
                failures: row.failures,
                failing_since: row.failing_since.map(at).transpose()?,
                retry_at: row.retry_at.map(at).transpose()?,
                last_error: row.last_error,
            })
        };
        rows.into_iter().map(state).collect()
    }

    /// The newest notice of these kinds about a shop.
    pub async fn newest_notice(
        &self,
        shop: &ShopName,
        kinds: &[Kind],
    ) -> Result<Option<StoredNotice>, StoreError> {
        let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
        let mut reader = self.read().await?;
        let row: Option<NoticeRow> = sqlx::query_as(
            "SELECT id, at, key, kind, shop, facts FROM notices
             WHERE shop = ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT 1",
        )
        .bind(shop.as_str())
        .bind(json!(words).to_string())
        .fetch_optional(&mut *reader)
        .await?;
        Ok(row.map(stored_notice).transpose()?.flatten())
    }

    /// The newest notices, the newest last.
    pub async fn notices(&self, limit: u32) -> Result<Vec<StoredNotice>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<NoticeRow> = sqlx::query_as(
            "SELECT id, at, key, kind, shop, facts FROM notices ORDER BY id DESC LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        let notices: Result<Vec<_>, StoreError> =
            rows.into_iter().rev().map(stored_notice).collect();
        Ok(notices?.into_iter().flatten().collect())
    }
}
