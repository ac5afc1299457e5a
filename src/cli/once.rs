//! `qabyl once`

use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::args::{Format, Once};
use super::{DENIED, Done, FAILED, Failure, NEEDS_PERSON, complain, say, shops, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::pipeline::{alert, housekeep, notify, sync_stock};
use crate::runtime::{build, channels, feeds, once, telemetry};
use crate::status::troubles;
use crate::store::{Access, Store};

pub(super) async fn run(loaded: &Loaded, args: &Once) -> Done {
    let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
    telemetry::init(&loaded.config.log, color, telemetry::Target::Stderr)?;
    let ready = shops::ready(loaded)?;
    let path = &loaded.config.database.path;
    let is_new = !Store::exists(path);
    let store = Store::open_or_begin(path, Access::Daemon, Clock::System.now()).await?;
    let store = Arc::new(store);
    if is_new {
        super::note_created(path);
    }
    let shops = shops::build(loaded, ready, &store).await?;
    let contexts = shops.iter().map(|shop| Arc::clone(&shop.ctx)).collect();
    let of_notifier = (Arc::clone(&store), Clock::System);
    let notifier = channels::notifier(loaded, of_notifier, contexts).await?;
    let stop = super::signals::Signals::listen(false)?.stop;
    store
        .configure_sources(&feeds::standing(&loaded.config), Clock::System.now())
        .await?;
    let feeds = feeds::feeds(loaded, Arc::clone(&store), Clock::System);
    if let Some(feeds) = feeds.map_err(|what| Failure::usage(anyhow::anyhow!(what)))? {
        sync_stock::due(&feeds).await?;
    }
    let passes = shops
        .iter()
        .map(|shop| once::run((shop, &shops), args.timeout, &stop));
    let ends = join_all(passes).await;
    for shop in &shops {
        alert::run_once(&shop.ctx).await?;
    }
    // There may be no daemon to do the housekeeping, only cron jobs that run this command.
    let keeper = build::keeper(&loaded.config, Arc::clone(&store), Clock::System);
    housekeep::run_once(&keeper, &stop).await?;
    // A channel that does not answer is tried again by the next run.
    while notify::run_once(&notifier).await?.more {}
    let troubles = troubles::find(loaded, &store, Clock::System.now()).await?;
    let mut rows = Vec::new();
    let mut code = 0;
    for (shop, end) in shops.iter().zip(ends) {
        let summary = end?;
        let totals = store.totals(Some(&shop.ctx.shop)).await?;
        code = code.max(if summary.denied.is_some() {
            DENIED
        } else if summary.failing.is_some() {
            FAILED
        } else if args.check && (totals.needs_person() || !troubles.is_empty()) {
            NEEDS_PERSON
        } else {
            0
        });
        rows.push((shop.ctx.shop.to_string(), summary, totals));
    }
    print(&rows, args);
    for trouble in &troubles {
        complain(&table::wrapped(&trouble.words()));
    }
    Ok(ExitCode::from(code))
}

fn print(rows: &[(String, once::Summary, crate::store::Totals)], args: &Once) {
    if args.shown.format == Format::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(shop, s, t)| {
                json!({
                    "shop": shop, "decided": s.decided, "sent": s.sent, "accepted": t.accepted,
                    "cancelled": t.cancelled, "held": t.held, "waiting": t.waiting,
                    "undecided": t.undecided, "open_actions": t.open_actions, "denied": s.denied,
                    "failing": s.failing, "timed_out": s.timed_out,
                })
            })
            .collect();
        return say(&json!(rows).to_string());
    }
    let mut out = table::table(&[
        "shop",
        "decided",
        "sent",
        "accepted",
        "cancelled",
        "held",
        "waiting",
        "open",
    ]);
    for (shop, s, t) in rows {
        out.add_row(vec![
            shop.clone(),
            s.decided.to_string(),
            s.sent.to_string(),
            t.accepted.to_string(),
            t.cancelled.to_string(),
            t.held.to_string(),
            t.waiting.to_string(),
            t.open_actions.to_string(),
        ]);
    }
    say(&out.to_string());
    for (shop, s, _) in rows {
        if let Some(problem) = s.denied.as_ref().or(s.failing.as_ref()) {
            say(&table::wrapped(&format!("{shop}: {problem}")));
        }
    }
}
