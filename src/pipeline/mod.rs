//! The stages, one file each, named as the arrows of the picture in `docs/ARCHITECTURE.md`. Each is
//! an idempotent `run_once` that takes what it needs from the database and leaves what it did
//! there: the path after a crash is the path of every day.

pub mod act;
pub mod alert;
mod copies;
pub mod decide;
pub mod housekeep;
mod lines;
mod listing;
pub mod meter;
pub mod notify;
pub mod poll;
pub mod sweep;
pub mod sync_stock;
mod watch;

pub use watch::share;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::domain::action::Patience;
use crate::domain::ids::ShopName;
use crate::domain::policy::Policy;
use crate::domain::stock::Semantics;
use crate::kaspi::{ApiError, Reader};
use crate::ledger::{DecidingInput, Observed};
use crate::store::{Store, StoreError};

/// Furthest back Kaspi lists an order in one go (KASPI_API §2).
const DEEP: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How far a list reaches into what is still to come.
const AHEAD: SignedDuration = SignedDuration::from_hours(12);

/// What a stage may do in a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read orders only.
    Observe,
    /// Also decide: a dry run.
    Propose,
    /// Also carry decisions out.
    Act,
}

/// The stages' limits, each from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How far back new orders are listed.
    pub lookback: SignedDuration,
    /// How often all 14 days are listed.
    pub deep_every: SignedDuration,
    /// How often accepted orders are listed.
    pub sweep_every: SignedDuration,
    /// Sweeps that did not take place in a row, and the archive is listed too.
    pub archive_after_missed: i32,
    /// Pages read of one list, at most.
    pub pages_max: u32,
    /// Whether lists are asked to carry the entries.
    pub include_entries: bool,
    /// Requests under way at once.
    pub max_in_flight: usize,
    /// Oldest list on which an accept may be sent.
    pub sighting_age_max: SignedDuration,
    /// Limits of repeating.
    pub patience: Patience,
    /// What the stock numbers mean.
    pub semantics: Semantics,
    /// Units of each SKU kept back.
    pub safety_stock: i64,
    /// Window of the cancel budget.
    pub budget_window: SignedDuration,
    /// How long before its deadline an order that still waits is told to a person.
    pub alert_before: SignedDuration,
}

/// What the stages of one shop share.
pub struct Ctx {
    /// The shop.
    pub shop: ShopName,
    /// What may be done in it.
    pub mode: Mode,
    /// The database.
    pub store: Arc<Store>,
    /// The only source of time.
    pub clock: Clock,
    /// Reads Kaspi.
    pub reader: Reader,
    /// Limits.
    pub settings: Settings,
    /// What is counted while the process runs.
    pub meter: meter::Meter,
    policy: RwLock<Arc<Policy>>,
    random: Mutex<fastrand::Rng>,
    /// Ticks at the end of each action's last POST.
    posted: Mutex<HashMap<i64, Duration>>,
    /// Set while Kaspi lets the shop read and not write.
    shut_out: Mutex<Option<ShutOut>>,
    unreadable: poll::Unreadable,
}

/// A refused write: reads that go well say nothing about the next one.
#[derive(Debug, Clone, Copy)]
struct ShutOut {
    /// Ticks at which one write may ask again.
    until: Duration,
    pause: Duration,
    /// The token that was refused.
    token: u64,
}

/// First pause after a refused write; doubled at each that follows.
const SHUT_OUT_FIRST: Duration = Duration::from_secs(30);
/// Longest such pause.
const SHUT_OUT_LONGEST: Duration = Duration::from_mins(5);

/// How old another shop's last complete sweep may be for its promises to count as certain: one may be
/// missed, and one takes seconds.
pub fn others_fresh_for(sweep_every: SignedDuration) -> SignedDuration {
    (sweep_every * 2).max(SignedDuration::from_secs(10))
}

