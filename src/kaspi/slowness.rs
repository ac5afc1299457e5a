//! Whether Kaspi's answers have become slow: a sign that the pace is too high. Pure; the clock's ticks are passed in.

use std::collections::VecDeque;
use std::time::Duration;

/// How long answers take now, against the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    last: VecDeque<Duration>,
    /// One answer of each second.
    sampled: VecDeque<(Duration, Duration)>,
}

impl Slowness {
    const LAST: usize = 15;
    const SPAN: Duration = Duration::from_mins(10);
    const SAMPLES_MIN: usize = 60;
    /// Slower than before by this factor.
    const FACTOR: u32 = 3;
    /// Answers faster than this are not slow.
    const NOT_SLOW: Duration = Duration::from_millis(300);

    /// Notes an answer that took so long. Whether answers are slow now.
    pub(super) fn is_slow(&mut self, now: Duration, took: Duration) -> bool {
        if self.last.len() >= Self::LAST {
            self.last.pop_front();
        }
        self.last.push_back(took);
        while self
            .sampled
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > Self::SPAN)
        {
            self.sampled.pop_front();
        }
        let second = Duration::from_secs(1);
        if self
            .sampled
            .back()
            .is_none_or(|(at, _)| now.saturating_sub(*at) >= second)
        {
            self.sampled.push_back((now, took));
        }
        if self.last.len() < Self::LAST || self.sampled.len() < Self::SAMPLES_MIN {
            return false;
        }
        let recent = median(self.last.iter().copied());
        if recent < Self::NOT_SLOW {
            return false;
        }
        let usual = median(self.sampled.iter().map(|(_, took)| *took));
        let is_slow = recent > usual * Self::FACTOR;
        if is_slow {
            // From now on this is usual: where it is not the pace that makes answers slow, it falls once.
            *self = Self::default();
        }
        is_slow
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
