//! Restoring a lost database from a backup. The backup is prepared under another name and gets the database's
//! name only then: a restore that is killed leaves nothing, or the complete database.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::crash_point::crash_point;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::Status;
use crate::store::backup::{FILES, beside, check_through, publish, remove, vacuum_into};
use crate::store::orders::order_ids;
use crate::store::unaccounted::lines_state;
use crate::store::{Store, StoreError, WriteTx, at, lock, ms, open};

/// Added to the database's name while it is being prepared.
const RESTORING: &str = ".restoring";

/// A shop of a restored database that has not caught up with Kaspi yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When.
    pub at: Timestamp,
    /// When both lists were last read completely before the backup was made; `None` where they never were.
    pub known_until: Option<Timestamp>,
}

/// Restores the database from a backup. Nothing is decided from it before every list was read again (R15), and
/// actions that had not been sent are decided again. Returns the moment of its newest stock level: what was
/// counted since is lost.
///
/// # Errors
/// [`StoreError::Held`] while a daemon works on the database, [`StoreError::Open`] when there is
/// something in its place or the copy is none of Qabyl's, [`StoreError::Damaged`] for a copy that is
/// incomplete, [`StoreError::Migrate`] for one of a newer version.
pub async fn restore(
    from: &Path,
    to: &Path,
    settle: SignedDuration,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let _held = lock::take(to, now)?;
    nothing_there(to)?;
    let ready = beside(to, RESTORING);
    remove(&ready)?;
    let made = async {
        let source = source(from)?;
        check_through(&source, from).await?;
        is_ours(from, &source).await?;
        vacuum_into(source, &ready).await?;
        crash_point("restore.copied");
        let counted = make_ready(from, &ready, settle, now).await?;
        nothing_there(to)?;
        publish(&ready, to).await?;
        Ok(counted)
    };
    let made = made.await;
    if made.is_err() {
        // The first error explains more than this one would.
        let _ = remove(&ready);
    }
    made
}

/// SQLite would take files left by another database for this one's, and write them into it.
fn nothing_there(to: &Path) -> Result<(), StoreError> {
    let found = FILES.iter().map(|suffix| beside(to, suffix));
    let found: Vec<String> = found
        .filter(|file| file.symlink_metadata().is_ok())
        .map(|file| file.display().to_string())
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(StoreError::Open {
        path: to.to_owned(),
        why: format!(
            "{} is there: stop the daemon, move the database away with its -wal and -shm, and keep them",
            found.join(", ")
        ),
    })
}

/// How to open the backup. Without a log beside it SQLite writes nothing beside it, and it may lie in a folder
/// that is not writable.
fn source(from: &Path) -> Result<SqliteConnectOptions, StoreError> {
    if let Err(error) = from.metadata() {
        return Err(crate::store::backup::failed(
            from,
            &error,
            "name a copy that `qabyl backup` made",
        ));
    }
    let has_log = beside(from, "-wal")
        .metadata()
        .is_ok_and(|log| log.len() > 0);
    Ok(open::options(from).read_only(true).immutable(!has_log))
}

async fn is_ours(from: &Path, source: &SqliteConnectOptions) -> Result<(), StoreError> {
    let mut connection = source.connect().await?;
    let tables: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('_sqlx_migrations', 'orders', 'lease')",
    )
    .fetch_one(&mut connection)
    .await?;
    if tables == 3 {
        open::refuse_pre_release(from, &mut connection).await?;
        connection.close().await?;
        return Ok(());
    }
    Err(StoreError::Open {
        path: from.to_owned(),
        why: "it is not a database of Qabyl: name a backup that `qabyl backup` made".to_owned(),
    })
}

