//! `qabyl rules check|list`

use std::process::ExitCode;

use serde_json::json;

use super::args::{Format, RulesFile};
use super::{Done, Failure, say, shops, table};
use crate::config::Loaded;
use crate::domain::rules::{Outcome, Rules};

fn read(loaded: &Loaded, args: &RulesFile) -> Result<Rules, Failure> {
    match &args.file {
        Some(file) => shops::rules_of(&loaded.config, file),
        None => shops::rules(&loaded.config),
    }
}

pub(super) fn check(loaded: &Loaded, args: &RulesFile) -> Done {
    let rules = read(loaded, args)?;
    if args.shown.format == Format::Json {
        let names: Vec<_> = rules.list.iter().map(|rule| &rule.name).collect();
        say(&json!({ "rules": names, "mistakes": [] }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "{}, no mistakes found",
        table::counted(rules.list.len(), "rule")
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(loaded: &Loaded, args: &RulesFile) -> Done {
    let rules = read(loaded, args)?;
    if args.shown.format == Format::Json {
        say(&json!(rules.list).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = table::table(&["", "rule", "then", "note"]);
    for (index, rule) in rules.list.iter().enumerate() {
        let then = match &rule.then {
            Outcome::Accept => "accept".to_owned(),
            Outcome::Cancel { reason, .. } => format!("cancel {}", reason.as_str()),
            Outcome::Hold => "hold".to_owned(),
            Outcome::Wait(time) => format!("wait {time:#}"),
        };
        let off = if rule.enabled { "" } else { " (off)" };
        let shops = rule.shops.as_ref();
        let only = shops.map_or_else(String::new, |shops| format!(" (only {})", shops.join(", ")));
        let name = format!("{}{off}{only}", rule.name);
        out.add_row(vec![
            (index + 1).to_string(),
            name,
            then,
            rule.note.clone().unwrap_or_default(),
        ]);
    }
    say(&out.to_string());
    Ok(ExitCode::SUCCESS)
}
