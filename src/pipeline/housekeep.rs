//! housekeep: makes backups, deletes old orders and audit rows, truncates the write-ahead log and checks the
//! database file daily, in small transactions so that decide and act do not wait.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::backup_folder::BackupFolder;
use crate::clock::Clock;
use crate::domain::notice::{Kind, Notice};
use crate::events::log_event;
use crate::store::{Store, StoreError};

/// Most transactions of one kind in one run; the next run does the rest.
const ROUNDS_MAX: usize = 40;

/// Pause between two of them, in which others write.
const PAUSE: Duration = Duration::from_millis(25);

/// Typical number of audit rows of one order.
const AUDIT_ROWS_PER_ORDER: u32 = 8;

/// A write-ahead log longer than this is truncated: twice what SQLite lets it grow to by itself.
const LOG_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A failing backup is logged at most once per this interval.
const LOG_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// A failing backup is notified at most once per this interval, in ms.
const NOTICE_EVERY_MS: i64 = 6 * 60 * 60 * 1000;

/// Where backups go, how often they are made, and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// The folder they are in.
    pub folder: PathBuf,
    /// How often a backup is made.
    pub every: SignedDuration,
    /// Number of hours whose newest backup is kept.
    pub keep_hourly: usize,
    /// Number of days whose newest backup is kept.
    pub keep_daily: usize,
}

/// Retention periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Finished orders.
    pub orders: SignedDuration,
    /// The audit log.
    pub audit: SignedDuration,
    /// Orders deleted in one transaction.
    pub batch: u32,
}

/// What housekeeping needs; one for each database.
#[derive(Debug)]
pub struct Keeper {
    /// The database.
    pub store: Arc<Store>,
    /// The only source of time.
    pub clock: Clock,
    backups: Option<Backups>,
    retention: Retention,
    /// When a failing backup was last logged, while backups fail.
    failing_logged_at: Mutex<Option<Timestamp>>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Orders deleted.
    pub orders: usize,
    /// Audit rows deleted.
    pub audit_rows: usize,
    /// Whether there is more to delete.
    pub more: bool,
    /// The backup made.
    pub backup: Option<PathBuf>,
    /// Why a backup that was due could not be made.
    pub trouble: Option<String>,
    /// Whether this run logged it: not every failure is logged.
    pub is_logged: bool,
}

impl Keeper {
    /// Joins the parts; without `backups` none are made.
    pub fn new(
        store: Arc<Store>,
        clock: Clock,
        backups: Option<Backups>,
        retention: Retention,
    ) -> Self {
        Self {
            store,
            clock,
            backups,
            retention,
            failing_logged_at: Mutex::default(),
        }
    }
}

/// Does everything that is due.
///
/// # Errors
/// A database error. A failing backup is logged and is no error: other work continues.
pub async fn run_once(keeper: &Keeper, stop: &CancellationToken) -> Result<Report, StoreError> {
    let mut report = tidy(keeper, stop).await?;
    tokio::select! {
        () = stop.cancelled() => return Ok(report),
        checked = keeper.store.check_daily(keeper.clock.now()) => checked.map(drop)?,
    }
    back_up(keeper, stop, &mut report).await;
    if report.trouble.is_some() || report.backup.is_some() {
        let trouble = report.trouble.as_deref();
        keeper
            .store
            .note_backup(trouble, keeper.clock.now())
            .await?;
    }
    if report.is_logged {
        let now = keeper.clock.now();
        let span = now.as_millisecond() / NOTICE_EVERY_MS;
        let notice = Notice::of_all(Kind::BackupFailed, &span.to_string(), json!({}));
        keeper.store.add_notice(notice, now).await?;
    }
    Ok(report)
}

