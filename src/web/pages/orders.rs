//! "Orders": search by number and SKU, filters, pages, and a file for a spreadsheet.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::Shared;
use super::card::{encoded, money};
use super::door::Visit;
use super::order::standing;
use super::page::{Asking, Page, asked, clock, failed, html, see, shops};
use crate::domain::calendar;
use crate::domain::ids::{OrderId, ShopName};
use crate::pipeline::Ctx;
use crate::store::{OrderFilter, OrderView, StoreError};
use crate::text::shown;

/// Orders on a page.
const PAGE: u32 = 50;
/// Orders that are looked through for an SKU, and orders in a file.
pub(super) const MANY: u32 = 2000;

/// The lists that may be asked for, beside all orders.
const STATES: [&str; 6] = [
    "held",
    "NEW",
    "PICKUP",
    "DELIVERY",
    "KASPI_DELIVERY",
    "ARCHIVE",
];

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// A number of an order, or a part of an SKU.
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    shop: String,
    /// A day in Almaty, as a browser writes it.
    #[serde(default)]
    since: String,
    /// The order behind which the page begins: its creation and its id.
    #[serde(default)]
    after: String,
}

struct Row {
    href: String,
    shop: String,
    code: String,
    created: String,
    goods: String,
    sum: String,
    status: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct Orders {
    page: Page,
    asked: Asked,
    states: Vec<(&'static str, String)>,
    shops: Vec<String>,
    rows: Vec<Row>,
    /// The query of this list, without its place.
    query: String,
    next: String,
}

/// `GET /orders`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    match orders(&shared, &visit, asked(query)).await {
        Ok(answer) => answer,
        Err(error) => failed(&visit, &error),
    }
}

async fn orders(shared: &Shared, visit: &Visit, asked: Asked) -> Result<Response, StoreError> {
    if let Some(path) = named(shared, visit, asked.q.trim()).await? {
        return Ok(see(&path));
    }
    let now = shared.clock.now();
    let limit = if asked.q.trim().is_empty() {
        PAGE
    } else {
        MANY
    };
    let (found, next) = list(shared, visit, &asked, limit).await?;
    let rows = found.iter().map(|(ctx, view)| {
        let (status, class) = standing(visit.lang, ctx, view);
        Row {
            href: address(ctx, view),
            shop: view.shop.clone(),
            code: shown(view.order.code.as_str(), 40),
            created: clock(view.order.created_at, now),
            goods: goods(view),
            sum: money(view.order.total),
            status,
            class,
        }
    });
    let states = STATES.into_iter();
    let states = states.map(|state| {
        let key = format!("web-list-{}", state.to_lowercase());
        (state, visit.lang.word(&key))
    });
    let mut page = Page::of(shared, visit, ("orders", "web-nav-orders")).await?;
    "/orders".clone_into(&mut page.back);
    let template = Orders {
        rows: rows.collect(),
        states: states.collect(),
        shops: shops(shared, visit)
            .iter()
            .map(|ctx| ctx.shop.to_string())
            .collect(),
        query: format!(
            "q={}&state={}&shop={}&since={}",
            encoded(&asked.q),
            encoded(&asked.state),
            encoded(&asked.shop),
            encoded(&asked.since)
        ),
        next,
        page,
        asked,
    };
    Ok(html(StatusCode::OK, &template))
}

fn address(ctx: &Ctx, view: &OrderView) -> String {
    format!(
        "/orders/{}?shop={}",
        encoded(view.order.id.as_str()),
        encoded(ctx.shop.as_str())
    )
}

pub(super) fn goods(view: &OrderView) -> String {
    let names = view.lines.iter().map(|line| {
        let sku = line.sku.as_ref().map_or("?", |sku| sku.as_str());
        format!(
            "{} × {}",
            shown(line.name.as_deref().unwrap_or(sku), 60),
            line.quantity
        )
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The address of the one order with this number.
async fn named(shared: &Shared, visit: &Visit, code: &str) -> Result<Option<String>, StoreError> {
    if code.is_empty() {
        return Ok(None);
    }
    let seen = shops(shared, visit);
    let is_visible = |name: &ShopName| seen.iter().any(|ctx| ctx.shop == *name);
    match shared.store.find_order_among(code, is_visible).await {
        Ok((shop, id)) => Ok(Some(format!(
            "/orders/{}?shop={}",
            encoded(id.as_str()),
            encoded(shop.as_str())
        ))),
        Err(StoreError::NoOrder(_) | StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The orders that are asked for, newest first, and where the next page begins.
pub(super) async fn list<'s>(
    shared: &'s Shared,
    visit: &Visit,
    asked: &Asked,
    limit: u32,
) -> Result<(Vec<(&'s Ctx, OrderView)>, String), StoreError> {
    let held = asked.state == "held";
    let state = STATES.contains(&asked.state.as_str()) && !held;
    let since = asked.since.parse::<jiff::civil::Date>().ok();
    let since = since.and_then(|day| calendar::moment(day.at(0, 0, 0, 0)));
    let after = asked.after.split_once('.').and_then(|(at, id)| {
        let id = OrderId::new(id).ok()?;
        Some((at.parse::<i64>().ok()?, id))
    });
    let mut found = Vec::new();
    for ctx in shops(shared, visit) {
        if !asked.shop.is_empty() && asked.shop != ctx.shop.as_str() {
            continue;
        }
        let filter = OrderFilter {
            shop: Some(ctx.shop.to_string()),
            state: state.then(|| asked.state.clone()),
            since: since.map(Timestamp::as_millisecond),
            after: after.clone(),
            held,
            limit: limit + 1,
            ..OrderFilter::default()
        };
        let views = shared.store.orders(&filter).await?;
        found.extend(views.into_iter().map(|view| (ctx, view)));
    }
    let wanted = asked.q.trim().to_lowercase();
    if !wanted.is_empty() {
        let has = |view: &OrderView| {
            let skus = view.lines.iter().filter_map(|line| line.sku.as_ref());
            let is_code = view.order.code.as_str().contains(&wanted);
            is_code
                || skus
                    .into_iter()
                    .any(|sku| sku.as_str().to_lowercase().contains(&wanted))
        };
        found.retain(|(_, view)| has(view));
    }
    let place = |view: &OrderView| (view.order.created_at, view.order.id.clone());
    found.sort_by(|(_, a), (_, b)| {
        if held {
            place(a).cmp(&place(b))
        } else {
            place(b).cmp(&place(a))
        }
    });
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more).map(|(_, view)| {
        format!(
            "{}.{}",
            view.order.created_at.as_millisecond(),
            view.order.id.as_str()
        )
    });
    Ok((found, last.map_or_else(String::new, |last| encoded(&last))))
}
