//! `qabyl stock reservations [SKU…]` and `qabyl stock audit`

use std::process::ExitCode;

use serde_json::json;

use super::named_stock;
use crate::cli::args::{Format, Shown, StockShow};
use crate::cli::{Done, FAILED, open, orders, say, table};
use crate::config::Loaded;
use crate::ledger::Promise;

pub(in crate::cli) async fn reservations(loaded: &Loaded, args: &StockShow) -> Done {
    let store = open(&loaded.config).await?;
    let skus: Vec<&str> = args.skus.iter().map(String::as_str).collect();
    let wanted = (!skus.is_empty()).then_some(skus.as_slice());
    let stock = named_stock(&loaded.config, args.stock.as_deref())?;
    let mut promises = store.promises(wanted).await?;
    promises.retain(|promise| stock.is_none_or(|stock| promise.stock == stock));
    if args.shown.format == Format::Json {
        let row = |p: &Promise| {
            json!({ "stock": p.stock, "sku": p.sku, "warehouse": p.warehouse, "quantity": p.quantity, "shop": p.shop,
                "order": p.code, "status": p.status, "confirmed": p.is_confirmed, "since": p.since })
        };
        say(&json!(promises.iter().map(row).collect::<Vec<_>>()).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&[
        "SKU",
        "warehouse",
        "units",
        "order",
        "shop",
        "state",
        "since",
    ]);
    for p in &promises {
        let state = if p.is_confirmed {
            p.status.clone()
        } else {
            "not accepted yet".to_owned()
        };
        out.add_row(vec![
            p.sku.clone(),
            p.warehouse.clone(),
            p.quantity.to_string(),
            p.code.clone(),
            p.shop.clone(),
            state,
            orders::local(p.since),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) async fn audit(loaded: &Loaded, args: &Shown) -> Done {
    let store = open(&loaded.config).await?;
    let check = store.check_stock().await?;
    let balances = check.differences.is_empty();
    if args.format == Format::Json {
        let differences = check.differences.iter();
        let differences: Vec<_> = differences
            .map(|d| json!({ "sku": d.sku, "warehouse": d.warehouse, "what": d.what }))
            .collect();
        let report = json!({ "balances": balances, "levels": check.levels, "promises": check.promises,
            "before_trail": check.before_audit, "differences": differences });
        say(&report.to_string());
    } else {
        if !balances {
            let mut out = table::table(&["SKU", "warehouse", "difference"]);
            for d in &check.differences {
                out.add_row(vec![&d.sku, &d.warehouse, &d.what]);
            }
            say(&out.to_string());
        }
        let before = match check.before_audit {
            0 => String::new(),
            some => {
                format!("; {some} are older than the audit log, which is kept for retention.audit")
            }
        };
        let result = if balances {
            "no differences"
        } else {
            "they DIFFER"
        };
        say(&format!(
            "{} levels and {} reservations checked against the audit log: {result}{before}",
            check.levels, check.promises
        ));
    }
    Ok(if balances {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
