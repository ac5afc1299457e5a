//! Builds the configured shops with their rules, for `run` and `once`.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Token};
use crate::domain::policy::Policy;
use crate::domain::rules::Rules;
use crate::events::log_event;
use crate::rules_file;
use crate::runtime::build::{self, ShopParts};
use crate::store::Store;

/// The usual name of a merchant's rules file, which need not exist.
const RULES_FILE: &str = "rules.toml";

/// The rules in force: the configured file, or the embedded ones.
pub(super) fn rules(config: &Config) -> Result<Rules, Failure> {
    match &config.rules.file {
        Some(file) if missing_rules_file(config).is_none() => rules_of(config, file),
        _ => Ok(rules_file::default_rules()),
    }
}

/// The configured rules file, if it has the usual name and does not exist: then the embedded rules apply.
/// A missing file of any other name is a mistake.
pub(super) fn missing_rules_file(config: &Config) -> Option<&Path> {
    let file = config.rules.file.as_deref()?;
    let is_usual = file.file_name() == Some(RULES_FILE.as_ref());
    (is_usual && matches!(file.try_exists(), Ok(false))).then_some(file)
}

/// Records which rules are in force. Fails if the rules file that was in force before is missing: losing a
/// file must not silently replace a merchant's rules.
async fn check_rules_in_force(config: &Config, store: &Store) -> Result<(), Failure> {
    let missing = missing_rules_file(config);
    if let Some(file) = missing {
        if let Some(before) = store.rules_in_force().await? {
            return Err(Failure::usage(anyhow::anyhow!(
                "the rules file {} is missing, and the rules of {before} were in force: put it back, or remove `file` from \
                 [rules] to use the embedded rules",
                file.display()
            )));
        }
        log_event!(
            RULES_ABSENT,
            file = %file.display(),
            "the rules file does not exist: the embedded rules are in force"
        );
    }
    record_rules_in_force(config, store).await
}

/// Records which rules file is in force.
pub(super) async fn record_rules_in_force(config: &Config, store: &Store) -> Result<(), Failure> {
    let missing = missing_rules_file(config);
    let file = config.rules.file.as_deref().filter(|_| missing.is_none());
    let file = file.map(|file| file.display().to_string());
    store
        .note_rules(file.as_deref(), Clock::System.now())
        .await?;
    Ok(())
}

/// The rules of a file, for the configured shops.
pub(super) fn rules_of(config: &Config, file: &Path) -> Result<Rules, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(anyhow::anyhow!(
            "cannot read the rules file {}: {error}",
            file.display()
        ))
    })?;
    let shops: Vec<&str> = config.shops.iter().map(|shop| shop.name.as_str()).collect();
    let shops = (!shops.is_empty()).then_some(shops.as_slice());
    rules_file::load_for(&text, file, shops).map_err(Failure::usage)
}

/// Rules and limits together.
pub(super) fn policy(config: &Config) -> Result<Arc<Policy>, Failure> {
    Ok(Arc::new(build::policy(
        rules(config)?,
        build::limits(config),
    )))
}

/// Reads rules and tokens, before anything is opened or created.
pub(super) fn ready(loaded: &Loaded) -> Result<Ready, Failure> {
    let policy = policy(&loaded.config)?;
    let token = |shop| loaded.token_source(shop).load().map_err(Failure::usage);
    let tokens = loaded
        .config
        .shops
        .iter()
        .map(token)
        .collect::<Result<_, _>>()?;
    Ok(Ready { policy, tokens })
}

/// The rules and tokens that shops are built from.
pub(super) struct Ready {
    policy: Arc<Policy>,
    /// In the order of the configured shops.
    tokens: Vec<Token>,
}

/// Builds all shops.
pub(super) async fn build(
    loaded: &Loaded,
    Ready { policy, tokens }: Ready,
    store: &Arc<Store>,
) -> Result<Vec<ShopParts>, Failure> {
    let config = &loaded.config;
    check_rules_in_force(config, store).await?;
    for name in config.relaxed() {
        log_event!(
            INTERLOCK_OFF,
            interlock = name,
            "an interlock is switched off in the configuration"
        );
    }
    if config.settle_is_below_request_timeout() {
        log_event!(
            SETTLE_SHORT,
            settle_s = config.actions.settle.as_secs(),
            request_timeout_s = config.kaspi.request_timeout.as_secs(),
            "a POST may be repeated while the previous one is still in flight: set actions.settle above \
             kaspi.request_timeout"
        );
    }
    let mut shops = Vec::with_capacity(config.shops.len());
    for (index, (shop, token)) in config.shops.iter().zip(tokens).enumerate() {
        let token = SecretString::from(token.expose());
        let clock = Clock::System;
        let transport = build::http(config, shop, &clock).map_err(Failure::usage)?;
        let seed = clock
            .now()
            .as_millisecond()
            .unsigned_abs()
            .wrapping_add(index as u64);
        let parts = (Arc::clone(store), clock, Arc::clone(&policy));
        shops.push(build::shop(config, shop, token, transport, parts, seed).await?);
    }
    Ok(shops)
}
