//! stock: imports the levels of the configured sources, each on its own schedule. A watched file is imported
//! once it has stopped changing, and the same content is not imported twice. A source that fails changes no
//! level; that is reported once, with what to do, and once more when it works again.

mod feed;
mod health;
mod push;
mod report;

pub use push::{NotPushed, Push, Pushed, push};
pub use report::{Outcome, Report};

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use secrecy::SecretString;

use super::StageError;
use crate::clock::Clock;
use crate::domain::stock::Semantics;
use crate::domain::stock_sources::{Absent, Negative, Standing};
use crate::stock::{AlStyle, How, Web};
use crate::store::{SourceState, Store};

/// A file that has not changed for this long is complete.
const STABLE_FOR: Duration = Duration::from_secs(1);
/// Nothing takes longer to write a file of the largest size: one that still changes then may never be complete.
const CHANGES_FOR_MAX: Duration = Duration::from_mins(2);

/// Reads a supplier's token, or says why there is none.
pub type TokenOf = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// Where a source is.
pub enum Place {
    /// A watched file.
    File(PathBuf),
    /// A file behind an address.
    Web(Web),
    /// A supplier.
    Supplier(AlStyle, TokenOf),
    /// Nowhere: a program sends its levels.
    Push,
}

/// One configured source.
pub struct Source {
    /// Its name.
    pub name: String,
    /// The stock that it lists; empty: that of every shop.
    pub stock: String,
    /// How it is read.
    pub how: How,
    /// Where it is.
    pub place: Place,
    /// How often it is read; `None`: by its cron schedule.
    pub every: Option<SignedDuration>,
    /// What its levels count.
    pub semantics: Semantics,
    /// How its levels stand beside those of others.
    pub standing: Standing,
    /// What an SKU means that it no longer lists.
    pub absent: Absent,
    /// What a number below zero means.
    pub negative: Negative,
    /// Set by its cron schedule when it is to be read.
    pub is_scheduled_now: Arc<AtomicBool>,
}

/// All sources, with their state in memory.
pub struct Feeds {
    store: Arc<Store>,
    clock: Clock,
    sources: Vec<Source>,
    /// Older levels are not used.
    max_age: Option<SignedDuration>,
    /// A larger share of SKUs that fall to zero at once means a broken feed.
    collapse_share: Option<f64>,
    /// Held while a push is imported.
    pushing: tokio::sync::Mutex<()>,
    seen: Mutex<HashMap<String, Seen>>,
}

/// The state of a watched file, kept in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Its last state, and since when (ticks).
    last: Option<(FileState, Duration)>,
    /// Since when it changes (ticks): it was not seen complete since.
    changes_since: Option<Duration>,
    /// Its state when it was last imported or refused.
    done: Option<FileState>,
}

/// Size in bytes and time of modification.
type FileState = (u64, SystemTime);

