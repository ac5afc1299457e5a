//! `qabyl config check|dump`

use std::process::ExitCode;

use serde_json::json;

use super::args::{ConfigCheck, Format, Shown};
use super::{Done, Failure, say, shops, table};
use crate::config::Loaded;

pub(super) fn check(loaded: &Loaded, args: &ConfigCheck) -> Done {
    let rules = shops::rules(&loaded.config)?;
    for shop in loaded.config.shops.iter().filter(|_| !args.no_tokens) {
        loaded.token_source(shop).load().map_err(Failure::usage)?;
    }
    if let Some(file) = shops::missing_rules_file(&loaded.config) {
        say(&format!(
            "the rules file {} does not exist: the embedded rules are in force",
            file.display()
        ));
    }
    let relaxed = loaded.config.relaxed();
    if !relaxed.is_empty() {
        say(&format!("interlocks switched off: {}", relaxed.join(", ")));
    }
    if loaded.config.settle_is_below_request_timeout() {
        say(
            "actions.settle is below kaspi.request_timeout: a POST may be repeated while the previous one is still in flight",
        );
    }
    say(&format!(
        "{}, {}, no mistakes found",
        table::counted(loaded.config.shops.len(), "shop"),
        table::counted(rules.list.len(), "rule")
    ));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends the same way")]
pub(super) fn dump(loaded: &Loaded, args: &Shown) -> Done {
    match args.format {
        Format::Json => say(&json!(loaded.config).to_string()),
        Format::Table => say(&loaded.dump()),
    }
    Ok(ExitCode::SUCCESS)
}
