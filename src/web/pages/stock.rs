//! "Stock": what is known, what is promised, and what is left to sell.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::card::{encoded, grouped};
use super::door::Visit;
use super::page::{Asking, Page, asked, clock, screen, shops};
use crate::runtime::build;
use crate::store::StoreError;
use crate::text::shown;

/// SKUs on a page.
const PAGE: u32 = 100;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// Where the page begins: an SKU, or its first letters.
    #[serde(default)]
    from: String,
}

struct Row {
    sku: String,
    warehouse: String,
    on_hand: String,
    promised: String,
    free: String,
    is_out: bool,
    as_of: String,
    source: String,
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
    rows: Vec<Row>,
    next: String,
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
    let seen = shops(shared, visit);
    let mut stocks = vec![""];
    for shop in &config.shops {
        if seen.iter().any(|ctx| ctx.shop.as_str() == shop.name) {
            stocks.push(shop.stock.as_str());
        }
    }
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
    let views = shared
        .store
        .stock_levels(&build::stock_settings(config), (None, Some(&names)))
        .await?;
    let safety = i64::from(config.stock.safety_stock);
    let own = views
        .iter()
        .filter(|view| stocks.contains(&view.stock.as_str()));
    let rows = own.map(|view| {
        let (listing, promised) = (&view.listing, &view.promised);
        let reserved = promised.confirmed + promised.in_doubt;
        let free = listing.on_hand.map(|units| units - reserved - safety);
        Row {
            sku: shown(listing.sku.as_str(), 80),
            warehouse: shown(&listing.warehouse, 40),
            on_hand: listing.on_hand.map_or_else(|| "?".to_owned(), grouped),
            promised: grouped(reserved),
            free: free.map_or_else(|| "?".to_owned(), grouped),
            is_out: free.is_none_or(|free| free <= 0),
            as_of: listing
                .as_of
                .map_or_else(|| "?".to_owned(), |at| clock(at, now)),
            source: shown(&listing.source, 60),
        }
    });
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
        rows: rows.collect(),
        sources: sources.collect(),
        next: next.unwrap_or_default(),
        from: asked.from.clone(),
        page: Page::of(shared, visit, ("stock", "web-nav-stock")).await?,
    })
}
