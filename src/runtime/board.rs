//! The state of each stage, for the status page and the health checks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::pipeline::stages::Stage;

/// One stage of one shop, of a source of stock or of the database.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StageStatus {
    /// Runs so far.
    pub runs: u64,
    /// Of those, how many failed.
    pub failures: u64,
    /// What the last successful run did.
    pub last_report: serde_json::Value,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// When the last successful run ended.
    pub last_ok: Option<Timestamp>,
    /// When it started running now, if it is.
    pub running_since: Option<Timestamp>,
    /// What went wrong last, until a run succeeds.
    pub last_error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Ticks after which the current run, or the wait for the next one, has lasted too long.
    #[serde(skip)]
    pub overdue_at: Option<Duration>,
}

/// All stages.
#[derive(Debug, Default)]
pub struct Board {
    stages: Mutex<BTreeMap<(String, Stage), StageStatus>>,
}

impl Board {
    /// Changes one stage's entry.
    pub(super) fn update(&self, shop: &str, stage: Stage, change: impl FnOnce(&mut StageStatus)) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        change(stages.entry((shop.to_owned(), stage)).or_default());
    }

    /// How many stages have ended a run.
    pub fn started(&self) -> usize {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.values().filter(|stage| stage.runs > 0).count()
    }

    /// A stage that should have ended its run, or started the next one, by now.
    pub fn overdue(&self, ticks: Duration) -> Option<String> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let late = |stage: &StageStatus| stage.overdue_at.is_some_and(|at| ticks > at);
        let found = stages.iter().find(|(_, status)| late(status));
        found.map(|((shop, stage), _)| format!("{shop}/{}", stage.name()))
    }

    /// A copy of all entries.
    pub fn snapshot(&self) -> Vec<(String, Stage, StageStatus)> {
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
    fn a_stage_is_overdue_after_its_time() {
        let board = Board::default();
        let at = Duration::from_secs(100);
        board.update("main", Stage::Poll, |stage| stage.overdue_at = Some(at));
        board.update("main", Stage::Act, |stage| stage.runs = 1);
        assert_eq!((board.started(), board.overdue(at)), (1, None));
        let late = board.overdue(at + Duration::from_millis(1));
        assert_eq!(late.as_deref(), Some("main/poll"));
    }
}