/// Deletes old rows and truncates the log: the part whose duration does not grow with the database.
///
/// # Errors
/// A database error.
pub async fn tidy(keeper: &Keeper, stop: &CancellationToken) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let Retention {
        orders,
        audit,
        batch,
    } = keeper.retention;
    let store = &keeper.store;
    for shop in store.shops().await? {
        let dropped = rounds(keeper, stop, batch, async || {
            store
                .delete_orders(&shop, orders, batch, keeper.clock.now())
                .await
        });
        report.add(dropped.await?, |report| &mut report.orders);
    }
    let rows = batch.saturating_mul(AUDIT_ROWS_PER_ORDER);
    let dropped = rounds(keeper, stop, rows, async || {
        store
            .delete_audit_rows(audit, rows, keeper.clock.now())
            .await
    });
    report.add(dropped.await?, |report| &mut report.audit_rows);
    rounds(keeper, stop, batch, async || {
        store.delete_imports(audit, batch, keeper.clock.now()).await
    })
    .await?;
    rounds(keeper, stop, batch, async || {
        store.delete_past_levels(keeper.clock.now(), batch).await
    })
    .await?;
    if report.orders + report.audit_rows > 0 {
        log_event!(
            RETENTION_DELETED,
            orders = report.orders,
            audit_rows = report.audit_rows,
            "finished orders and old audit rows were deleted"
        );
    }
    if store.log_bytes() > LOG_MAX_BYTES {
        store.shorten_log().await?;
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, (dropped, more): (usize, bool), to: impl Fn(&mut Self) -> &mut usize) {
        *to(self) += dropped;
        self.more |= more;
    }
}

/// Repeats one small transaction until it finds nothing more, with pauses for others to write. Returns
/// how much was deleted, and whether there may be more.
async fn rounds<F: Future<Output = Result<usize, StoreError>>>(
    keeper: &Keeper,
    stop: &CancellationToken,
    batch: u32,
    mut drop_some: impl FnMut() -> F,
) -> Result<(usize, bool), StoreError> {
    let mut all = 0;
    for _ in 0..ROUNDS_MAX {
        if stop.is_cancelled() {
            return Ok((all, false));
        }
        let dropped = drop_some().await?;
        all += dropped;
        if dropped < batch as usize {
            return Ok((all, false));
        }
        keeper.clock.sleep(PAUSE).await;
    }
    Ok((all, true))
}

/// Makes a backup if one is due, and deletes surplus ones.
async fn back_up(keeper: &Keeper, stop: &CancellationToken, report: &mut Report) {
    let Some(backups) = &keeper.backups else {
        return;
    };
    let made = tokio::select! {
        // A backup in progress is left unfinished; the next run removes it.
        () = stop.cancelled() => return,
        made = back_up_if_due(keeper, backups) => made,
    };
    let mut logged_at = keeper
        .failing_logged_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let now = keeper.clock.now();
    match made {
        Ok(backup) => {
            report.backup = backup;
            if report.backup.is_some() && logged_at.take().is_some() {
                log_event!(BACKUP_RECOVERED, "backups are made again");
            }
        }
        Err(error) => {
            let error = error.words();
            let recent = |at: Timestamp| now.duration_since(at).abs() < LOG_AGAIN;
            if !logged_at.is_some_and(recent) {
                *logged_at = Some(now);
                report.is_logged = true;
                log_event!(
                    BACKUP_FAILED, code = "B001", folder = %backups.folder.display(),
                    hint = "see that backup.directory is there, writable and has room; work goes on, and it is tried again",
                    "the database was not backed up: {error}"
                );
            }
            report.trouble = Some(error);
        }
    }
}

async fn back_up_if_due(keeper: &Keeper, backups: &Backups) -> Result<Option<PathBuf>, StoreError> {
    let folder = |error: std::io::Error| StoreError::Open {
        path: backups.folder.clone(),
        why: error.to_string(),
    };
    let mut backup_folder =
        BackupFolder::find(&backups.folder, keeper.store.path()).map_err(folder)?;
    for left in &backup_folder.unfinished {
        std::fs::remove_file(left).map_err(folder)?;
    }
    let now = keeper.clock.now();
    if !backup_folder.is_due(backups.every, now) {
        return Ok(None);
    }
    let started = keeper.clock.ticks();
    let file = backup_folder.file(now);
    keeper.store.backup(&file).await?;
    let took = keeper.clock.ticks().saturating_sub(started);
    backup_folder.add(now);
    let surplus = backup_folder.surplus(backups.keep_hourly, backups.keep_daily);
    for at in &surplus {
        std::fs::remove_file(backup_folder.file(*at)).map_err(folder)?;
    }
    log_event!(
        BACKUP_MADE, file = %file.display(), bytes = file.metadata().map_or(0, |file| file.len()),
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), removed = surplus.len(),
        "the database was backed up"
    );
    Ok(Some(file))
}
