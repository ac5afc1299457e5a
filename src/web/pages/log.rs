//! "Log": what was done, by whom, newest first.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::door::Visit;
use super::order::who;
use super::page::{Asking, Page, asked, clock, screen, shops};
use crate::store::{AuditRow, StoreError};
use crate::text::shown;

/// Rows on the page.
const ROWS: usize = 100;
/// Rows that are looked through for them.
const READ: u32 = 1000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// The number of an order.
    #[serde(default)]
    order: String,
    /// `people`: what people did alone.
    #[serde(default)]
    by: String,
}

struct Row {
    time: String,
    who: String,
    what: String,
    order: String,
    shop: String,
}

#[derive(Template)]
#[template(path = "log.html")]
struct Log {
    page: Page,
    order: String,
    is_people: bool,
    rows: Vec<Row>,
}

/// `GET /log`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    screen(&visit, log(&shared, &visit, &asked(query)).await)
}

async fn log(shared: &Shared, visit: &Visit, asked: &Asked) -> Result<Log, StoreError> {
    let (lang, now) = (visit.lang, shared.clock.now());
    let seen = shops(shared, visit);
    let manages = visit
        .visitor
        .as_ref()
        .is_some_and(|visitor| visitor.actor.manages_people());
    let order = asked.order.trim();
    let rows = shared
        .store
        .audit_rows(Some(order).filter(|order| !order.is_empty()), READ)
        .await?;
    let is_seen = |row: &AuditRow| match &row.shop {
        Some(shop) => seen.iter().any(|ctx| ctx.shop.as_str() == shop),
        None => manages,
    };
    let is_people = asked.by == "people";
    let own = rows.iter().rev().filter(|row| is_seen(row));
    let own = own
        .filter(|row| !is_people || row.actor != "qabyl")
        .take(ROWS);
    let rows = own.map(|row| {
        let key = format!("web-audit-{}", row.event.replace('.', "-"));
        Row {
            time: clock(row.at, now),
            who: who(lang, &row.actor),
            what: lang
                .find(&key, &[])
                .unwrap_or_else(|| lang.word("web-audit-other")),
            order: shown(row.code.as_deref().unwrap_or_default(), 40),
            shop: shown(row.shop.as_deref().unwrap_or_default(), 64),
        }
    });
    Ok(Log {
        rows: rows.collect(),
        order: shown(order, 40),
        is_people,
        page: Page::of(shared, visit, ("log", "web-nav-log")).await?,
    })
}
