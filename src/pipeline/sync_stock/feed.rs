//! Checks one source and reads it if it has changed.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{CHANGES_FOR_MAX, FileState, Outcome, Place, STABLE_FOR, Seen, Source};
use super::{Feeds, StageError};
use crate::domain::ids::ShopName;
use crate::domain::people::Actor;
use crate::domain::stock::ImportReport;
use crate::domain::stock::StockRow;
use crate::domain::stock_import::Scope;
use crate::files::read_regular;
use crate::ledger::Import;
use crate::stock::{self, How, Moments, ReadError};
use crate::store::{LastRead, SourceRead, SourceState, StoreError};
use crate::text::hex;

/// Result of a check.
pub(super) struct Check {
    pub(super) outcome: Outcome,
    /// Whether to check again soon.
    pub(super) soon: bool,
    pub(super) failed: Option<ReadError>,
    pub(super) imported: Option<ImportReport>,
    /// What is doubtful about what was imported.
    pub(super) doubts: Option<String>,
}

impl Check {
    const fn of(outcome: Outcome, soon: bool) -> Self {
        Self {
            outcome,
            soon,
            failed: None,
            imported: None,
            doubts: None,
        }
    }
}

/// A source's content.
pub(super) struct Content {
    rows: Vec<StockRow>,
    doubts: Option<String>,
    ends_lines: Option<bool>,
    hash: String,
    made_at: Timestamp,
}

/// Readings of one content that may be begun without an end: a kill or a power cut may fall into one by chance.
const BEGUN_MAX: i64 = 3;