/// What may have changed since the backup was made. `?1` is now, `?2` when a POST that was under way, and that the
/// backup may not know, has had its effect.
const STATEMENTS: [&str; 9] = [
    // NULL where one of the lists was never read completely.
    "INSERT INTO restores (shop, at, known_until)
     SELECT name, ?1, MIN(
       (SELECT MAX(started_at) FROM scans WHERE shop = name AND kind = 'new' AND complete = 1),
       (SELECT MAX(started_at) FROM scans WHERE shop = name AND kind = 'sweep' AND complete = 1))
     FROM shops WHERE ?2 > 0
     ON CONFLICT (shop) DO UPDATE SET at = excluded.at, known_until = MIN(known_until, excluded.known_until)",
    // A reading from before the backup is no evidence now, nor is a shortage seen then.
    "DELETE FROM scans WHERE ?1 > 0 AND ?2 > 0",
    "UPDATE orders SET listed_at = NULL, listed_scan = NULL, shortage_since = NULL, shortage_scans = 0,
       shortage_scan = NULL, seen_at = MIN(seen_at, ?1 - 1), first_seen_at = MIN(first_seen_at, ?1 - 1)
     WHERE ?2 > 0",
    // A manual decision may have been followed by another one: the person is asked again.
    "UPDATE orders SET held_by = 'qabyl', held_cause = 'restored_unsent', held_why = 'a manual decision had not been sent when the backup was made'
     WHERE ?1 > 0 AND ?2 > 0 AND EXISTS (SELECT 1 FROM actions a WHERE a.shop = orders.shop
       AND a.order_id = orders.id AND a.state = 'pending' AND a.attempts = 0 AND a.origin = 'person')",
    // What had not been sent when the backup was made may have been sent, or withdrawn, since.
    "UPDATE reservations SET state = 'released', closed_at = ?1, why = 'restored from a backup'
     WHERE ?2 > 0 AND state = 'active' AND confirmed_at IS NULL AND EXISTS (SELECT 1 FROM actions a
       WHERE a.shop = reservations.shop AND a.order_id = reservations.order_id AND a.state = 'pending'
         AND a.attempts = 0)",
    "UPDATE actions SET state = 'superseded', closed_at = ?1, due_at = NULL, needs_person = 0, why = 'restored from a backup'
     WHERE ?2 > 0 AND state = 'pending' AND attempts = 0",
    // From here on the audit log records every change of levels and reservations: this is what it begins with.
    "INSERT INTO audit (at, actor, epoch, event, detail)
     SELECT ?1, 'qabyl', (SELECT epoch FROM lease), 'ledger.baseline', json_object(
       'levels', (SELECT json_group_array(json_array(sku, warehouse, on_hand, source)) FROM stock),
       'reservations', (SELECT json_group_array(json_array(id, sku, warehouse, quantity, state)) FROM reservations))
     WHERE ?2 > 0",
    // A POST sent before the backup may have been repeated since.
    "UPDATE actions SET due_at = MAX(due_at, ?2) WHERE ?1 > 0 AND closed_at IS NULL AND needs_person = 0",
    "UPDATE lease SET epoch = epoch + 1, checked_at = NULL WHERE ?1 > 0 AND ?2 > 0",
];

async fn make_ready(
    from: &Path,
    ready: &Path,
    settle: SignedDuration,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let mut connection = open::options(ready)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    open::MIGRATIONS.run(&mut connection).await?;
    open::refuse_foreign_schema(from, &mut connection).await?;
    mark(&mut connection, from, settle, now).await?;
    let counted: Option<i64> = sqlx::query_scalar("SELECT MAX(as_of) FROM stock")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    counted.map(at).transpose()
}

