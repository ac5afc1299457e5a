//! The rate limit for requests to Kaspi (KASPI_API §6). Pure; the clock's ticks are passed in.

use std::collections::VecDeque;
use std::time::Duration;

/// Largest burst after a quiet time, in requests.
const BURST_MAX: u32 = 4;

/// The window is longer by this factor: requests take differently long to arrive, and Kaspi must not count
/// more of them within a second than the rate allows.
const WINDOW_MARGIN: f64 = 1.02;

/// A sliding window: no span of its length has more requests than the rate allows.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// Ticks at which the last requests were sent, oldest first.
    sent: VecDeque<Duration>,
}

impl RateLimit {
    /// Takes the right to send a request now at this many requests a second, or says how long to wait. Counted when
    /// it is sent: a process that was stopped for a while does not send all at once what had queued up.
    pub(super) fn take(&mut self, now: Duration, rate_per_second: f64) -> Result<(), Duration> {
        let rate = rate_per_second.max(0.001);
        let fitting = (1..=BURST_MAX)
            .rev()
            .find(|burst| f64::from(*burst) <= rate);
        let burst = fitting.unwrap_or(1);
        let window = Duration::from_secs_f64(f64::from(burst) / rate * WINDOW_MARGIN);
        let within = self.sent.len().checked_sub(burst as usize);
        if let Some(oldest) = within.and_then(|index| self.sent.get(index)) {
            let left = (*oldest + window).saturating_sub(now);
            if !left.is_zero() {
                return Err(left);
            }
        }
        if self.sent.len() >= BURST_MAX as usize {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// Gives back the right taken last: nothing was sent with it.
    pub(super) fn give_back(&mut self) {
        self.sent.pop_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks at which requests are sent that wait no longer than they must.
    fn sent_at(rate: f64, requests: usize) -> Vec<Duration> {
        let mut limit = RateLimit::default();
        let mut now = Duration::from_secs(100);
        let mut times = Vec::new();
        while times.len() < requests {
            match limit.take(now, rate) {
                Ok(()) => times.push(now),
                Err(wait) => now += wait,
            }
        }
        times
    }

    #[test]
    fn no_second_has_more_requests_than_the_rate_allows() {
        for (rate, within) in [(4.0, 4), (2.5, 2), (1.0, 1)] {
            let times = sent_at(rate, 40);
            for more in times.windows(within + 1) {
                let took = more[within].saturating_sub(more[0]);
                assert!(took > Duration::from_millis(800), "{rate}: {more:?}");
            }
            let all = times[39].saturating_sub(times[0]).as_secs_f64();
            assert!(all > 36.0 / rate && all < 42.0 / rate, "{rate}: {all}");
        }
        let second = Duration::from_secs(1);
        let four = sent_at(4.0, 40);
        assert!(four.windows(5).all(|five| five[4] > five[0] + second));
    }

    #[test]
    fn a_slow_shop_waits_between_any_two() {
        let times = sent_at(0.05, 3);
        assert!(
            times
                .windows(2)
                .all(|two| two[1] >= two[0] + Duration::from_secs(20))
        );
    }
}
