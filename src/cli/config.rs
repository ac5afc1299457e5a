//! `qabyl config check|dump`

use std::process::ExitCode;

use super::{Done, Failure, say, shops};
use crate::config::Loaded;

pub(super) fn check(loaded: &Loaded) -> Done {
    let rules = shops::rules(&loaded.config)?;
    for shop in &loaded.config.shops {
        loaded.token_source(shop).load().map_err(Failure::usage)?;
    }
    let relaxed = loaded.config.relaxed();
    if !relaxed.is_empty() {
        say(&format!("interlocks switched off: {}", relaxed.join(", ")));
    }
    say(&format!(
        "{} shops, {} rules, no mistake found",
        loaded.config.shops.len(),
        rules.list.len()
    ));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends the same way")]
pub(super) fn dump(loaded: &Loaded) -> Done {
    say(&loaded.dump());
    Ok(ExitCode::SUCCESS)
}
