//! One stage's loop: it runs, reports to the board and the log, and waits for its next run.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::wakes::{Completed, Rerun};
use crate::clock::Clock;
use crate::events::log_event;
use crate::kaspi::{ApiError, Credentials};
use crate::net::Backoff;
use crate::pipeline::StageError;
use crate::pipeline::stages::Stage;
use crate::runtime::board::Board;
use crate::runtime::troubles::Troubles;

/// A shop that Kaspi denies access is probed this often.
const DENIED_EVERY: Duration = Duration::from_secs(30);
/// Pauses after failures in a row.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
/// Shortest wait for a pause that Kaspi asked for.
pub(super) const SNOOZE_MIN: Duration = Duration::from_millis(200);
/// How late a stage may begin its next run before it counts as hung.
const LATE_MAX: Duration = Duration::from_mins(1);

/// The error that ends the daemon, from the stage that stopped all others.
pub(super) type Fatal = Arc<Mutex<Option<String>>>;

/// One stage of a shop, of a source of stock, or of the database.
pub(super) struct StageLoop {
    pub(super) stage: Stage,
    /// The shop or source.
    pub(super) of: String,
    pub(super) clock: Clock,
    /// A run that lasts longer counts as hung.
    pub(super) run_max: Duration,
    pub(super) board: Arc<Board>,
    pub(super) stop: CancellationToken,
    pub(super) fatal: Fatal,
    /// The shop's, where the stage works for one: a new token ends any pause.
    pub(super) credentials: Option<Credentials>,
}

impl StageLoop {
    /// Runs until stopped: at once, then when woken, and when its last run asked for it.
    pub(super) async fn repeat<W: Future<Output = ()>, R: Future<Output = Run>>(
        &self,
        mut woken: impl FnMut() -> W,
        mut run: impl FnMut() -> R,
    ) {
        let mut failures: u32 = 0;
        let mut troubles = Troubles::default();
        while !self.stop.is_cancelled() {
            self.begins();
            let Ok(result) = AssertUnwindSafe(run()).catch_unwind().await else {
                self.panicked().await;
                continue;
            };
            if self.stop.is_cancelled() && matches!(result, Err(StageError::Api(_))) {
                return;
            }
            self.report(&result, &mut troubles);
            let rerun = match result {
                Ok(completed) => {
                    failures = 0;
                    completed.rerun
                }
                Err(StageError::Store(error)) if error.is_fatal() => {
                    let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
                    *fatal = Some(error.to_string());
                    self.stop.cancel();
                    return;
                }
                // A wake does not shorten the pause after a failure. A new token does.
                Err(error) => {
                    failures = failures.saturating_add(1);
                    Rerun::After(pause_after(&error, failures, self.clock.now()))
                }
            };
            let (wait, can_be_woken) = match rerun {
                Rerun::Within(wait) => (wait, true),
                Rerun::After(wait) => (wait, false),
            };
            let next_by = self.clock.ticks() + wait + LATE_MAX;
            self.board.update(&self.of, self.stage, |status| {
                status.overdue_at = Some(next_by);
            });
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.clock.sleep(wait) => {}
                () = woken(), if can_be_woken => {}
                () = self.new_token() => {}
            }
        }
    }

    async fn new_token(&self) {
        match &self.credentials {
            Some(credentials) => credentials.changed().await,
            None => std::future::pending().await,
        }
    }

    fn begins(&self) {
        let started = self.clock.now();
        let ends_by = self.clock.ticks() + self.run_max;
        self.board.update(&self.of, self.stage, |status| {
            status.running_since = Some(started);
            status.overdue_at = Some(ends_by);
        });
    }

    /// Logs a panic, which is a bug in the program. The stage starts again from the database.
    async fn panicked(&self) {
        let now = self.clock.now();
        self.board.update(&self.of, self.stage, |status| {
            status.runs += 1;
            status.failures += 1;
            status.last_run = Some(now);
            status.running_since = None;
            status.last_error = Some("it panicked".to_owned());
        });
        log_event!(
            STAGE_PANICKED,
            shop = self.of,
            stage = self.stage.name(),
            code = "R002",
            hint = "report this with the lines before it; the stage is started again",
            "a stage panicked and starts over"
        );
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.clock.sleep(BACKOFF.longest()) => {}
        }
    }

    fn report(&self, result: &Run, troubles: &mut Troubles) {
        let now = self.clock.now();
        self.board.update(&self.of, self.stage, |status| {
            status.runs += 1;
            status.last_run = Some(now);
            status.running_since = None;
            match result {
                Ok(completed) => {
                    status.last_ok = Some(now);
                    // A run that had nothing to do keeps the last report that is not empty.
                    if !completed.report.is_null() {
                        status.last_report.clone_from(&completed.report);
                    }
                    status.last_error.clone_from(&completed.trouble);
                    status.hint = None;
                }
                Err(error) => {
                    status.failures += 1;
                    status.last_error = Some(error.words());
                    status.hint = Some(error.hint().to_owned());
                }
            }
        });
        let (shop, stage) = (self.of.as_str(), self.stage.name());
        match result {
            Ok(_) => {
                if let Some((failures, span)) = troubles.recovered(now) {
                    let failed_for_s = span.as_secs();
                    log_event!(
                        STAGE_RECOVERED,
                        shop,
                        stage,
                        failures,
                        failed_for_s,
                        "stage recovered"
                    );
                }
            }
            Err(error) => {
                let (code, hint, words) = (error.code(), error.hint(), error.words());
                if let Some(repeats) = troubles.failed(code, now) {
                    log_event!(STAGE_FAILED, shop, stage, code, repeats, hint, "{words}");
                }
            }
        }
    }
}

/// How a run of a stage ended.
pub(super) type Run = Result<Completed, StageError>;

fn pause_after(error: &StageError, failures: u32, now: Timestamp) -> Duration {
    match error {
        StageError::Api(error) if error.is_denied() => DENIED_EVERY,
        StageError::Api(ApiError::Snooze { until } | ApiError::Breaker { until }) => {
            let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
            wait.max(SNOOZE_MIN)
        }
        _ => BACKOFF.pause(failures.saturating_sub(1)),
    }
}
