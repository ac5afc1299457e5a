//! `qabyl stock why SKU`: what is certain and what is possible, with each contribution and what closes each doubt.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::named_stock;
use crate::cli::args::{Format, Shown};
use crate::cli::{Done, open, orders, say, say_translated, translated};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::availability::{Doubt, Reason};
use crate::domain::evidence::{Evidence, Unaccounted};
use crate::domain::ids::ShopName;
use crate::domain::unaccounted::Wanted;
use crate::ledger::StockView;
use crate::runtime::build;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StockWhy {
    /// The SKU
    sku: String,
    /// Show what shops of this stock sell from [default: every stock]
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

pub(in crate::cli) async fn why(loaded: &Loaded, args: &StockWhy) -> Done {
    let store = open(&loaded.config).await?;
    let settings = build::stock_settings(&loaded.config);
    let stock = named_stock(&loaded.config, args.stock.as_deref())?;
    let parts = store.parts_of(stock, &args.sku).await?;
    let mut skus = vec![args.sku.as_str()];
    skus.extend(parts.iter().map(|part| part.part.as_str()));
    let views = store.stock_levels(&settings, (stock, Some(&skus))).await?;
    let mut known: BTreeMap<&str, Evidence> = BTreeMap::new();
    for view in &views {
        let of = stock.unwrap_or(&view.stock);
        known.insert(&view.stock, store.unaccounted(of).await?);
    }
    let none = Evidence::default();
    let freshness = build::limits(&loaded.config).freshness;
    let unaccounted = |view: &StockView| {
        let wanted = Wanted {
            sku: &view.listing.sku,
            counted_at: view.listing.as_of,
        };
        let evidence = known.get(view.stock.as_str()).unwrap_or(&none);
        let orders = evidence
            .blocking(&freshness, Clock::System.now())
            .into_iter();
        let orders = orders.filter(|order| order.may_hold_now(wanted));
        NotCounted {
            orders: orders.cloned().collect(),
            shops: evidence.unread_shops.clone(),
        }
    };
    if args.shown.format == Format::Json {
        let rows: Vec<_> = views
            .iter()
            .map(|view| row(view, settings.safety_stock, &unaccounted(view)))
            .collect();
        say(&json!(rows).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    for part in &parts {
        let _ = write!(out, "{} takes {} of {}", part.sku, part.each, part.part);
        let _ = match part.stock.as_str() {
            "" => writeln!(out),
            stock => writeln!(out, " in the stock {stock}"),
        };
    }
    if views.is_empty() {
        let _ = writeln!(
            out,
            "{}: no stock source lists it: 0 are certain, and any number is possible;\nclosed by an import that lists it, or `qabyl stock set`",
            args.sku
        );
    }
    for view in &views {
        page(&mut out, view, settings.safety_stock, &unaccounted(view));
    }
    say_translated(out.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// What may hold units of a level that no promise counts: while there is any, none of them is certain.
struct NotCounted {
    orders: Vec<Unaccounted>,
    /// Shops never read completely.
    shops: Vec<ShopName>,
}

impl NotCounted {
    const fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.shops.is_empty()
    }

    /// Each with what closes it.
    fn lines(&self) -> Vec<(String, &'static str)> {
        let orders = self.orders.iter();
        let orders = orders.map(|order| (format!("unaccounted order: {order}"), order.closed_by()));
        let shops = self.shops.iter().map(|shop| {
            let what = format!("shop {shop}: its accepted orders were never read completely");
            (what, "its first complete sweep")
        });
        orders.chain(shops).collect()
    }
}

/// The bounds of one level by itself.
fn bounds(view: &StockView, safety_stock: i64, unaccounted: &NotCounted) -> Option<(i64, i64)> {
    let (on_hand, promised) = (view.listing.on_hand?, &view.promised);
    view.listing.as_of?;
    let possible = on_hand - promised.confirmed + promised.returned;
    let certain = on_hand - promised.confirmed - promised.in_doubt - safety_stock;
    let certain = if unaccounted.is_empty() {
        certain
    } else {
        certain.min(0)
    };
    Some((certain, possible))
}

fn row(view: &StockView, safety_stock: i64, unaccounted: &NotCounted) -> serde_json::Value {
    let (listing, bounds) = (&view.listing, bounds(view, safety_stock, unaccounted));
    json!({
        "stock": view.stock, "sku": listing.sku, "warehouse": listing.warehouse, "source": listing.source,
        "as_of": listing.as_of, "on_hand": listing.on_hand, "safety_stock": safety_stock,
        "certain": bounds.map_or(0, |(certain, _)| certain),
        "possible": bounds.map(|(_, possible)| possible),
        "promised": view.promised.confirmed, "doubts": view.promised.doubts,
        "unaccounted": unaccounted.orders, "unread_shops": unaccounted.shops,
    })
}

fn page(out: &mut String, view: &StockView, safety_stock: i64, unaccounted: &NotCounted) {
    let (listing, promised) = (&view.listing, &view.promised);
    let place = match listing.warehouse.as_str() {
        "" => "the common pool".to_owned(),
        warehouse => warehouse.to_owned(),
    };
    let place = match view.stock.as_str() {
        "" => place,
        stock => format!("{place} of the stock {stock}"),
    };
    let _ = match bounds(view, safety_stock, unaccounted) {
        Some((certain, possible)) => writeln!(
            out,
            "{} at {place}: {certain} certain, {possible} possible",
            listing.sku
        ),
        None => writeln!(
            out,
            "{} at {place}: 0 certain, any number possible",
            listing.sku
        ),
    };
    let _ = writeln!(out, "  certain possible");
    let at = listing
        .as_of
        .map_or_else(|| "an unknown time".to_owned(), orders::local);
    let line = |out: &mut String, certain: i64, possible: i64, what: &str| {
        let what = translated(what);
        let _ = writeln!(out, "  {certain:>+7} {possible:>+8}  {what}");
    };
    match listing.on_hand {
        Some(units) => line(
            out,
            units,
            units,
            &format!("{}, as of {at}", listing.source),
        ),
        None => line(out, 0, 0, &format!("{}: no usable number", listing.source)),
    }
    if safety_stock > 0 {
        line(out, -safety_stock, 0, "safety stock");
    }
    if promised.confirmed > 0 {
        let what = "promised to accepted orders (`qabyl stock reservations`)";
        line(out, -promised.confirmed, -promised.confirmed, what);
    }
    for doubt in &promised.doubts {
        let (certain, possible) = match doubt.why {
            Reason::GivenBack | Reason::PoolBeside | Reason::OtherSource => (0, doubt.units),
            _ => (-doubt.units, 0),
        };
        let mut lines = doubt_lines(std::slice::from_ref(doubt)).into_iter();
        line(
            out,
            certain,
            possible,
            lines.next().unwrap_or_default().trim(),
        );
        for more in lines {
            let _ = writeln!(out, "                    {}", more.trim());
        }
    }
    not_counted(out, unaccounted);
}

/// The orders that no promise counts: of unknown units, so that they take all that is certain.
fn not_counted(out: &mut String, unaccounted: &NotCounted) {
    for (what, closed_by) in unaccounted.lines() {
        let what = translated(&format!("in doubt: {what};"));
        let _ = writeln!(out, "  {:>7} {:>+8}  {what}", translated("all"), 0);
        let _ = writeln!(out, "                    closed by {closed_by}");
    }
}

/// Doubts in lines of at most 80 columns: what, and what closes it.
pub(in crate::cli) fn doubt_lines(doubts: &[Doubt]) -> Vec<String> {
    let mut lines = Vec::with_capacity(doubts.len() * 2);
    for doubt in doubts {
        let text = doubt.to_string();
        match text.split_once("; closed by ") {
            Some((what, closed_by)) => {
                lines.push(format!("  in doubt: {what};"));
                lines.push(format!("    closed by {closed_by}"));
            }
            None => lines.push(text),
        }
    }
    lines
}
