//! A person's decision about an order: a form, the interlocks that object, and what became of it.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::super::Shared;
use super::card::{Card, encoded, levels};
use super::confirm::confirm;
use super::door::{Visit, Visitor};
use super::form::{self, Fields};
use super::page::{Page, failed, html, message, see, shops};
use super::plots::{OneMore, one_more};
use super::sign_in::own_path;
use super::waiting::view;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::Name;
use crate::domain::people::{Refusal, Verb};
use crate::domain::verdict::{COMMENT_CHARS_MAX, CancelReason, Verdict};
use crate::ledger::{Key, Manual, ManualDecision, Terms};
use crate::net::Peer;
use crate::pipeline::Ctx;
use crate::runtime::build;
use crate::store::StoreError;

#[derive(Debug, Deserialize)]
pub(super) struct OfShop {
    pub(super) shop: String,
}

#[derive(Template)]
#[template(path = "cancel.html")]
struct AskCancel {
    page: Page,
    card: Card,
    one_more: OneMore,
    reasons: Vec<(&'static str, String)>,
    comment_max: usize,
}

/// The shop and the order, where the visitor may see them.
pub(super) async fn find<'s>(
    shared: &'s Shared,
    visit: &Visit,
    (shop, id): (&str, &str),
) -> Result<Option<(&'s Ctx, OrderId)>, StoreError> {
    let mut shops = shops(shared, visit).into_iter();
    let Some(ctx) = shops.find(|ctx| ctx.shop.as_str() == shop) else {
        return Ok(None);
    };
    let is_shop = |name: &ShopName| *name == ctx.shop;
    match shared.store.find_order_among(id, is_shop).await {
        Ok((_, id)) => Ok(Some((ctx, id))),
        Err(StoreError::NoOrder(_) | StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn no_order(visit: &Visit) -> Response {
    message(visit, StatusCode::NOT_FOUND, "web-no-order")
}

/// `GET /orders/ID/cancel`: asks for the reason.
pub(super) async fn ask(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    Path((id, word)): Path<(String, String)>,
    Query(of): Query<OfShop>,
) -> Response {
    if word != "cancel" {
        return message(&visit, StatusCode::NOT_FOUND, "web-not-found");
    }
    let asked = async {
        let Some((ctx, id)) = find(&shared, &visit, (&of.shop, &id)).await? else {
            return Ok(no_order(&visit));
        };
        let Some(card) = card(&shared, &visit, ctx, &id).await? else {
            return Ok(no_order(&visit));
        };
        let page = Page::of(&shared, &visit, ("waiting", "web-cancel-title")).await?;
        let reasons = CancelReason::ALL.into_iter();
        let reasons = reasons.map(|reason| {
            let key = format!("web-cancel-{}", reason.as_str().to_lowercase());
            (reason.as_str(), visit.lang.word(&key))
        });
        let template = AskCancel {
            reasons: reasons.collect(),
            one_more: one_more(&shared, visit.lang, ctx, shared.clock.now()).await?,
            page,
            card,
            comment_max: COMMENT_CHARS_MAX,
        };
        Ok(html(StatusCode::OK, &template))
    };
    asked
        .await
        .unwrap_or_else(|error: StoreError| failed(&visit, &error))
}

pub(super) async fn card(
    shared: &Shared,
    visit: &Visit,
    ctx: &Ctx,
    id: &OrderId,
) -> Result<Option<Card>, StoreError> {
    let Some(view) = view(shared, ctx, id).await? else {
        return Ok(None);
    };
    let levels = levels(shared, &[&view]).await?;
    Ok(Some(Card::of((shared, visit), ctx, &view, &levels)))
}

/// What a form asks for.
pub(super) struct Asked {
    pub(super) verb: Verb,
    pub(super) verdict: Option<Verdict>,
    pub(super) version: String,
    pub(super) key: String,
    pub(super) overrides: Vec<Name>,
}

fn asked(word: &str, fields: &Fields) -> Option<Asked> {
    let (verb, verdict) = match word {
        "accept" => (Verb::Accept, Some(Verdict::Accept)),
        "cancel" => {
            let comment = fields.get("comment").unwrap_or_default().trim();
            if comment.chars().count() > COMMENT_CHARS_MAX {
                return None;
            }
            let reason = CancelReason::parse(fields.get("reason")?)?;
            let comment = comment.to_owned();
            (Verb::Cancel, Some(Verdict::Cancel { reason, comment }))
        }
        "keep" => (Verb::Hold, None),
        "release" => (Verb::Release, None),
        _ => return None,
    };
    let version = fields
        .get("version")
        .filter(|version| !version.is_empty())?;
    let key = fields.get("key").filter(|key| key.len() == 32)?;
    let named = |word: &str| Name::ALL.into_iter().find(|name| name.as_str() == word);
    let overrides: Option<Vec<Name>> = fields.all("override").map(named).collect();
    Some(Asked {
        verb,
        verdict,
        version: version.to_owned(),
        key: key.to_owned(),
        overrides: overrides?,
    })
}

/// `POST /orders/ID/accept|cancel|keep|release`
pub(super) async fn decide(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((id, word)): Path<(String, String)>,
    Query(of): Query<OfShop>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, fields) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let Some(asked) = asked(&word, &fields) else {
        return message(&visit, StatusCode::FORBIDDEN, "web-not-our-form");
    };
    let decided = async {
        let Some((ctx, id)) = find(&shared, &visit, (&of.shop, &id)).await? else {
            return Ok(no_order(&visit));
        };
        match take(&shared, visitor, (ctx, &id), &asked).await {
            Ok(code) => Ok(see(&after(&fields, &word, &code))),
            Err(error) => refused(&shared, &visit, (ctx, &id), (&asked, error)).await,
        }
    };
    decided
        .await
        .unwrap_or_else(|error: StoreError| failed(&visit, &error))
}

/// Where the browser goes then, and what is said there.
fn after(fields: &Fields, word: &str, code: &str) -> String {
    let back = own_path(fields.get("back").unwrap_or("/waiting"));
    let back = back.split('?').next().unwrap_or("/waiting");
    format!("{back}?done={word}&order={}", encoded(code))
}

pub(super) async fn take(
    shared: &Shared,
    visitor: &Visitor,
    (ctx, id): (&Ctx, &OrderId),
    asked: &Asked,
) -> Result<String, StoreError> {
    let (input, policy, now) = (ctx.deciding_input(), ctx.policy(), shared.clock.now());
    let why = format!("kept by {}", visitor.session.user.name);
    let what = match (&asked.verdict, asked.verb) {
        (Some(verdict), _) => Manual::Answer {
            verdict,
            input: &input,
            limits: Some(&policy.limits),
            terms: Terms {
                sends_nothing: ctx.mode.sends_nothing(),
                cancels_per_person_max: build::cancels_per_person_max(&shared.loaded.config),
            },
        },
        (None, Verb::Hold) => Manual::Hold(&why),
        (None, _) => Manual::Release,
    };
    let overrides = asked.verdict.as_ref().map(|_| asked.overrides.as_slice());
    let decision = ManualDecision {
        what,
        actor: &visitor.actor,
        version: Some(&asked.version),
        key: Some(Key::plain(&asked.key)),
        overrides,
    };
    shared
        .store
        .decide_manually((&ctx.shop, id), &decision, now)
        .await?;
    let view = view(shared, ctx, id).await?;
    Ok(view.map_or_else(String::new, |view| view.order.code.to_string()))
}

/// Why a decision was not taken, as a page.
async fn refused(
    shared: &Shared,
    visit: &Visit,
    (ctx, id): (&Ctx, &OrderId),
    (asked, error): (&Asked, StoreError),
) -> Result<Response, StoreError> {
    let refusal = match error {
        StoreError::NotTaken(refusal) => refusal,
        StoreError::NoOrder(_) => return Ok(no_order(visit)),
        StoreError::Refused(_) => {
            return Ok(message(visit, StatusCode::CONFLICT, "web-refused-state"));
        }
        error => return Err(error),
    };
    if let Refusal::Objected(objections) = &refusal {
        return confirm(shared, visit, (ctx, id), (asked, objections)).await;
    }
    let (status, key) = text_of(&refusal);
    Ok(message(visit, status, key))
}

/// The status and the text that say why a decision was not taken.
pub(super) const fn text_of(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Objected(_) => (StatusCode::CONFLICT, "web-refused-interlock"),
        Refusal::NotAllowed(_) => (StatusCode::FORBIDDEN, "web-refused-role"),
        Refusal::SendsNothing(_) => (StatusCode::CONFLICT, "web-refused-mode"),
        Refusal::Changed(_) => (StatusCode::CONFLICT, "web-refused-changed"),
        Refusal::KeyUsed => (StatusCode::CONFLICT, "web-refused-key"),
        Refusal::TooManyCancels { .. } => (StatusCode::TOO_MANY_REQUESTS, "web-refused-cancels"),
    }
}
