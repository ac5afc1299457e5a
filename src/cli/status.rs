//! `qabyl status`

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, Status};
use super::{Done, NEEDS_PERSON, known_shops, open, orders, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::ShopName;
use crate::status::LIST_AGE_MAX;
use crate::store::{ScanKind, Store, StoreError};

pub(super) async fn run(loaded: &Loaded, args: &Status) -> Done {
    let store = open(&loaded.config).await?;
    let mut rows = Vec::new();
    let mut out = table::table(&[
        "shop",
        "mode",
        "accepted",
        "cancelled",
        "held",
        "waiting",
        "undecided",
        "open",
        "listed",
    ]);
    let now = Clock::System.now();
    let (mut needs_person, mut problems) = (false, Vec::new());
    for shop in &loaded.config.shops {
        let name = ShopName::new(&shop.name)?;
        let totals = store.totals(Some(&name)).await?;
        let state = store.shop_state(&name).await?;
        let scan = store
            .last_complete_scan(&name, ScanKind::New, jiff::Timestamp::MAX)
            .await?;
        let problem = state
            .denied
            .map(|(since, why)| format!("{why} since {}", orders::local(since)))
            .or(state.mismatch)
            .or(state.paused.map(|why| format!("paused: {why}")))
            .or(listing_problem(&store, &name).await?);
        let unread = store.unread_orders(&name).await?;
        needs_person |= totals.needs_person() || problem.is_some();
        needs_person |= unread.iter().any(|order| order.needs_person);
        out.add_row(vec![
            shop.name.clone(),
            format!("{:?}", shop.mode).to_lowercase(),
            totals.accepted.to_string(),
            totals.cancelled.to_string(),
            totals.held.to_string(),
            totals.waiting.to_string(),
            totals.undecided.to_string(),
            totals.open_actions.to_string(),
            scan.as_ref().map_or_else(
                || "never".to_owned(),
                |scan| format!("{} ago", table::age(now.duration_since(scan.started_at))),
            ),
        ]);
        if let Some(problem) = &problem {
            problems.push(format!("{}: {problem}", shop.name));
        }
        problems.extend(unread.iter().map(|order| format!("{}: {order}", shop.name)));
        rows.push(json!({
            "shop": shop.name, "mode": shop.mode, "orders": totals.orders, "accepted": totals.accepted,
            "cancelled": totals.cancelled, "held": totals.held, "waiting": totals.waiting,
            "undecided": totals.undecided, "open_actions": totals.open_actions, "unknown": totals.unknown,
            "stuck": totals.stuck,
            "last_complete_list": scan.map(|scan| scan.started_at), "trouble": problem,
            "unread": unread,
        }));
    }
    let removed = known_shops::removed(&store).await?;
    needs_person |= !removed.is_empty();
    problems.extend(removed);
    if args.shown.format == Format::Json {
        say(&json!(rows).to_string());
    } else {
        say(&out.to_string());
        for problem in &problems {
            say(problem);
        }
    }
    Ok(ExitCode::from(if args.check && needs_person {
        NEEDS_PERSON
    } else {
        0
    }))
}

/// The problem that has kept new orders from being listed for so long that the shop is not ready.
async fn listing_problem(store: &Store, shop: &ShopName) -> Result<Option<String>, StoreError> {
    let now = Clock::System.now();
    let problem = store.lists_failing(shop).await?;
    let problem = problem.filter(|(since, _)| now.duration_since(*since) > LIST_AGE_MAX);
    Ok(problem.map(|(since, why)| {
        let since = orders::local(since);
        format!("new orders not listed since {since}: {why}; `qabyl doctor` asks Kaspi now")
    }))
}
