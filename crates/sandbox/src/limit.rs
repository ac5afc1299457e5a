//! A limit of requests a second that the client does not know (KASPI_API §6): a token bucket that holds a burst.

use std::str::FromStr;

use jiff::Timestamp;

use super::message::Wire;

/// How a request beyond the limit is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// 429 with `Retry-After`, unless the settings leave it out.
    #[default]
    Refused,
    /// Not at all.
    Silent,
}

/// A hidden limit, written `RATE[/BURST][:silent]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Requests a second.
    pub per_second: f64,
    /// Requests that may come at once after a quiet time. Default: those of one second.
    pub burst: f64,
    /// How a request beyond it is answered.
    pub over: Over,
}

/// A text that is not a [`Limit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not RATE[/BURST][:silent], such as `5`, `5/10` or `5:silent`")]
pub struct LimitParseError(String);

impl Limit {
    /// So many requests a second, with a burst of one second; what exceeds it is refused.
    pub fn refusing(per_second: f64) -> Self {
        Self {
            per_second,
            burst: per_second.max(1.0),
            over: Over::Refused,
        }
    }

    /// The same, but what exceeds it is not answered.
    pub fn silent(per_second: f64) -> Self {
        Self {
            over: Over::Silent,
            ..Self::refusing(per_second)
        }
    }
}

impl FromStr for Limit {
    type Err = LimitParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || LimitParseError(text.to_owned());
        let number = |text: &str| {
            let number: Option<f64> = text.trim().parse().ok();
            let number = number.filter(|number| number.is_finite() && *number > 0.0);
            number.ok_or_else(bad)
        };
        let (rate, over) = match text.split_once(':') {
            None => (text, Over::Refused),
            Some((rate, "silent")) => (rate, Over::Silent),
            Some((rate, "refused")) => (rate, Over::Refused),
            Some(_) => return Err(bad()),
        };
        let (rate, burst) = match rate.split_once('/') {
            None => (number(rate)?, None),
            Some((rate, burst)) => (number(rate)?, Some(number(burst)?)),
        };
        let limit = Self::refusing(rate);
        Ok(Self {
            burst: burst.unwrap_or(limit.burst),
            over,
            ..limit
        })
    }
}

/// The requests that may still come now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// Its content, and since when.
    filled: Option<(f64, Timestamp)>,
}

impl Bucket {
    /// Takes one request. Where there is none left, how it is answered.
    pub(super) fn take(&mut self, limit: Option<&Limit>, now: Timestamp) -> Option<Over> {
        let Some(limit) = limit else {
            self.filled = None;
            return None;
        };
        let content = self.filled.map_or(limit.burst, |(content, since)| {
            let span = now.duration_since(since).as_secs_f64().max(0.0);
            (content + span * limit.per_second).min(limit.burst)
        });
        let is_over = content < 1.0;
        self.filled = Some((if is_over { content } else { content - 1.0 }, now));
        is_over.then_some(limit.over)
    }
}

impl Over {
    /// How the transport answers it, where it does not send a refusal.
    pub(super) const fn wire(self) -> Option<Wire> {
        match self {
            Self::Refused => None,
            Self::Silent => Some(Wire::Hang),
        }
    }
}
