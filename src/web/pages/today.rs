//! "Today": is anything wrong, what is mine to do, how close are the limits.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;

use super::super::Shared;
use super::card::grouped;
use super::door::Visit;
use super::form;
use super::page::{Asking, Page, asked, clock, failed, message, screen, see, shops};
use super::plots::{Bar, HOURS, Meter, bars, bars_label, meter, speed};
use super::waiting::{Asked, said};
use crate::domain::calendar;
use crate::domain::people::{Refusal, Verb};
use crate::lang::Lang;
use crate::net::Peer;
use crate::pipeline::{Ctx, Mode};
use crate::status::troubles;
use crate::store::{DaySums, HourSums, StoreError};
use crate::text::shown;

/// A shop's row.
struct Shop {
    name: String,
    mode: String,
    mode_class: &'static str,
    is_paused: bool,
    may_pause: bool,
    sums: DaySums,
    listed: String,
    is_late: bool,
}

#[derive(Template)]
#[template(path = "today.html")]
struct Today {
    page: Page,
    day: String,
    done: String,
    troubles: Vec<(String, String)>,
    /// Count, words, and whether it leads to what waits for the visitor.
    tiles: Vec<(String, String, bool)>,
    shops: Vec<Shop>,
    meters: Vec<Meter>,
    bars: Vec<Bar>,
    bars_label: String,
    speed: String,
    stock: String,
}

/// `GET /`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    query: Asking<Asked>,
) -> Response {
    screen(&visit, today(&shared, &visit, &asked(query)).await)
}

/// Midnight in Almaty before a moment.
fn midnight(now: Timestamp) -> Timestamp {
    let local = calendar::local(now);
    calendar::moment(local.date().at(0, 0, 0, 0)).unwrap_or(now)
}

async fn today(shared: &Shared, visit: &Visit, asked: &Asked) -> Result<Today, StoreError> {
    let page = Page::of(shared, visit, ("today", "web-nav-today")).await?;
    let (lang, now) = (visit.lang, shared.clock.now());
    let since = midnight(now);
    let seen = shops(shared, visit);
    let (mut all, mut rows, mut meters) = (DaySums::default(), Vec::new(), Vec::new());
    let mut hours = vec![HourSums::default(); HOURS];
    let mut times = Vec::new();
    for ctx in &seen {
        let sums = shared.store.day_sums(&ctx.shop, since).await?;
        add(&mut all, sums);
        for (sum, of) in hours
            .iter_mut()
            .zip(shared.store.hour_sums(&ctx.shop, HOURS, now).await?)
        {
            sum.seen += of.seen;
            sum.accepted += of.accepted;
            sum.cancelled += of.cancelled;
        }
        times.extend(shared.store.accept_times(&ctx.shop, since).await?);
        rows.push(shop(shared, visit, ctx, sums).await?);
        meters.push(meter(shared, lang, ctx, now).await?);
    }
    times.sort_unstable();
    let is_sent = seen.iter().any(|ctx| ctx.mode == Mode::Act);
    let decided = if is_sent {
        "web-tile-decided"
    } else {
        "web-tile-proposed"
    };
    let tiles = [
        ("web-tile-new", all.new),
        ("web-tile-accepted", all.accepted),
        ("web-tile-cancelled", all.cancelled),
        ("web-tile-held", all.held),
        (decided, all.decided),
        ("web-tile-waiting", all.waiting),
        ("web-tile-undecided", all.undecided),
        ("web-tile-other", all.other),
    ];
    let is_shown = |key: &str, count: u64| count > 0 || key != "web-tile-other";
    let tiles = tiles
        .into_iter()
        .filter(|(key, count)| is_shown(key, *count));
    let mut tiles: Vec<(String, String, bool)> = tiles
        .map(|(key, count)| {
            let number = grouped(i64::try_from(count).unwrap_or(i64::MAX));
            (number, lang.word(key), key == "web-tile-held" && count > 0)
        })
        .collect();
    // Those of earlier days wait too.
    if u64::try_from(page.waiting).is_ok_and(|waiting| waiting != all.held) {
        let number = page.waiting.to_string();
        tiles.insert(0, (number, lang.word("web-tile-mine"), true));
    }
    Ok(Today {
        day: calendar::local(now).strftime("%d.%m.%Y").to_string(),
        done: said(lang, asked),
        troubles: found(shared, visit, &seen, now).await?,
        tiles,
        shops: rows,
        meters,
        bars_label: bars_label(lang, &hours),
        bars: bars(&hours, now),
        speed: speed(lang, &times),
        stock: stock_age(shared, lang, now).await?,
        page,
    })
}

