//! Whether lists are requested with their entries included.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lists in a row that may fail with `include[orders]` and succeed without it.
const FAILURES_MAX: u32 = 2;
/// Then lists are requested without it for this long.
const PAUSE: Duration = Duration::from_hours(1);

/// Whether to use `include[orders]`, the one parameter that is not confirmed against the live API
/// (KASPI_API §2).
#[derive(Default)]
pub(super) struct Includes(Mutex<IncludesState>);

#[derive(Default, Clone, Copy)]
enum Use {
    #[default]
    Always,
    /// From these ticks on.
    From(Duration),
    /// Kaspi refuses the parameter.
    Never,
}

#[derive(Default)]
struct IncludesState {
    /// Lists in a row that succeeded only without it.
    failures: u32,
    /// When it may be used again.
    usage: Use,
}

impl Includes {
    fn state(&self) -> MutexGuard<'_, IncludesState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn are_used(&self, ticks: Duration) -> bool {
        match self.state().usage {
            Use::Always => true,
            Use::From(start) => ticks >= start,
            Use::Never => false,
        }
    }

    /// A list succeeded with it.
    pub(super) fn succeeded(&self) {
        self.state().failures = 0;
    }

    /// A list failed with it and succeeded without it. `is_refused`: Kaspi answered that the request is wrong;
    /// any other failure may be chance the first time.
    pub(super) fn failed(&self, is_refused: bool, ticks: Duration) {
        let mut state = self.state();
        state.failures += 1;
        if is_refused {
            state.usage = Use::Never;
        } else if state.failures >= FAILURES_MAX && !matches!(state.usage, Use::Never) {
            state.usage = Use::From(ticks + PAUSE);
        }
    }
}
