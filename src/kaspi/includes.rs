//! Lists with their entries included, as long as Kaspi goes along.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lists in a row that may fail with their entries included, and come without.
const INCLUDES_FAILED_MAX: u32 = 2;
/// Then so long they are asked for without.
const WITHOUT_INCLUDES: Duration = Duration::from_hours(1);

/// Whether lists are asked for with `include[orders]`, the one parameter that is not confirmed live
/// (KASPI_API §2).
#[derive(Default)]
pub(super) struct Includes(Mutex<IncludesState>);

#[derive(Default)]
struct IncludesState {
    /// Lists in a row that came without it only.
    failed: u32,
    /// Ticks from which it is asked for again.
    asked_from: Duration,
}

impl Includes {
    fn state(&self) -> MutexGuard<'_, IncludesState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_asked(&self, ticks: Duration) -> bool {
        ticks >= self.state().asked_from
    }

    /// A list came with it.
    pub(super) fn answered(&self) {
        self.state().failed = 0;
    }

    /// A list came without it that had not come with it: refused in so many words, or failed, which may be
    /// mere chance the first time.
    pub(super) fn failed(&self, is_refused: bool, ticks: Duration) {
        let mut state = self.state();
        state.failed += 1;
        if is_refused {
            state.asked_from = Duration::MAX;
        } else if state.failed >= INCLUDES_FAILED_MAX {
            state.asked_from = state.asked_from.max(ticks + WITHOUT_INCLUDES);
        }
    }
}
