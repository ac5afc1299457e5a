//! Orders: lists, one order, and manual decisions.

use std::cmp::Ordering;

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::guard::Caller;
use super::limits::Kind;
use super::{BODY_MAX, Shared, body, keys};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::Name;
use crate::domain::money::Money;
use crate::domain::order::{DeliveryMode, Line, State as KaspiState};
use crate::domain::people::Verb;
use crate::domain::verdict::{COMMENT_CHARS_MAX, CancelReason, Verdict};
use crate::ledger::{Key, Manual, ManualDecision, Taken, Terms};
use crate::net::Peer;
use crate::pipeline::Ctx;
use crate::runtime::build;
use crate::status::orders::{reason, standing, version};
use crate::store::{OrderFilter, OrderView};
use crate::text::hex;

/// Orders on a page, where nothing else is asked for, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 100;

/// Longest reason of a hold, in characters.
const WHY_CHARS_MAX: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// `held`, or one of Kaspi's states.
    state: Option<String>,
    shop: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneQuery {
    shop: Option<String>,
}

/// `GET /api/v1/orders`
pub(super) async fn list(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let done = async {
        caller.take(&shared, Kind::Read)?;
        let Query(query) = query.map_err(|error| Answer::bad_request(error.body_text()))?;
        list_orders(&shared, &caller, &query).await
    };
    done.await.unwrap_or_else(|problem| problem)
}

async fn list_orders(
    shared: &Shared,
    caller: &Caller,
    query: &ListQuery,
) -> Result<Answer, Answer> {
    let shops = visible(shared, caller, query.shop.as_deref())?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Answer::bad_request(format!(
            "limit is from 1 to {PAGE_MAX}"
        )));
    }
    let held = query.state.as_deref() == Some("held");
    let state = query.state.clone().filter(|_| !held);
    if let Some(state) = &state
        && matches!(KaspiState::from(state.as_str()), KaspiState::Other(_))
    {
        let what = format!("there is no state {state}: held, or one of Kaspi's, such as NEW");
        return Err(Answer::bad_request(what));
    }
    let after = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    let mut found = Vec::new();
    for ctx in &shops {
        let after = after.as_ref().map(|after| after.within(&ctx.shop, held));
        let filter = OrderFilter {
            shop: Some(ctx.shop.to_string()),
            state: state.clone(),
            held,
            after: after.transpose()?,
            limit: limit + 1,
            ..OrderFilter::default()
        };
        let views = shared.store.orders(&filter).await?;
        found.extend(
            views
                .into_iter()
                .map(|view| (Cursor::of(&view), view, *ctx)),
        );
    }
    // Those that need a person oldest first, as they have the least time; others newest first.
    found.sort_by(|(a, ..), (b, ..)| {
        let by_time = a.created_at.cmp(&b.created_at);
        let by_time = if held { by_time } else { by_time.reverse() };
        by_time.then_with(|| (&b.shop, &b.id).cmp(&(&a.shop, &a.id)))
    });
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more);
    let next = next.map(|(place, ..)| place.to_text());
    let orders = found.iter().map(|(_, view, ctx)| as_json(view, ctx));
    let orders: Vec<Value> = orders.collect();
    Ok(Answer::ok(json!({ "orders": orders, "next": next })))
}

/// The place of an order in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    created_at: i64,
    shop: String,
    id: String,
}

impl Cursor {
    fn of(view: &OrderView) -> Self {
        Self {
            created_at: view.order.created_at.as_millisecond(),
            shop: view.shop.clone(),
            id: view.order.id.as_str().to_owned(),
        }
    }

    /// Behind what the orders of a shop follow: at the same moment the last shop goes first.
    fn within(&self, shop: &ShopName, held: bool) -> Result<(i64, OrderId), Answer> {
        // Behind every id that there is.
        const LAST: &str = "\u{10ffff}";
        let (at, id) = match shop.as_str().cmp(self.shop.as_str()) {
            Ordering::Equal => (self.created_at, self.id.as_str()),
            Ordering::Less => (self.created_at, LAST),
            Ordering::Greater => (self.created_at + if held { 1 } else { -1 }, LAST),
        };
        let id = OrderId::new(id).map_err(|error| Answer::bad_request(error.to_string()))?;
        Ok((at, id))
    }

