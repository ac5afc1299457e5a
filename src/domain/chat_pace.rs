//! How often messages may be sent to a chat: Telegram allows about one a second, and twenty a minute in a group. Pure.

use std::collections::VecDeque;
use std::time::Duration;

const BETWEEN: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Messages to a group within a minute.
const GROUP_MAX: usize = 20;

/// When messages were sent to a chat.
#[derive(Debug, Default)]
pub struct ChatPace {
    sent: VecDeque<Duration>,
    not_before: Duration,
}

impl ChatPace {
    /// How long the next message waits.
    pub fn wait(&self, is_group: bool, now: Duration) -> Duration {
        let after = self.sent.back().map(|last| *last + BETWEEN);
        let full = self.sent.len().checked_sub(GROUP_MAX).filter(|_| is_group);
        let room = full
            .and_then(|first| self.sent.get(first))
            .map(|first| *first + MINUTE);
        let earliest = after.max(room).unwrap_or_default().max(self.not_before);
        earliest.saturating_sub(now)
    }

    /// A message was sent.
    pub fn note(&mut self, now: Duration) {
        self.sent.push_back(now);
        while self.sent.len() > GROUP_MAX {
            self.sent.pop_front();
        }
    }

    /// Nothing is sent for this long.
    pub fn pause(&mut self, time: Duration, now: Duration) {
        self.not_before = self.not_before.max(now + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many messages leaves, in seconds.
    fn times(is_group: bool, count: usize) -> Vec<u64> {
        let (mut pace, mut now) = (ChatPace::default(), Duration::from_secs(100));
        let mut times = Vec::new();
        for _ in 0..count {
            now += pace.wait(is_group, now);
            pace.note(now);
            times.push(now.as_secs() - 100);
        }
        times
    }

    #[test]
    fn one_a_second_and_twenty_a_minute_in_a_group() {
        assert_eq!(times(false, 41)[40], 40);
        let group = times(true, 41);
        assert_eq!(
            (group[19], group[20], group[39], group[40]),
            (19, 60, 79, 120)
        );
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept() {
        let mut pace = ChatPace::default();
        pace.pause(Duration::from_secs(30), Duration::from_secs(5));
        assert_eq!(pace.wait(false, Duration::from_secs(6)).as_secs(), 29);
        assert_eq!(pace.wait(false, Duration::from_secs(40)), Duration::ZERO);
    }
}
