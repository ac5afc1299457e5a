//! What the stages of one shop share.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::kaspi_clock::KaspiClock;
use super::sending::Sending;
use super::write_access::WriteAccess;
use super::{StageError, meter, unreadable};
use crate::clock::Clock;
use crate::domain::action::RetryPolicy;
use crate::domain::denial::Denial;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::not_found::REPORTED_FROM;
use crate::domain::policy::Policy;
use crate::events::log_event;
use crate::kaspi::{ApiError, Reader};
use crate::ledger::{DecidingInput, Observed, StockSettings};
use crate::store::{Scan, Store, StoreError};

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

impl Mode {
    /// Why nothing is sent for the shop; `None` where it acts.
    pub const fn sends_nothing(self) -> Option<&'static str> {
        match self {
            Self::Act => None,
            Self::Propose => Some("in mode propose"),
            Self::Observe => Some("in mode observe"),
        }
    }
}

/// The stages' limits, each from the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How far back new orders are listed.
    pub lookback: SignedDuration,
    /// How often lists go deep, and how far back those go.
    pub deep_every: SignedDuration,
    /// See `deep_every`.
    pub deep_lookback: SignedDuration,
    /// How often accepted orders are listed.
    pub sweep_every: SignedDuration,
    /// Sweeps missed in a row after which the archive is listed too.
    pub archive_after_missed: i32,
    /// Most pages read of one list.
    pub pages_max: u32,
    /// Whether lists are requested with their entries.
    pub include_entries: bool,
    /// Most requests in flight at once.
    pub max_in_flight: usize,
    /// Oldest list on which an accept may be sent.
    pub sighting_age_max: SignedDuration,
    /// When actions are repeated.
    pub retry_policy: RetryPolicy,
    /// How stock numbers are read.
    pub stock: StockSettings,
    /// Complete lists in a row that must agree before an earlier status of an order is believed.
    pub reverted_lists: u32,
}

impl Settings {
    /// A pause of this length between two sweeps may hide orders that were accepted and finished.
    pub(super) fn sweep_pause_max(&self) -> SignedDuration {
        self.sweep_every * self.archive_after_missed
    }
}

/// What a [`Ctx`] is made of.
pub struct CtxParts {
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
    /// Rules and interlocks.
    pub policy: Arc<Policy>,
    /// Feeds the jitter of pauses.
    pub seed: u64,
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
    /// Kaspi's time.
    pub kaspi_clock: KaspiClock,
    /// Reads Kaspi.
    pub reader: Reader,
    /// Whether the shop may write.
    pub write_access: WriteAccess,
    /// Limits.
    pub settings: Settings,
    /// POSTs on their way.
    pub sending: Sending,
    /// What is counted while the process runs.
    pub meter: meter::Meter,
    policy: RwLock<Arc<Policy>>,
    random: Mutex<fastrand::Rng>,
    /// The pace that was stored last.
    stored_pace: Mutex<Option<f64>>,
    pub(super) unreadable: unreadable::Unreadable,
    /// Held while it sweeps: a shop that waits for it may ask for a sweep at the same time.
    pub(super) sweeping: tokio::sync::Mutex<()>,
}

/// How old another shop's last complete sweep may be for its promises to count as certain: one sweep may
/// be missed, and one takes seconds.
pub fn other_shops_max_age(sweep_every: SignedDuration) -> SignedDuration {
    (sweep_every * 2).max(SignedDuration::from_secs(10))
}

/// A pace that differs by this factor is stored.
const PACE_DIFFERS: f64 = 1.1;

