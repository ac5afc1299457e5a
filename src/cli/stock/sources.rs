//! `qabyl stock sources [--sync [NAME]]`

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::args::{Format, StockSources};
use crate::cli::{Done, FAILED, Failure, open, orders, say, table};
use crate::clock::Clock;
use crate::config::{Loaded, StockSource};
use crate::pipeline::sync_stock::{self, Outcome};
use crate::runtime::feeds;
use crate::store::SourceState;

pub(in crate::cli) async fn sources(loaded: &Loaded, args: &StockSources) -> Done {
    let configured = &loaded.config.stock.sources;
    let wanted = args.sync.as_deref().filter(|name| !name.is_empty());
    if let Some(name) = wanted
        && !configured.iter().any(|source| source.name == name)
    {
        let what = anyhow::anyhow!("there is no [[stock.sources]] named {name}");
        return Err(Failure::usage(what));
    }
    let store = Arc::new(open(&loaded.config).await?);
    let mut outcomes = Vec::new();
    if args.sync.is_some() {
        let feeds = feeds::feeds(loaded, Arc::clone(&store), Clock::System);
        let feeds = feeds.map_err(|what| Failure::usage(anyhow::anyhow!(what)))?;
        if let Some(feeds) = feeds {
            outcomes = sync_stock::read_now(&feeds, wanted).await?.checked;
        }
    }
    let states = store.stock_sources().await?;
    let rows: Vec<Shown<'_>> = configured
        .iter()
        .map(|source| Shown {
            source,
            state: states.iter().find(|state| state.name == source.name),
            outcome: outcomes
                .iter()
                .find(|(name, _)| *name == source.name)
                .map(|(_, outcome)| *outcome),
        })
        .collect();
    print(&rows, args.shown.format);
    let has_failed = |(_, outcome): &(String, Outcome)| *outcome == Outcome::Failed;
    if outcomes.iter().any(has_failed) {
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

struct Shown<'a> {
    source: &'a StockSource,
    state: Option<&'a SourceState>,
    outcome: Option<Outcome>,
}

impl Shown<'_> {
    /// The location, without the URL, which may contain a secret.
    fn place(&self) -> String {
        match (&self.source.file, &self.source.url) {
            (Some(file), _) => file.display().to_string(),
            (None, Some(_)) => "a URL".to_owned(),
            (None, None) => "the supplier".to_owned(),
        }
    }

    fn outcome(&self) -> &'static str {
        match self.outcome {
            None => "",
            Some(Outcome::NotYet) => "still changing",
            Some(Outcome::Unchanged) => "unchanged",
            Some(Outcome::Taken(_)) => "imported",
            Some(Outcome::Failed) => "failed",
        }
    }

    fn json(&self) -> Value {
        let read = self.state.and_then(|state| state.read.as_ref());
        let trouble = self.state.and_then(|state| state.trouble.as_ref());
        json!({
            "source": self.source.name,
            "place": self.place(),
            "tried_at": self.state.and_then(|state| state.tried_at),
            "read_at": read.map(|read| read.at),
            "as_of": read.map(|read| read.as_of),
            "rows": self.state.map(|state| state.rows),
            "code": trouble.map(|(_, trouble)| &trouble.code),
            "problem": trouble.map(|(_, trouble)| &trouble.problem),
            "since": trouble.map(|(since, _)| since),
            "now": self.outcome(),
        })
    }
}

fn print(rows: &[Shown<'_>], format: Format) {
    if format == Format::Json {
        let rows: Vec<Value> = rows.iter().map(Shown::json).collect();
        return say(&json!(rows).to_string());
    }
    if rows.is_empty() {
        return say("no [[stock.sources]] is configured: import stock with `qabyl stock import`");
    }
    let mut out = table::table(&[
        "source",
        "location",
        "last read",
        "as of",
        "levels",
        "now",
        "problem",
    ]);
    for row in rows {
        let read = row.state.and_then(|state| state.read.as_ref());
        let trouble = row.state.and_then(|state| state.trouble.as_ref());
        out.add_row(vec![
            row.source.name.clone(),
            row.place(),
            read.map_or_else(|| "never".to_owned(), |read| orders::local(read.at)),
            read.map_or_else(String::new, |read| orders::local(read.as_of)),
            row.state
                .map_or_else(String::new, |state| state.rows.to_string()),
            row.outcome().to_owned(),
            trouble.map_or_else(String::new, |(since, trouble)| {
                format!(
                    "{} since {}: {}",
                    trouble.code,
                    orders::local(*since),
                    trouble.problem
                )
            }),
        ]);
    }
    say(&out.to_string());
}
