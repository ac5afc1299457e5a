//! One order as a page: where each number comes from, what happened, and what may be done.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::super::Shared;
use super::card::{Card, grouped, levels, named_rule};
use super::decide::{OfShop, find, no_order};
use super::door::Visit;
use super::page::{Asking, Page, asked, clock, failed, html};
use super::waiting::{Asked, said, view};
use crate::domain::availability::Possible;
use crate::domain::decision::SAID_BY_PERSON;
use crate::domain::facts::LineFacts;
use crate::domain::stock::LineStock;
use crate::domain::verdict::Verdict;
use crate::lang::Lang;
use crate::pipeline::Ctx;
use crate::store::{ActionView, OrderView, StoreError};
use crate::text::shown;

/// What is known of the stock of one SKU.
struct Stock {
    title: String,
    rows: Vec<(String, String)>,
}

/// Something that happened.
struct Event {
    at: Timestamp,
    time: String,
    text: String,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    page: Page,
    card: Card,
    done: String,
    status: String,
    status_class: &'static str,
    stocks: Vec<Stock>,
    events: Vec<Event>,
}

/// `GET /orders/ID`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Query(of): Query<OfShop>,
    query: Asking<Asked>,
) -> Response {
    let shown = async {
        let Some((ctx, id)) = find(&shared, &visit, (&of.shop, &id)).await? else {
            return Ok(no_order(&visit));
        };
        let Some(view) = view(&shared, ctx, &id).await? else {
            return Ok(no_order(&visit));
        };
        let mut page = Page::of(&shared, &visit, ("orders", "web-order")).await?;
        page.title = page.t1("web-order-of", "order", view.order.code.as_str());
        let done = asked(query);
        let levels = levels(&shared, &[&view]).await?;
        let card = Card::of((&shared, &visit), ctx, &view, &levels);
        let now = shared.clock.now();
        let (status, status_class) = standing(visit.lang, ctx, &view);
        let facts = view.decision.as_ref().map(|decision| &decision.facts);
        let lines = facts.map_or(&[][..], |facts| facts.lines());
        let template = OrderPage {
            done: said(visit.lang, &done),
            status,
            status_class,
            stocks: lines
                .iter()
                .map(|line| stock(visit.lang, line, now))
                .collect(),
            events: events(visit.lang, &view, now),
            card,
            page,
        };
        Ok(html(StatusCode::OK, &template))
    };
    shown
        .await
        .unwrap_or_else(|error: StoreError| failed(&visit, &error))
}

/// Where the order stands, and how that is coloured.
pub(super) fn standing(lang: Lang, ctx: &Ctx, view: &OrderView) -> (String, &'static str) {
    let order = &view.order;
    if order.awaits_merchant() {
        let verdict = view.decision.as_ref().map(|d| &d.decision.verdict);
        let is_live = view
            .actions
            .last()
            .is_some_and(|action| action.closed_at.is_none());
        let (key, class) = match (view.held.is_some(), is_live, verdict) {
            (true, ..) | (false, false, Some(Verdict::Hold)) => ("web-stands-held", "late"),
            (false, true, Some(Verdict::Cancel { .. })) => ("web-stands-cancelling", "act"),
            (false, true, _) => ("web-stands-accepting", "act"),
            (_, _, Some(Verdict::Wait { .. })) => ("web-stands-waits", "act"),
            (_, _, Some(Verdict::Accept)) if ctx.mode != crate::pipeline::Mode::Act => {
                ("web-stands-would-accept", "act")
            }
            (_, _, Some(Verdict::Cancel { .. })) if ctx.mode != crate::pipeline::Mode::Act => {
                ("web-stands-would-cancel", "act")
            }
            _ => ("web-stands-new", ""),
        };
        return (lang.word(key), class);
    }
    let status = order.status.as_str();
    let key = format!("web-status-{}", status.to_lowercase());
    let class = match status {
        "CANCELLED" | "CANCELLING" => "bad",
        "ACCEPTED_BY_MERCHANT" | "COMPLETED" => "ok",
        _ => "",
    };
    (
        lang.find(&key, &[]).unwrap_or_else(|| shown(status, 40)),
        class,
    )
}

