//! Several held orders decided at once: each by itself, as by its own button. Where an interlock objects, its page asks.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::super::Shared;
use super::card::encoded;
use super::decide::{Asked, find, take, text_of};
use super::door::{Visit, Visitor};
use super::form::{self, Fields};
use super::page::{Page, failed, html, message};
use super::waiting::{CARDS, view};
use crate::domain::people::Verb;
use crate::domain::verdict::Verdict;
use crate::net::Peer;
use crate::store::StoreError;
use crate::text::{hex, shown};

/// An order that was not decided.
struct Left {
    href: String,
    code: String,
    why: String,
}

#[derive(Template)]
#[template(path = "many.html")]
struct Many {
    page: Page,
    summary: String,
    all: usize,
    done: usize,
    left: Vec<Left>,
}

/// An order that was picked.
struct Picked<'f> {
    shop: &'f str,
    version: &'f str,
    id: &'f str,
}

fn picked(value: &str) -> Option<Picked<'_>> {
    let mut parts = value.splitn(3, ' ');
    let (shop, version, id) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = !version.is_empty() && !id.is_empty();
    is_whole.then_some(Picked { shop, version, id })
}

/// What the form asks for, and of which orders.
fn asked(fields: &Fields) -> Option<(&str, &str, Vec<Picked<'_>>)> {
    let verb = fields
        .get("verb")
        .filter(|verb| matches!(*verb, "accept" | "keep"))?;
    let key = fields.get("key").filter(|key| key.len() == 32)?;
    let orders: Option<Vec<Picked<'_>>> = fields.all("order").map(picked).collect();
    let orders = orders.filter(|orders| orders.len() <= CARDS)?;
    Some((verb, key, orders))
}

/// `POST /waiting`
pub(super) async fn decide(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, fields) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let Some(asked) = asked(&fields) else {
        return message(&visit, StatusCode::FORBIDDEN, "web-not-our-form");
    };
    let decided = decide_all(&shared, (&visit, visitor), asked).await;
    decided.unwrap_or_else(|error| failed(&visit, &error))
}

async fn decide_all(
    shared: &Shared,
    (visit, visitor): (&Visit, &Visitor),
    (verb, key, orders): (&str, &str, Vec<Picked<'_>>),
) -> Result<Response, StoreError> {
    let lang = visit.lang;
    let (all, mut left) = (orders.len(), Vec::new());
    for order in orders {
        let Some((ctx, id)) = find(shared, visit, (order.shop, order.id)).await? else {
            left.push(Left {
                href: "/waiting".to_owned(),
                code: "?".to_owned(),
                why: lang.word("web-no-order"),
            });
            continue;
        };
        let one = Asked {
            verb: if verb == "accept" {
                Verb::Accept
            } else {
                Verb::Hold
            },
            verdict: (verb == "accept").then_some(Verdict::Accept),
            version: order.version.to_owned(),
            key: key_of(key, order.shop, id.as_str()),
            overrides: Vec::new(),
        };
        let key = match take(shared, visitor, (ctx, &id), &one).await {
            Ok(_) => continue,
            Err(StoreError::NotTaken(refusal)) => text_of(&refusal).1,
            Err(StoreError::NoOrder(_)) => "web-no-order",
            Err(StoreError::Refused(_)) => "web-refused-state",
            Err(error) => return Err(error),
        };
        let code = view(shared, ctx, &id).await?;
        left.push(Left {
            href: format!("/orders/{}?shop={}", encoded(id.as_str()), ctx.shop),
            code: code.map_or_else(
                || "?".to_owned(),
                |view| shown(view.order.code.as_str(), 40),
            ),
            why: lang.word(key),
        });
    }
    let done = all - left.len();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let values = [("done", number(done).into()), ("all", number(all).into())];
    let template = Many {
        page: Page::of(shared, visit, ("waiting", "web-many-title")).await?,
        summary: match (all, verb) {
            (0, _) => lang.word("web-many-none"),
            (_, "accept") => lang.text("web-many-done-accept", &values),
            _ => lang.text("web-many-done-keep", &values),
        },
        all,
        done,
        left,
    };
    Ok(html(StatusCode::OK, &template))
}

/// The key of one order's decision: the same form again decides nothing again.
fn key_of(form: &str, shop: &str, id: &str) -> String {
    let mut key = hex(&Sha256::digest(format!("{form} {shop} {id}").as_bytes()));
    key.truncate(32);
    key
}
