//! `qabyl backup FILE`, `qabyl restore FILE`

use std::process::ExitCode;

use super::args::{Backup, Restore};
use super::{Done, Failure, open, orders, say};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::ledger;
use crate::runtime::build;

pub(super) async fn backup(loaded: &Loaded, args: &Backup) -> Done {
    let path = &loaded.config.database.path;
    if !path.exists() {
        return Err(Failure::from(anyhow::anyhow!(
            "there is no database at {}: nothing to copy",
            path.display()
        )));
    }
    let store = open(&loaded.config).await?;
    store.backup(&args.file).await?;
    say(&format!("a whole copy is in {}", args.file.display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(loaded: &Loaded, args: &Restore) -> Done {
    let to = &loaded.config.database.path;
    let now = Clock::System.now();
    let settle = build::settle(&loaded.config);
    let counted = ledger::restore(&args.file, to, settle, now).await?;
    say(&format!(
        "{} is in place; every list is read again before anything is decided",
        to.display()
    ));
    if let Some(newest) = counted {
        say(&format!(
            "its newest stock is of {}: import what was counted since, before the daemon is started",
            orders::local(newest)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