/// The newest decision in words.
fn decided(lang: Lang, view: &OrderView) -> String {
    let Some(decision) = &view.decision else {
        return lang.word("web-stands-new");
    };
    let verdict = lang.word(&format!("web-verdict-{}", decision.decision.verdict.word()));
    let rule = &decision.decision.rule;
    if rule == SAID_BY_PERSON {
        let values = [
            ("who", who(lang, &decision.actor).into()),
            ("verdict", verdict.into()),
        ];
        return lang.text("web-decided-by-person", &values);
    }
    let proposed = lang.word(&format!(
        "web-verdict-{}",
        decision.decision.proposed.word()
    ));
    let values = [
        ("rule", named_rule(lang, rule).into()),
        ("proposed", proposed.into()),
        ("verdict", verdict.into()),
    ];
    lang.text("web-decided-by-rule", &values)
}

/// A name without the kind that the audit log writes before it.
pub(super) fn who(lang: Lang, actor: &str) -> String {
    match actor {
        "qabyl" => return "Qabyl".to_owned(),
        "person" => return lang.word("web-somebody"),
        _ => {}
    }
    let name = actor.split_once(':').map_or(actor, |(_, name)| name);
    shown(name, 64)
}

/// Where the number of a line comes from.
fn stock(lang: Lang, line: &LineFacts, now: Timestamp) -> Stock {
    let sku = line.line.sku.as_ref().map_or("?", |sku| sku.as_str());
    let title = shown(sku, 80);
    let mut rows = Vec::new();
    if matches!(line.stock, LineStock::Unknown(_)) && line.parts.is_empty() {
        rows.push((lang.word("web-stock-unknown"), "?".to_owned()));
    }
    let wanted = (lang.word("web-wanted"), grouped(line.wanted));
    for (part, level, _) in line.levels() {
        let values = [
            ("time", clock(level.as_of, now).into()),
            ("source", shown(&level.source, 60).into()),
        ];
        let mut counted = lang.text("web-counted", &values);
        if part != sku {
            counted = format!("{}: {counted}", shown(part, 80));
        }
        rows.push((counted, grouped(level.on_hand)));
        if level.reserved() != 0 {
            rows.push((lang.word("web-promised"), grouped(-level.reserved())));
        }
        if level.safety_stock != 0 {
            rows.push((lang.word("web-safety"), grouped(-level.safety_stock)));
        }
        let interval = level.interval();
        let free = match interval.possible {
            Possible::Bounded(most) if most != interval.certain => {
                format!("{} … {}", grouped(interval.certain), grouped(most))
            }
            Possible::Bounded(_) => grouped(interval.certain),
            Possible::Unbounded => format!("{} …", grouped(interval.certain)),
        };
        rows.push((lang.word("web-free"), free));
    }
    rows.push(wanted);
    Stock { title, rows }
}

fn events(lang: Lang, view: &OrderView, now: Timestamp) -> Vec<Event> {
    let order = &view.order;
    let mut found = vec![(order.created_at, lang.word("web-event-created"))];
    found.extend(
        order
            .approved_at
            .map(|at| (at, lang.word("web-event-approved"))),
    );
    found.extend(
        order
            .handed_over_at
            .map(|at| (at, lang.word("web-event-handed-over"))),
    );
    if let Some(decision) = &view.decision {
        found.push((decision.at, decided(lang, view)));
    }
    for action in &view.actions {
        found.extend(of_action(lang, action));
    }
    found.push((view.seen_at, lang.word("web-event-seen")));
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let events = found.into_iter().map(|(at, text)| Event {
        at,
        time: clock(at, now),
        text,
    });
    events.collect()
}

fn of_action(lang: Lang, action: &ActionView) -> Vec<(Timestamp, String)> {
    let kind = lang.word(&format!("web-verdict-{}", action.kind.word()));
    let mut found = Vec::new();
    for attempt in &action.attempts {
        let values = [("kind", kind.clone().into()), ("n", attempt.n.into())];
        found.push((attempt.begun_at, lang.text("web-event-sent", &values)));
        if let (Some(at), Some(outcome)) = (attempt.ended_at, attempt.outcome) {
            found.push((at, lang.word(&format!("web-outcome-{}", outcome.word()))));
        }
    }
    if let Some(at) = action.closed_at {
        let end = lang.word(&format!("web-end-{}", action.state.as_str()));
        found.push((at, format!("{kind}: {end}")));
    }
    found
}