const fn add(all: &mut DaySums, one: DaySums) {
    all.new += one.new;
    all.accepted += one.accepted;
    all.cancelled += one.cancelled;
    all.held += one.held;
    all.waiting += one.waiting;
    all.decided += one.decided;
    all.undecided += one.undecided;
    all.other += one.other;
}

/// What is wrong in the visitor's shops, each with its next step.
async fn found(
    shared: &Shared,
    visit: &Visit,
    shops: &[&Ctx],
    now: Timestamp,
) -> Result<Vec<(String, String)>, StoreError> {
    let all = troubles::find(&shared.loaded, &shared.store, now).await?;
    let is_other = |of: &str| {
        let configured = &shared.loaded.config.shops;
        configured.iter().any(|shop| shop.name == of)
            && !shops.iter().any(|ctx| ctx.shop.as_str() == of)
    };
    let own = all.into_iter().filter(|trouble| !is_other(&trouble.of));
    let lang = visit.lang;
    let words = own.map(|trouble| {
        let note = trouble.note.as_ref();
        let note = note.map_or_else(String::new, |note| format!(": {}", shown(note, 200)));
        let (of, what) = (lang.sentence(&trouble.of), lang.sentence(&trouble.what));
        (format!("{of}: {what}{note}"), lang.sentence(&trouble.hint))
    });
    let mut words: Vec<(String, String)> = words.collect();
    words.dedup();
    Ok(words)
}

async fn shop(
    shared: &Shared,
    visit: &Visit,
    ctx: &Ctx,
    sums: DaySums,
) -> Result<Shop, StoreError> {
    let (lang, now) = (visit.lang, shared.clock.now());
    let state = shared.store.shop_state(&ctx.shop).await?;
    let (listed, _) = shared.store.lists_read(&ctx.shop).await?;
    let (key, mode_class) = match ctx.mode {
        _ if state.paused.is_some() => ("web-mode-paused", "late"),
        _ if state.denied.is_some() => ("web-mode-denied", "bad"),
        Mode::Act => ("web-mode-act", "ok"),
        Mode::Propose => ("web-mode-propose", "act"),
        Mode::Observe => ("web-mode-observe", "act"),
    };
    let visitor = visit.visitor.as_ref();
    Ok(Shop {
        name: ctx.shop.to_string(),
        mode: lang.word(key),
        mode_class,
        is_paused: state.paused.is_some(),
        may_pause: visitor.is_some_and(|visitor| visitor.actor.may(Verb::Pause, &ctx.shop)),
        sums,
        is_late: listed.is_none_or(|at| now.duration_since(at) > crate::status::LIST_AGE_MAX),
        listed: listed.map_or_else(|| lang.word("web-never"), |at| clock(at, now)),
    })
}

async fn stock_age(shared: &Shared, lang: Lang, now: Timestamp) -> Result<String, StoreError> {
    let Some((newest, oldest)) = shared.store.stock_age().await? else {
        return Ok(lang.word("web-stock-none"));
    };
    let values = [
        ("newest", clock(newest, now).into()),
        ("oldest", clock(oldest, now).into()),
    ];
    Ok(lang.text("web-stock-age", &values))
}

/// `POST /shops/NAME/pause|resume`
pub(super) async fn pause(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    axum::extract::Path((name, word)): axum::extract::Path<(String, String)>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let (visitor, _) = match form::read(&visit, (&headers, &peer), sent).await {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    let why = match word.as_str() {
        "pause" => Some(format!("paused by {}", visitor.session.user.name)),
        "resume" => None,
        _ => return message(&visit, StatusCode::NOT_FOUND, "web-not-found"),
    };
    let mut seen = shops(&shared, &visit).into_iter();
    let Some(ctx) = seen.find(|ctx| ctx.shop.as_str() == name) else {
        return message(&visit, StatusCode::NOT_FOUND, "web-not-found");
    };
    let now = shared.clock.now();
    let set = shared
        .store
        .set_paused(&ctx.shop, why.as_deref(), &visitor.actor, now);
    match set.await {
        Ok(()) => see(&format!("/?done={word}")),
        Err(StoreError::NotTaken(Refusal::NotAllowed(_))) => {
            message(&visit, StatusCode::FORBIDDEN, "web-refused-role")
        }
        Err(error) => failed(&visit, &error),
    }
}
