//! The catalogue client of one configured shop: its token, no database.

use secrecy::SecretString;

use super::args::ShopArgs;
use crate::catalogue::Client;
use crate::cli::{DENIED, FAILED, Failure};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Shop};
use crate::kaspi::ApiError;
use crate::runtime::build;

/// The shop whose token is used.
pub(super) fn shop<'a>(config: &'a Config, args: &ShopArgs) -> Result<&'a Shop, Failure> {
    let found = match (&args.shop, config.shops.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), shops) => shops.iter().find(|shop| shop.name == *name),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = config.shops.iter().map(|shop| shop.name.as_str()).collect();
        let names = names.join(", ");
        Failure::usage(match &args.shop {
            Some(name) => anyhow::anyhow!("there is no shop {name}; configured: {names}"),
            None => anyhow::anyhow!("name one shop with --shop: {names}"),
        })
    })
}

/// A client with the shop's token and limits.
pub(super) fn client(loaded: &Loaded, args: &ShopArgs) -> Result<Client, Failure> {
    let config = &loaded.config;
    let shop = shop(config, args)?;
    let token = loaded.token_source(shop).load().map_err(Failure::usage)?;
    let clock = Clock::System;
    let transport = build::http(config, shop, &clock).map_err(Failure::usage)?;
    let seed = clock.now().as_millisecond().unsigned_abs();
    let token = SecretString::from(token.expose());
    let (client, _) = build::client(config, shop, token, transport, clock, seed);
    Ok(Client::new(client.plain()))
}

/// A failed request, with advice that fits the catalogue rather than orders.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
pub(super) fn request_failed(error: ApiError) -> Failure {
    let hint = match &error {
        ApiError::Parameters { .. } => "check the codes against what `qabyl catalog` lists",
        ApiError::NotFound => {
            "no such category, attribute or import: `qabyl catalog categories` and `attributes` list them"
        }
        ApiError::Snooze { .. } | ApiError::Breaker { .. } => "ask again after that time",
        ApiError::Outage(_) => {
            "ask again later. If it lasts, the API is not activated (call 2323), or Kaspi refuses \
             this User-Agent or address (kaspi.user_agent, shops.proxy)"
        }
        ApiError::Unreadable(_) => "report the field named here",
        ApiError::Token | ApiError::Forbidden => error.hint(),
    };
    Failure {
        code: if error.is_denied() { DENIED } else { FAILED },
        error: anyhow::anyhow!("{error} ({}); {hint}", error.code()),
    }
}