    fn to_text(&self) -> String {
        hex(format!("{} {} {}", self.created_at, self.shop, self.id).as_bytes())
    }

    fn parse(text: &str) -> Result<Self, Answer> {
        let wrong = || Answer::bad_request("the cursor is not one that a list gave as next");
        let bytes = from_hex(text).ok_or_else(wrong)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let mut parts = text.splitn(3, ' ');
        let (Some(created_at), Some(shop), Some(id)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        Ok(Self {
            created_at: created_at.parse().map_err(|_| wrong())?,
            shop: shop.to_owned(),
            id: id.to_owned(),
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() || text.len() > 2048 {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// The shops that the caller may see; one that is asked for by name must be among them.
pub(super) fn visible<'s>(
    shared: &'s Shared,
    caller: &Caller,
    asked: Option<&str>,
) -> Result<Vec<&'s Ctx>, Answer> {
    let may_see = |ctx: &&Ctx| caller.actor.may(Verb::View, &ctx.shop);
    let shops: Vec<&Ctx> = shared
        .shops
        .iter()
        .map(AsRef::as_ref)
        .filter(may_see)
        .collect();
    if shops.is_empty() {
        let what = "this token sees no orders: its role is for pushing stock, or its shop is not configured";
        return Err(Answer::forbidden(what));
    }
    let Some(asked) = asked else {
        return Ok(shops);
    };
    let of_name: Vec<&Ctx> = shops
        .into_iter()
        .filter(|ctx| ctx.shop.as_str() == asked)
        .collect();
    if of_name.is_empty() {
        return Err(Answer::not_found("there is no such shop"));
    }
    Ok(of_name)
}

/// `GET /api/v1/orders/CODE`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(code): Path<String>,
    query: Result<Query<OneQuery>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    let done = async {
        caller.take(&shared, Kind::Read)?;
        let Query(query) = query.map_err(|error| Answer::bad_request(error.body_text()))?;
        let (ctx, id) = find(&shared, &caller, (&code, query.shop.as_deref())).await?;
        order(&shared, ctx, id).await
    };
    done.await.unwrap_or_else(|problem| problem)
}

/// The order with this code or id among those that the caller may see.
async fn find<'s>(
    shared: &'s Shared,
    caller: &Caller,
    (code, shop): (&str, Option<&str>),
) -> Result<(&'s Ctx, OrderId), Answer> {
    let shops = visible(shared, caller, shop)?;
    let is_visible = |name: &ShopName| shops.iter().any(|ctx| ctx.shop == *name);
    let (shop, id) = shared.store.find_order_among(code, is_visible).await?;
    let ctx = shops.into_iter().find(|ctx| ctx.shop == shop);
    let ctx = ctx.ok_or_else(|| Answer::not_found("there is no such order"))?;
    Ok((ctx, id))
}

async fn order(shared: &Shared, ctx: &Ctx, id: OrderId) -> Result<Answer, Answer> {
    let filter = OrderFilter {
        shop: Some(ctx.shop.to_string()),
        id: Some(id),
        limit: 1,
        ..OrderFilter::default()
    };
    let view = shared.store.orders(&filter).await?.pop();
    let view = view.ok_or_else(|| Answer::not_found("there is no such order"))?;
    let mut answer = Answer::ok(as_json(&view, ctx));
    answer.version = Some(version(&view));
    Ok(answer)
}

/// In tenge.
fn tenge(money: Money) -> Value {
    let tiyn = money.tiyn();
    if tiyn % 100 == 0 {
        return json!(tiyn / 100);
    }
    let text = format!("{}.{:02}", tiyn / 100, tiyn.unsigned_abs() % 100);
    text.parse::<f64>()
        .map_or(Value::Null, |tenge| json!(tenge))
}

fn line(line: &Line) -> Value {
    json!({
        "sku": line.sku, "name": line.name, "quantity": line.quantity,
        "unit_price": line.unit_price.map(tenge), "total": line.total.map(tenge),
    })
}

fn as_json(view: &OrderView, ctx: &Ctx) -> Value {
    let (order, schedule) = (&view.order, ctx.policy().limits.schedule.clone());
    let deadline = order.awaits_merchant().then(|| {
        let left = schedule.left(order, ctx.kaspi_clock.now());
        (schedule.deadline_of(order), left.as_secs())
    });
    let decision = view.decision.as_ref().map(|decision| {
        let objections = decision.decision.objections.iter();
        let objections: Vec<Value> = objections
            .map(|o| json!({ "interlock": o.interlock.as_str(), "why": o.why }))
            .collect();
        json!({
            "at": decision.at, "by": decision.actor, "verdict": decision.decision.verdict.word(),
            "rule": decision.decision.rule, "objections": objections,
        })
    });
    let actions = view.actions.iter().map(|action| {
        json!({
            "action": action.kind.word(), "reason": action.reason(), "state": action.state.as_str(),
            "made_at": action.made_at, "closed_at": action.closed_at, "why": action.why,
            "attempts": action.attempts.len(),
        })
    });
    let actions: Vec<Value> = actions.collect();
    let lines: Vec<Value> = view.lines.iter().map(line).collect();
    json!({
        "shop": view.shop, "code": order.code, "id": order.id.as_str(), "version": version(view),
        "state": order.state.as_str(), "status": order.status.as_str(), "created_at": order.created_at,
        "total": order.total.map(tenge), "express": order.express, "pre_order": order.pre_order,
        "delivery": order.delivery_mode.as_ref().map(DeliveryMode::as_str),
        "pickup_point": order.pickup_point.as_ref().map(ToString::to_string),
        "lines": lines, "lines_problem": view.lines_problem, "seen_at": view.seen_at,
        "standing": standing(view), "why": reason(view),
        "deadline_at": deadline.map(|(at, _)| at), "left_s": deadline.map(|(_, left)| left),
        "held": view.held.as_ref().map(|(by, why)| json!({ "by": by, "why": why })),
        "decision": decision, "actions": actions,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    #[serde(default, rename = "override")]
    overrides: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    reason: String,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default, rename = "override")]
    overrides: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    #[serde(default)]
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {}

/// What a body asks for.
enum Asked {
    Answer(Verdict, Vec<Name>),
    Hold(String),
    Release,
}

fn interlocks(words: &[String]) -> Result<Vec<Name>, Answer> {
    let of = |word: &String| {
        let found = Name::ALL.into_iter().find(|name| name.as_str() == word);
        found.ok_or_else(|| Answer::bad_request(format!("there is no interlock {word}")))
    };
    words.iter().map(of).collect()
}

fn too_long(what: &str, text: &str, max: usize) -> Result<(), Answer> {
    if text.chars().count() > max {
        let what = format!("{what} has more than {max} characters");
        return Err(Answer::bad_request(what));
    }
    Ok(())
}

fn asked(verb: Verb, headers: &HeaderMap, bytes: &[u8]) -> Result<Asked, Answer> {
    Ok(match verb {
        Verb::Accept => {
            let body: AcceptBody = body::json(headers, bytes)?;
            Asked::Answer(Verdict::Accept, interlocks(&body.overrides)?)
        }
        Verb::Cancel => {
            let body: CancelBody = body::json(headers, bytes)?;
            let reason = CancelReason::parse(&body.reason).ok_or_else(|| {
                let all: Vec<&str> = CancelReason::ALL.iter().map(|r| r.as_str()).collect();
                Answer::bad_request(format!("reason is one of {}", all.join(", ")))
            })?;
            let comment = body.comment.unwrap_or_default();
            too_long("comment", &comment, COMMENT_CHARS_MAX)?;
            let verdict = Verdict::Cancel { reason, comment };
            Asked::Answer(verdict, interlocks(&body.overrides)?)
        }
        Verb::Hold => {
            let body: HoldBody = body::json(headers, bytes)?;
            let why = body.why.unwrap_or_else(|| "held by the API".to_owned());
            too_long("why", &why, WHY_CHARS_MAX)?;
            Asked::Hold(why)
        }
        _ => {
            let ReleaseBody {} = body::json(headers, bytes)?;
            Asked::Release
        }
    })
}

/// The verb of a path's last part.
fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "accept" => Verb::Accept,
        "cancel" => Verb::Cancel,
        "hold" => Verb::Hold,
        "release" => Verb::Release,
        _ => return None,
    })
}