impl Ctx {
    /// Joins a shop's parts; `seed` feeds the spread of pauses.
    pub fn new(
        (shop, mode): (ShopName, Mode),
        store: Arc<Store>,
        clock: Clock,
        reader: Reader,
        (settings, policy): (Settings, Arc<Policy>),
        seed: u64,
    ) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self {
            shop,
            mode,
            store,
            clock,
            reader,
            settings,
            meter: meter::Meter::default(),
            policy: RwLock::new(policy),
            random,
            posted: Mutex::default(),
            shut_out: Mutex::default(),
            unreadable: poll::Unreadable::default(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another policy in force, from the next decision on.
    pub fn set_policy(&self, policy: Arc<Policy>) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// A number in 0..1.
    fn jitter(&self) -> f64 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .f64()
    }

    /// Kaspi's time, as far as its answers told.
    fn kaspi_now(&self) -> Timestamp {
        let skew = self.reader.skew().unwrap_or_default();
        self.clock
            .now()
            .saturating_add(skew)
            .unwrap_or_else(|_| self.clock.now())
    }

    /// What Kaspi's time was at that moment of the clock that nobody can set.
    fn kaspi_then(&self, ticks: Duration) -> Timestamp {
        let since = self.clock.ticks().saturating_sub(ticks);
        let now = self.kaspi_now();
        now.saturating_sub(SignedDuration::try_from(since).unwrap_or_default())
            .unwrap_or(now)
    }

    /// The ends of a list that reaches `back`: as far as either clock says, while they agree by a day,
    /// and on into what is still to come. A `Date` that lags, as that of a page kept on the way does,
    /// must not hide the youngest orders; a later end costs nothing.
    fn span(&self, back: SignedDuration) -> (Timestamp, Timestamp) {
        let (ours, kaspi) = (self.clock.now(), self.kaspi_now());
        let agree = ours.duration_since(kaspi).abs() <= SignedDuration::from_hours(24);
        let (from, to) = if agree {
            (ours.min(kaspi), ours.max(kaspi))
        } else {
            (kaspi, kaspi)
        };
        (
            from.saturating_sub(back).unwrap_or(from),
            to.saturating_add(AHEAD).unwrap_or(to),
        )
    }

    /// What a deciding pass needs beside the database.
    pub fn deciding_input(&self) -> DecidingInput {
        DecidingInput {
            semantics: self.settings.semantics,
            safety_stock: self.settings.safety_stock,
            budget_window: self.settings.budget_window,
            clock_skew_s: self.reader.skew().map(|skew| skew.as_secs()),
            others_fresh_for: others_fresh_for(self.settings.sweep_every),
        }
    }

    /// Every stage begins so: times left in the future by a clock that ran ahead are put right.
    async fn repair_clock(&self) -> Result<(), StoreError> {
        let settle = self.settings.patience.settle;
        if let Some(back) = self.store.mend_times(settle, self.clock.now()).await? {
            tracing::warn!(
                event = "clock.stepped", shop = %self.shop, back_s = back.as_secs(),
                "the clock was set back: times stored ahead of it are put right, evidence is gathered anew"
            );
        }
        Ok(())
    }

    /// Remembers that a POST of this action ended now, on the clock that nobody can set.
    fn posted(&self, action: i64) {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.ticks();
        let settle = Duration::try_from(self.settings.patience.settle).unwrap_or_default();
        posted.retain(|_, at| now.saturating_sub(*at) < settle);
        posted.insert(action, now);
    }

    /// How much of `settle` is left after this action's last POST: a wall clock that jumped ahead
    /// does not shorten it.
    fn unsettled(&self, action: i64) -> Option<Duration> {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.clock.ticks().saturating_sub(*posted.get(&action)?);
        let settle = Duration::try_from(self.settings.patience.settle).unwrap_or_default();
        settle.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Remembers whether Kaspi let a write in.
    fn note_write(&self, is_denied: bool) {
        let mut shut_out = self.shut_out.lock().unwrap_or_else(PoisonError::into_inner);
        *shut_out = is_denied.then(|| {
            let pause = shut_out.map_or(SHUT_OUT_FIRST, |last| {
                (last.pause * 2).min(SHUT_OUT_LONGEST)
            });
            ShutOut {
                until: self.clock.ticks() + pause,
                pause,
                token: self.reader.token_number(),
            }
        });
    }

    /// The last write, if Kaspi refused it with the token in use.
    fn shut_out(&self) -> Option<ShutOut> {
        let shut_out = self.shut_out.lock().unwrap_or_else(PoisonError::into_inner);
        shut_out.filter(|last| last.token == self.reader.token_number())
    }

    /// Whether a write may ask if that is over.
    fn may_knock(&self) -> bool {
        let last = self.shut_out();
        last.is_some_and(|last| self.clock.ticks() >= last.until)
    }

    /// Actions whose end a reading showed, whichever reading it was.
    fn log_action_ends(&self, observed: &Observed) {
        for (code, action, end) in &observed.ended {
            tracing::info!(
                event = "action.ended", shop = %self.shop, order.code = %code, action,
                outcome = end.as_str(), "Kaspi's answer to the action was read back"
            );
        }
    }

    /// Records whether Kaspi lets this shop in, as an answer showed.
    async fn note_access(&self, answer: Option<&ApiError>) -> Result<(), StoreError> {
        let denied = match answer {
            None if self.shut_out().is_some() => return Ok(()),
            None => None,
            Some(error) if error.is_denied() => Some(error.to_string()),
            Some(_) => return Ok(()),
        };
        let now = self.clock.now();
        if self
            .store
            .set_denied(&self.shop, denied.as_deref(), now)
            .await?
        {
            match (denied, answer) {
                (Some(why), Some(error)) => tracing::error!(
                    event = "shop.denied", shop = %self.shop, code = error.code(), hint = error.hint(),
                    "Kaspi refuses this shop: {why}"
                ),
                _ => {
                    tracing::info!(event = "shop.admitted", shop = %self.shop, "Kaspi lets this shop in again");
                }
            }
        }
        Ok(())
    }
}

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kaspi.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Another process has the claim on the shop.
    #[error("another process on this machine acts for this shop, with a database of its own")]
    Elsewhere,
}

impl StageError {
    /// The stable code of this error, a heading in the runbook.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Api(error) => error.code(),
            Self::Elsewhere => "D009",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(_) => "check the disk's free space and the database file's owner",
            Self::Api(error) => error.hint(),
            Self::Elsewhere => {
                "stop the other qabyl of this shop: two do not know of each other's decisions"
            }
        }
    }

    /// What happened, with the cause where the database told one.
    pub fn words(&self) -> String {
        match self {
            Self::Store(error) => error.words(),
            Self::Api(_) | Self::Elsewhere => self.to_string(),
        }
    }
}
