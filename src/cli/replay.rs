//! `qabyl rules replay`: decides past orders again and shows what would differ. Changes nothing.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Format, RulesReplay};
use super::orders::local;
use super::{Done, Failure, open, say, shops, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::ShopName;
use crate::domain::replay::{Difference, Replay};
use crate::runtime::build;
use crate::store::PastFilter;

pub(super) async fn run(loaded: &Loaded, args: &RulesReplay) -> Done {
    let config = &loaded.config;
    let rules = match &args.rules {
        Some(file) => shops::rules_of(config, file)?,
        None => shops::rules(config)?,
    };
    let policy = build::policy(rules, build::limits(config));
    let store = open(config).await?;
    if let Some(shop) = &args.shop {
        let known = store.shops().await?;
        if !known.iter().any(|name| name.as_str() == shop) {
            let known: Vec<&str> = known.iter().map(ShopName::as_str).collect();
            let known = known.join(", ");
            return Err(Failure::usage(anyhow::anyhow!(
                "there is no shop {shop}; known: {known}"
            )));
        }
    }
    let filter = PastFilter {
        since: Clock::System.now().saturating_sub(args.since)?,
        shop: args.shop.clone(),
    };
    let mut replay = Replay::new(&policy, args.limit);
    store.replay(&filter, &mut replay).await?;
    if args.shown.format == Format::Json {
        say(&as_json(&replay, policy.digest()).to_string());
    } else {
        say(&page(&replay));
    }
    Ok(ExitCode::SUCCESS)
}

fn page(replay: &Replay<'_>) -> String {
    let all = replay.compared;
    let mut text = match (all, replay.differ()) {
        (0, _) => return "no decisions in this time".to_owned(),
        (_, 0) => format!("{all} decisions, none would differ"),
        (_, differ) => format!("{all} decisions, {differ} would differ"),
    };
    if replay.other_rule > 0 {
        let _ = write!(
            text,
            "; {} would be the same, but by another rule",
            replay.other_rule
        );
    }
    if replay.differ() == 0 {
        return text;
    }
    let mut changes = table::table(&["decided", "would be", "decisions"]);
    for ((was, would), count) in &replay.changes {
        changes.add_row(vec![
            (*was).to_owned(),
            (*would).to_owned(),
            count.to_string(),
        ]);
    }
    let _ = writeln!(text, "\n{changes}");
    let mut out = table::table(&["decided", "order", "was", "would be", "why"]);
    for difference in &replay.differences {
        let by = |(verdict, rule): &(String, String)| format!("{verdict}\nby '{rule}'");
        out.add_row_of_lines(vec![
            local(difference.at),
            difference.code.clone(),
            by(&difference.was),
            by(&difference.would),
            difference.explanation.join("\n"),
        ]);
    }
    let shown = replay.differences.len() as u64;
    text += &out.to_string();
    if shown < replay.differ() {
        let _ = write!(
            text,
            "\nshowing the first {shown} of {}; use --limit to see more",
            replay.differ()
        );
    }
    text
}

fn as_json(replay: &Replay<'_>, policy: &str) -> Value {
    let change = |((was, would), count): (&(&str, &str), &u64)| json!({ "was": was, "would": would, "decisions": count });
    let difference = |d: &Difference| {
        json!({
            "decision": d.id, "at": d.at, "shop": d.shop, "code": d.code,
            "was": { "verdict": d.was.0, "rule": d.was.1 },
            "would": { "verdict": d.would.0, "rule": d.would.1 },
            "explanation": d.explanation,
        })
    };
    json!({
        "policy": policy, "decisions": replay.compared, "differ": replay.differ(),
        "other_rule": replay.other_rule,
        "changes": replay.changes.iter().map(change).collect::<Vec<_>>(),
        "differences": replay.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
