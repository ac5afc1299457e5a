//! How each stage is doing, for the status page and the health checks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// One stage of one shop.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StageStatus {
    /// Runs so far.
    pub runs: u64,
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

    /// A copy of all entries.
    pub fn snapshot(&self) -> Vec<(String, &'static str, StageStatus)> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages
            .iter()
            .map(|((shop, stage), status)| (shop.clone(), *stage, status.clone()))
            .collect()
    }
}
