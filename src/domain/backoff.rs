//! Exponential backoff. Pure: the number of repeats and the jitter are passed in.

use std::time::Duration;

/// Pauses that double with each repeat, up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The longest pause there is.
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// The full pause before repeat `n`, counted from 0.
    pub fn pause(&self, n: u32) -> Duration {
        let factor = 1_u32.checked_shl(n).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The pause before repeat `n` with full jitter: the share `jitter`, from 0 to 1, of the full pause.
    pub fn jittered(&self, n: u32, jitter: f64) -> Duration {
        self.pause(n).mul_f64(jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_limit() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        let pauses = [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|n| backoff.pause(n).as_secs());
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10, 10]);
    }

    #[test]
    fn jitter_takes_a_share_of_the_pause() {
        let backoff = Backoff::new(SECOND, 10 * SECOND);
        assert_eq!(backoff.jittered(2, 0.5), 2 * SECOND);
        assert_eq!(backoff.jittered(9, 7.0), 10 * SECOND);
        assert_eq!(backoff.jittered(9, -1.0), Duration::ZERO);
    }
}
