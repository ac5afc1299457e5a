//! Notices and their deliveries. A notice is written in the transaction of the event it reports. It is
//! packed into messages and sent to the channels afterwards, so that no channel delays other work.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::crash_point::crash_point;
use crate::domain::notice::{Kind, Notice};

/// Notices packed in one transaction.
const PACKED_AT_ONCE: i64 = 1_000;

/// More notices of one kind and shop than this, found in one go, become one message.
const BUNDLE_OVER: usize = 3;

/// Notices in one such message.
const BUNDLE_MAX: usize = 100;

/// Notices deleted in one transaction.
const DELETED_AT_ONCE: i64 = 500;

/// A notice as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNotice {
    /// When its event happened.
    pub at: Timestamp,
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
    /// Messages given up or summarised.
    pub dropped: i64,
    /// Failures in a row.
    pub failures: i64,
    /// Since when it fails.
    pub failing_since: Option<Timestamp>,
    /// No message is sent before this moment.
    pub retry_at: Option<Timestamp>,
    /// Its last error, while it fails.
    pub last_error: Option<String>,
}

/// Limits of a channel's queue; messages beyond them become one summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most messages that wait for a channel; the oldest beyond that become one.
    pub queue_max: u32,
    /// Messages that wait longer than this become one.
    pub summarise_after: SignedDuration,
}

impl WriteTx<'_> {
    /// Adds a notice, unless one with the same key exists.
    pub(crate) fn notice(&mut self, now: Timestamp, notice: Notice) {
        let head = json!([ms(now), notice.kind.word(), notice.key, notice.shop]);
        self.notices.push((head, notice.facts));
    }

    /// Writes the notices added so far, in the same transaction.
    pub(crate) async fn write_notices(&mut self) -> Result<(), StoreError> {
        if self.notices.is_empty() {
            return Ok(());
        }
        let rows = json!(std::mem::take(&mut self.notices)).to_string();
        sqlx::query(
            "INSERT INTO notices (at, kind, key, shop, facts)
             SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
               value -> '$[1]'
             FROM json_each(?) WHERE true ORDER BY json_each.key ON CONFLICT (key) DO NOTHING",
        )
        .bind(rows)
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}

/// Id, time, kind, shop.
type Unpacked = (i64, i64, String, Option<String>);

#[derive(FromRow)]
struct Row {
    id: i64,
    token: String,
    made_at: i64,
    attempts: i64,
    is_summary: bool,
}

#[derive(FromRow)]
struct ChannelRow {
    name: String,
    due: i64,
    delivered: i64,
    dropped: i64,
    failures: i64,
    failing_since: Option<i64>,
    retry_at: Option<i64>,
    last_error: Option<String>,
}

const CHANNELS: &str = "
SELECT c.name, c.failures, c.failing_since, c.retry_at, c.last_error,
  (SELECT COUNT(*) FROM deliveries INDEXED BY deliveries_due WHERE channel = c.name AND state = 'due') AS due,
  (SELECT COUNT(*) FROM deliveries WHERE channel = c.name AND state = 'delivered') AS delivered,
  (SELECT COUNT(*) FROM deliveries WHERE channel = c.name AND state = 'dropped') AS dropped
FROM channels c ORDER BY c.name";

impl Store {
    /// Writes a notice in a transaction of its own.
    pub async fn add_notice(&self, notice: Notice, now: Timestamp) -> Result<(), StoreError> {
        if self.is_noticed(&notice.key).await? {
            return Ok(());
        }
        let mut tx = self.write().await?;
        tx.notice(now, notice);
        tx.commit().await
    }

