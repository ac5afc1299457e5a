//! `qabyl catalog categories|attributes|values`

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use super::args::{Attributes, Categories, ShopArgs, Values};
use super::client::{client, request_failed};
use crate::catalogue::{Named, category_cache};
use crate::cli::args::Format;
use crate::cli::{Done, Failure, complain, say, table};
use crate::clock::Clock;
use crate::config::Loaded;

pub(super) async fn categories(loaded: &Loaded, args: &Categories) -> Done {
    let all = all_categories(loaded, args).await?;
    let word = args.word.as_deref().unwrap_or_default().to_lowercase();
    let contains = |text: &str| text.to_lowercase().contains(&word);
    let found = all
        .into_iter()
        .filter(|category| contains(&category.code) || contains(&category.title));
    print_named(&found.collect::<Vec<_>>(), &args.shop);
    Ok(ExitCode::SUCCESS)
}

/// From the cache beside the database, or from Kaspi.
async fn all_categories(loaded: &Loaded, args: &Categories) -> Result<Vec<Named>, Failure> {
    let config = &loaded.config;
    let file = config.database.path.with_file_name("qabyl-categories.json");
    let base_url = &config.kaspi.base_url;
    let now = Clock::System.now();
    if !args.refresh
        && let Some(cached) = category_cache::read(&file, base_url, now)
    {
        return Ok(cached);
    }
    let all = client(loaded, &args.shop)?.categories().await;
    let all = all.map_err(request_failed)?;
    if let Err(error) = category_cache::write(&file, base_url, &all, now) {
        complain(&format!(
            "cannot cache the categories in {}: {error}",
            file.display()
        ));
    }
    Ok(all)
}

pub(super) async fn attributes(loaded: &Loaded, args: &Attributes) -> Done {
    let found = client(loaded, &args.shop)?.attributes(&args.category).await;
    let found = found.map_err(request_failed)?;
    let mut out = table::table(&["code", "type", "mandatory", "several values"]);
    let yes = |is: bool| if is { "yes" } else { "" };
    for attribute in &found {
        out.add_row([
            &attribute.code,
            &attribute.kind,
            yes(attribute.mandatory),
            yes(attribute.multi_valued),
        ]);
    }
    print(&found, &out, &args.shop);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn values(loaded: &Loaded, args: &Values) -> Done {
    let client = client(loaded, &args.shop)?;
    let found = client.values(&args.category, &args.attribute).await;
    print_named(&found.map_err(request_failed)?, &args.shop);
    Ok(ExitCode::SUCCESS)
}

fn print_named(all: &[Named], args: &ShopArgs) {
    let mut out = table::table(&["code", "title"]);
    for named in all {
        out.add_row([&named.code, &named.title]);
    }
    print(all, &out, args);
}

fn print<T: Serialize + ?Sized>(all: &T, table: &table::Table, args: &ShopArgs) {
    if args.shown.format == Format::Json {
        say(&json!(all).to_string());
    } else {
        say(&table.to_string());
    }
}
