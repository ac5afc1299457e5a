//! Builds the running parts from the configuration. No other module does.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::config::{self, Config, Limit};
use crate::domain::action::RetryPolicy;
use crate::domain::backoff::Backoff;
use crate::domain::evidence::Freshness;
use crate::domain::ids::ShopName;
use crate::domain::limits::Limits;
use crate::domain::policy::Policy;
use crate::domain::rules::Rules;
use crate::domain::schedule::{Schedule, WorkingHours};
use crate::domain::stock::Semantics;
use crate::kaspi::{
    Client, ClientSettings, Credentials, GateSettings, HttpSettings, HttpTransport, Transport,
    Writer,
};
use crate::ledger::{DecidingInput, StockSettings};
use crate::mutant::mutant;
use crate::pipeline::housekeep::{Backups, Keeper, Retention};
use crate::pipeline::stages::Scope;
use crate::pipeline::{Ctx, CtxParts, Mode, Settings, other_shops_max_age};
use crate::store::Store;
use crate::text::hex;

/// One shop, ready to run.
pub struct ShopParts {
    /// What its stages share.
    pub ctx: Arc<Ctx>,
    /// Only a shop in mode `act` has one.
    pub writer: Option<Writer>,
    /// For the status page.
    pub client: Client,
    /// For a rotated token.
    pub credentials: Credentials,
}

impl ShopParts {
    /// Whether stages of this scope run for the shop.
    pub(super) fn runs(&self, scope: Scope) -> bool {
        match scope {
            Scope::Shop => true,
            Scope::ActingShop => self.writer.is_some(),
            Scope::Source | Scope::Channel | Scope::Bot | Scope::Database => false,
        }
    }
}

