//! `qabyl stock map [FILE]`

use std::process::ExitCode;

use serde_json::json;

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
        return show(loaded, args.shown.format).await;
    };
    let bytes = read_given(file, FILE_BYTES_MAX)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
    let lines = read_parts(&bytes, file)?;
    let rows: Vec<PartRow> = lines
        .into_iter()
        .map(|(sku, part, each)| PartRow { sku, part, each })
        .collect();
    let store = open_or_begin(&loaded.config).await?;
    let actor = person(args.actor.as_deref());
    let report = store.map_stock(&rows, &actor, Clock::System.now()).await?;
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

async fn show(loaded: &Loaded, format: Format) -> Done {
    let rows = open(&loaded.config).await?.stock_parts().await?;
    if format == Format::Json {
        let rows = rows
            .iter()
            .map(|row| json!({ "sku": row.sku, "part": row.part, "quantity": row.each }));
        say(&json!(rows.collect::<Vec<_>>()).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["SKU", "part", "quantity"]);
    for row in &rows {
        out.add_row(vec![
            row.sku.to_string(),
            row.part.to_string(),
            row.each.to_string(),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