impl Ctx {
    /// Joins a shop's parts.
    pub fn new(parts: CtxParts) -> Self {
        let (clock, reader) = (parts.clock, parts.reader);
        let settle = parts.settings.retry_policy.settle;
        Self {
            kaspi_clock: KaspiClock::new(clock.clone(), reader.clone()),
            write_access: WriteAccess::new(clock.clone(), reader.clone(), settle),
            shop: parts.shop,
            mode: parts.mode,
            store: parts.store,
            clock,
            reader,
            settings: parts.settings,
            sending: Sending::default(),
            meter: meter::Meter::default(),
            policy: RwLock::new(parts.policy),
            random: Mutex::new(fastrand::Rng::with_seed(parts.seed)),
            stored_pace: Mutex::default(),
            unreadable: unreadable::Unreadable::default(),
            sweeping: tokio::sync::Mutex::default(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the policy, from the next decision on.
    pub fn set_policy(&self, policy: Arc<Policy>) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// A number in 0..1.
    pub(super) fn jitter(&self) -> f64 {
        let random = &self.random;
        random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// The input of a deciding pass besides the database.
    pub fn deciding_input(&self) -> DecidingInput {
        DecidingInput {
            stock: self.settings.stock,
            budget_window: self.policy().limits.cancel_budget_window,
            clock_skew_s: self.kaspi_clock.skew().map(|skew| skew.as_secs()),
            other_shops_max_age: other_shops_max_age(self.settings.sweep_every),
        }
    }

    /// Corrects times that a clock which ran ahead left in the future. Every stage begins with this.
    pub(super) async fn repair_clock(&self) -> Result<(), StoreError> {
        let settle = self.settings.retry_policy.settle;
        if let Some(back) = self.store.repair_times(settle, self.clock.now()).await? {
            log_event!(
                CLOCK_STEPPED, shop = %self.shop, set_back_s = back.as_secs(),
                "the clock was set back: times stored ahead of it are corrected, evidence is gathered again"
            );
        }
        Ok(())
    }

    /// Records that Kaspi does not know an order that it showed before. Returns when it is asked about again.
    pub(super) async fn not_found(&self, order: &OrderId) -> Result<Timestamp, StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        store
            .note_not_found(&self.shop, order, self.jitter(), now)
            .await
    }

    /// Counts a list for orders that readings show in an earlier status, and settles those that lists agree on.
    pub(super) async fn settle_reverted(&self, scan: &Scan) -> Result<Observed, StoreError> {
        let (needed, now) = (self.settings.reverted_lists, self.clock.now());
        let store = &self.store;
        store.settle_reverted(&self.shop, scan, needed, now).await
    }

    /// Reports, once while it lasts, that Kaspi knows none of several orders that it showed before.
    pub(super) async fn note_not_found_orders(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        store.resume_found_orders(&self.shop, now).await?;
        let missing = store.not_found_orders(&self.shop).await?;
        let Some(missing) = missing.filter(|missing| missing.count >= REPORTED_FROM) else {
            return Ok(());
        };
        if store.report_not_found(&self.shop, missing, now).await? {
            log_event!(
                ORDERS_NOT_FOUND, shop = %self.shop, code = "K405", orders = missing.count,
                hint = "check that the token is this shop's; wait where Kaspi may lag behind",
                "Kaspi knows none of {} orders that it showed before: is this the right shop's token?", missing.count
            );
        }
        Ok(())
    }

    /// Stores the pace of the shop's requests, where it differs from what was stored last.
    pub(super) async fn remember_pace(&self) -> Result<(), StoreError> {
        let pace = self.reader.view().pace;
        {
            let stored = self.stored_pace.lock();
            let mut stored = stored.unwrap_or_else(PoisonError::into_inner);
            if stored.is_some_and(|stored| (stored / pace).max(pace / stored) < PACE_DIFFERS) {
                return Ok(());
            }
            *stored = Some(pace);
        }
        self.store.set_pace(&self.shop, pace).await
    }

    /// Logs actions that a reading showed to have ended, and what it showed of the shop's identity.
    pub(super) fn log_action_ends(&self, observed: &Observed) {
        if let Some(why) = &observed.mismatch {
            log_event!(
                SHOP_MISMATCHED, shop = %self.shop, code = "K008",
                hint = "check which token belongs to which shop: `qabyl status`", "nothing is sent for this shop: {why}"
            );
        }
        if observed.identified {
            log_event!(SHOP_IDENTIFIED, shop = %self.shop, "the shop's token shows its own orders again");
        }
        for before in &observed.earlier_names {
            log_event!(
                SHOP_RENAMED, shop = %self.shop, before = %before,
                "the shop was recognised under its new name: its orders, holds and pause are kept"
            );
        }
        for (code, action, end) in &observed.ended {
            log_event!(
                ACTION_ENDED, shop = %self.shop, order.code = %code, action,
                outcome = end.as_str(), "the action is closed: a reading shows its outcome"
            );
        }
    }

    /// Stores whether Kaspi grants this shop access, as the result of a read shows. While writes are denied, a
    /// successful read proves nothing.
    pub(super) async fn note_access(&self, error: Option<&ApiError>) -> Result<(), StageError> {
        match error {
            None if self.write_access.write_denied() => {}
            None => self.note_admitted().await?,
            Some(error) => {
                if let Some(denial) = error.denial() {
                    self.note_denied(&error.to_string(), denial).await?;
                }
            }
        }
        Ok(())
    }

    async fn note_admitted(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self.store.set_denied(&self.shop, None, now).await? {
            log_event!(SHOP_ADMITTED, shop = %self.shop, "Kaspi lets this shop in again");
        }
        Ok(())
    }

    async fn note_denied(&self, why: &str, denial: Denial) -> Result<(), StoreError> {
        let now = self.clock.now();
        let denied = Some((denial, why));
        if self.store.set_denied(&self.shop, denied, now).await? {
            log_event!(
                SHOP_DENIED, shop = %self.shop, code = denial.code(), hint = denial.hint(),
                "Kaspi refuses this shop: {why}"
            );
        }
        Ok(())
    }
}
