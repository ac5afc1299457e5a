//! `qabyl config check|dump`

use std::process::ExitCode;

use super::args::ConfigCheck;
use super::{Done, Failure, say, shops, table};
use crate::config::Loaded;

pub(super) fn check(loaded: &Loaded, args: &ConfigCheck) -> Done {
    let rules = shops::rules(&loaded.config)?;
    for shop in loaded.config.shops.iter().filter(|_| !args.no_tokens) {
        loaded.token_source(shop).load().map_err(Failure::usage)?;
    }
    let relaxed = loaded.config.relaxed();
    if !relaxed.is_empty() {
        say(&format!("interlocks switched off: {}", relaxed.join(", ")));
    }
    if loaded.config.settles_in_haste() {
        say(
            "actions.settle is below kaspi.request_timeout: a POST may be repeated while the one before it is still under way",
        );
    }
    say(&format!(
        "{}, {}, no mistake found",
        table::counted(loaded.config.shops.len(), "shop"),
        table::counted(rules.list.len(), "rule")
    ));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends the same way")]
pub(super) fn dump(loaded: &Loaded) -> Done {
    say(&loaded.dump());
    Ok(ExitCode::SUCCESS)
}
