//! How a stage's run is followed by other runs: what it wakes, and when it runs again itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::domain::ids::ShopName;
use crate::pipeline::stages::{self, Stage};

/// Wakes the stages of one shop.
#[derive(Default)]
pub(super) struct Wakes {
    stages: [Notify; stages::ALL.len()],
    /// Whether the next sweep is to run before its period has passed.
    force_sweep: AtomicBool,
    /// When the last run of the sweep stage ended that swept (ticks), where it was the last run of all.
    swept_at: Mutex<Option<Duration>>,
}

/// Those of every shop.
pub(super) type ShopWakes = BTreeMap<ShopName, Arc<Wakes>>;

impl Wakes {
    /// Makes a stage run soon.
    pub(super) fn wake(&self, stage: Stage) {
        self.stages[stage as usize].notify_one();
    }

    /// Ends when the stage is woken.
    pub(super) async fn woken(&self, stage: Stage) {
        self.stages[stage as usize].notified().await;
    }

    /// Makes a sweep run, due or not: at once where a decision waits for it, otherwise soon.
    pub(super) fn force_sweep(&self, urgency: Urgency) {
        self.force_sweep.store(true, Ordering::Relaxed);
        if urgency == Urgency::AtOnce || self.swept_at().is_none() {
            self.wake(Stage::Sweep);
        }
    }

    /// When the last sweep ended, unless the sweep stage has run since without one.
    pub(super) fn swept_at(&self) -> Option<Duration> {
        *self.swept_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when a sweep ended, or that there was none to make.
    pub(super) fn note_swept(&self, at: Option<Duration>) {
        *self.swept_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether a sweep was forced since the last call.
    pub(super) fn take_forced_sweep(&self) -> bool {
        self.force_sweep.swap(false, Ordering::Relaxed)
    }

    /// Forces the next sweep again, because a forced one did not take place.
    pub(super) fn keep_forced_sweep(&self) {
        self.force_sweep.store(true, Ordering::Relaxed);
    }

    /// Wakes the stages that a completed run of this one asks for, in other shops too.
    pub(super) fn follow(&self, all: &ShopWakes, stage: Stage, completed: &Completed) {
        for next in &completed.wakes {
            debug_assert!(stage.declared().wakes.contains(next), "{stage:?} {next:?}");
            self.wake(*next);
        }
        if let Some(urgency) = completed.force_sweep {
            self.force_sweep(urgency);
        }
        for other in completed
            .force_sweep_of
            .iter()
            .filter_map(|shop| all.get(shop))
        {
            other.force_sweep(Urgency::Soon);
        }
    }
}

/// When a stage runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rerun {
    /// When woken, and after this long at the latest.
    Within(Duration),
    /// After this long, woken or not.
    After(Duration),
}

/// How soon a sweep is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A decision waits for it.
    AtOnce,
    /// It reads what became of requests.
    Soon,
}

/// A run that succeeded.
pub(super) struct Completed {
    /// When to run again.
    pub(super) rerun: Rerun,
    /// Stages to run soon.
    pub(super) wakes: Vec<Stage>,
    /// Whether to sweep, due or not.
    pub(super) force_sweep: Option<Urgency>,
    /// Other shops that are to sweep soon, due or not.
    pub(super) force_sweep_of: BTreeSet<ShopName>,
    /// What it did, for the status page; null where it had nothing to do.
    pub(super) report: Value,
    /// A problem of a successful run, for the status page.
    pub(super) trouble: Option<String>,
}

impl Completed {
    /// A run after which the stage runs again when woken or when its period has passed.
    pub(super) fn of(stage: Stage, report: Value) -> Self {
        Self {
            rerun: Rerun::Within(stage.declared().period),
            wakes: Vec::new(),
            force_sweep: None,
            force_sweep_of: BTreeSet::new(),
            report,
            trouble: None,
        }
    }

    pub(super) fn within(self, period: Duration) -> Self {
        Self {
            rerun: Rerun::Within(period),
            ..self
        }
    }
}
