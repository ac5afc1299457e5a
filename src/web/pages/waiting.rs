//! "Waiting for you": the held orders as cards, the soonest deadline first.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiff::SignedDuration;
use serde::Deserialize;

use super::super::Shared;
use super::card::{Card, fresh_key, levels};
use super::door::Visit;
use super::page::{Asking, Page, asked, screen, shops};
use crate::domain::ids::OrderId;
use crate::lang::Lang;
use crate::pipeline::Ctx;
use crate::store::{OrderFilter, OrderView, StoreError};
use crate::text::shown;

/// Cards on a page.
pub(super) const CARDS: usize = 40;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// What was done before: one of the verbs, or `kept`.
    done: Option<String>,
    /// With which order.
    order: Option<String>,
    /// From 1.
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct Waiting {
    page: Page,
    cards: Vec<Card>,
    /// What was done before.
    done: String,
    /// Whether the visitor sees several shops.
    has_shops: bool,
    /// Held orders on all pages.
    held: usize,
    next: Option<usize>,
    /// Whether several may be decided at once.
    may_pick: bool,
    /// Of the form for several.
    key: String,
}

/// `GET /waiting`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    screen(&visit, waiting(&shared, &visit, &asked(query)).await)
}

async fn waiting(shared: &Shared, visit: &Visit, asked: &Asked) -> Result<Waiting, StoreError> {
    let page = Page::of(shared, visit, ("waiting", "web-nav-waiting")).await?;
    let shops = shops(shared, visit);
    let mut held: Vec<(SignedDuration, &Ctx, OrderId)> = Vec::new();
    for ctx in &shops {
        let schedule = ctx.policy().limits.schedule.clone();
        let now = ctx.kaspi_clock.now();
        let orders = shared.store.held_now(&ctx.shop).await?.into_iter();
        held.extend(orders.map(|order| {
            let left = schedule.left_since((order.waiting_since, order.express), now);
            (left, *ctx, order.id)
        }));
    }
    held.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let number = asked.page.unwrap_or(1).max(1);
    let skipped = (number - 1).saturating_mul(CARDS);
    let mut views: Vec<(&Ctx, OrderView)> = Vec::new();
    for (_, ctx, id) in held.iter().skip(skipped).take(CARDS) {
        if let Some(view) = view(shared, ctx, id).await? {
            views.push((*ctx, view));
        }
    }
    let all: Vec<&OrderView> = views.iter().map(|(_, view)| view).collect();
    let levels = levels(shared, &all).await?;
    let cards = views
        .iter()
        .map(|(ctx, view)| Card::of((shared, visit), ctx, view, &levels));
    let cards: Vec<Card> = cards.collect();
    Ok(Waiting {
        may_pick: cards.len() > 1 && cards.iter().any(|card| card.may_accept),
        key: fresh_key(),
        cards,
        done: said(visit.lang, asked),
        has_shops: shops.len() > 1,
        next: (held.len() > skipped + CARDS).then_some(number + 1),
        held: held.len(),
        page,
    })
}

/// One order of a shop.
pub(super) async fn view(
    shared: &Shared,
    ctx: &Ctx,
    id: &OrderId,
) -> Result<Option<OrderView>, StoreError> {
    let filter = OrderFilter {
        shop: Some(ctx.shop.to_string()),
        id: Some(id.clone()),
        limit: 1,
        ..OrderFilter::default()
    };
    Ok(shared.store.orders(&filter).await?.pop())
}

/// What was done before, in words.
pub(super) fn said(lang: Lang, asked: &Asked) -> String {
    let said = asked.done.as_deref().and_then(|done| {
        let order = shown(asked.order.as_deref().unwrap_or_default(), 40);
        lang.find(&format!("web-done-{done}"), &[("order", order.into())])
    });
    said.unwrap_or_default()
}
