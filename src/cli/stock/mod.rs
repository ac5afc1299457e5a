//! `qabyl stock`: `set` and `show`; the other commands have files of their own.

mod audit;
mod export;
mod import;
mod map;
mod sources;
mod why;

pub(super) use audit::{audit, reservations};
pub(super) use export::export;
pub(super) use import::{import, import_file};
pub(super) use map::map;
pub(super) use sources::sources;
pub(super) use why::{StockWhy, doubt_lines, why};

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, StockSet, StockShow};
use super::{Done, Failure, open, open_or_begin, orders, person, say, table};
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};
use crate::domain::stock_import::Scope;
use crate::domain::stock_sources::BY_HAND;
use crate::ledger::Import;
use crate::runtime::build;
use crate::text::listed_name;

/// The stock that a command names, which some shop must sell from.
fn named_stock<'a>(config: &Config, named: Option<&'a str>) -> Result<Option<&'a str>, Failure> {
    let stocks = config.stocks();
    match named {
        Some(stock) if !stocks.contains(stock) => Err(Failure::usage(anyhow::anyhow!(
            "no shop sells from the stock {stock:?}; the shops name: {}",
            stocks.into_iter().collect::<Vec<_>>().join(", ")
        ))),
        named => Ok(named),
    }
}

/// The stock that a command writes to: the one it names, or that of sources that name none.
fn written_stock<'a>(config: &Config, named: Option<&'a str>) -> Result<&'a str, Failure> {
    let named = named_stock(config, named)?;
    Ok(named.unwrap_or_else(|| config.stock_of_unnamed()))
}

pub(super) async fn set(loaded: &Loaded, args: &StockSet) -> Done {
    let now = Clock::System.now();
    for (what, name) in [("SKU", &args.sku), ("warehouse", &args.warehouse)] {
        listed_name(what, name).map_err(|what| Failure::usage(anyhow::anyhow!(what)))?;
    }
    let stock = written_stock(&loaded.config, args.stock.as_deref())?;
    let row = StockRow {
        sku: Sku::new(&args.sku)?,
        warehouse: args.warehouse.trim().to_owned(),
        on_hand: OnHand::Exactly(args.on_hand),
        as_of: now,
    };
    let store = open_or_begin(&loaded.config).await?;
    let import = Import {
        stock,
        source: BY_HAND,
        scope: Scope::Single,
        rows: &[row],
        trusted: true,
        semantics: build::semantics(&loaded.config),
        read: None,
        actor: &person(args.actor.as_deref()),
        progress: &|_| {},
    };
    store.take_stock(&import, now).await?;
    show(
        loaded,
        &StockShow {
            skus: vec![args.sku.clone()],
            stock: args.stock.clone(),
            shown: super::args::Shown {
                format: args.shown.format,
            },
        },
    )
    .await
}

pub(super) async fn show(loaded: &Loaded, args: &StockShow) -> Done {
    let stock = named_stock(&loaded.config, args.stock.as_deref())?;
    let store = open(&loaded.config).await?;
    let skus: Vec<&str> = args.skus.iter().map(String::as_str).collect();
    let wanted = (!skus.is_empty()).then_some(skus.as_slice());
    let levels = store
        .stock_levels(&build::stock_settings(&loaded.config), (stock, wanted))
        .await?;
    let safety = i64::from(loaded.config.stock.safety_stock);
    if args.shown.format == Format::Json {
        let rows: Vec<_> = levels
            .iter()
            .map(|view| {
                let (l, p) = (&view.listing, &view.promised);
                json!({
                    "stock": view.stock, "sku": l.sku, "warehouse": l.warehouse, "on_hand": l.on_hand,
                    "reserved": p.confirmed + p.in_doubt, "safety_stock": safety,
                    "available": l.on_hand.map(|units| units - p.confirmed - p.in_doubt - safety),
                    "as_of": l.as_of, "source": l.source,
                })
            })
            .collect();
        say(&json!(rows).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let columns = [
        "stock",
        "SKU",
        "warehouse",
        "on hand",
        "reserved",
        "available",
        "as of",
        "source",
    ];
    let names_stocks = levels.iter().any(|view| !view.stock.is_empty());
    let mut out = table::table(&columns[usize::from(!names_stocks)..]);
    for view in &levels {
        let (l, p) = (&view.listing, &view.promised);
        let unknown = || "unknown".to_owned();
        let row = [
            view.stock.clone(),
            l.sku.to_string(),
            l.warehouse.clone(),
            l.on_hand.map_or_else(unknown, |units| units.to_string()),
            (p.confirmed + p.in_doubt).to_string(),
            l.on_hand.map_or_else(unknown, |units| {
                (units - p.confirmed - p.in_doubt - safety).to_string()
            }),
            l.as_of.map_or_else(|| "unknown".to_owned(), orders::local),
            l.source.clone(),
        ];
        out.add_row(&row[usize::from(!names_stocks)..]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
