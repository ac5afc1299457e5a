//! Notices and their deliveries. A notice is written in the transaction of the event it reports. It is
//! packed into messages and sent to the channels afterwards, so that no channel delays other work.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::notice_views::{Delivery, StoredNotice};
use super::{Store, StoreError, WriteTx, ms};
use crate::crash_point::crash_point;
use crate::domain::notice::{Kind, Notice};

/// Notices packed in one transaction.
const PACKED_AT_ONCE: i64 = 1_000;

/// More notices of one kind and shop than this, found in one go, become one message.
const BUNDLE_OVER: usize = 3;

/// Held orders, found in one go, with a message each where users decide by buttons: more would bury the chat.
const ALONE_UP_TO: usize = 50;

/// Notices in one such message.
const BUNDLE_MAX: usize = 100;

/// Notices deleted in one transaction.
const DELETED_AT_ONCE: i64 = 500;

/// How a channel did not take a message.
#[derive(Debug, Clone, PartialEq)]
pub struct NotTaken<'a> {
    /// What happened.
    pub why: &'a str,
    /// Whether the channel refuses every message.
    pub refused: bool,
    /// Whether it rejects this one as it is.
    pub rejected: bool,
    /// Whether it is not sent again.
    pub give_up: bool,
    /// The notice of that.
    pub notice: Option<Notice>,
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

/// The notices of each message: many of one kind and shop share one.
fn bundles<'a>(
    notices: impl Iterator<Item = (i64, Kind, Option<&'a str>)>,
    has_buttons: bool,
) -> Vec<Vec<i64>> {
    let mut groups: BTreeMap<(Kind, Option<&str>), Vec<i64>> = BTreeMap::new();
    for (id, kind, shop) in notices {
        groups.entry((kind, shop)).or_default().push(id);
    }
    let mut messages: Vec<Vec<i64>> = Vec::new();
    for ((kind, _), ids) in groups {
        // A held order has a message of its own where there are buttons below it.
        let over = if has_buttons && kind == Kind::OrderHeld {
            ALONE_UP_TO
        } else {
            BUNDLE_OVER
        };
        let size = if ids.len() > over { BUNDLE_MAX } else { 1 };
        messages.extend(ids.chunks(size).map(<[i64]>::to_vec));
    }
    messages.sort();
    messages
}

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

    /// Registers the channels; a new one gets the notices written from now on, and what a catch-up
    /// packs. Messages that wait for a channel that is no longer configured are dropped.
    pub async fn set_channels(&self, names: &[&str], now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'dropped', closed_at = ?1, why = 'the channel is no longer configured'
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

    /// Packs these notices for a channel, whether or not it had a message with them that was given up.
    pub async fn pack_again(
        &self,
        (channel, has_buttons): (&str, bool),
        notices: &[StoredNotice],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parts = notices.iter().map(|n| (n.id, n.kind, n.shop.as_deref()));
        let messages = bundles(parts, has_buttons);
        if messages.is_empty() {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for ids in &messages {
            tx.message(channel, ids, false, now).await?;
        }
        tx.commit().await
    }

    /// Splits a message that is too long for its channel into two of half the notices each.
    pub async fn split_delivery(
        &self,
        channel: &str,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let half = delivery.notices.len() / 2;
        let ids: Vec<i64> = delivery.notices.iter().map(|notice| notice.id).collect();
        let mut tx = self.write().await?;
        for part in [&ids[..half], &ids[half..]] {
            tx.message(channel, part, false, now).await?;
        }
        tx.close_message(delivery.id, "outdated", "split in two", now)
            .await?;
        tx.commit().await
    }

    /// Records that a message is not sent, as nothing in it is so any more.
    pub async fn outdated(&self, delivery: i64, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.close_message(
            delivery,
            "outdated",
            "no longer so when it was about to leave",
            now,
        )
        .await?;
        tx.commit().await
    }

    /// Packs a channel's new notices into messages, leaving out the kinds that `wanted` rejects. Returns the
    /// number of messages made.
    pub async fn pack(
        &self,
        channel: &str,
        (wanted, has_buttons): (impl Fn(Kind) -> bool, bool),
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
        // A kind written by a newer release cannot be reported by this one.
        let parts = unpacked.iter().filter_map(|(id, _, kind, shop)| {
            let kind = Kind::parse(kind).filter(|kind| wanted(*kind))?;
            Some((*id, kind, shop.as_deref()))
        });
        let messages = bundles(parts, has_buttons);
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
        for id in &ids {
            tx.close_message(*id, "outdated", "sent in a summary", now)
                .await?;
        }
        tx.commit().await?;
        Ok(ids.len())
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
            "UPDATE channels SET failures = 0, failing_since = NULL, retry_at = NULL, last_error = NULL, refused = 0
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

    /// Records that the channel did not accept the message: nothing is sent to it before `retry_at`.
    pub async fn undelivered(
        &self,
        channel: &str,
        (delivery, end): (i64, &NotTaken<'_>),
        retry_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE deliveries SET attempts = attempts + 1, rejections = rejections + ? WHERE id = ?",
        )
        .bind(end.rejected)
        .bind(delivery)
        .execute(tx.conn()?)
        .await?;
        if end.give_up {
            tx.close_message(delivery, "dropped", end.why, now).await?;
        }
        if let Some(notice) = &end.notice {
            tx.notice(now, notice.clone());
        }
        sqlx::query(
            "UPDATE channels SET failures = failures + 1, failing_since = COALESCE(failing_since, ?),
               retry_at = ?, last_error = ?, refused = ? WHERE name = ?",
        )
        .bind(ms(now))
        .bind(ms(retry_at))
        .bind(end.why)
        .bind(end.refused)
        .bind(channel)
        .execute(tx.conn()?)
        .await?;
        tx.commit().await
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
            "INSERT INTO delivery_notices (channel, notice, delivery) SELECT ?1, value, ?2 FROM json_each(?3) WHERE true
             ON CONFLICT (channel, notice) DO UPDATE SET delivery = excluded.delivery",
        )
        .bind(channel)
        .bind(id)
        .bind(json!(notices).to_string())
        .execute(self.conn()?)
        .await?;
        Ok(id)
    }

    async fn close_message(
        &mut self,
        id: i64,
        state: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE deliveries SET state = ?, closed_at = ?, why = ? WHERE id = ? AND state = 'due'",
        )
        .bind(state)
        .bind(ms(now))
        .bind(why)
        .bind(id)
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}
