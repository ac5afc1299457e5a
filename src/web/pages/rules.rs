//! "Rules": the rules in force in words, and what changed ones would have decided in the last days. It changes nothing.

use std::path::Path;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::super::Shared;
use super::card::{encoded, named_rule};
use super::door::Visit;
use super::form;
use super::page::{Page, clock, failed, html, message, screen, shops};
use super::rule_words::{self, Line};
use crate::domain::ids::ShopName;
use crate::domain::replay::Replay;
use crate::domain::rules::Rules;
use crate::files::read_text;
use crate::lang::Lang;
use crate::net::Peer;
use crate::rules_file::{DEFAULT_RULES, load_for};
use crate::runtime::build;
use crate::store::{PastFilter, StoreError};
use crate::text::shown;

/// Days that rules are tried on.
const DAYS: i64 = 30;
/// Decisions that are made again at most: a request does not keep the processor from orders for long.
const DECISIONS_MAX: u64 = 100_000;
/// Decisions that are read at once, with a pause for others after each.
const AT_ONCE: u32 = 200;
/// Differences that are listed.
const LISTED_MAX: usize = 50;
/// Mistakes of rules that are listed.
const MISTAKES_MAX: usize = 20;
/// Most bytes of rules within a form; longer ones are tried on the server.
const TEXT_MAX: usize = 55_000;

struct Shown {
    name: String,
    when: Vec<Line>,
    then: String,
    class: &'static str,
    note: String,
    shops: String,
    is_off: bool,
}

struct Change {
    was: String,
    would: String,
    count: u64,
}

struct Difference {
    href: String,
    code: String,
    time: String,
    was: String,
    would: String,
}

/// What changed rules would have decided.
#[derive(Default)]
struct Tried {
    summary: String,
    changes: Vec<Change>,
    differences: Vec<Difference>,
    mistakes: Vec<String>,
}

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    page: Page,
    rules: Vec<Shown>,
    /// The rules as they stand in their file, or as they were sent.
    text: String,
    tried: Option<Tried>,
}

/// `GET /rules`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
) -> Response {
    let text = if shops(&shared, &visit).is_empty() {
        String::new()
    } else {
        in_file(&shared)
    };
    screen(&visit, page(&shared, &visit, text, None).await)
}

/// The rules as they stand in their file; empty where they cannot be read, or are too long for a form.
fn in_file(shared: &Shared) -> String {
    let text = match &shared.loaded.config.rules.file {
        Some(file) if file.exists() => read_text(file).unwrap_or_default(),
        _ => DEFAULT_RULES.to_owned(),
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b' ';
    let bytes = text.bytes().map(|byte| if plain(&byte) { 1 } else { 3 });
    if bytes.sum::<usize>() > TEXT_MAX {
        return String::new();
    }
    text
}

async fn page(
    shared: &Shared,
    visit: &Visit,
    text: String,
    tried: Option<Tried>,
) -> Result<RulesPage, StoreError> {
    let lang = visit.lang;
    let seen = shops(shared, visit);
    // All shops have one list, whose rules may name some of them.
    let policy = seen.first().map(|ctx| ctx.policy());
    let is_seen = |named: &Vec<String>| {
        let mut seen = seen.iter();
        seen.any(|ctx| named.iter().any(|name| name == ctx.shop.as_str()))
    };
    let rules = policy.iter().flat_map(|policy| &policy.rules.list);
    let rules = rules.filter(|rule| rule.shops.as_ref().is_none_or(is_seen));
    let rules = rules.map(|rule| {
        let of = |named: &Vec<String>| {
            let named = named
                .iter()
                .filter(|name| seen.iter().any(|ctx| ctx.shop.as_str() == *name));
            named.cloned().collect::<Vec<_>>().join(", ")
        };
        Shown {
            name: rule_words::name(lang, rule),
            when: rule_words::when(lang, rule),
            then: rule_words::then(lang, &rule.then),
            class: class_of(&rule.then),
            note: rule
                .note
                .as_deref()
                .map_or_else(String::new, |n| shown(n, 300)),
            shops: rule.shops.as_ref().map_or_else(String::new, of),
            is_off: !rule.enabled,
        }
    });
    Ok(RulesPage {
        rules: rules.collect(),
        page: Page::of(shared, visit, ("rules", "web-nav-rules")).await?,
        text,
        tried,
    })
}

const fn class_of(outcome: &crate::domain::rules::Outcome) -> &'static str {
    use crate::domain::rules::Outcome;
    match outcome {
        Outcome::Accept => "ok",
        Outcome::Cancel { .. } => "bad",
        Outcome::Hold => "late",
        Outcome::Wait(_) => "act",
    }
}

