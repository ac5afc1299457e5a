//! A decision to which interlocks object: they are named, and the same decision may be taken over them.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::Shared;
use super::card::Card;
use super::decide::{Asked, card, no_order};
use super::door::Visit;
use super::page::{Page, html};
use super::plots::{OneMore, one_more};
use crate::domain::ids::OrderId;
use crate::domain::interlocks::Name;
use crate::domain::verdict::Verdict;
use crate::pipeline::Ctx;
use crate::store::StoreError;

/// An interlock objects: what it says, and a form that repeats the decision and names it.
#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm {
    page: Page,
    card: Card,
    verb: &'static str,
    title: String,
    button: String,
    objections: Vec<(&'static str, String)>,
    reason: String,
    comment: String,
    /// What a cancel does to the share of cancels.
    one_more: Option<OneMore>,
}

/// The page that asks.
pub(super) async fn confirm(
    shared: &Shared,
    visit: &Visit,
    (ctx, id): (&Ctx, &OrderId),
    (asked, objections): (&Asked, &[(Name, String)]),
) -> Result<Response, StoreError> {
    let Some(card) = card(shared, visit, ctx, id).await? else {
        return Ok(no_order(visit));
    };
    let (verb, reason, comment) = match &asked.verdict {
        Some(Verdict::Cancel { reason, comment }) => {
            ("cancel", reason.as_str().to_owned(), comment.clone())
        }
        _ => ("accept", String::new(), String::new()),
    };
    let words = objections.iter().map(|(name, _)| {
        let word = name.as_str();
        (word, visit.lang.word(&format!("why-{word}")))
    });
    let template = Confirm {
        page: Page::of(shared, visit, ("waiting", "web-confirm-title")).await?,
        title: visit.lang.word(&format!("web-confirm-{verb}")),
        button: visit.lang.word(&format!("web-confirm-{verb}.button")),
        objections: words.collect(),
        card,
        verb,
        reason,
        comment,
        one_more: match verb {
            "cancel" => Some(one_more(shared, visit.lang, ctx, shared.clock.now()).await?),
            _ => None,
        },
    };
    Ok(html(StatusCode::CONFLICT, &template))
}
