//! "Stock": what is known, what is promised, and what is left to sell.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use std::sync::Arc;

use super::super::Shared;
use super::card::{encoded, grouped};
use super::door::Visit;
use super::page::{Asking, Page, asked, clock, screen, shops};
use crate::domain::facts::Collapse;
use crate::domain::ids::ShopName;
use crate::domain::people::Verb;
use crate::domain::stock_sources::BY_HAND;
use crate::pipeline::{Ctx, share};
use crate::runtime::build;
use crate::store::{Fallen, StoreError};
use crate::text::shown;

/// SKUs on a page.
const PAGE: u32 = 100;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// Where the page begins: an SKU, or its first letters.
    #[serde(default)]
    from: String,
    /// What was done before.
    #[serde(default)]
    done: String,
}

/// A level.
pub(super) struct Row {
    pub(super) sku: String,
    pub(super) href: String,
    pub(super) warehouse: String,
    pub(super) on_hand: String,
    pub(super) promised: String,
    pub(super) free: String,
    pub(super) is_out: bool,
    pub(super) as_of: String,
    pub(super) source: String,
}

struct Source {
    name: String,
    read: String,
    trouble: String,
}

#[derive(Template)]
#[template(path = "stock.html")]
struct Stock {
    page: Page,
    from: String,
    sources: Vec<Source>,
    /// What fell to zero faster than it is sold.
    falls: Vec<Fall>,
    rows: Vec<Row>,
    next: String,
    done: String,
}

/// Levels of a source that fell to zero at once: cancels wait until a person confirms it.
struct Fall {
    words: String,
    fallen: Fallen,
    may_edit: bool,
}

/// `GET /stock`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    screen(&visit, stock(&shared, &visit, &asked(query)).await)
}

async fn stock(shared: &Shared, visit: &Visit, asked: &Asked) -> Result<Stock, StoreError> {
    let (lang, now, config) = (visit.lang, shared.clock.now(), &shared.loaded.config);
    let stocks = seen_stocks(shared, visit);
    // Behind everything that sorts before the text itself.
    let mut behind = asked.from.trim().to_owned();
    if let Some(last) = behind.pop() {
        let before = char::from_u32(u32::from(last).saturating_sub(1)).unwrap_or(' ');
        behind.push(before);
        behind.push('\u{10ffff}');
    }
    let mut skus = shared.store.skus_after(&stocks, &behind, PAGE + 1).await?;
    let has_more = skus.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    let next = skus.last().filter(|_| has_more).map(|sku| encoded(sku));
    skus.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let names: Vec<&str> = skus.iter().map(String::as_str).collect();
    let rows = levels_of(shared, visit, &stocks, &names).await?;
    let configured = |name: &str| {
        config
            .stock
            .sources
            .iter()
            .any(|source| source.name == name)
    };
    let sources = shared.store.stock_sources().await?.into_iter();
    let sources = sources
        .filter(|source| configured(&source.name))
        .map(|source| Source {
            name: shown(&source.name, 60),
            read: source
                .tried_at
                .map_or_else(|| lang.word("web-never"), |at| clock(at, now)),
            trouble: source.trouble.map_or_else(String::new, |(_, trouble)| {
                let key = format!("trouble-{}", trouble.code);
                lang.find(&key, &[]).unwrap_or_default()
            }),
        });
    Ok(Stock {
        rows,
        falls: falls(shared, visit).await?,
        done: match asked.done.as_str() {
            "zeros" => lang.word("web-done-zeros"),
            _ => String::new(),
        },
        sources: sources.collect(),
        next: next.unwrap_or_default(),
        from: asked.from.clone(),
        page: Page::of(shared, visit, ("stock", "web-nav-stock")).await?,
    })
}

/// The stocks that the visitor sees: that of every shop, and those of their shops.
pub(super) fn seen_stocks<'s>(shared: &'s Shared, visit: &Visit) -> Vec<&'s str> {
    let seen = shops(shared, visit);
    if seen.is_empty() {
        return Vec::new();
    }
    let mut stocks = vec![""];
    for shop in &shared.loaded.config.shops {
        let is_seen = seen.iter().any(|ctx| ctx.shop.as_str() == shop.name);
        if is_seen && !stocks.contains(&shop.stock.as_str()) {
            stocks.push(shop.stock.as_str());
        }
    }
    stocks
}