/// Why there is nothing to import.
pub(super) enum Nothing {
    NotYet {
        soon: bool,
    },
    Unchanged,
    Failed(ReadError),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Nothing {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for Nothing {
    fn from(error: ReadError) -> Self {
        Self::Failed(error)
    }
}

pub(super) async fn check(
    feeds: &Feeds,
    source: &Source,
    state: Option<&SourceState>,
) -> Result<Check, StageError> {
    let content = match &source.place {
        Place::File(file) => watched(feeds, source, file, state).await,
        Place::Web(_) | Place::Supplier(..) => remote(feeds, source, state).await,
        Place::Push => Err(Nothing::NotYet { soon: false }),
    };
    import(feeds, source, content, None).await
}

/// Imports what was read; `by` where a person or a program sent it.
pub(super) async fn import(
    feeds: &Feeds,
    source: &Source,
    content: Result<Content, Nothing>,
    by: Option<(&Actor, &[ShopName])>,
) -> Result<Check, StageError> {
    let content = match content {
        Ok(content) => content,
        Err(Nothing::NotYet { soon }) => return Ok(Check::of(Outcome::NotYet, soon)),
        Err(Nothing::Unchanged) => return Ok(Check::of(Outcome::Unchanged, false)),
        Err(Nothing::Store(error)) => return Err(error.into()),
        Err(Nothing::Failed(error)) => {
            return Ok(Check {
                failed: Some(error),
                ..Check::of(Outcome::Failed, false)
            });
        }
    };
    let newest = content.rows.iter().map(|row| row.as_of).max();
    let import = Import {
        stock: &source.stock,
        source: &source.name,
        scope: Scope::Standing {
            absent: source.absent,
            negative: source.negative,
        },
        rows: &content.rows,
        trusted: false,
        semantics: source.semantics,
        read: Some(SourceRead {
            name: &source.name,
            hash: &content.hash,
            made_at: content.made_at,
            as_of: newest.unwrap_or(content.made_at),
            ends_lines: content.ends_lines,
        }),
        actor: by.map_or("qabyl", |(actor, _)| actor.name()),
        progress: &|_| {},
    };
    let now = feeds.clock.now();
    let report = match by {
        Some((actor, shops)) => feeds.store.push_stock(&import, (actor, shops), now).await?,
        None => feeds.store.take_stock(&import, now).await?,
    };
    Ok(Check {
        imported: Some(report),
        doubts: content.doubts,
        ..Check::of(Outcome::Taken(report.rows), false)
    })
}

fn state_of(file: &Path, most: u64) -> io::Result<FileState> {
    let found = std::fs::symlink_metadata(file)?;
    if found.file_type().is_symlink() {
        let what = "it is a symbolic link: name the file itself";
        return Err(io::Error::other(what));
    }
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > most {
        let most = most / (1024 * 1024);
        let what = format!(
            "it has more than {most} MiB (`stock.file_max_bytes`): it is no stock file of a shop"
        );
        return Err(io::Error::other(what));
    }
    Ok((found.len(), found.modified()?))
}

/// Reads a watched file that has stopped changing.
async fn watched(
    feeds: &Feeds,
    source: &Source,
    file: &Path,
    known: Option<&SourceState>,
) -> Result<Content, Nothing> {
    let lost = |error: &io::Error| {
        ReadError::Unreadable(format!("{} cannot be read: {error}", file.display()))
    };
    let most = source.how.limits.bytes;
    let state = state_of(file, most).map_err(|error| lost(&error))?;
    let now = feeds.clock.ticks();
    let seen = feeds.seen(&source.name, |seen| {
        let before = *seen;
        if before.last.is_none_or(|(last, _)| last != state) {
            seen.last = Some((state, now));
            seen.changes_since = before.changes_since.or(Some(now));
        }
        before
    });
    // What a wrong clock dated is read again, changed or not.
    let is_undated = known.is_some_and(|known| known.read.is_none() && !is_mistaken(known));
    if seen.done == Some(state) && !is_undated {
        // Unchanged since it was read, and so are its errors.
        let is_bad = known.is_some_and(is_mistaken);
        return Err(if is_bad {
            Nothing::NotYet { soon: false }
        } else {
            Nothing::Unchanged
        });
    }
    let is_stable = |seen: &Seen| {
        let last = seen.last.filter(|(last, _)| *last == state);
        last.is_some_and(|(_, since)| now.saturating_sub(since) >= STABLE_FOR)
    };
    if !is_stable(&seen) {
        let since = seen.changes_since.unwrap_or(now);
        if now.saturating_sub(since) >= CHANGES_FOR_MAX {
            return Err(ReadError::Unreadable(super::health::still_changing(file)).into());
        }
        return Err(Nothing::NotYet { soon: true });
    }
    let whole = read_regular(file, most).map_err(|error| lost(&error))?;
    if state_of(file, most).map_err(|error| lost(&error))? != state {
        return Err(Nothing::NotYet { soon: true });
    }
    let modified = Timestamp::try_from(state.1).unwrap_or_else(|_| feeds.clock.now());
    let read = take(
        feeds,
        (source, &source.how),
        (whole.bytes, file, modified),
        known,
    )
    .await;
    if !matches!(read, Err(Nothing::NotYet { .. })) {
        feeds.seen(&source.name, |seen| {
            seen.done = Some(state);
            seen.changes_since = None;
        });
    }
    read
}

fn is_mistaken(known: &SourceState) -> bool {
    let trouble = known.trouble.as_ref();
    trouble.is_some_and(|(_, trouble)| trouble.code == "S001")
}

/// Parses bytes with their name and time, unless they were imported before.
pub(super) async fn take(
    feeds: &Feeds,
    (source, how): (&Source, &How),
    (bytes, file, moment): (Vec<u8>, &Path, Timestamp),
    known: Option<&SourceState>,
) -> Result<Content, Nothing> {
    let now = feeds.clock.now();
    let made_at = Timestamp::from_millisecond(moment.min(now).as_millisecond()).unwrap_or(now);
    let hash = hash(&bytes);
    let same = |read: &LastRead| read.hash == hash && read.made_at == made_at;
    if known.is_some_and(|known| known.read.as_ref().is_some_and(same) && !is_mistaken(known)) {
        return Err(Nothing::Unchanged);
    }
    let (file, mut how) = (file.to_owned(), how.clone());
    let last = known.and_then(|known| known.read.as_ref());
    how.ends_lines = last.is_some_and(|read| read.ends_lines == Some(true));
    let moments = Moments { made_at, now };
    // Parsing a large file takes a while: it must not block the other stages.
    let read = move || stock::read(&bytes, &file, &how, moments);
    let begun = feeds.store.source_begun(&source.name, &hash).await?;
    if begun > BEGUN_MAX {
        let what = "reading this content ended the program or its reader several times: it is not read again until it \
                    changes";
        return Err(ReadError::Unreadable(what.to_owned()).into());
    }
    let reading = tokio::task::spawn_blocking(read).await;
    let reading = reading.map_err(|_| ReadError::Unreadable("reading it failed".to_owned()))?;
    if !reading.as_ref().is_err_and(|error| error.has_ended_reader) {
        feeds.store.source_ended(&source.name).await?;
    }
    let reading = reading.map_err(ReadError::from)?;
    Ok(Content {
        doubts: reading.brief(),
        ends_lines: reading.ends_lines,
        rows: reading.rows,
        hash,
        made_at,
    })
}

/// Reads a URL or a supplier.
async fn remote(
    feeds: &Feeds,
    source: &Source,
    known: Option<&SourceState>,
) -> Result<Content, Nothing> {
    match &source.place {
        Place::Web(web) => {
            let (bytes, made) = web.file(source.how.limits.bytes).await?;
            let moment = made.unwrap_or_else(|| feeds.clock.now());
            let name = Path::new(&source.name);
            let content = take(feeds, (source, &source.how), (bytes, name, moment), known).await;
            content.map_err(|nothing| match nothing {
                Nothing::Failed(error) => Nothing::Failed(web.redact(error)),
                nothing => nothing,
            })
        }
        Place::Supplier(supplier, token) => {
            let token = token().map_err(ReadError::Refused)?;
            let asked_at = feeds.clock.now();
            let mut rows = supplier.read(&token, &feeds.clock).await?;
            for row in &mut rows {
                row.warehouse.clone_from(&source.how.places.warehouse);
            }
            let levels = rows.iter().map(|row| (&row.sku, row.on_hand));
            let hash = hash(format!("{:?}", levels.collect::<Vec<_>>()).as_bytes());
            Ok(Content {
                rows,
                doubts: None,
                ends_lines: None,
                hash,
                made_at: asked_at,
            })
        }
        Place::File(_) | Place::Push => Err(Nothing::NotYet { soon: false }),
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