/// `POST /rules`: tries rules on past decisions.
pub(super) async fn try_out(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    sent: Body,
) -> Response {
    let read = form::read_at_most(&visit, (&headers, &peer), sent, form::RULES_MAX).await;
    let (_, fields) = match read {
        Ok(read) => read,
        Err(refused) => return *refused,
    };
    if shops(&shared, &visit).is_empty() {
        return message(&visit, StatusCode::NOT_FOUND, "web-not-found");
    }
    let text = fields.get("rules").unwrap_or_default().to_owned();
    let tried = match tried(&shared, &visit, &text).await {
        Ok(tried) => tried,
        Err(error) => return failed(&visit, &error),
    };
    let status = if tried.mistakes.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    match page(&shared, &visit, text, Some(tried)).await {
        Ok(page) => html(status, &page),
        Err(error) => failed(&visit, &error),
    }
}

async fn tried(shared: &Shared, visit: &Visit, text: &str) -> Result<Tried, StoreError> {
    let lang = visit.lang;
    let config = &shared.loaded.config;
    let names: Vec<&str> = config.shops.iter().map(|shop| shop.name.as_str()).collect();
    let rules = match load_for(text, Path::new("rules.toml"), Some(&names)) {
        Ok(rules) => rules,
        Err(error) => {
            let mistakes = error.problems.iter().take(MISTAKES_MAX);
            let mistakes = mistakes.map(|problem| {
                let hint = problem.hint.as_ref();
                let hint =
                    hint.map_or_else(String::new, |hint| format!("; {}", lang.sentence(hint)));
                shown(
                    &format!("{}: {}{hint}", problem.at, lang.sentence(&problem.what)),
                    400,
                )
            });
            return Ok(Tried {
                mistakes: mistakes.collect(),
                ..Tried::default()
            });
        }
    };
    // One at a time: each keeps a processor busy.
    let Ok(_one) = shared.replays.try_acquire() else {
        return Ok(Tried {
            mistakes: vec![lang.word("web-try-busy")],
            ..Tried::default()
        });
    };
    replayed(shared, visit, rules).await
}

async fn replayed(shared: &Shared, visit: &Visit, rules: Rules) -> Result<Tried, StoreError> {
    let (lang, now) = (visit.lang, shared.clock.now());
    let policy = build::policy(rules, build::limits(&shared.loaded.config));
    let since = now.saturating_sub(SignedDuration::from_hours(24 * DAYS));
    let since = since.unwrap_or(now);
    let mut replay = Replay::new(&policy, LISTED_MAX);
    let mut is_cut = false;
    for ctx in shops(shared, visit) {
        is_cut |= again(shared, (&ctx.shop, since), &mut replay).await?;
    }
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let values = [
        ("all", number(replay.compared).into()),
        ("differ", number(replay.differ()).into()),
        ("days", DAYS.into()),
    ];
    let mut summary = lang.text("web-tried", &values);
    if is_cut {
        summary.push(' ');
        summary.push_str(&lang.word("web-tried.cut"));
    }
    let changes = replay.changes.iter().map(|((was, would), count)| Change {
        was: verdict(lang, was),
        would: verdict(lang, would),
        count: *count,
    });
    let differences = replay.differences.iter().map(|difference| {
        let by = |(words, rule): &(String, String)| {
            format!("{} («{}»)", verdict(lang, words), named_rule(lang, rule))
        };
        Difference {
            href: format!("/orders?q={}", encoded(&difference.code)),
            code: shown(&difference.code, 40),
            time: clock(difference.at, now),
            was: by(&difference.was),
            would: by(&difference.would),
        }
    });
    Ok(Tried {
        summary,
        changes: changes.collect(),
        differences: differences.collect(),
        mistakes: Vec::new(),
    })
}

/// Makes a shop's decisions again; whether there are more than are made at most.
async fn again(
    shared: &Shared,
    (shop, since): (&ShopName, Timestamp),
    replay: &mut Replay<'_>,
) -> Result<bool, StoreError> {
    let filter = PastFilter {
        since,
        shop: Some(shop.to_string()),
    };
    let mut after = 0;
    loop {
        let past = shared.store.past_decisions(&filter, after, AT_ONCE).await?;
        let Some(last) = past.last() else {
            return Ok(false);
        };
        if replay.compared >= DECISIONS_MAX {
            return Ok(true);
        }
        after = last.id;
        for one in &past {
            replay.look(one.id, &one.facts, &one.decision, one.at);
        }
        tokio::task::yield_now().await;
    }
}

/// A verdict in the language of the page: its first word says which it is.
fn verdict(lang: Lang, words: &str) -> String {
    let word = words.split(' ').next().unwrap_or_default();
    lang.word(&format!("web-verdict-{word}"))
}
