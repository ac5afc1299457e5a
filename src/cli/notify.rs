//! `qabyl notify test|list`

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::json;

use super::args::{Format, Shown};
use super::{Done, FAILED, Failure, open, orders, say, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::notice::Notice;
use crate::notify::{Item, Outgoing};
use crate::runtime::channels;

/// Notices shown.
const SHOWN: u32 = 20;

/// Sends without the queue: whoever asks is waiting for the answer.
pub(super) async fn test(loaded: &Loaded, name: Option<&str>) -> Done {
    let all = &loaded.config.channels;
    let wanted: Vec<_> = all
        .iter()
        .filter(|channel| name.is_none_or(|name| name == channel.name))
        .collect();
    if wanted.is_empty() {
        let known: Vec<&str> = all.iter().map(|channel| channel.name.as_str()).collect();
        let error = match name {
            Some(name) => anyhow!(
                "there is no channel {name}; there are: {}",
                known.join(", ")
            ),
            None => anyhow!("no channel is configured; add a [[channels]] block"),
        };
        return Err(Failure::usage(error));
    }
    let mut code = 0;
    for channel in wanted {
        let now = Clock::System.now();
        let notice = Notice::test(&channel.name);
        let message = Outgoing {
            token: format!("msg_test_{}", now.as_millisecond()),
            made_at: now,
            is_summary: false,
            items: vec![Item {
                at: now,
                kind: notice.kind,
                shop: None,
                facts: notice.facts,
            }],
        };
        match channels::channel(loaded, channel)?
            .send(&message, now)
            .await
        {
            Ok(()) => say(&format!("{}: the message was taken", channel.name)),
            Err(error) => {
                say(&format!("{}: {error}", channel.name));
                code = FAILED;
            }
        }
    }
    Ok(ExitCode::from(code))
}

/// Channels as the daemon left them, and the newest notices.
pub(super) async fn list(loaded: &Loaded, args: &Shown) -> Done {
    let store = open(&loaded.config).await?;
    let states = store.channels().await?;
    let notices = store.notices(SHOWN).await?;
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
            .map(|told| {
                json!({ "at": told.at, "event": told.kind.word(), "shop": told.shop, "facts": told.facts })
            })
            .collect();
        say(&json!({ "channels": channels, "notices": notices }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["channel", "waiting", "delivered", "given up", "trouble"]);
    for state in &states {
        let trouble = state.last_error.as_ref().map(|why| {
            let since = state.failing_since.map(orders::local).unwrap_or_default();
            format!("{why}, since {since}, {} times", state.failures)
        });
        out.add_row(vec![
            state.name.clone(),
            state.due.to_string(),
            state.delivered.to_string(),
            state.dropped.to_string(),
            trouble.unwrap_or_default(),
        ]);
    }
    say(&out.to_string());
    let mut out = table::table(&["when", "shop", "event", "facts"]);
    for told in &notices {
        out.add_row(vec![
            orders::local(told.at),
            told.shop.clone().unwrap_or_default(),
            told.kind.word().to_owned(),
            told.facts.to_string(),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
