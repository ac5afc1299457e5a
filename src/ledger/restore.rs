//! Restoring a lost database from a backup. The backup is prepared under another name and gets the database's
//! name only then: a restore that is killed leaves nothing, or the complete database.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;

use super::transitions::{apply, close};
use crate::crash_point::crash_point;
use crate::domain::action::{End, Event, Origin};
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::Status;
use crate::domain::session::EndedBy;
use crate::mutant::mutant;
use crate::store::backup::{FILES, beside, check_through, publish, remove, vacuum_into};
use crate::store::orders::order_ids;
use crate::store::sessions::{self, Which};
use crate::store::unaccounted::lines_state;
use crate::store::{
    ScanKind, Store, StoreError, WriteTx, actions, at, lease, lock, ms, open, orders, reservations,
    reverted, scans, stock,
};

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
    let slot = Mutex::new(None);
    let mut tx = WriteTx::alone(&slot, connection).await?;
    mark(&mut tx, from, settle, now).await?;
    crash_point("restore.before_commit");
    tx.commit().await?;
    crash_point("restore.after_commit");
    let Some(mut connection) = slot.into_inner() else {
        return Err(StoreError::Closed);
    };
    let counted: Option<i64> = sqlx::query_scalar(
        "SELECT as_of FROM stock WHERE as_of IS NOT NULL ORDER BY as_of DESC LIMIT 1",
    )
    .fetch_optional(&mut connection)
    .await?;
    connection.close().await?;
    counted.map(at).transpose()
}

/// The reason recorded with unsent actions that a restore closes.
const RESTORED: &str = "restored from a backup";

/// Marks what may have changed since the backup was made.
async fn mark(
    tx: &mut WriteTx<'_>,
    from: &Path,
    settle: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    note_restore(tx, now).await?;
    scans::delete_all(tx).await?;
    orders::forget_readings(tx, now).await?;
    reverted::delete_all(tx).await?;
    // The backup does not know which have ended since; signing in again is easy.
    sessions::end(tx, Which::All, (EndedBy::Restored, now)).await?;
    reset_actions(tx, settle, now).await?;
    // Whoever made the copy may have changed it.
    tx.count_all_again().await?;
    // From here on the audit log records every change of levels and reservations: this is what it begins with.
    let detail = json!({
        "levels": stock::levels_listed(tx).await?,
        "reservations": reservations::listed(tx).await?,
    });
    tx.audit_row(now, "qabyl", (None, None), "ledger.baseline", detail);
    let detail = json!({ "from": from.display().to_string() });
    tx.audit_row(now, "person", (None, None), "database.restored", detail);
    lease::begin_epoch(tx).await
}

/// Notes for each shop until when the backup knew it: the end is unknown where one of its lists was never read
/// completely, or where it had not caught up with a restore before.
async fn note_restore(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let shops: Vec<String> = sqlx::query_scalar("SELECT name FROM shops ORDER BY name")
        .fetch_all(tx.conn()?)
        .await?;
    for shop in shops {
        let shop = ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", shop))?;
        let mut known = Vec::new();
        for kind in [ScanKind::New, ScanKind::Sweep] {
            known.push(scans::last_read_at(tx.conn()?, &shop, kind).await?);
        }
        let before: Option<Option<i64>> =
            sqlx::query_scalar("SELECT known_until FROM restores WHERE shop = ?")
                .bind(shop.as_str())
                .fetch_optional(tx.conn()?)
                .await?;
        if let Some(before) = before {
            known.push(before.map(at).transpose()?);
        }
        // All of them, or none.
        let known: Option<Vec<Timestamp>> = known.into_iter().collect();
        let known_until = known.and_then(|known| known.into_iter().min());
        sqlx::query(
            "INSERT INTO restores (shop, at, known_until) VALUES (?, ?, ?)
             ON CONFLICT (shop) DO UPDATE SET at = excluded.at, known_until = excluded.known_until",
        )
        .bind(shop.as_str())
        .bind(ms(now))
        .bind(known_until.map(ms))
        .execute(tx.conn()?)
        .await?;
    }
    Ok(())
}

