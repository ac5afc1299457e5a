//! `qabyl stock map [FILE]`

use std::process::ExitCode;

use serde_json::json;

use super::{named_stock, written_stock};
use crate::cli::args::{Format, StockMap};
use crate::cli::{Done, open, open_or_begin, person, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::files::read_given;
use crate::stock::read_parts;
use crate::store::PartRow;

/// A line has some tens of bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(in crate::cli) async fn map(loaded: &Loaded, args: &StockMap) -> Done {
    let Some(file) = &args.file else {
        return show(loaded, args).await;
    };
    let stock = written_stock(&loaded.config, args.stock.as_deref())?;
    let bytes = read_given(file, FILE_BYTES_MAX)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
    let lines = read_parts(&bytes, file)?;
    let rows: Vec<PartRow> = lines
        .into_iter()
        .map(|(sku, part, each)| PartRow {
            stock: stock.to_owned(),
            sku,
            part,
            each,
        })
        .collect();
    let store = open_or_begin(&loaded.config).await?;
    let actor = person(args.actor.as_deref());
    let report = store
        .map_stock(stock, &rows, &actor, Clock::System.now())
        .await?;
    if args.shown.format == Format::Json {
        let report = json!({ "skus": report.skus, "parts": rows.len(), "listed": report.listed,
            "unknown": report.unknown });
        say(&report.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "{} SKUs are mapped; the previous map was replaced",
        report.skus
    ));
    for sku in &report.listed {
        say(&format!(
            "{sku} has a stock level of its own, which is used instead of the map"
        ));
    }
    for part in &report.unknown {
        say(&format!(
            "{part} is in no stock source: orders that need it are held"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(loaded: &Loaded, args: &StockMap) -> Done {
    let stock = named_stock(&loaded.config, args.stock.as_deref())?;
    let rows = open(&loaded.config).await?.stock_parts(stock).await?;
    if args.shown.format == Format::Json {
        let rows = rows.iter().map(|row| {
            let mut shown = json!({ "sku": row.sku, "part": row.part, "quantity": row.each });
            if !row.stock.is_empty() {
                shown["stock"] = json!(row.stock);
            }
            shown
        });
        say(&json!(rows.collect::<Vec<_>>()).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let names_stocks = rows.iter().any(|row| !row.stock.is_empty());
    let columns = ["stock", "SKU", "part", "quantity"];
    let mut out = table::table(&columns[usize::from(!names_stocks)..]);
    for row in &rows {
        let row = [
            row.stock.clone(),
            row.sku.to_string(),
            row.part.to_string(),
            row.each.to_string(),
        ];
        out.add_row(&row[usize::from(!names_stocks)..]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
