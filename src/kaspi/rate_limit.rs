//! The rate limit for requests to Kaspi (KASPI_API §6). Pure; the clock's ticks are passed in.

use std::collections::VecDeque;
use std::time::Duration;

/// What was missed may be caught up with, as far as this: a timer rings late, and after a quiet time the first few
/// requests need not wait for each other. Less than the burst of a second that a limit allows.
const CATCH_UP: Duration = Duration::from_millis(250);
/// Up to this many requests a second nothing is caught up with: the burst of a second is hardly more than one request.
const SLOW: f64 = 2.0;

/// So many requests at most are counted to keep to the highest rate.
const COUNTED_MAX: u32 = 4;
/// The highest rate is kept within a span that is longer by this factor: requests take differently long to arrive, and
/// Kaspi must not count more of them within a second than it allows.
const SPAN_MARGIN: f64 = 1.02;

/// Requests spread evenly: a burst may exceed a limit that their number does not.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// When the next request is due.
    next: Duration,
    /// The same before the last one was sent.
    before: Duration,
    /// When the last requests were sent, oldest first.
    sent: VecDeque<Duration>,
}

impl RateLimit {
    /// Takes the right to send a request now at this many requests a second, or says how long to wait. No second ever
    /// has more than `most`. Counted when it is sent: a process that was stopped for a while does not send all at once
    /// what had queued up.
    pub(super) fn take(&mut self, now: Duration, rate: f64, most: f64) -> Result<(), Duration> {
        let left = self.next.max(self.allowed_at(most)).saturating_sub(now);
        if !left.is_zero() {
            return Err(left);
        }
        // A slow pace may be that of a limit itself: it keeps a little below, and catches up with nothing.
        let (catch_up, margin) = if rate <= SLOW {
            (Duration::ZERO, SPAN_MARGIN)
        } else {
            (CATCH_UP, 1.0)
        };
        let between = Duration::from_secs_f64(margin / rate.max(0.001));
        self.before = self.next;
        self.next = self.next.max(now.saturating_sub(catch_up)) + between;
        if self.sent.len() >= COUNTED_MAX as usize {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// When the highest rate allows the next request.
    fn allowed_at(&self, most: f64) -> Duration {
        let most = most.max(0.001);
        let fitting = (1..=COUNTED_MAX)
            .rev()
            .find(|count| f64::from(*count) <= most);
        let count = fitting.unwrap_or(1);
        let span = Duration::from_secs_f64(f64::from(count) / most * SPAN_MARGIN);
        let first = self.sent.len().checked_sub(count as usize);
        let first = first.and_then(|index| self.sent.get(index));
        first.map_or(Duration::ZERO, |at| *at + span)
    }

    /// Gives back the right taken last: nothing was sent with it.
    pub(super) fn give_back(&mut self) {
        self.next = self.before;
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
            match limit.take(now, rate, rate) {
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
    fn after_a_quiet_time_hardly_more_than_usual_leaves_at_once() {
        for (rate, at_once) in [(8.0, 3), (2.0, 1), (1.0, 1)] {
            let mut limit = RateLimit::default();
            let now = Duration::from_secs(100);
            let left = (0..100).take_while(|_| limit.take(now, rate, 1000.0).is_ok());
            assert_eq!(left.count(), at_once, "{rate}");
        }
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
