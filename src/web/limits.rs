//! How much a token and an address may ask for. Everything counted is in memory: a restart forgives.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::net::{PerClient, as_client};

/// Reads a second of one token: a page that looks every few seconds needs far fewer.
const READS_PER_SECOND: f64 = 10.0;
/// Writes a second of one token: nobody decides faster, and a stock source is pushed every few minutes.
const WRITES_PER_SECOND: f64 = 1.0;
/// So many may come at once after a pause.
const BURST: f64 = 10.0;

/// Wrong tokens of one address within [`WRONG_WITHIN`]; later ones are answered slowly.
const WRONG_MAX: u32 = 20;
const WRONG_WITHIN: Duration = Duration::from_mins(1);
/// How slowly.
pub(super) const WRONG_DELAY: Duration = Duration::from_secs(2);
/// Addresses counted at once; with more, the oldest are forgotten.
const ADDRESSES_MAX: usize = 4096;

/// How often the use of a token is noted in the database.
const NOTED_EVERY: Duration = Duration::from_mins(1);

/// Refills steadily up to the burst.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Bucket {
    const fn full(at: Duration) -> Self {
        Self { left: BURST, at }
    }

    /// Takes one; the time to wait where there is none.
    fn take(&mut self, per_second: f64, now: Duration) -> Result<(), Duration> {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * per_second).min(BURST);
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / per_second))
    }
}

struct OfToken {
    reads: Bucket,
    writes: Bucket,
    noted_at: Option<Duration>,
}

/// Wrong tokens of one address.
struct Wrong {
    since: Duration,
    count: u32,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

pub(super) struct Limits {
    clock: Clock,
    tokens: Mutex<HashMap<String, OfToken>>,
    wrong: Mutex<HashMap<IpAddr, Wrong>>,
    /// Requests under way of clients behind a proxy.
    pub(super) behind_proxy: PerClient,
}

impl Limits {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            tokens: Mutex::default(),
            wrong: Mutex::default(),
            behind_proxy: PerClient::default(),
        }
    }

    fn of_token<R>(&self, token: &str, change: impl FnOnce(&mut OfToken, Duration) -> R) -> R {
        let now = self.clock.ticks();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let of_token = tokens.entry(token.to_owned()).or_insert_with(|| OfToken {
            reads: Bucket::full(now),
            writes: Bucket::full(now),
            noted_at: None,
        });
        change(of_token, now)
    }

    /// Counts a request of a token that exists; the seconds to wait where it comes too early.
    pub(super) fn take(&self, token: &str, kind: Kind) -> Result<(), u64> {
        let taken = self.of_token(token, |of_token, now| match kind {
            Kind::Read => of_token.reads.take(READS_PER_SECOND, now),
            Kind::Write => of_token.writes.take(WRITES_PER_SECOND, now),
        });
        taken.map_err(|wait| wait.as_secs() + 1)
    }

    /// Whether the use of a token is to be noted again.
    pub(super) fn is_to_be_noted(&self, token: &str) -> bool {
        self.of_token(token, |of_token, now| {
            let is_due = |at: Duration| now.saturating_sub(at) >= NOTED_EVERY;
            let is_due = of_token.noted_at.is_none_or(is_due);
            if is_due {
                of_token.noted_at = Some(now);
            }
            is_due
        })
    }

    /// Counts a wrong token of an address: how many within a minute.
    pub(super) fn note_wrong(&self, address: IpAddr) -> u32 {
        let now = self.clock.ticks();
        let is_old = |wrong: &Wrong| now.saturating_sub(wrong.since) > WRONG_WITHIN;
        let mut all = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let client = as_client(address);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&client) {
            all.retain(|_, wrong| !is_old(wrong));
            if all.len() >= ADDRESSES_MAX {
                all.clear();
            }
        }
        let wrong = all.entry(client).or_insert(Wrong {
            since: now,
            count: 0,
        });
        if is_old(wrong) {
            *wrong = Wrong {
                since: now,
                count: 0,
            };
        }
        wrong.count = wrong.count.saturating_add(1);
        wrong.count
    }
}

/// Whether a wrong token is answered slowly.
pub(super) const fn is_slow(count: u32) -> bool {
    count > WRONG_MAX
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Bucket;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let mut bucket = Bucket::full(Duration::ZERO);
        for _ in 0..10 {
            assert_eq!(bucket.take(1.0, Duration::ZERO), Ok(()));
        }
        assert_eq!(
            bucket.take(1.0, Duration::ZERO),
            Err(Duration::from_secs(1))
        );
        assert_eq!(bucket.take(1.0, Duration::from_secs(1)), Ok(()));
        assert!(bucket.take(1.0, Duration::from_millis(1500)).is_err());
        // A long pause gives no more than the burst.
        let later = Duration::from_hours(1);
        let taken = (0..20).filter(|_| bucket.take(1.0, later).is_ok()).count();
        assert_eq!(taken, 10);
    }
}
