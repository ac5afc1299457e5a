//! The only source of time: passed in everywhere, so that a test can turn it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's.
    System,
    /// A test's: it moves only when set, or when somebody sleeps.
    Simulated(Arc<SimulatedTime>),
}

/// A moment to the millisecond, as it is stored.
pub fn to_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// A test's time.
#[derive(Debug)]
pub struct SimulatedTime {
    state: Mutex<(Timestamp, Duration)>,
}

impl SimulatedTime {
    /// Starts at `now`.
    pub fn new(now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((now, Duration::from_secs(1))),
        })
    }

    /// Lets `by` pass.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0.saturating_add(by).unwrap_or(state.0);
        state.1 += by;
    }

    /// Sets the wall clock, as a person would; the monotonic one does not move.
    pub fn set(&self, now: Timestamp) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are handed"
)]
impl Clock {
    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Simulated(time) => time.state.lock().unwrap_or_else(PoisonError::into_inner).0,
        }
    }

    /// Time that only ever grows, for intervals; its start means nothing.
    pub fn ticks(&self) -> Duration {
        match self {
            Self::System => since_boot(),
            Self::Simulated(time) => time.state.lock().unwrap_or_else(PoisonError::into_inner).1,
        }
    }

    /// Waits; simulated time passes at once.
    pub async fn sleep(&self, time: Duration) {
        match self {
            Self::System => tokio::time::sleep(time).await,
            Self::Simulated(simulated) => {
                simulated.advance(time);
                // Others go on first. Woken at once, and not when the runtime next has nothing to do:
                // that moment depends on the machine.
                let mut has_waited = false;
                std::future::poll_fn(|context| {
                    if std::mem::replace(&mut has_waited, true) {
                        return std::task::Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                })
                .await;
            }
        }
    }
}

/// Time since the machine started, what it slept of that included: a request that was about to leave then is
/// as old as it looks.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

/// Time since this was first asked; what the machine slept of that may be missing.
#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that others are handed"
)]
fn since_boot() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    start.elapsed() + Duration::from_secs(1)
}
