//! Stock: what is known, and levels that a program pushes.

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::guard::Caller;
use super::limits::Kind;
use super::orders::visible;
use super::{PUSH_MAX, Shared, body, keys};
use crate::domain::ids::ShopName;
use crate::domain::people::Verb;
use crate::ledger::StockView;
use crate::net::Peer;
use crate::pipeline::sync_stock::{self, NotPushed, Push};
use crate::runtime::build;
use crate::text::hex;

/// SKUs on a page.
const PAGE: u32 = 500;
const PAGE_MAX: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// One SKU alone.
    sku: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /api/v1/stock`
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let done = async {
        caller.take(&shared, Kind::Read)?;
        let Query(query) = query.map_err(|error| Answer::bad_request(error.body_text()))?;
        let shops = visible(&shared, &caller, None)?;
        // Stock that names no group is that of every shop.
        let mut stocks = vec![""];
        stocks.extend(shops.iter().filter_map(|ctx| stock_of(&shared, &ctx.shop)));
        levels(&shared, &stocks, &query).await
    };
    done.await.unwrap_or_else(|problem| problem)
}

/// The stock that a shop sells from.
fn stock_of<'s>(shared: &'s Shared, shop: &ShopName) -> Option<&'s str> {
    let mut shops = shared.loaded.config.shops.iter();
    let found = shops.find(|configured| configured.name == shop.as_str());
    found.map(|configured| configured.stock.as_str())
}

async fn levels(shared: &Shared, stocks: &[&str], query: &ListQuery) -> Result<Answer, Answer> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        let what = format!("limit is from 1 to {PAGE_MAX}");
        return Err(Answer::bad_request(what));
    }
    let (skus, next) = if let Some(sku) = &query.sku {
        (vec![sku.clone()], None)
    } else {
        let after = query.cursor.as_deref().unwrap_or_default();
        let mut skus = shared.store.skus_after(stocks, after, limit + 1).await?;
        let has_more = skus.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        skus.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = skus.last().filter(|_| has_more).cloned();
        (skus, next)
    };
    let config = &shared.loaded.config;
    let safety = i64::from(config.stock.safety_stock);
    let names: Vec<&str> = skus.iter().map(String::as_str).collect();
    let views = shared
        .store
        .stock_levels(&build::stock_settings(config), (None, Some(&names)))
        .await?;
    let is_visible = |view: &&StockView| stocks.contains(&view.stock.as_str());
    let levels = views.iter().filter(is_visible).map(|view| {
        let (l, p) = (&view.listing, &view.promised);
        let reserved = p.confirmed + p.in_doubt;
        json!({
            "stock": view.stock, "sku": l.sku, "warehouse": l.warehouse, "source": l.source, "on_hand": l.on_hand,
            "at_least": l.is_at_least, "reserved": reserved, "safety_stock": safety,
            "available": l.on_hand.map(|units| units - reserved - safety), "as_of": l.as_of,
        })
    });
    let levels: Vec<Value> = levels.collect();
    Ok(Answer::ok(json!({ "levels": levels, "next": next })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    levels: Vec<Level>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    sku: String,
    /// `null`: unknown. One that is left out is a mistake.
    #[serde(deserialize_with = "given")]
    on_hand: Option<i64>,
    #[serde(default)]
    warehouse: Option<String>,
    #[serde(default)]
    as_of: Option<String>,
}

fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Option::deserialize(from)
}

/// `PUT /api/v1/stock/SOURCE`
pub(super) async fn push(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(source): Path<String>,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let done = async {
        let shops = sellers(&shared, &source);
        // Before a large body is read.
        for shop in &shops {
            let allowed = caller.actor.check(Verb::PushStock, shop);
            allowed.map_err(|refusal| Answer::forbidden(refusal.to_string()))?;
        }
        let Ok(_one_of_few) = shared.pushes.acquire().await else {
            let what = "the daemon is stopping";
            return Err(Answer::problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                what,
            ));
        };
        let bytes = body::read(body, &headers, &peer, PUSH_MAX).await?;
        let now = shared.clock.now();
        let words = format!("{method} {uri} {}", hex(&Sha256::digest(&bytes)));
        let key = keys::of(&headers)?;
        let keyed = key.map(|key| keys::request(&caller, key, &words));
        if let Some(before) = keys::answered(&shared, keyed.as_ref(), now).await? {
            return Ok(before);
        }
        caller.take(&shared, Kind::Write)?;
        let pushed = push_levels(&shared, &caller, (&source, &shops), (&headers, bytes)).await;
        let answer = pushed.unwrap_or_else(|problem| problem);
        keys::keep(&shared, keyed.as_ref(), answer, now).await
    };
    done.await.unwrap_or_else(|problem| problem)
}

/// The shops that sell from the stock that a source lists: every shop where it names none.
fn sellers(shared: &Shared, source: &str) -> Vec<ShopName> {
    let config = &shared.loaded.config;
    let mut sources = config.stock.sources.iter();
    let source = sources.find(|configured| configured.name == source);
    let stock = source.map_or("", |source| config.stock_of(source));
    let shops = shared.shops.iter().map(|ctx| ctx.shop.clone());
    shops
        .filter(|shop| stock.is_empty() || stock_of(shared, shop) == Some(stock))
        .collect()
}

async fn push_levels(
    shared: &Shared,
    caller: &Caller,
    (source, shops): (&str, &[ShopName]),
    (headers, bytes): (&HeaderMap, Vec<u8>),
) -> Result<Answer, Answer> {
    let is_json = match body::kind(headers).as_deref() {
        Some("application/json") => true,
        Some("text/csv") => false,
        _ => return Err(body::unsupported("application/json or text/csv")),
    };
    let no_source = || Answer::not_found("there is no such stock source of kind \"push\"");
    let feeds = shared.feeds.as_ref().ok_or_else(no_source)?;
    let content = if is_json {
        as_csv(body::json(headers, &bytes)?)?
    } else {
        bytes
    };
    let push = Push {
        source,
        content,
        has_plain_columns: is_json,
        actor: &caller.actor,
        shops,
    };
    match sync_stock::push(feeds, push).await {
        Ok(done) => Ok(Answer::ok(json!({
            "source": source, "rows": done.report.rows, "older": done.report.older, "had": done.report.had,
            "fell": done.report.fell, "absent": done.report.absent, "doubts": done.doubts,
        }))),
        Err(NotPushed::NoSource) => Err(no_source()),
        Err(NotPushed::Unreadable(what)) => Err(Answer::problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unreadable",
            what,
        )),
        Err(NotPushed::Store(error)) => Err(error.into()),
    }
}

/// The same levels as a file, so that all of them are read by the same rules.
fn as_csv(pushed: Levels) -> Result<Vec<u8>, Answer> {
    let failed = |_| Answer::bad_request("the levels cannot be written as rows");
    // An empty column would say that every row names no warehouse, and no time.
    let has_warehouses = pushed.levels.iter().any(|level| level.warehouse.is_some());
    let has_times = pushed.levels.iter().any(|level| level.as_of.is_some());
    let mut rows = csv::Writer::from_writer(Vec::new());
    let mut head = vec!["sku", "on_hand"];
    head.extend(has_warehouses.then_some("warehouse"));
    head.extend(has_times.then_some("as_of"));
    rows.write_record(head).map_err(failed)?;
    for level in pushed.levels {
        let on_hand = level.on_hand.map(|units| units.to_string());
        let mut row = vec![level.sku, on_hand.unwrap_or_default()];
        row.extend(has_warehouses.then(|| level.warehouse.unwrap_or_default()));
        row.extend(has_times.then(|| level.as_of.unwrap_or_default()));
        rows.write_record(row).map_err(failed)?;
    }
    rows.into_inner()
        .map_err(|_| Answer::bad_request("the levels cannot be written as rows"))
}
