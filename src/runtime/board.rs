//! How each stage is doing, for the status page and the health checks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// One stage of one shop.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StageStatus {
    /// Runs so far.
    pub runs: u64,
    /// Of those, how many failed.
    pub failures: u64,
    /// What the last run that ended well did.
    pub last_report: serde_json::Value,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// When the last run ended well.
    pub last_ok: Option<Timestamp>,
    /// When it started running now, if it is.
    pub running_since: Option<Timestamp>,
    /// What went wrong last, until a run ends well.
    pub last_error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Ticks after which a run under way, or the wait for the next one, has lasted too long.
    #[serde(skip)]
    pub overdue_at: Option<Duration>,
}

/// What a stage is for, and how often it runs by itself.
pub const fn about(stage: &str) -> (&'static str, &'static str) {
    match stage.as_bytes() {
        b"poll" => (
            "reads new orders and their lines",
            "poll.schedule, at least once a minute",
        ),
        b"decide" => (
            "decides orders that wait",
            "2s, and whenever something was read",
        ),
        b"alert" => ("tells of orders close to their deadline", "20s"),
        b"sweep" => (
            "reads back what became of orders",
            "confirm.sweep_every, and after requests",
        ),
        b"act" => (
            "sends what is decided",
            "1s, and whenever something was decided",
        ),
        b"housekeep" => (
            "makes copies, lets the past go, looks the file through",
            "1m",
        ),
        b"stock" => (
            "takes in sources of stock",
            "5s: files at once, addresses when their time has come",
        ),
        b"notify" => ("tells people through channels", "1s"),
        _ => ("", ""),
    }
}

/// All stages.
#[derive(Debug, Default)]
pub struct Board {
    stages: Mutex<BTreeMap<(String, &'static str), StageStatus>>,
}

impl Board {
    /// Changes one stage's entry.
    pub(super) fn update(
        &self,
        shop: &str,
        stage: &'static str,
        change: impl FnOnce(&mut StageStatus),
    ) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        change(stages.entry((shop.to_owned(), stage)).or_default());
    }

    /// Stages that have ended a run.
    pub fn begun(&self) -> usize {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.values().filter(|stage| stage.runs > 0).count()
    }

    /// A stage that should have ended its run, or begun the next one, by now.
    pub fn overdue(&self, ticks: Duration) -> Option<String> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let late = |stage: &StageStatus| stage.overdue_at.is_some_and(|at| ticks > at);
        let found = stages.iter().find(|(_, status)| late(status));
        found.map(|((shop, stage), _)| format!("{shop}/{stage}"))
    }

    /// A copy of all entries.
    pub fn snapshot(&self) -> Vec<(String, &'static str, StageStatus)> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages
            .iter()
            .map(|((shop, stage), status)| (shop.clone(), *stage, status.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_overdue_only_past_its_time() {
        let board = Board::default();
        let at = Duration::from_secs(100);
        board.update("main", "poll", |stage| stage.overdue_at = Some(at));
        board.update("main", "act", |stage| stage.runs = 1);
        assert_eq!((board.begun(), board.overdue(at)), (1, None));
        let late = board.overdue(at + Duration::from_millis(1));
        assert_eq!(late.as_deref(), Some("main/poll"));
    }
}
