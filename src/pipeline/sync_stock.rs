//! stock: configured sources, each by its schedule, into levels. A file that is watched is taken once
//! it has stopped changing; what was read already is not taken twice; a source that fails changes
//! nothing and is told once, with what to do, and once more when it is well again.

mod feed;
mod health;

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
use crate::stock::{AlStyle, Format, Places, Web};
use crate::store::{SourceState, Store};

/// How long a file must not have changed to be taken for whole.
const STABLE_FOR: Duration = Duration::from_secs(1);

/// Gives a supplier's token, or says where there is none.
pub type TokenOf = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// Where a source is.
pub enum Place {
    /// A watched file.
    File(PathBuf),
    /// A file behind an address.
    Web(Web),
    /// A supplier.
    Supplier(AlStyle, TokenOf),
}

/// One configured source.
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it is, where that is said.
    pub format: Option<Format>,
    /// Where it is.
    pub place: Place,
    /// How often it is looked at; `None`: when its bell rings.
    pub every: Option<SignedDuration>,
    /// What its numbers mean, where that is said.
    pub semantics: Option<Semantics>,
    /// Where its goods lie.
    pub places: Places,
    /// Rung by its schedule.
    pub rung: Arc<AtomicBool>,
}

/// All sources, and what is remembered of them while the process lives.
pub struct Feeds {
    store: Arc<Store>,
    clock: Clock,
    sources: Vec<Source>,
    /// Older levels decide nothing.
    max_age: Option<SignedDuration>,
    /// A larger share of SKUs at zero at once is a broken feed.
    collapse_share: Option<f64>,
    seen: Mutex<HashMap<String, Seen>>,
}

/// What is remembered of a watched file.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// How it was last found, and since when (ticks).
    last: Option<(FileState, Duration)>,
    /// How it was when it was taken, or refused.
    done: Option<FileState>,
}

/// Size and time of change.
type FileState = (u64, SystemTime);

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its time has not come, or it is still changing.
    NotYet,
    /// It is what it was.
    Unchanged,
    /// So many levels were taken in.
    Taken(usize),
    /// It could not be read; the levels stay as they were.
    Failed,
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each source with what came of it.
    pub looked: Vec<(String, Outcome)>,
    /// Whether a file is to be looked at again soon, as it may be whole by then.
    pub soon: bool,
}

impl Report {
    /// Whether levels changed.
    pub fn is_news(&self) -> bool {
        let taken = |(_, outcome): &(String, Outcome)| matches!(outcome, Outcome::Taken(_));
        self.looked.iter().any(taken)
    }
}

impl Feeds {
    /// Joins sources with what they are judged by.
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
            seen: Mutex::default(),
        }
    }

    /// The sources.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The clock they go by.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    fn seen<R>(&self, name: &str, change: impl FnOnce(&mut Seen) -> R) -> R {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(seen.entry(name.to_owned()).or_default())
    }

    /// Whether an address is to be asked now. A file costs nothing to look at.
    fn is_due(&self, source: &Source, state: Option<&SourceState>) -> bool {
        match (source.every, state) {
            (None, _) => source.rung.load(Ordering::Relaxed),
            (Some(_), None) => true,
            (Some(every), Some(state)) => {
                let wait = match (&source.place, &state.trouble) {
                    // What fails is asked again sooner than what works need be.
                    (Place::Web(_) | Place::Supplier(..), Some((_, trouble)))
                        if matches!(trouble.code.as_str(), "S002" | "S005") =>
                    {
                        every.min(RETRY_AFTER)
                    }
                    _ => every,
                };
                let since = self.clock.now().duration_since(state.tried_at);
                // A clock set back must not put it off for ever.
                since >= wait || since < SignedDuration::ZERO
            }
        }
    }
}

/// After a failure an address is asked again.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Looks at every source whose time has come; with `only`, at that one alone, and whether it has or not
/// where it is `asked`.
///
/// # Errors
/// What the database said. What is wrong with a source is told and noted there.
pub async fn run_once(
    feeds: &Feeds,
    only: Option<&str>,
    asked: bool,
) -> Result<Report, StageError> {
    let states = feeds.store.stock_sources().await?;
    let mut report = Report::default();
    for source in &feeds.sources {
        if only.is_some_and(|name| name != source.name) {
            continue;
        }
        let state = states.iter().find(|state| state.name == source.name);
        let is_file = matches!(source.place, Place::File(_));
        let by_time = if is_file && source.every.is_some() {
            true
        } else {
            feeds.is_due(source, state)
        };
        if !asked && !by_time {
            continue;
        }
        let look = feed::look(feeds, source, state).await?;
        report.soon |= look.soon;
        if look.outcome != Outcome::NotYet {
            source.rung.store(false, Ordering::Relaxed);
        }
        health::note(feeds, source, state, &look).await?;
        report.looked.push((source.name.clone(), look.outcome));
    }
    Ok(report)
}

/// Looks at all sources whose time has come, and waits for files that are being written.
///
/// # Errors
/// What the database said.
pub async fn due(feeds: &Feeds) -> Result<Report, StageError> {
    // Nobody rings here.
    let scheduled = feeds.sources.iter().filter(|source| source.every.is_none());
    scheduled.for_each(|source| source.rung.store(true, Ordering::Relaxed));
    patiently(feeds, None).await
}

/// Looks at one source by hand, or at all of them, and waits for files that are being written.
///
/// # Errors
/// What the database said.
pub async fn by_hand(feeds: &Feeds, only: Option<&str>) -> Result<Report, StageError> {
    let mut all = Report::default();
    for source in &feeds.sources {
        if only.is_none_or(|only| only == source.name) {
            let report = patiently(feeds, Some(&source.name)).await?;
            all.looked.extend(report.looked);
            all.soon |= report.soon;
        }
    }
    Ok(all)
}

async fn patiently(feeds: &Feeds, only: Option<&str>) -> Result<Report, StageError> {
    let asked = only.is_some();
    let mut report = run_once(feeds, only, asked).await?;
    for _ in 0..LOOKS_MAX {
        if !report.soon {
            break;
        }
        feeds.clock.sleep(STABLE_FOR).await;
        let again = run_once(feeds, only, asked).await?;
        // What one look took in, the next one finds unchanged.
        let mut looked = std::mem::take(&mut report.looked);
        looked.retain(|(name, outcome)| {
            let is_done = *outcome != Outcome::NotYet;
            is_done || !again.looked.iter().any(|(other, _)| other == name)
        });
        let new = again.looked.into_iter();
        let new = new.filter(|(name, _)| !looked.iter().any(|(other, _)| other == name));
        let new: Vec<_> = new.collect();
        looked.extend(new);
        report = Report {
            looked,
            soon: again.soon,
        };
    }
    Ok(report)
}

/// Looks by hand at a file that goes on changing.
const LOOKS_MAX: u32 = 30;
