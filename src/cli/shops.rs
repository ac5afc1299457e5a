//! Builds the configured shops with their rules, for `run` and `once`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Token};
use crate::domain::ids::{Account, ShopName};
use crate::domain::policy::Policy;
use crate::domain::rules::Rules;
use crate::events::log_event;
use crate::ledger::Configured;
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
    let text = crate::files::read_text(file).map_err(|error| {
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
        .collect::<Result<Vec<Token>, _>>()?;
    if let Some(why) = same_token(&loaded.config, &tokens) {
        return Err(Failure::usage(anyhow::anyhow!(why)));
    }
    Ok(Ready { policy, tokens })
}

/// Which two shops have the same token, in words with the remedy.
fn same_token(config: &Config, tokens: &[Token]) -> Option<String> {
    let earlier = |second: usize| {
        (0..second).find(|first| tokens[*first].expose() == tokens[second].expose())
    };
    let (first, second) = (1..tokens.len()).find_map(|second| Some((earlier(second)?, second)))?;
    Some(format!(
        "shops {} and {} have the same token ({} and {}): a token belongs to one merchant account, and each account to \
         one shop; put its own token in each place, or remove one of the shops",
        config.shops[first].name,
        config.shops[second].name,
        tokens[first].place(),
        tokens[second].place()
    ))
}

/// The same, of the tokens that can be read now.
pub(super) fn same_tokens(loaded: &Loaded) -> Option<String> {
    let sources = loaded
        .config
        .shops
        .iter()
        .map(|shop| loaded.token_source(shop));
    let tokens: Vec<Token> = sources
        .map(|source| source.load().ok())
        .collect::<Option<_>>()?;
    same_token(&loaded.config, &tokens)
}

/// Compares the configured shops with those of the database, before anything is read or sent.
pub(super) async fn configure(
    config: &Config,
    tokens: &[Token],
    store: &Store,
) -> Result<(), Failure> {
    let mut configured = Vec::with_capacity(tokens.len());
    for (shop, token) in config.shops.iter().zip(tokens) {
        configured.push(Configured {
            name: ShopName::new(&shop.name)?,
            token: token.expose(),
            merchant_uid: shop.merchant_uid.as_deref().map(Account::new).transpose()?,
        });
    }
    for (shop, before) in store
        .configure_shops(&configured, Clock::System.now())
        .await?
    {
        log_event!(
            SHOP_RENAMED, shop = %shop, before = %before,
            "the shop was recognised under its new name: its orders, holds and pause are kept"
        );
    }
    let groups = configured.iter().zip(&config.shops);
    let groups: Vec<(&ShopName, &str)> = groups
        .map(|(shop, of)| (&shop.name, of.stock.as_str()))
        .collect();
    store.set_stock_groups(&groups).await?;
    for shop in &configured {
        if let Some(why) = store.shop_state(&shop.name).await?.mismatch {
            log_event!(
                SHOP_MISMATCHED, shop = %shop.name, code = "K008",
                hint = "check which token belongs to which shop: `qabyl status`", "nothing is sent for this shop: {why}"
            );
        }
    }
    Ok(())
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
    configure(config, &tokens, store).await?;
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
    let mut transports = BTreeMap::new();
    for (index, (shop, token)) in config.shops.iter().zip(tokens).enumerate() {
        let token = SecretString::from(token.expose());
        let clock = Clock::System;
        // Shops share connections: a token goes with each request.
        let transport = match transports.get(&shop.proxy) {
            Some(transport) => Arc::clone(transport),
            None => build::http(config, shop, &clock).map_err(Failure::usage)?,
        };
        transports.insert(shop.proxy.clone(), Arc::clone(&transport));
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
