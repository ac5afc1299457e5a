//! How many requests go to Kaspi within a second (KASPI_API §6).

use std::collections::VecDeque;
use std::time::Duration;

/// Requests that may follow each other at once after a quiet time, at most.
const BURST_MAX: u32 = 4;

/// Requests may take differently long to arrive: whoever counts them there counts no more within a second than
/// the rate allows.
const ARRIVAL: f64 = 1.02;

/// A window that holds no more requests than the rate allows, whenever it begins.
#[derive(Debug)]
pub(super) struct Pace {
    burst: u32,
    window: Duration,
    /// Ticks at which the last requests went, oldest first.
    taken: VecDeque<Duration>,
}

impl Pace {
    pub(super) fn new(rate_per_second: f64) -> Self {
        let rate = rate_per_second.max(0.001);
        // Whole requests in a second, or in what one takes.
        let whole = (1..=BURST_MAX)
            .rev()
            .find(|burst| f64::from(*burst) <= rate);
        let burst = whole.unwrap_or(1);
        Self {
            burst,
            window: Duration::from_secs_f64(f64::from(burst) / rate * ARRIVAL),
            taken: VecDeque::new(),
        }
    }

    /// A request goes now, or in how long one may. What went is counted as it goes: a process that was
    /// halted does not send at once what it had put in line.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if self.taken.len() >= self.burst as usize
            && let Some(oldest) = self.taken.front()
        {
            let left = (*oldest + self.window).saturating_sub(now);
            if !left.is_zero() {
                return Err(left);
            }
            self.taken.pop_front();
        }
        self.taken.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks again as soon as it is told to, and says when requests went.
    fn went(rate: f64, requests: usize) -> Vec<Duration> {
        let mut pace = Pace::new(rate);
        let mut now = Duration::from_secs(100);
        let mut went = Vec::new();
        while went.len() < requests {
            match pace.take(now) {
                Ok(()) => went.push(now),
                Err(wait) => now += wait,
            }
        }
        went
    }

    #[test]
    fn no_second_has_more_requests_than_the_rate_allows() {
        for (rate, within) in [(4.0, 4), (2.5, 2), (1.0, 1)] {
            let went = went(rate, 40);
            for more in went.windows(within + 1) {
                let took = more[within].saturating_sub(more[0]);
                assert!(took > Duration::from_millis(800), "{rate}: {more:?}");
            }
            let all = went[39].saturating_sub(went[0]).as_secs_f64();
            assert!(all > 36.0 / rate && all < 42.0 / rate, "{rate}: {all}");
        }
        let second = Duration::from_secs(1);
        let four = went(4.0, 40);
        assert!(four.windows(5).all(|five| five[4] > five[0] + second));
    }

    #[test]
    fn a_slow_shop_waits_between_any_two() {
        let went = went(0.05, 3);
        assert!(
            went.windows(2)
                .all(|two| two[1] >= two[0] + Duration::from_secs(20))
        );
    }
}