    /// Whether a notice with this key exists.
    pub async fn is_noticed(&self, key: &str) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM notices WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut *reader)
            .await?;
        Ok(known.is_some())
    }

    /// Registers the channels; a new one gets the notices written from now on. Messages that wait for a
    /// channel that is no longer configured are dropped.
    pub async fn set_channels(&self, names: &[&str], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'dropped', closed_at = ?1, why = 'the channel is gone'
             WHERE state = 'due' AND channel NOT IN (SELECT value FROM json_each(?2))",
        )
        .bind(ms(now))
        .bind(json!(names).to_string())
        .execute(tx.conn()?)
        .await?;
        // A channel that is configured again later does not get the notices written in between.
        sqlx::query(
            "UPDATE channels SET configured = 0 WHERE name NOT IN (SELECT value FROM json_each(?))",
        )
        .bind(json!(names).to_string())
        .execute(tx.conn()?)
        .await?;
        sqlx::query(
            "INSERT INTO channels (name, packed_to)
             SELECT value, (SELECT COALESCE(MAX(id), 0) FROM notices) FROM json_each(?) WHERE true
             ON CONFLICT (name) DO UPDATE SET packed_to = excluded.packed_to, configured = 1 WHERE configured = 0",
        )
        .bind(json!(names).to_string())
        .execute(tx.conn()?)
        .await?;
        tx.commit().await
    }

    /// Packs a channel's new notices into messages, leaving out the kinds that `wanted` rejects. Returns the
    /// number of messages made.
    pub async fn pack(
        &self,
        channel: &str,
        wanted: impl Fn(Kind) -> bool,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut reader = self.read().await?;
        let unpacked: Vec<Unpacked> = sqlx::query_as(
            "SELECT id, at, kind, shop FROM notices
             WHERE id > (SELECT packed_to FROM channels WHERE name = ? AND configured = 1) ORDER BY id LIMIT ?",
        )
        .bind(channel)
        .bind(PACKED_AT_ONCE)
        .fetch_all(&mut *reader)
        .await?;
        drop(reader);
        let Some(last) = unpacked.last().map(|(id, ..)| *id) else {
            return Ok(0);
        };
        let mut groups: BTreeMap<(Kind, Option<&str>), Vec<i64>> = BTreeMap::new();
        for (id, _, kind, shop) in &unpacked {
            // A kind written by a newer release cannot be reported by this one.
            if let Some(kind) = Kind::parse(kind).filter(|kind| wanted(*kind)) {
                groups.entry((kind, shop.as_deref())).or_default().push(*id);
            }
        }
        let mut messages: Vec<Vec<i64>> = Vec::new();
        for ids in groups.into_values() {
            let size = if ids.len() > BUNDLE_OVER {
                BUNDLE_MAX
            } else {
                1
            };
            messages.extend(ids.chunks(size).map(<[i64]>::to_vec));
        }
        messages.sort();
        let mut tx = self.write().await?;
        for ids in &messages {
            tx.message(channel, ids, false, now).await?;
        }
        sqlx::query("UPDATE channels SET packed_to = ? WHERE name = ?")
            .bind(last)
            .bind(channel)
            .execute(tx.conn()?)
            .await?;
        crash_point("notify.before_packed");
        tx.commit().await?;
        crash_point("notify.after_packed");
        Ok(messages.len())
    }

    /// Replaces the messages that waited too long, or exceed the queue's limit, with one summary of their
    /// number. Returns how many it replaced.
    pub async fn summarise(
        &self,
        channel: &str,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let old = now.saturating_sub(bounds.summarise_after).unwrap_or(now);
        let mut reader = self.read().await?;
        // A summary that still waits is merged into the new one.
        let mut due: Vec<(i64, i64, bool)> = sqlx::query_as(
            "SELECT id, made_at, is_summary FROM deliveries INDEXED BY deliveries_due
             WHERE channel = ? AND state = 'due' ORDER BY is_summary DESC, id",
        )
        .bind(channel)
        .fetch_all(&mut *reader)
        .await?;
        drop(reader);
        let summaries = due.iter().filter(|(_, _, is_summary)| *is_summary).count();
        let is_old = |(_, made, is_summary): &&(i64, i64, bool)| !is_summary && *made < ms(old);
        let aged = due.iter().filter(is_old).count();
        let surplus = match due.len().saturating_sub(bounds.queue_max as usize) {
            0 => 0,
            // The summary takes a place in the queue itself.
            surplus => (surplus + 1).saturating_sub(summaries).max(1),
        };
        if surplus.max(aged) == 0 && summaries < 2 {
            return Ok(0);
        }
        due.truncate(summaries + surplus.max(aged));
        let ids: Vec<i64> = due.iter().map(|(id, ..)| *id).collect();
        let mut tx = self.write().await?;
        let summary = tx.message(channel, &[], true, now).await?;
        sqlx::query(
            "UPDATE delivery_notices SET delivery = ? WHERE channel = ? AND delivery IN (SELECT value FROM json_each(?))",
        )
        .bind(summary)
        .bind(channel)
        .bind(json!(ids).to_string())
        .execute(tx.conn()?)
        .await?;
        tx.drop_messages(&ids, "told in a summary", now).await?;
        tx.commit().await?;
        Ok(ids.len())
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
            "SELECT d.id, d.token, d.made_at, d.attempts, d.is_summary
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
            let rows: Vec<(i64, String, Option<String>, String)> = sqlx::query_as(
                "SELECT n.at, n.kind, n.shop, n.facts FROM delivery_notices t JOIN notices n ON n.id = t.notice
                 WHERE t.delivery = ? ORDER BY n.id",
            )
            .bind(row.id)
            .fetch_all(&mut *reader)
            .await?;
            let notices = rows.into_iter().map(|(when, kind, shop, facts)| {
                Ok(StoredNotice {
                    at: at(when)?,
                    kind: Kind::parse(&kind)
                        .ok_or_else(|| StoreError::corrupt("a notice", kind))?,
                    shop,
                    facts: serde_json::from_str(&facts)
                        .map_err(|_| StoreError::corrupt("a notice's facts", facts))?,
                })
            });
            due.push(Delivery {
                id: row.id,
                token: row.token,
                made_at: at(row.made_at)?,
                attempts: row.attempts,
                is_summary: row.is_summary,
                notices: notices.collect::<Result<_, StoreError>>()?,
            });
        }
        Ok(due)
    }

    /// Records that the channel accepted the message.
    pub async fn delivered(
        &self,
        channel: &str,
        delivery: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'delivered', closed_at = ?, attempts = attempts + 1
             WHERE id = ? AND state = 'due'",
        )
        .bind(ms(now))
        .bind(delivery)
        .execute(tx.conn()?)
        .await?;
        sqlx::query(
            "UPDATE channels SET failures = 0, failing_since = NULL, retry_at = NULL, last_error = NULL
             WHERE name = ? AND failures > 0",
        )
        .bind(channel)
        .execute(tx.conn()?)
        .await?;
        crash_point("notify.before_delivered");
        tx.commit().await?;
        crash_point("notify.after_delivered");
        Ok(())
    }

    /// Records that the channel did not accept the message: nothing is sent to it before `retry_at`. With
    /// `give_up`, this message is not sent again.
    pub async fn undelivered(
        &self,
        channel: &str,
        (delivery, give_up): (i64, bool),
        why: &str,
        retry_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE deliveries SET attempts = attempts + 1 WHERE id = ?")
            .bind(delivery)
            .execute(tx.conn()?)
            .await?;
        if give_up {
            tx.drop_messages(&[delivery], why, now).await?;
        }
        sqlx::query(
            "UPDATE channels SET failures = failures + 1, failing_since = COALESCE(failing_since, ?),
               retry_at = ?, last_error = ? WHERE name = ?",
        )
        .bind(ms(now))
        .bind(ms(retry_at))
        .bind(why)
        .bind(channel)
        .execute(tx.conn()?)
        .await?;
        tx.commit().await
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
                failures: row.failures,
                failing_since: row.failing_since.map(at).transpose()?,
                retry_at: row.retry_at.map(at).transpose()?,
                last_error: row.last_error,
            })
        };
        rows.into_iter().map(state).collect()
    }

    /// The newest notices, the newest last.
    pub async fn notices(&self, limit: u32) -> Result<Vec<StoredNotice>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(i64, String, Option<String>, String)> =
            sqlx::query_as("SELECT at, kind, shop, facts FROM notices ORDER BY id DESC LIMIT ?")
                .bind(limit)
                .fetch_all(&mut *reader)
                .await?;
        let stored = |(when, kind, shop, facts): (i64, String, Option<String>, String)| {
            let Some(kind) = Kind::parse(&kind) else {
                return Ok(None);
            };
            Ok(Some(StoredNotice {
                at: at(when)?,
                kind,
                shop,
                facts: serde_json::from_str(&facts)
                    .map_err(|_| StoreError::corrupt("a notice's facts", facts))?,
            }))
        };
        let notices: Result<Vec<_>, StoreError> = rows.into_iter().rev().map(stored).collect();
        Ok(notices?.into_iter().flatten().collect())
    }

    /// Deletes notices older than `before` that were delivered or have no channel. Returns their number.
    pub async fn drop_notices(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut reader = self.read().await?;
        let oldest: Option<i64> = sqlx::query_scalar("SELECT at FROM notices ORDER BY id LIMIT 1")
            .fetch_optional(&mut *reader)
            .await?;
        drop(reader);
        if oldest.is_none_or(|oldest| oldest >= ms(before)) {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let of_old =
            "DELETE FROM delivery_notices WHERE notice IN (SELECT id FROM notices WHERE at < ?)";
        sqlx::query(of_old)
            .bind(ms(before))
            .execute(tx.conn()?)
            .await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'dropped', closed_at = ?, why = 'its time is past'
             WHERE state = 'due' AND NOT EXISTS (SELECT 1 FROM delivery_notices WHERE delivery = deliveries.id)",
        )
        .bind(ms(before))
        .execute(tx.conn()?)
        .await?;
        sqlx::query(
            "DELETE FROM deliveries WHERE state <> 'due' AND closed_at <= ?
               AND NOT EXISTS (SELECT 1 FROM delivery_notices WHERE delivery = deliveries.id)",
        )
        .bind(ms(before))
        .execute(tx.conn()?)
        .await?;
        let dropped = sqlx::query(
            "DELETE FROM notices WHERE id IN (SELECT n.id FROM notices n WHERE n.at < ?
               AND NOT EXISTS (SELECT 1 FROM delivery_notices WHERE notice = n.id)
               AND NOT EXISTS (SELECT 1 FROM channels WHERE configured = 1 AND packed_to < n.id)
               ORDER BY n.id LIMIT ?)",
        )
        .bind(ms(before))
        .bind(DELETED_AT_ONCE)
        .execute(tx.conn()?)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(dropped)
    }
}

impl WriteTx<'_> {
    async fn message(
        &mut self,
        channel: &str,
        notices: &[i64],
        is_summary: bool,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO deliveries (channel, token, made_at, is_summary)
             VALUES (?, 'msg_' || lower(hex(randomblob(16))), ?, ?) RETURNING id",
        )
        .bind(channel)
        .bind(ms(now))
        .bind(is_summary)
        .fetch_one(self.conn()?)
        .await?;
        sqlx::query(
            "INSERT INTO delivery_notices (channel, notice, delivery) SELECT ?1, value, ?2 FROM json_each(?3)",
        )
        .bind(channel)
        .bind(id)
        .bind(json!(notices).to_string())
        .execute(self.conn()?)
        .await?;
        Ok(id)
    }

    async fn drop_messages(
        &mut self,
        ids: &[i64],
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE deliveries SET state = 'dropped', closed_at = ?, why = ?
             WHERE state = 'due' AND id IN (SELECT value FROM json_each(?))",
        )
        .bind(ms(now))
        .bind(why)
        .bind(json!(ids).to_string())
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}