/// Why the parts could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A shop's name is invalid.
    #[error("a shop has an empty name")]
    ShopName,
    /// The HTTP client.
    #[error("shop {shop}: {source}")]
    Http {
        /// The shop.
        shop: String,
        /// What is wrong.
        #[source]
        source: crate::net::SetupError,
    },
    /// A channel's HTTP client.
    #[error("a channel: {0}")]
    Channel(#[from] crate::net::SetupError),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

fn limit<T: Copy, U>(limit: Limit<T>, convert: impl FnOnce(T) -> U) -> Option<U> {
    limit.as_option().copied().map(convert)
}

/// The limits in the domain's types.
pub fn limits(config: &Config) -> Limits {
    let i = &config.interlocks;
    Limits {
        cancel_confirm_after: limit(i.cancel_confirm_after, signed),
        cancel_budget_share: limit(i.cancel_budget_share, |share| share),
        cancel_budget_from: i.cancel_budget_from,
        cancel_budget_window: signed(i.cancel_budget_window),
        cancels_per_hour_max: limit(i.cancels_per_hour_max, |cancels| cancels),
        accepts_per_hour_max: limit(config.actions.accepts_per_hour_max, |accepts| accepts),
        stock_max_age: limit(i.stock_max_age, signed),
        stock_collapse_share: limit(i.stock_collapse_share, |share| share),
        // A sweep older than three periods is no longer evidence.
        freshness: Freshness {
            sweep_age_max: signed(config.confirm.sweep_every * 3).max(SignedDuration::from_mins(1)),
            cancel_age_max: signed(config.confirm.cancel_sweep_age_max),
            last_units_age_max: signed(config.confirm.accept_sweep_age_max),
        },
        last_units: i64::from(config.confirm.last_units),
        // By then every accept that was sent has been read back, or repeated.
        doubt_max: settle(config) * 5,
        schedule: schedule(config),
        ..Limits::default()
    }
}

/// The most cancels of one person within an hour.
pub fn cancels_per_person_max(config: &Config) -> Option<u64> {
    limit(config.interlocks.cancels_per_person_max, |cancels| cancels)
}

/// The schedule: Kaspi's deadline and the times before it.
pub fn schedule(config: &Config) -> Schedule {
    let schedule = &config.schedule;
    Schedule {
        deadline: signed(schedule.deadline),
        // Checked as it was read; every hour counts where it was not.
        hours: WorkingHours::parse(&schedule.hours, &schedule.holidays).unwrap_or_default(),
        at_deadline: schedule.at_deadline,
        last_call: signed(schedule.last_call),
        alert_before: signed(schedule.alert_before),
    }
}

/// Joins rules and limits under a digest that names both.
pub fn policy(rules: Rules, limits: Limits) -> Policy {
    let text = serde_json::json!({ "rules": rules, "limits": limits }).to_string();
    let mut digest = hex(&Sha256::digest(text.as_bytes()));
    digest.truncate(12);
    Policy::new(rules, limits, digest)
}

/// How the ledger is to be read.
pub fn deciding_input(config: &Config) -> DecidingInput {
    DecidingInput {
        stock: stock_settings(config),
        budget_window: signed(config.interlocks.cancel_budget_window),
        clock_skew_s: None,
        other_shops_max_age: other_shops_max_age(signed(config.confirm.sweep_every)),
    }
}

/// How stock numbers are read.
pub fn stock_settings(config: &Config) -> StockSettings {
    StockSettings {
        safety_stock: i64::from(config.stock.safety_stock),
        courier_lag_max: signed(config.ledger.courier_lag_max),
        sweep_every: signed(config.confirm.sweep_every),
        counts_are_evidence: config.ledger.cancel_evidence == config::CancelEvidence::Counts,
    }
}

/// What the stock numbers mean.
pub const fn semantics(config: &Config) -> Semantics {
    match config.stock.semantics {
        config::StockSemantics::Physical => Semantics::Physical,
        config::StockSemantics::Available => Semantics::Available,
    }
}

/// The stages' limits.
pub fn settings(config: &Config) -> Settings {
    Settings {
        lookback: signed(config.poll.lookback),
        deep_every: signed(config.confirm.deep_scan_every),
        deep_lookback: if mutant("r10_deep_scan_of_two_weeks") {
            SignedDuration::from_hours(14 * 24)
        } else {
            signed(config.confirm.deep_lookback)
        },
        sweep_every: signed(config.confirm.sweep_every),
        archive_after_missed: config.confirm.archive_after_missed.cast_signed(),
        pages_max: config.kaspi.pages_max,
        include_entries: config.kaspi.include_entries,
        max_in_flight: config.kaspi.max_in_flight,
        sighting_age_max: signed(config.actions.sighting_age_max),
        retry_policy: RetryPolicy {
            settle: settle(config),
            attempts_max: config.actions.attempts_max,
            backoff: Backoff::new(config.actions.retry_base, config.actions.retry_cap),
        },
        stock: stock_settings(config),
        reverted_lists: config.ledger.reverted_lists,
    }
}

/// How long a POST may still take effect after it was sent.
pub fn settle(config: &Config) -> SignedDuration {
    signed(config.actions.settle)
}

/// What keeps the database.
pub fn keeper(config: &Config, store: Arc<Store>, clock: Clock) -> Keeper {
    let backup = &config.backup;
    let backups = backup.directory.as_ref().map(|folder| Backups {
        folder: folder.clone(),
        every: signed(backup.every),
        keep_hourly: backup.keep_hourly,
        keep_daily: backup.keep_daily,
    });
    let retention = Retention {
        orders: signed(config.retention.orders),
        audit: signed(config.retention.audit),
        batch: config.retention.batch,
    };
    Keeper::new(store, clock, backups, retention)
}

/// An HTTP transport for one shop.
pub fn http(
    config: &Config,
    shop: &config::Shop,
    clock: &Clock,
) -> Result<Arc<dyn Transport>, BuildError> {
    let settings = HttpSettings {
        base_url: config.kaspi.base_url.clone(),
        connect_timeout: config.kaspi.connect_timeout,
        request_timeout: config.kaspi.request_timeout,
        body_max_bytes: config.kaspi.body_max_bytes,
        proxy: shop.proxy.clone(),
    };
    let transport =
        HttpTransport::new(&settings, clock.clone()).map_err(|source| BuildError::Http {
            shop: shop.name.clone(),
            source,
        })?;
    Ok(Arc::new(transport))
}

/// One shop's client over a transport.
pub fn client(
    config: &Config,
    shop: &config::Shop,
    token: SecretString,
    transport: Arc<dyn Transport>,
    clock: Clock,
    seed: u64,
) -> (Client, Credentials) {
    let credentials = Credentials::new(token);
    let gate = GateSettings {
        rate_start: config.kaspi.rate_start,
        rate_per_second: config.kaspi.rate_per_second,
        max_in_flight: config.kaspi.max_in_flight,
    };
    let settings = ClientSettings {
        gate,
        retries_max: config.kaspi.retries_max,
        user_agent: config.kaspi.user_agent.clone(),
        merchant_uid: shop.merchant_uid.clone(),
        seed,
    };
    let client = Client::new(settings, credentials.clone(), transport, clock);
    (client, credentials)
}

/// Puts one shop's parts together over a transport.
pub async fn shop(
    config: &Config,
    shop: &config::Shop,
    token: SecretString,
    transport: Arc<dyn Transport>,
    (store, clock, policy): (Arc<Store>, Clock, Arc<Policy>),
    seed: u64,
) -> Result<ShopParts, BuildError> {
    let name = ShopName::new(&shop.name).map_err(|_| BuildError::ShopName)?;
    let mode = match shop.mode {
        config::Mode::Observe => Mode::Observe,
        config::Mode::Propose => Mode::Propose,
        config::Mode::Act => Mode::Act,
    };
    let (client, credentials) = client(config, shop, token, transport, clock.clone(), seed);
    store.add_shop(&name).await?;
    if let Some(pace) = store.pace(&name).await? {
        client.resume_pace(pace);
    }
    let writer = (mode == Mode::Act).then(|| client.writer());
    let ctx = Ctx::new(CtxParts {
        shop: name,
        mode,
        store,
        clock,
        reader: client.reader(),
        settings: settings(config),
        policy,
        seed,
    });
    Ok(ShopParts {
        ctx: Arc::new(ctx),
        writer,
        client,
        credentials,
    })
}