async fn mark(
    connection: &mut SqliteConnection,
    from: &Path,
    settle: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let settled = now.saturating_add(settle).unwrap_or(Timestamp::MAX);
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    for statement in STATEMENTS {
        sqlx::query(statement)
            .bind(ms(now))
            .bind(ms(settled))
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(
        "INSERT INTO audit (at, actor, epoch, event, detail)
         SELECT ?, 'person', epoch, 'database.restored', json_object('from', ?) FROM lease",
    )
    .bind(ms(now))
    .bind(from.display().to_string())
    .execute(&mut *connection)
    .await?;
    crash_point("restore.before_commit");
    sqlx::query("COMMIT").execute(connection).await?;
    crash_point("restore.after_commit");
    Ok(())
}

impl Store {
    /// Ids of unfinished orders that were not seen since `since`, after the id `after`, at most `limit`.
    pub async fn unfinished(
        &self,
        shop: &ShopName,
        since: Timestamp,
        after: Option<&OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreError> {
        let mut reader = self.read().await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM orders WHERE shop = ? AND state <> 'ARCHIVE' AND seen_at < ? AND id > ?
             ORDER BY id LIMIT ?",
        )
        .bind(shop.as_str())
        .bind(ms(since))
        .bind(after.map_or("", OrderId::as_str))
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        order_ids(&ids)
    }

    /// Whether a complete list of new orders that covers `span` or more was asked for since then.
    pub async fn listed_since(
        &self,
        shop: &ShopName,
        since: Timestamp,
        span: SignedDuration,
    ) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let found: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1
               AND started_at >= ? AND window_to - window_from >= ?)",
        )
        .bind(shop.as_str())
        .bind(ms(since))
        .bind(span)
        .fetch_one(&mut *reader)
        .await?;
        Ok(found)
    }

    /// How many orders in these statuses, first seen since `since`, still wait for their lines.
    pub async fn lines_missing(
        &self,
        shop: &ShopName,
        statuses: &[Status],
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let statuses: Vec<&str> = statuses.iter().map(Status::as_str).collect();
        let mut reader = self.read().await?;
        let orders: Vec<(String, i64)> = sqlx::query_as(
            "SELECT lines_state, lines_failures FROM orders WHERE shop = ? AND first_seen_at >= ?
               AND status IN (SELECT value FROM json_each(?)) AND lines_state IN ('unread', 'unreadable')",
        )
        .bind(shop.as_str())
        .bind(ms(since))
        .bind(serde_json::json!(statuses).to_string())
        .fetch_all(&mut *reader)
        .await?;
        let mut awaited = 0;
        for (state, failures) in orders {
            let failures = u32::try_from(failures).unwrap_or(u32::MAX);
            awaited += u64::from(lines_state(&state)?.are_awaited(failures));
        }
        Ok(awaited)
    }

    /// Ends the catch-up of a shop: it decides and acts again.
    pub async fn caught_up(&self, shop: &ShopName, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM restores WHERE shop = ?")
            .bind(shop.as_str())
            .execute(tx.conn()?)
            .await?;
        let detail = serde_json::json!({});
        tx.audit(now, "qabyl", (shop, None), "shop.caught_up", detail);
        tx.commit().await
    }

    /// When the shop was restored, while it has not caught up yet.
    pub async fn restored(
        &self,
        shop: &ShopName,
        now: Timestamp,
    ) -> Result<Option<Restored>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<(i64, Option<i64>)> =
            sqlx::query_as("SELECT at, known_until FROM restores WHERE shop = ?")
                .bind(shop.as_str())
                .fetch_optional(&mut *reader)
                .await?;
        drop(reader);
        let Some((put_back, known_until)) = row else {
            return Ok(None);
        };
        if put_back > ms(now) {
            // The clock was set back since: the wait starts again now.
            let mut tx = self.write().await?;
            sqlx::query("UPDATE restores SET at = ? WHERE shop = ?")
                .bind(ms(now))
                .bind(shop.as_str())
                .execute(tx.conn()?)
                .await?;
            tx.commit().await?;
        }
        Ok(Some(Restored {
            at: at(put_back)?.min(now),
            known_until: known_until.map(at).transpose()?,
        }))
    }
}

impl WriteTx<'_> {
    /// When the shop was restored, while it has not caught up.
    pub(crate) async fn restored_at(
        &mut self,
        shop: &ShopName,
    ) -> Result<Option<Timestamp>, StoreError> {
        let put_back: Option<i64> = sqlx::query_scalar("SELECT at FROM restores WHERE shop = ?")
            .bind(shop.as_str())
            .fetch_optional(self.conn()?)
            .await?;
        put_back.map(at).transpose()
    }
}
