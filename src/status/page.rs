//! `/`: the state of the daemon for people. Plain HTML without scripts, links or personal data.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};

use super::Shared;
use super::held::left;
use super::troubles;
use crate::domain::calendar;
use crate::store::StoreError;
use crate::text::html as escaped;

const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;\
color:#222;background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}\
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ddd;vertical-align:top}\
th{font-weight:600}.bad{color:#b00020}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}\
th,td{border-color:#444}.bad{color:#ff8a80}}";

/// Most held orders on the page.
const HELD_SHOWN: usize = 100;

const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(super) async fn page(State(shared): State<Shared>) -> Response {
    match html(&shared).await {
        Ok(html) => {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
            (StatusCode::OK, kind, html).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

fn local(at: Timestamp) -> String {
    calendar::local(at).strftime("%d.%m %H:%M:%S").to_string()
}

fn row(out: &mut String, cells: &[String]) {
    out.push_str("<tr>");
    for cell in cells {
        let _ = write!(out, "<td>{cell}</td>");
    }
    out.push_str("</tr>\n");
}

fn table(out: &mut String, title: &str, heads: &[&str], rows: &[Vec<String>]) {
    let _ = write!(out, "<h2>{title}</h2>\n<table><tr>");
    for head in heads {
        let _ = write!(out, "<th>{head}</th>");
    }
    out.push_str("</tr>\n");
    for cells in rows {
        row(out, cells);
    }
    out.push_str("</table>\n");
}

fn bad(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("<span class=\"bad\">{}</span>", escaped(text))
    }
}

/// Orders that could not be read in full.
async fn unread(shared: &Shared) -> Result<Vec<Vec<String>>, StoreError> {
    let mut rows = Vec::new();
    for ctx in shared.shops.iter() {
        let orders = shared.store.unread_orders(&ctx.shop).await?;
        rows.extend(orders.into_iter().take(HELD_SHOWN).map(|order| {
            vec![
                escaped(ctx.shop.as_str()),
                escaped(order.code.as_str()),
                bad(&order.to_string()),
            ]
        }));
    }
    Ok(rows)
}

async fn html(shared: &Shared) -> Result<String, StoreError> {
    let now = shared.clock.now();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"15\">\
         <title>Qabyl</title><style>{STYLE}</style>\n<h1>Qabyl {}</h1>\n<p>{}, Almaty</p>\n",
        env!("CARGO_PKG_VERSION"),
        local(now)
    );
    let troubles = troubles::find(&shared.loaded, &shared.store, now).await?;
    if !troubles.is_empty() {
        let rows = troubles.iter().map(|trouble| {
            vec![
                escaped(&trouble.of),
                bad(&trouble.what_in_full()),
                escaped(&trouble.hint),
            ]
        });
        let rows: Vec<_> = rows.collect();
        table(&mut out, "Troubles", &["of", "what", "what to do"], &rows);
    }
    let shops = shops(shared, now).await?;
    let heads = [
        "shop",
        "new",
        "accepted",
        "cancelled",
        "held",
        "waiting",
        "open",
        "stuck",
        "last list",
        "trouble",
    ];
    table(&mut out, "The last 24 hours", &heads, &shops);
    let held = held(shared).await?;
    if held.is_empty() {
        out.push_str("<h2>Held for a person</h2>\n<p>Nothing.</p>\n");
    } else {
        table(
            &mut out,
            "Held for a person",
            &["shop", "order", "time left", "why"],
            &held,
        );
    }
    let unread = unread(shared).await?;
    if !unread.is_empty() {
        let heads = ["shop", "order", "what could not be read"];
        table(&mut out, "Orders that could not be read", &heads, &unread);
    }
    let stages = stages(shared);
    let heads = [
        "shop",
        "stage",
        "purpose",
        "last success",
        "runs",
        "failed",
        "trouble",
    ];
    table(&mut out, "Stages", &heads, &stages);
    out.push_str("</html>\n");
    Ok(out)
}

async fn shops(shared: &Shared, now: Timestamp) -> Result<Vec<Vec<String>>, StoreError> {
    let mut rows = Vec::new();
    for ctx in shared.shops.iter() {
        let store = &shared.store;
        let seen = store
            .day(&ctx.shop, now.saturating_sub(DAY).unwrap_or(now))
            .await?;
        let totals = store.totals(Some(&ctx.shop)).await?;
        let state = store.shop_state(&ctx.shop).await?;
        let (list, _) = store.lists_read(&ctx.shop).await?;
        let paused = state.paused.map(|_| "paused".to_owned());
        let waived = state.waived.map(|_| "waived".to_owned());
        let trouble = state.denied.map(|(_, why)| why).or(paused).or(waived);
        rows.push(vec![
            escaped(ctx.shop.as_str()),
            seen.new.to_string(),
            seen.accepted.to_string(),
            seen.cancelled.to_string(),
            totals.held.to_string(),
            totals.waiting.to_string(),
            totals.open_actions.to_string(),
            totals.stuck.to_string(),
            list.map_or_else(|| "never".to_owned(), local),
            bad(&trouble.unwrap_or_default()),
        ]);
    }
    Ok(rows)
}

async fn held(shared: &Shared) -> Result<Vec<Vec<String>>, StoreError> {
    let mut rows = Vec::new();
    for ctx in shared.shops.iter() {
        let policy = ctx.policy();
        for held in shared.store.held_now(&ctx.shop).await? {
            let left = left(&held, &policy.limits.schedule, ctx.kaspi_clock.now());
            let words = if left.is_positive() {
                format!("{} h {:02} min", left.as_hours(), left.as_mins() % 60)
            } else {
                bad("past")
            };
            let why = escaped(&held.because.join(", ").replace("rule:", "rule "));
            let cells = vec![
                escaped(ctx.shop.as_str()),
                escaped(held.code.as_str()),
                words,
                why,
            ];
            rows.push((left, cells));
        }
    }
    rows.sort_by_key(|(left, _)| *left);
    rows.truncate(HELD_SHOWN);
    Ok(rows.into_iter().map(|(_, cells)| cells).collect())
}

fn stages(shared: &Shared) -> Vec<Vec<String>> {
    let stages = shared.board.snapshot().into_iter();
    stages
        .map(|(shop, stage, status)| {
            vec![
                escaped(shop.strip_prefix('*').map_or(&shop, |source| {
                    if source.is_empty() { "all" } else { source }
                })),
                stage.name().to_owned(),
                stage.declared().about.to_owned(),
                status.last_ok.map_or_else(|| "never".to_owned(), local),
                status.runs.to_string(),
                status.failures.to_string(),
                bad(&status.last_error.unwrap_or_default()),
            ]
        })
        .collect()
}
