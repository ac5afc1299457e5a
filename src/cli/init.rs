//! `qabyl init`

use std::process::ExitCode;

use super::{Done, say};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::store::{Access, Store};

/// Makes the database where the configuration places it. Nothing else does but the daemon.
pub(super) async fn run(loaded: &Loaded) -> Done {
    let path = &loaded.config.database.path;
    let is_new = !Store::exists(path);
    let store = Store::open(path, Access::Tool, Clock::System.now()).await?;
    store.close().await;
    let found = if is_new { "made" } else { "there already" };
    say(&format!(
        "the database {} is {found}; next: `qabyl doctor` checks token, network, clock and stock",
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}