/// A request that changes an order.
pub(super) struct Decide<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

/// `POST /api/v1/orders/CODE/accept|cancel|hold|release`
pub(super) async fn decide(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((code, word)): Path<(String, String)>,
    (query, method, uri): (
        Result<Query<OneQuery>, axum::extract::rejection::QueryRejection>,
        Method,
        Uri,
    ),
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let request = Decide {
        method: &method,
        uri: &uri,
        headers: &headers,
    };
    let done = async {
        let Some(verb) = verb(&word) else {
            return Err(Answer::not_found("there is no such address"));
        };
        let Query(query) = query.map_err(|error| Answer::bad_request(error.body_text()))?;
        let bytes = body::read(body, &headers, &peer, BODY_MAX).await?;
        let of = (code.as_str(), query.shop.as_deref(), verb);
        decide_order(&shared, &caller, of, (&request, &bytes)).await
    };
    done.await.unwrap_or_else(|problem| problem)
}

async fn decide_order(
    shared: &Shared,
    caller: &Caller,
    (code, shop, verb): (&str, Option<&str>, Verb),
    (request, bytes): (&Decide<'_>, &[u8]),
) -> Result<Answer, Answer> {
    let now = shared.clock.now();
    let digest = hex(&Sha256::digest(bytes));
    let words = format!("{} {} {digest}", request.method, request.uri);
    let key = keys::of(request.headers)?;
    let keyed = key.map(|key| keys::request(caller, key, &words));
    if let Some(before) = keys::answered(shared, keyed.as_ref(), now).await? {
        return Ok(before);
    }
    caller.take(shared, Kind::Write)?;
    if !shared
        .shops
        .iter()
        .any(|ctx| caller.actor.may(verb, &ctx.shop))
    {
        let what = format!("this token may not {}", verb.words());
        return Err(Answer::forbidden(what));
    }
    let asked = asked(verb, request.headers, bytes)?;
    let version = keys::version(request.headers)?;
    let done = async {
        let (ctx, id) = find(shared, caller, (code, shop)).await?;
        let of_key = key.map(|key| (key, words.as_str()));
        take(
            shared,
            caller,
            (ctx, &id),
            (&asked, verb, version.as_deref()),
            of_key,
            now,
        )
        .await
    };
    match done.await {
        Ok(answer) => Ok(answer),
        Err(problem) => keys::keep(shared, keyed.as_ref(), problem, now).await,
    }
}

async fn take(
    shared: &Shared,
    caller: &Caller,
    (ctx, id): (&Ctx, &OrderId),
    (asked, verb, version): (&Asked, Verb, Option<&str>),
    key: Option<(&str, &str)>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let (input, policy) = (ctx.deciding_input(), ctx.policy());
    let what = match asked {
        Asked::Answer(verdict, _) => Manual::Answer {
            verdict,
            input: &input,
            limits: Some(&policy.limits),
            terms: Terms {
                sends_nothing: ctx.mode.sends_nothing(),
                cancels_per_person_max: build::cancels_per_person_max(&shared.loaded.config),
            },
        },
        Asked::Hold(why) => Manual::Hold(why),
        Asked::Release => Manual::Release,
    };
    let overrides = match asked {
        Asked::Answer(_, names) => Some(names.as_slice()),
        Asked::Hold(_) | Asked::Release => None,
    };
    let taken_as = |taken: &Taken| {
        let overridden = taken
            .overridden
            .iter()
            .map(|(name, why)| json!({ "interlock": name.as_str(), "why": why }));
        let overridden: Vec<Value> = overridden.collect();
        let did = match verb {
            Verb::Accept => "accept",
            Verb::Cancel => "cancel",
            Verb::Hold => "hold",
            _ => "release",
        };
        Answer::ok(json!({
            "shop": ctx.shop, "id": id.as_str(), "decision": did, "overridden": overridden,
        }))
    };
    let kept = |taken: &Taken| serde_json::to_string(&taken_as(taken)).unwrap_or_default();
    let decision = ManualDecision {
        what,
        actor: &caller.actor,
        version,
        key: key.map(|(key, words)| Key {
            key,
            request: Some(words),
            answer: &kept,
        }),
        overrides,
    };
    let taken = shared
        .store
        .decide_manually((&ctx.shop, id), &decision, now);
    let taken = taken.await?;
    match &taken.repeated {
        Some(before) => keys::parse(before),
        None => Ok(taken_as(&taken)),
    }
}
