//! `qabyl notify test|list`

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::json;

use super::args::{Format, Shown};
use super::{Done, FAILED, Failure, open, orders, say, say_translated, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::notice::Notice;
use crate::notify::{Item, Outgoing};
use crate::runtime::channels;

/// Latest notifications to show.
const SHOWN_MAX: u32 = 20;

/// Sends directly, not through the queue, as the user waits for the result.
pub(super) async fn test(loaded: &Loaded, name: Option<&str>, format: Format) -> Done {
    let all = &loaded.config.channels;
    let wanted: Vec<_> = all
        .iter()
        .filter(|channel| name.is_none_or(|name| name == channel.name))
        .collect();
    if wanted.is_empty() {
        let known: Vec<&str> = all.iter().map(|channel| channel.name.as_str()).collect();
        let error = match name {
            Some(name) => anyhow!(
                "there is no channel {name}; configured: {}",
                known.join(", ")
            ),
            None => anyhow!("no channel is configured; add a [[channels]] block"),
        };
        return Err(Failure::usage(error));
    }
    let (mut code, mut rows) = (0, Vec::new());
    for channel in wanted {
        let now = Clock::System.now();
        let notice = Notice::test(&channel.name);
        let message = Outgoing {
            token: format!("msg_test_{}", now.as_millisecond()),
            made_at: now,
            is_summary: false,
            is_short: false,
            items: vec![Item {
                at: now,
                kind: notice.kind,
                shop: None,
                facts: notice.facts,
                left: None,
            }],
        };
        let sent = channels::channel(loaded, channel)?
            .send(&message, now)
            .await;
        let (is_accepted, problem) = (sent.is_ok(), sent.err().map(|error| error.to_string()));
        if !is_accepted {
            code = FAILED;
        }
        if format == Format::Table {
            let words = problem.as_deref().unwrap_or("the message was accepted");
            say_translated(&format!("{}: {words}", channel.name));
        }
        rows.push(json!({ "channel": channel.name, "accepted": is_accepted, "problem": problem }));
    }
    if format == Format::Json {
        say(&json!(rows).to_string());
    }
    Ok(ExitCode::from(code))
}

/// The state of the channels, and the latest notifications.
pub(super) async fn list(loaded: &Loaded, args: &Shown) -> Done {
    let store = open(&loaded.config).await?;
    let states = store.channels().await?;
    let notices = store.notices(SHOWN_MAX).await?;
    if args.format == Format::Json {
        let channels: Vec<_> = states
            .iter()
            .map(|state| {
                json!({
                    "channel": state.name, "due": state.due, "delivered": state.delivered,
                    "dropped": state.dropped, "failures": state.failures,
                    "failing_since": state.failing_since, "last_error": state.last_error,
                })
            })
            .collect();
        let notices: Vec<_> = notices
            .iter()
            .map(|notice| {
                json!({ "at": notice.at, "event": notice.kind.word(), "shop": notice.shop, "facts": notice.facts })
            })
            .collect();
        say(&json!({ "channels": channels, "notices": notices }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["channel", "waiting", "delivered", "given up", "problem"]);
    for state in &states {
        let problem = state.last_error.as_ref().map(|why| {
            let since = state.failing_since.map(orders::local).unwrap_or_default();
            format!("{why}; {} failures since {since}", state.failures)
        });
        out.add_row(vec![
            state.name.clone(),
            state.due.to_string(),
            state.delivered.to_string(),
            state.dropped.to_string(),
            problem.unwrap_or_default(),
        ]);
    }
    say(&out.to_string());
    let mut out = table::table(&["time", "shop", "event", "facts"]);
    for notice in &notices {
        out.add_row(vec![
            orders::local(notice.at),
            notice.shop.clone().unwrap_or_default(),
            notice.kind.word().to_owned(),
            notice.facts.to_string(),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
