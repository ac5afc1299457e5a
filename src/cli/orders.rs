//! `qabyl orders list|show`

use std::collections::BTreeSet;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{Format, OneOrder, OrdersList};
use super::deadline::Deadline;
use super::{
    Done, Failure, NEEDS_PERSON, locale, open, print_error, say, say_translated, table, translated,
};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::action::{Kind, OutcomeKind, State};
use crate::domain::calendar::{self, left_words};
use crate::domain::ids::OrderId;
use crate::domain::order::{Order, Status};
pub(super) use crate::status::orders::{reason, standing, version};
use crate::status::troubles;
use crate::store::{ActionView, OrderFilter, OrderView, Store, StoreError};

/// Most held orders to load: all of them are sorted by deadline, as the oldest need not be the most urgent.
const HELD_MAX: u32 = 10_000;

/// Number of orders listed beside every open one.
const NEWEST: u32 = 50;

/// Number of orders listed where a filter is given.
const FILTERED: u32 = 100;

pub(super) async fn list(loaded: &Loaded, args: &OrdersList) -> Done {
    let store = open(&loaded.config).await?;
    let since = args
        .since
        .map(|age| Clock::System.now().saturating_sub(age))
        .transpose()?
        .map(jiff::Timestamp::as_millisecond);
    check_shop(loaded, &store, args.shop.as_deref()).await?;
    let after = match &args.after {
        Some(code) => Some(place_of(&store, code, args.shop.as_deref()).await?),
        None => None,
    };
    let is_filtered = args.state.is_some() || args.status.is_some() || since.is_some();
    let is_filtered = is_filtered || after.is_some() || args.held;
    let all_open = !is_filtered && args.limit.is_none();
    let limit = args
        .limit
        .unwrap_or(if all_open { NEWEST } else { FILTERED });
    let filter = OrderFilter {
        shop: args.shop.clone(),
        id: None,
        state: args.state.clone(),
        status: args.status.clone(),
        since,
        after,
        held: args.held,
        all_open,
        limit: if args.held { HELD_MAX } else { limit },
    };
    let deadline = Deadline::of(&loaded.config, &store).await?;
    let mut orders = store.orders(&filter).await?;
    if args.held {
        orders.sort_by_key(|view| deadline.at(&view.order));
        orders.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if args.shown.format == Format::Json {
        let orders: Vec<_> = orders.iter().map(|view| as_json(view, &deadline)).collect();
        say(&json!(orders).to_string());
    } else {
        let table = if args.held {
            as_held_table(&orders, &deadline)
        } else {
            as_table(&orders)
        };
        say(&table.to_string());
        let is_cut = !args.held && orders.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        if let (true, Some(last)) = (is_cut, orders.last()) {
            say_translated(&format!("older orders: --after {}", last.order.code));
        }
    }
    let troubles = if args.check {
        troubles::find(loaded, &store, Clock::System.now()).await?
    } else {
        Vec::new()
    };
    for trouble in &troubles {
        print_error(&table::wrapped(&trouble.in_lang(locale::lang())));
    }
    let needs_person = args.check && !(orders.is_empty() && troubles.is_empty());
    Ok(ExitCode::from(if needs_person { NEEDS_PERSON } else { 0 }))
}

pub(super) async fn show(loaded: &Loaded, args: &OneOrder) -> Done {
    let (order, deadline) = find(loaded, args).await?;
    if args.shown.format == Format::Json {
        say(&as_json(&order, &deadline).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(&as_table(std::slice::from_ref(&order)).to_string());
    say(&lines_table(&order).to_string());
    say_translated(&format!("version {}", version(&order)));
    Ok(ExitCode::SUCCESS)
}

/// Where the order with this number stands in the list, newest first.
async fn place_of(
    store: &Store,
    code: &str,
    shop: Option<&str>,
) -> Result<(i64, OrderId), Failure> {
    let (shop, id) = store.find_order(code, shop).await?;
    let filter = OrderFilter {
        shop: Some(shop.to_string()),
        id: Some(id.clone()),
        ..OrderFilter::default()
    };
    let found = store.orders(&filter).await?.pop();
    let found = found.ok_or_else(|| StoreError::NoOrder(code.to_owned()))?;
    Ok((found.order.created_at.as_millisecond(), id))
}

/// A mistyped shop must not look like one without orders.
async fn check_shop(loaded: &Loaded, store: &Store, asked: Option<&str>) -> Result<(), Failure> {
    let Some(asked) = asked else { return Ok(()) };
    let configured = loaded.config.shops.iter().map(|shop| shop.name.clone());
    let stored = store.shops().await?;
    let known: BTreeSet<String> = configured
        .chain(stored.iter().map(ToString::to_string))
        .collect();
    if known.contains(asked) {
        return Ok(());
    }
    let known: Vec<String> = known.into_iter().collect();
    Err(Failure::usage(anyhow::anyhow!(
        "there is no shop {asked}; known: {}",
        known.join(", ")
    )))
}

/// The one order with this code, and what its deadline is reckoned with.
pub(super) async fn find(
    loaded: &Loaded,
    args: &OneOrder,
) -> Result<(OrderView, Deadline), Failure> {
    let store = open(&loaded.config).await?;
    check_shop(loaded, &store, args.shop.as_deref()).await?;
    let (shop, id) = store.find_order(&args.code, args.shop.as_deref()).await?;
    let filter = OrderFilter {
        shop: Some(shop.to_string()),
        id: Some(id),
        limit: 1,
        ..OrderFilter::default()
    };
    let mut found = store.orders(&filter).await?;
    let order = found.pop();
    let order = order.ok_or_else(|| StoreError::NoOrder(args.code.clone()))?;
    Ok((order, Deadline::of(&loaded.config, &store).await?))
}

/// What became of an action. Where Kaspi did not refuse it and shows the order as cancelled, the buyer was first.
pub(super) fn outcome(action: &ActionView, order: &Order) -> &'static str {
    let is_cancelled = matches!(order.status, Status::Cancelled | Status::Cancelling);
    let last = action.attempts.last().and_then(|attempt| attempt.outcome);
    let is_rejected = last == Some(OutcomeKind::Rejected);
    let is_overtaken =
        action.kind == Kind::Accept && action.state == State::Refused && is_cancelled;
    if is_overtaken && !is_rejected {
        "came too late: the order was cancelled before"
    } else {
        action.state.as_str()
    }
}

fn as_table(orders: &[OrderView]) -> crate::cli::table::Table {
    let mut out = table::table(&[
        "code", "created", "total", "delivery", "at Kaspi", "Qabyl", "why",
    ]);
    for view in orders {
        let order = &view.order;
        out.add_row(vec![
            order.code.to_string(),
            local(order.created_at),
            order.total_words(),
            delivery(order),
            table::breakable(&format!("{} {}", order.state, order.status)),
            translated(&standing(view)),
            translated(&reason(view)),
        ]);
    }
    out
}

/// Orders that need a person, with the time left instead of the creation date.
fn as_held_table(orders: &[OrderView], deadline: &Deadline) -> crate::cli::table::Table {
    let mut out = table::table(&["code", "deadline", "total", "delivery", "Qabyl", "why"]);
    for view in orders {
        let order = &view.order;
        let left = deadline.left(view);
        out.add_row(vec![
            order.code.to_string(),
            left.map_or_else(|| "-".to_owned(), |(_, left)| translated(&left_words(left))),
            order.total_words(),
            delivery(order),
            translated(&standing(view)),
            translated(&reason(view)),
        ]);
    }
    out
}

fn delivery(order: &Order) -> String {
    let mode = order.delivery_mode.as_ref();
    let mode = mode.map_or("-", |mode| mode.as_str());
    let mode = mode.trim_start_matches("DELIVERY_").to_lowercase();
    let mode = table::breakable(&translated(&mode));
    if order.express {
        format!("{mode}, {}", translated("express"))
    } else {
        mode
    }
}

/// The lines of an order.
pub(super) fn lines_table(view: &OrderView) -> crate::cli::table::Table {
    let mut out = table::table(&["line", "SKU", "name", "units", "price"]);
    for line in &view.lines {
        out.add_row(vec![
            line.number.to_string(),
            line.sku
                .as_ref()
                .map_or_else(|| translated("none"), ToString::to_string),
            line.name.clone().unwrap_or_default(),
            format!("{} {}", line.quantity, line.unit.as_str().to_lowercase()),
            line.unit_price
                .map_or_else(String::new, |price| price.to_string()),
        ]);
    }
    out
}

/// A moment in Almaty time.
pub(super) fn local(at: Timestamp) -> String {
    calendar::local(at).strftime("%d.%m %H:%M:%S").to_string()
}

/// Everything known about an order.
pub(super) fn as_json(view: &OrderView, deadline: &Deadline) -> Value {
    let left = deadline.left(view);
    let actions: Vec<Value> = view
        .actions
        .iter()
        .map(|action| {
            let attempts: Vec<Value> = action
                .attempts
                .iter()
                .map(|a| {
                    json!({
                        "n": a.n, "begun_at": a.begun_at, "ended_at": a.ended_at,
                        "outcome": a.outcome.map(OutcomeKind::word), "detail": a.detail,
                    })
                })
                .collect();
            json!({
                "action": action.kind.word(), "reason": action.reason(), "state": action.state.as_str(),
                "made_at": action.made_at, "due_at": action.due_at, "closed_at": action.closed_at,
                "why": action.why, "attempts": attempts,
            })
        })
        .collect();
    let decision = view.decision.as_ref().map(|decision| {
        json!({
            "id": decision.id, "at": decision.at, "by": decision.actor,
            "verdict": decision.decision.verdict.word(), "rule": decision.decision.rule,
            "overruled": decision.decision.overruled, "objections": decision.decision.objections, "policy": decision.policy_digest,
            "facts": decision.facts,
        })
    });
    json!({
        "shop": view.shop, "code": view.order.code, "version": version(view), "order": view.order, "lines": view.lines,
        "lines_problem": view.lines_problem, "seen_at": view.seen_at, "standing": standing(view),
        "why": reason(view),
        "deadline_at": left.map(|(at, _)| at), "left_s": left.map(|(_, left)| left.as_secs()),
        "held": view.held.as_ref().map(|(by, why)| json!({ "by": by, "why": why })),
        "decision": decision, "actions": actions,
    })
}