/// What had not been sent when the backup was made may have been sent, or withdrawn, since: it is decided again. A
/// POST sent before may have been repeated since: its order is read once `settle` has passed.
async fn reset_actions(
    tx: &mut WriteTx<'_>,
    settle: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let settled = now.saturating_add(settle).unwrap_or(Timestamp::MAX);
    for live in actions::live(tx).await? {
        let order = (&live.shop, &live.order);
        if live.action.is_unsent() {
            close(tx, live.id, End::Superseded, RESTORED, now).await?;
            reservations::release_unconfirmed(tx, order, RESTORED, now).await?;
            if live.origin == Origin::Person {
                // It may have been followed by another one: the person is asked again.
                let why = "a manual decision had not been sent when the backup was made";
                let cause = (why, HoldCause::RestoredUnsent);
                orders::hold(tx, order, cause, "qabyl", now).await?;
            }
        } else if live.action.due_at().is_some_and(|due_at| due_at < settled) {
            apply(tx, live.id, Event::PutOff(settled), now).await?;
        }
    }
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
            "SELECT body ->> '$.id' FROM orders WHERE shop = ? AND state <> 'ARCHIVE' AND seen_at < ? AND id > ?
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
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM scans WHERE shop = ? AND kind = 'new' AND complete = 1
               AND started_at >= ? AND window_to - window_from >= ? LIMIT 1",
        )
        .bind(shop.as_str())
        .bind(ms(since))
        .bind(span)
        .fetch_optional(&mut *reader)
        .await?;
        Ok(found.is_some())
    }

    /// How many orders in these statuses, first seen since `since`, still wait for their lines. An accepted one whose lines
    /// could not be read is not counted: it blocks only the SKUs that it may hold.
    pub async fn lines_missing(
        &self,
        shop: &ShopName,
        statuses: &[Status],
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let statuses: Vec<&str> = statuses.iter().map(Status::as_str).collect();
        let mut reader = self.read().await?;
        let orders: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT status, lines_state, lines_failures FROM orders WHERE shop = ? AND first_seen_at >= ?
               AND status IN (SELECT value FROM json_each(?)) AND lines_state IN ('unread', 'unreadable')",
        )
        .bind(shop.as_str())
        .bind(ms(since))
        .bind(json!(statuses).to_string())
        .fetch_all(&mut *reader)
        .await?;
        let mut awaited = 0;
        for (status, state, failures) in orders {
            let failures = u32::try_from(failures).unwrap_or(u32::MAX);
            let waits = lines_state(&state)?.are_awaited(failures);
            let is_accepted = Status::from(status.as_str()) == Status::AcceptedByMerchant;
            let is_asked =
                is_accepted && failures > 0 && !mutant("r6_one_order_without_lines_stops_all");
            awaited += u64::from(waits && !is_asked);
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
        let detail = json!({});
        tx.audit(now, "qabyl", (shop, None), "shop.caught_up", detail);
        tx.commit().await
    }

    /// Since when the shop has been catching up after a restore; `None` where it is not.
    pub async fn restored_since(&self, shop: &ShopName) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let since: Option<i64> = sqlx::query_scalar("SELECT at FROM restores WHERE shop = ?")
            .bind(shop.as_str())
            .fetch_optional(&mut *reader)
            .await?;
        since.map(at).transpose()
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
    /// Gives a shop the catch-up of its earlier name.
    pub(crate) async fn move_restore(
        &mut self,
        from: &ShopName,
        to: &ShopName,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE OR REPLACE restores SET shop = ? WHERE shop = ?")
            .bind(to.as_str())
            .bind(from.as_str())
            .execute(self.conn()?)
            .await?;
        Ok(())
    }

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
