//! `qabyl status`

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, Status};
use super::known_shops::waived_words;
use super::{Done, NEEDS_PERSON, locale, open, say, table, translated};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::ShopName;
use crate::status::troubles::{self, Trouble};
use crate::store::ScanKind;

pub(super) async fn run(loaded: &Loaded, args: &Status) -> Done {
    let store = open(&loaded.config).await?;
    let mut rows = Vec::new();
    let mut out = table::table(&[
        "shop",
        "mode",
        "accepted",
        "cancelled",
        "held",
        "wait",
        "new",
        "open",
        "listed",
    ]);
    let now = Clock::System.now();
    let troubles = troubles::find(loaded, &store, now).await?;
    let (mut needs_person, mut unread_words) = (!troubles.is_empty(), Vec::new());
    let mut paces: Vec<String> = Vec::new();
    for shop in &loaded.config.shops {
        let name = ShopName::new(&shop.name)?;
        let totals = store.totals(Some(&name)).await?;
        let scan = store
            .last_complete_scan(&name, ScanKind::New, jiff::Timestamp::MAX)
            .await?;
        let unread = store.unread_orders(&name).await?;
        needs_person |= totals.needs_person();
        let problems = troubles.iter().filter(|trouble| trouble.of == shop.name);
        let problems: Vec<String> = problems.map(Trouble::what_in_full).collect();
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
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
                || translated("never"),
                |scan| {
                    let age = table::age(now.duration_since(scan.started_at));
                    translated(&format!("{age} ago"))
                },
            ),
        ]);
        let pace = store.pace(&name).await?;
        paces.extend(pace.map(|pace| format!("{}: {pace:.1} requests/s at most now", shop.name)));
        // Those that are troubles are named there already.
        let others = unread.iter().filter(|order| {
            let words = order.words();
            !troubles
                .iter()
                .any(|trouble| trouble.of == shop.name && trouble.what == words)
        });
        // What it says waits for them, `--check` says too.
        needs_person |= unread.iter().any(|order| order.uncounted.is_some());
        unread_words.extend(others.map(|order| format!("{}: {order}", shop.name)));
        let waived = store.shop_state(&name).await?.waived;
        unread_words.extend(waived.map(|since| format!("{}: {}", shop.name, waived_words(since))));
        rows.push(json!({
            "shop": shop.name, "mode": shop.mode, "orders": totals.orders, "accepted": totals.accepted,
            "cancelled": totals.cancelled, "held": totals.held, "waiting": totals.waiting,
            "undecided": totals.undecided, "open_actions": totals.open_actions, "unknown": totals.unknown,
            "stuck": totals.stuck, "requests_per_second": pace,
            "last_complete_list": scan.map(|scan| scan.started_at), "trouble": problem,
            "unread": unread, "waived_at": waived,
            "troubles": troubles.iter().map(Trouble::as_json).collect::<Vec<_>>(),
        }));
    }
    if args.shown.format == Format::Json {
        say(&json!(rows).to_string());
    } else {
        say(&out.to_string());
        for pace in &paces {
            say(&translated(pace));
        }
        for trouble in &troubles {
            say(&table::wrapped(&trouble.in_lang_in_full(locale::lang())));
        }
        for words in &unread_words {
            say(&table::wrapped(&translated(words)));
        }
    }
    Ok(ExitCode::from(if args.check && needs_person {
        NEEDS_PERSON
    } else {
        0
    }))
}
