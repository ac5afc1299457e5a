//! `qabyl catalog categories|attributes|values|import|result`: one shop's token, no database.

mod args;
mod import;
mod kept;
mod sent;

pub(super) use args::CatalogCommand;

use std::process::ExitCode;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;

use super::args::Format;
use super::{DENIED, Done, FAILED, Failure, say, table};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Shop};
use crate::kaspi::{ApiError, Catalog, Named};
use crate::runtime::build;

use args::{Asked, Attributes, Categories, Values};

pub(super) async fn run(loaded: &Loaded, command: &CatalogCommand) -> Done {
    match command {
        CatalogCommand::Categories(args) => categories(loaded, args).await,
        CatalogCommand::Attributes(args) => attributes(loaded, args).await,
        CatalogCommand::Values(args) => values(loaded, args).await,
        CatalogCommand::Import(args) => import::import(loaded, args).await,
        CatalogCommand::Result(args) => import::result(loaded, args).await,
    }
}

async fn categories(loaded: &Loaded, args: &Categories) -> Done {
    let config = &loaded.config;
    let now = Clock::System.now();
    let kept = if args.refresh {
        None
    } else {
        kept::read(config, now)
    };
    let all = if let Some(all) = kept {
        all
    } else {
        let all = catalog(loaded, &args.asked)?
            .categories()
            .await
            .map_err(failed)?;
        kept::write(config, &all, now);
        all
    };
    let word = args.word.as_deref().unwrap_or_default().to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&word);
    let found = all
        .into_iter()
        .filter(|one| has(&one.code) || has(&one.title));
    print_named(&found.collect::<Vec<_>>(), &args.asked);
    Ok(ExitCode::SUCCESS)
}

async fn attributes(loaded: &Loaded, args: &Attributes) -> Done {
    let catalog = catalog(loaded, &args.asked)?;
    let found = catalog.attributes(&args.category).await.map_err(failed)?;
    let mut out = table::table(&["code", "type", "mandatory", "several values"]);
    let yes = |is: bool| if is { "yes" } else { "" };
    for one in &found {
        out.add_row([
            &one.code,
            &one.kind,
            yes(one.mandatory),
            yes(one.multi_valued),
        ]);
    }
    print(&found, &out, &args.asked);
    Ok(ExitCode::SUCCESS)
}

async fn values(loaded: &Loaded, args: &Values) -> Done {
    let catalog = catalog(loaded, &args.asked)?;
    let found = catalog.values(&args.category, &args.attribute).await;
    print_named(&found.map_err(failed)?, &args.asked);
    Ok(ExitCode::SUCCESS)
}

fn print_named(all: &[Named], asked: &Asked) {
    let mut out = table::table(&["code", "title"]);
    for one in all {
        out.add_row([&one.code, &one.title]);
    }
    print(all, &out, asked);
}

fn print<T: Serialize + ?Sized>(all: &T, table: &crate::cli::table::Table, asked: &Asked) {
    if asked.shown.format == Format::Json {
        say(&json!(all).to_string());
    } else {
        say(&table.to_string());
    }
}

/// The shop that asks.
fn shop<'a>(config: &'a Config, asked: &Asked) -> Result<&'a Shop, Failure> {
    let names: Vec<&str> = config.shops.iter().map(|shop| shop.name.as_str()).collect();
    let found = match (&asked.shop, config.shops.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), shops) => shops.iter().find(|shop| shop.name == *name),
    };
    found.ok_or_else(|| {
        let names = names.join(", ");
        Failure::usage(match &asked.shop {
            Some(name) => anyhow::anyhow!("there is no shop {name}; configured: {names}"),
            None => anyhow::anyhow!("name one shop with --shop: {names}"),
        })
    })
}

/// The catalogue as one shop sees it.
fn catalog(loaded: &Loaded, asked: &Asked) -> Result<Catalog, Failure> {
    let config = &loaded.config;
    let shop = shop(config, asked)?;
    let token = loaded.token_source(shop).load().map_err(Failure::usage)?;
    let clock = Clock::System;
    let transport = build::http(config, shop, &clock).map_err(Failure::usage)?;
    let seed = clock.now().as_millisecond().unsigned_abs();
    let token = SecretString::from(token.expose());
    let (client, _) = build::client(config, shop, token, transport, clock, seed);
    Ok(client.catalog())
}

/// What Kaspi answered instead, with what to do.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(error: ApiError) -> Failure {
    let hint = match &error {
        ApiError::Parameters { .. } => "see that the codes are those that `qabyl catalog` lists",
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
