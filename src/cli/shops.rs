//! Putting the configured shops together for `run` and `once`.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Token};
use crate::domain::policy::Policy;
use crate::domain::rules::Rules;
use crate::rules_file;
use crate::runtime::build::{self, ShopParts};
use crate::store::Store;

/// What the file of a merchant's own rules is called, where there is one.
const RULES_FILE: &str = "rules.toml";

/// The rules in force: the configured file, or the embedded ones.
pub(super) fn rules(config: &Config) -> Result<Rules, Failure> {
    match &config.rules.file {
        Some(file) if absent_rules(config).is_none() => rules_of(config, file),
        _ => Ok(rules_file::default_rules()),
    }
}

/// The configured file, where it has the usual name and nobody wrote it yet. Another name that is not there
/// is a mistake.
pub(super) fn absent_rules(config: &Config) -> Option<&Path> {
    let file = config.rules.file.as_deref()?;
    let is_usual = file.file_name() == Some(RULES_FILE.as_ref());
    (is_usual && matches!(file.try_exists(), Ok(false))).then_some(file)
}

/// Notes whose rules are in force; refuses where the file of those that were is gone: a merchant's rules are not
/// given up because a file is lost.
async fn mind_rules(config: &Config, store: &Store) -> Result<(), Failure> {
    let absent = absent_rules(config);
    if let Some(file) = absent {
        if let Some(before) = store.rules_in_force().await? {
            return Err(Failure::usage(anyhow::anyhow!(
                "the rules file {} is gone, and those of {before} were in force: put it back, or take `file` out of \
                 [rules] to go on with the embedded rules",
                file.display()
            )));
        }
        tracing::warn!(
            event = "rules.absent",
            file = %file.display(),
            "there is no such rules file: the embedded rules are in force"
        );
    }
    note_rules(config, store).await
}

/// Notes whose rules are in force.
pub(super) async fn note_rules(config: &Config, store: &Store) -> Result<(), Failure> {
    let absent = absent_rules(config);
    let file = config.rules.file.as_deref().filter(|_| absent.is_none());
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

/// Rules and limits joined.
pub(super) fn policy(config: &Config) -> Result<Arc<Policy>, Failure> {
    Ok(Arc::new(build::policy(
        rules(config)?,
        build::limits(config),
    )))
}

/// Whether rules and tokens are there and whole: asked before anything is opened or made.
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

/// What shops are built from.
pub(super) struct Ready {
    policy: Arc<Policy>,
    /// In the order of the configured shops.
    tokens: Vec<Token>,
}

/// All shops, ready to run.
pub(super) async fn build(
    loaded: &Loaded,
    Ready { policy, tokens }: Ready,
    store: &Arc<Store>,
) -> Result<Vec<ShopParts>, Failure> {
    let config = &loaded.config;
    mind_rules(config, store).await?;
    for name in config.relaxed() {
        tracing::warn!(
            event = "interlock.off",
            interlock = name,
            "an interlock is switched off in the configuration"
        );
    }
    if config.settles_in_haste() {
        tracing::warn!(
            event = "settle.short",
            settle_s = config.actions.settle.as_secs(),
            request_timeout_s = config.kaspi.request_timeout.as_secs(),
            "a POST may be repeated while the one before it is still under way: set actions.settle above \
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