/// The shops that sell from a stock.
pub(super) fn sellers(shared: &Shared, stock: &str) -> Vec<ShopName> {
    let sells = |ctx: &&Arc<Ctx>| {
        let mut shops = shared.loaded.config.shops.iter();
        let found = shops.find(|shop| shop.name == ctx.shop.as_str());
        stock.is_empty() || found.is_some_and(|shop| shop.stock == stock)
    };
    let sellers = shared.shops.iter().filter(sells);
    sellers.map(|ctx| ctx.shop.clone()).collect()
}

/// Whether the visitor may edit a stock: in every shop that sells from it.
pub(super) fn may_edit(shared: &Shared, visit: &Visit, stock: &str) -> bool {
    let Some(visitor) = &visit.visitor else {
        return false;
    };
    let mut sellers = sellers(shared, stock).into_iter();
    sellers.all(|shop| visitor.actor.may(Verb::EditStock, &shop))
}

/// The page of an SKU.
pub(super) fn address(sku: &str, stock: &str) -> String {
    format!("/stock/sku?sku={}&stock={}", encoded(sku), encoded(stock))
}

/// The levels of these SKUs in these stocks.
pub(super) async fn levels_of(
    shared: &Shared,
    visit: &Visit,
    stocks: &[&str],
    skus: &[&str],
) -> Result<Vec<Row>, StoreError> {
    let (lang, now, config) = (visit.lang, shared.clock.now(), &shared.loaded.config);
    let views = shared
        .store
        .stock_levels(&build::stock_settings(config), (None, Some(skus)))
        .await?;
    let safety = i64::from(config.stock.safety_stock);
    let own = views
        .iter()
        .filter(|view| stocks.contains(&view.stock.as_str()));
    let rows = own.map(|view| {
        let (listing, promised) = (&view.listing, &view.promised);
        let reserved = promised.confirmed + promised.in_doubt;
        let free = listing.on_hand.map(|units| units - reserved - safety);
        let source = match listing.source.as_str() {
            BY_HAND => lang.word("web-by-hand"),
            source => shown(source, 60),
        };
        Row {
            sku: shown(listing.sku.as_str(), 80),
            href: address(listing.sku.as_str(), &view.stock),
            warehouse: shown(&listing.warehouse, 40),
            on_hand: listing.on_hand.map_or_else(|| "?".to_owned(), grouped),
            promised: grouped(reserved),
            free: free.map_or_else(|| "?".to_owned(), grouped),
            is_out: free.is_none_or(|free| free <= 0),
            as_of: listing
                .as_of
                .map_or_else(|| "?".to_owned(), |at| clock(at, now)),
            source,
        }
    });
    Ok(rows.collect())
}

/// What stops cancels because it fell to zero at once, and may be confirmed.
async fn falls(shared: &Shared, visit: &Visit) -> Result<Vec<Fall>, StoreError> {
    let limit = build::limits(&shared.loaded.config).stock_collapse_share;
    let Some(limit) = limit else {
        return Ok(Vec::new());
    };
    let sharp = shared.store.collapses_now().await?.into_iter();
    let sharp: Vec<Collapse> = sharp
        .filter(|fall| share(fall.fell, fall.had) > limit)
        .collect();
    if sharp.is_empty() {
        return Ok(Vec::new());
    }
    let seen = seen_stocks(shared, visit);
    let fallen = shared.store.fallen().await?.into_iter();
    let fallen = fallen.filter(|fallen| {
        seen.contains(&fallen.stock.as_str())
            && sharp.iter().any(|fall| fall.source == fallen.source)
    });
    let falls = fallen.map(|fallen| {
        let count = i64::try_from(fallen.levels).unwrap_or(i64::MAX);
        let source = match fallen.source.as_str() {
            BY_HAND => visit.lang.word("web-by-hand"),
            source => shown(source, 60),
        };
        let values = [("count", count.into()), ("source", source.into())];
        Fall {
            words: visit.lang.text("web-fell", &values),
            may_edit: may_edit(shared, visit, &fallen.stock),
            fallen,
        }
    });
    Ok(falls.collect())
}
