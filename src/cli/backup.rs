//! `qabyl backup FILE`, `qabyl restore FILE`

use std::process::ExitCode;

use super::args::{Backup, Restore};
use super::{Done, open, orders, say};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::ledger;
use crate::runtime::build;

pub(super) async fn backup(loaded: &Loaded, args: &Backup) -> Done {
    let store = open(&loaded.config).await?;
    store.backup(&args.file).await?;
    say(&format!("the backup is in {}", args.file.display()));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(loaded: &Loaded, args: &Restore) -> Done {
    let to = &loaded.config.database.path;
    let now = Clock::System.now();
    let settle = build::settle(&loaded.config);
    let restored = ledger::restore(&args.file, to, settle, now).await;
    let newest_stock = restored.map_err(|error| {
        let what = format!("{} was not restored", args.file.display());
        anyhow::Error::from(error).context(what)
    })?;
    say(&format!(
        "restored {}; orders are read from Kaspi again before anything is decided",
        to.display()
    ));
    if let Some(newest) = newest_stock {
        say(&format!(
            "its newest stock is from {}: import any later stock before you start the daemon",
            orders::local(newest)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