impl Feeds {
    /// Sources, and the limits that their levels are checked against.
    pub fn new(
        (store, clock): (Arc<Store>, Clock),
        sources: Vec<Source>,
        (max_age, collapse_share): (Option<SignedDuration>, Option<f64>),
    ) -> Self {
        Self {
            store,
            clock,
            sources,
            max_age,
            collapse_share,
            pushing: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// The sources.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn seen<R>(&self, name: &str, change: impl FnOnce(&mut Seen) -> R) -> R {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(seen.entry(name.to_owned()).or_default())
    }

    /// Whether a URL is to be read now.
    fn is_due(&self, source: &Source, state: Option<&SourceState>) -> bool {
        match (source.every, state) {
            (None, _) => source.is_scheduled_now.load(Ordering::Relaxed),
            (Some(_), None) => true,
            (Some(every), Some(state)) => {
                let wait = match (&source.place, &state.trouble) {
                    // A failing source is read again sooner.
                    (Place::Web(_) | Place::Supplier(..), Some((_, trouble)))
                        if matches!(trouble.code.as_str(), "S002" | "S005") =>
                    {
                        every.min(RETRY_AFTER)
                    }
                    _ => every,
                };
                let Some(tried_at) = state.tried_at else {
                    return true;
                };
                let is_undated = state.read.is_none() && state.trouble.is_none();
                let since = self.clock.now().duration_since(tried_at);
                // A clock that was set back must not postpone it indefinitely.
                is_undated || since >= wait || since < SignedDuration::ZERO
            }
        }
    }
}

/// Longest time until a URL that failed is read again.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Checks every source that is due; with `only`, that one alone, and even if it is not due where it is
/// `asked` for.
///
/// # Errors
/// An error of the database. Errors of a source are stored and logged.
pub async fn run_once(
    feeds: &Feeds,
    only: Option<&str>,
    asked: bool,
) -> Result<Report, StageError> {
    let standing = feeds.sources.iter();
    let standing: Vec<_> = standing
        .map(|source| {
            (
                source.name.as_str(),
                (source.stock.as_str(), source.standing),
            )
        })
        .collect();
    let now = feeds.clock.now();
    feeds.store.configure_sources(&standing, now).await?;
    let states = feeds.store.stock_sources().await?;
    let mut report = Report::default();
    for source in &feeds.sources {
        if only.is_some_and(|name| name != source.name) {
            continue;
        }
        let state = states.iter().find(|state| state.name == source.name);
        // Of one that is pushed only the age is looked at.
        let is_watched = matches!(source.place, Place::File(_) | Place::Push);
        let by_time = if is_watched && source.every.is_some() {
            true
        } else {
            feeds.is_due(source, state)
        };
        if !asked && !by_time {
            continue;
        }
        let check = feed::check(feeds, source, state).await?;
        report.soon |= check.soon;
        if check.outcome != Outcome::NotYet {
            source.is_scheduled_now.store(false, Ordering::Relaxed);
        }
        health::note(feeds, source, state, &check).await?;
        report.checked.push((source.name.clone(), check.outcome));
    }
    Ok(report)
}

/// Checks all sources, those with a cron schedule too, and waits for files that are being written.
///
/// # Errors
/// An error of the database.
pub async fn due(feeds: &Feeds) -> Result<Report, StageError> {
    // No cron runs here.
    let scheduled = feeds.sources.iter().filter(|source| source.every.is_none());
    scheduled.for_each(|source| source.is_scheduled_now.store(true, Ordering::Relaxed));
    run_until_complete(feeds, None).await
}

/// Reads one source at a person's request, or all of them, and waits for files that are being written.
///
/// # Errors
/// An error of the database.
pub async fn read_now(feeds: &Feeds, only: Option<&str>) -> Result<Report, StageError> {
    let mut all = Report::default();
    for source in &feeds.sources {
        if only.is_none_or(|only| only == source.name) {
            let report = run_until_complete(feeds, Some(&source.name)).await?;
            all.checked.extend(report.checked);
            all.soon |= report.soon;
        }
    }
    Ok(all)
}

async fn run_until_complete(feeds: &Feeds, only: Option<&str>) -> Result<Report, StageError> {
    let asked = only.is_some();
    let mut report = run_once(feeds, only, asked).await?;
    for _ in 0..CHECKS_MAX {
        if !report.soon {
            break;
        }
        feeds.clock.sleep(STABLE_FOR).await;
        let again = run_once(feeds, only, asked).await?;
        // A source imported by one run is unchanged in the next.
        let mut checked = std::mem::take(&mut report.checked);
        checked.retain(|(name, outcome)| {
            let is_done = *outcome != Outcome::NotYet;
            is_done || !again.checked.iter().any(|(other, _)| other == name)
        });
        let new = again.checked.into_iter();
        let new = new.filter(|(name, _)| !checked.iter().any(|(other, _)| other == name));
        let new: Vec<_> = new.collect();
        checked.extend(new);
        report = Report {
            checked,
            soon: again.soon,
        };
    }
    Ok(report)
}

/// Most checks of a file that keeps changing.
const CHECKS_MAX: u32 = 30;
