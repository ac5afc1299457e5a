//! Faults and their rates.

use std::{fmt, str::FromStr};

use fastrand::Rng;

use super::message::Method;

/// One way in which a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The connection closes without a byte sent, before any effect.
    DropBefore,
    /// The connection closes without a byte sent, after the effect.
    DropAfter,
    /// No answer, and no effect.
    Hang,
    /// 403 without effect.
    Http403,
    /// 429 with `Retry-After` in seconds or as an HTTP date, without effect.
    Http429,
    /// 500 without effect.
    Http500,
    /// 500 after the effect; writes only.
    Http500After,
    /// 502 with an HTML page, without effect.
    Http502Html,
    /// 503 without effect.
    Http503,
    /// 200 with an HTML page, without effect.
    Html200,
    /// The real answer cut off half-way, after the effect.
    Truncated,
    /// 2xx without effect; writes only.
    NoEffect,
    /// No answer or 2xx at random, with the effect `Settings::late_by` later; writes only.
    LateEffect,
    /// The real answer, `Settings::slow_by` later.
    Slow,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 14] = [
        Self::DropBefore,
        Self::DropAfter,
        Self::Hang,
        Self::Http403,
        Self::Http429,
        Self::Http500,
        Self::Http500After,
        Self::Http502Html,
        Self::Http503,
        Self::Html200,
        Self::Truncated,
        Self::NoEffect,
        Self::LateEffect,
        Self::Slow,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropBefore => "drop_before",
            Self::DropAfter => "drop_after",
            Self::Hang => "hang",
            Self::Http403 => "http_403",
            Self::Http429 => "http_429",
            Self::Http500 => "http_500",
            Self::Http500After => "http_500_after",
            Self::Http502Html => "http_502_html",
            Self::Http503 => "http_503",
            Self::Html200 => "html_200",
            Self::Truncated => "truncated",
            Self::NoEffect => "no_effect",
            Self::LateEffect => "late_effect",
            Self::Slow => "slow",
        }
    }

    /// Whether the fault can happen to a request of this method.
    pub fn applies_to(self, method: Method) -> bool {
        method == Method::Post
            || !matches!(self, Self::Http500After | Self::NoEffect | Self::LateEffect)
    }
}

/// The requests a rate applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `get:`
    Get,
    /// `post:`
    Post,
    /// No prefix: every method the fault applies to.
    Both,
}

/// How often one fault happens, written `[get:|post:]NAME=P`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRate {
    /// The requests it applies to.
    pub scope: Scope,
    /// The fault.
    pub fault: Fault,
    /// From 0 to 1.
    pub probability: f64,
}

/// A text that is not a [`FaultRate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultParseError {
    /// No `=`.
    #[error("`{0}` is not NAME=P, e.g. `post:drop_after=0.1`")]
    Form(String),
    /// No such fault.
    #[error("there is no fault `{name}`; did you mean {nearest}?")]
    Name {
        /// What was written.
        name: String,
        /// The nearest valid names.
        nearest: String,
    },
    /// A prefix other than `get:` and `post:`.
    #[error("`{0}:` is not a scope; use `get:`, `post:` or none")]
    Scope(String),
    /// A fault of writes with the scope `get:`.
    #[error("`{0}` applies to writes only, not to `get:`")]
    WritesOnly(&'static str),
    /// Not a number from 0 to 1.
    #[error("`{0}` is not a probability from 0 to 1")]
    Probability(String),
}

impl FromStr for FaultRate {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, share) = text
            .split_once('=')
            .ok_or_else(|| FaultParseError::Form(text.to_owned()))?;
        let (scope, name) = match name.trim().split_once(':') {
            None => (Scope::Both, name.trim()),
            Some(("get", name)) => (Scope::Get, name),
            Some(("post", name)) => (Scope::Post, name),
            Some((other, _)) => return Err(FaultParseError::Scope(other.to_owned())),
        };
        let fault = Fault::ALL
            .into_iter()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| FaultParseError::Name {
                name: name.to_owned(),
                nearest: nearest(name),
            })?;
        if scope == Scope::Get && !fault.applies_to(Method::Get) {
            return Err(FaultParseError::WritesOnly(fault.name()));
        }
        let probability = share
            .trim()
            .parse()
            .ok()
            .filter(|share| (0.0..=1.0).contains(share));
        let probability =
            probability.ok_or_else(|| FaultParseError::Probability(share.trim().to_owned()))?;
        Ok(Self {
            scope,
            fault,
            probability,
        })
    }
}

/// The three fault names most similar to `name`.
fn nearest(name: &str) -> String {
    let mut names = Fault::ALL.map(Fault::name);
    names.sort_by(|a, b| strsim::jaro_winkler(b, name).total_cmp(&strsim::jaro_winkler(a, name)));
    names[..3]
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The random faults of a world. The probabilities for one method add up; rates beyond a sum of 1 never
/// happen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    rates: Vec<FaultRate>,
}

impl Faults {
    /// Adds one rate.
    pub fn push(&mut self, rate: FaultRate) {
        self.rates.push(rate);
    }

    /// Draws exactly once, so that changing the rates does not shift other random choices.
    pub(super) fn draw(&self, method: Method, rng: &mut Rng) -> Option<Fault> {
        let mut left = rng.f64();
        let applies = |rate: &&FaultRate| match rate.scope {
            Scope::Get => method == Method::Get,
            Scope::Post => method == Method::Post,
            Scope::Both => rate.fault.applies_to(method),
        };
        for rate in self.rates.iter().filter(applies) {
            if left < rate.probability {
                return Some(rate.fault);
            }
            left -= rate.probability;
        }
        None
    }
}

impl FromIterator<FaultRate> for Faults {
    fn from_iter<I: IntoIterator<Item = FaultRate>>(rates: I) -> Self {
        Self {
            rates: rates.into_iter().collect(),
        }
    }
}

/// Rates separated by commas; the empty text is no faults.
impl FromStr for Faults {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|rate| !rate.is_empty())
            .map(str::parse)
            .collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
