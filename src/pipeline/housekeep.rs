//! housekeep: copies of the database, orders and trail let go when they are old, the log kept short, the
//! file looked through once a day. For the whole database, a little at a time: whoever decides or acts
//! goes first.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::copies::Copies;
use crate::clock::Clock;
use crate::domain::notice::{Kind, Notice};
use crate::events::log_event;
use crate::store::{Store, StoreError};

/// Transactions of one kind in one run, at most; the rest goes next time.
const ROUNDS_MAX: usize = 40;

/// Between two of them others write.
const PAUSE: Duration = Duration::from_millis(25);

/// Rows of the trail that go with one order, about.
const TRAIL_PER_ORDER: u32 = 8;

/// A log longer than this is cut, in bytes: twice what SQLite lets it grow to by itself.
const LOG_MAX: u64 = 8 * 1024 * 1024;

/// The same trouble with copies is told once in so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// And a person is told of it once in so long, in ms.
const NOTICE_EVERY_MS: i64 = 6 * 60 * 60 * 1000;

/// Where copies go, how often, and how many stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// Their folder.
    pub folder: PathBuf,
    /// How often one is made.
    pub every: SignedDuration,
    /// Hours whose newest copy stays.
    pub keep_hourly: usize,
    /// Days whose newest copy stays.
    pub keep_daily: usize,
}

/// How long the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Orders that are over.
    pub orders: SignedDuration,
    /// The trail.
    pub audit: SignedDuration,
    /// Orders let go in one transaction.
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
    /// When trouble with copies was last told, while there is any.
    troubled: Mutex<Option<Timestamp>>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Orders let go.
    pub orders: usize,
    /// Rows of the trail let go.
    pub trail: usize,
    /// Whether more is waiting to go.
    pub more: bool,
    /// The copy made.
    pub copy: Option<PathBuf>,
    /// Why no copy could be made that was due.
    pub trouble: Option<String>,
    /// Whether that was told now: it is not at every try.
    pub told: bool,
}

impl Keeper {
    /// Joins the parts; without `backups` no copies are made.
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
            troubled: Mutex::default(),
        }
    }
}

/// Does all that is due.
///
/// # Errors
/// What the database said. Trouble with copies is told, and is no error: it stops nothing else.
pub async fn run_once(keeper: &Keeper, stop: &CancellationToken) -> Result<Report, StoreError> {
    let mut report = tidy(keeper, stop).await?;
    tokio::select! {
        () = stop.cancelled() => return Ok(report),
        checked = keeper.store.check_daily(keeper.clock.now()) => checked.map(drop)?,
    }
    copy(keeper, stop, &mut report).await;
    if report.told {
        let now = keeper.clock.now();
        let span = now.as_millisecond() / NOTICE_EVERY_MS;
        let notice = Notice::of_all(Kind::BackupFailed, &span.to_string(), json!({}));
        keeper.store.add_notice(notice, now).await?;
    }
    Ok(report)
}

/// The part that takes little time however large the database is.
///
/// # Errors
/// What the database said.
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
                .drop_orders(&shop, orders, batch, keeper.clock.now())
                .await
        });
        report.add(dropped.await?, |report| &mut report.orders);
    }
    let rows = batch.saturating_mul(TRAIL_PER_ORDER);
    let dropped = rounds(keeper, stop, rows, async || {
        store.drop_trail(audit, rows, keeper.clock.now()).await
    });
    report.add(dropped.await?, |report| &mut report.trail);
    rounds(keeper, stop, batch, async || {
        store.drop_imports(audit, batch, keeper.clock.now()).await
    })
    .await?;
    if report.orders + report.trail > 0 {
        log_event!(
            RETENTION_DELETED,
            orders = report.orders,
            audit_rows = report.trail,
            "what is over and old was let go"
        );
    }
    if store.log_bytes() > LOG_MAX {
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

/// Repeats one small transaction until it finds nothing more, with room for others in between. Gives
/// how much went, and whether there may be more.
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

/// Makes a copy if one is due, and lets older ones go.
async fn copy(keeper: &Keeper, stop: &CancellationToken, report: &mut Report) {
    let Some(backups) = &keeper.backups else {
        return;
    };
    let made = tokio::select! {
        // A copy under way is left unfinished; the next run removes what is there of it.
        () = stop.cancelled() => return,
        made = copy_if_due(keeper, backups) => made,
    };
    let mut troubled = keeper
        .troubled
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let now = keeper.clock.now();
    match made {
        Ok(copy) => {
            report.copy = copy;
            if report.copy.is_some() && troubled.take().is_some() {
                log_event!(BACKUP_RECOVERED, "copies are made again");
            }
        }
        Err(error) => {
            let error = error.words();
            let recent = |at: Timestamp| now.duration_since(at).abs() < TELL_AGAIN;
            if !troubled.is_some_and(recent) {
                *troubled = Some(now);
                report.told = true;
                log_event!(
                    BACKUP_FAILED, code = "B001", folder = %backups.folder.display(),
                    hint = "see that backup.directory is there, writable and has room; work goes on, and it is tried again",
                    "no copy of the database was made: {error}"
                );
            }
            report.trouble = Some(error);
        }
    }
}

async fn copy_if_due(keeper: &Keeper, backups: &Backups) -> Result<Option<PathBuf>, StoreError> {
    let folder = |error: std::io::Error| StoreError::Open {
        path: backups.folder.clone(),
        why: error.to_string(),
    };
    let mut copies = Copies::find(&backups.folder, keeper.store.path()).map_err(folder)?;
    for left in &copies.unfinished {
        std::fs::remove_file(left).map_err(folder)?;
    }
    let now = keeper.clock.now();
    if !copies.is_due(backups.every, now) {
        return Ok(None);
    }
    let started = keeper.clock.ticks();
    let file = copies.file(now);
    keeper.store.backup(&file).await?;
    let took = keeper.clock.ticks().saturating_sub(started);
    copies.add(now);
    let surplus = copies.surplus(backups.keep_hourly, backups.keep_daily);
    for at in &surplus {
        std::fs::remove_file(copies.file(*at)).map_err(folder)?;
    }
    log_event!(
        BACKUP_MADE, file = %file.display(), bytes = file.metadata().map_or(0, |file| file.len()),
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), removed = surplus.len(),
        "a copy of the database was made"
    );
    Ok(Some(file))
}
