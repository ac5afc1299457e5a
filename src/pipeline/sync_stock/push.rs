//! Levels that a program pushes: read, imported and judged as a file of the same content would be.

use std::path::Path;

use super::{Feeds, Outcome, Place, feed, health};
use crate::domain::ids::ShopName;
use crate::domain::people::{Actor, Verb};
use crate::domain::stock::ImportReport;
use crate::pipeline::StageError;
use crate::store::StoreError;

/// Levels that came by the API.
pub struct Push<'a> {
    /// The name of the source.
    pub source: &'a str,
    /// A CSV file.
    pub content: Vec<u8>,
    /// Its columns have their plain names, not those of the source.
    pub has_plain_columns: bool,
    /// Who pushes.
    pub actor: &'a Actor,
    /// The shops that sell from these levels: the actor's role must allow it in each.
    pub shops: &'a [ShopName],
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What became of the levels.
    pub report: ImportReport,
    /// What is doubtful about them.
    pub doubts: Option<String>,
}

/// Why levels were not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotPushed {
    /// There is no such source, or it is not pushed.
    #[error("there is no such stock source of kind \"push\"")]
    NoSource,
    /// They cannot be read: nothing is changed.
    #[error("{0}")]
    Unreadable(String),
    /// The database refuses them.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StageError> for NotPushed {
    fn from(error: StageError) -> Self {
        match error {
            StageError::Store(error) => Self::Store(error),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// Replaces the levels of a source with those that are pushed: all of them or none.
///
/// # Errors
/// The actor may not, there is no such source, or the content cannot be read.
pub async fn push(feeds: &Feeds, new: Push<'_>) -> Result<Pushed, NotPushed> {
    for shop in new.shops {
        let allowed = new.actor.check(Verb::PushStock, shop);
        allowed.map_err(StoreError::from)?;
    }
    let source = feeds
        .sources
        .iter()
        .find(|source| source.name == new.source && matches!(source.place, Place::Push));
    let source = source.ok_or(NotPushed::NoSource)?;
    // One after the other: what was pushed last is what counts.
    let _one_at_a_time = feeds.pushing.lock().await;
    let states = feeds.store.stock_sources().await?;
    let state = states.iter().find(|state| state.name == source.name);
    let mut how = source.how.clone();
    if new.has_plain_columns {
        how.columns.clear();
    }
    let file = (new.content, Path::new(&source.name), feeds.clock.now());
    let content = feed::take(feeds, (source, &how), file, state).await;
    let by = Some((new.actor, new.shops));
    let check = feed::import(feeds, source, content, by).await?;
    health::note(feeds, source, state, &check).await?;
    match (check.failed, check.imported, check.outcome) {
        (Some(error), ..) => Err(NotPushed::Unreadable(error.to_string())),
        (None, Some(report), Outcome::Taken(_)) => Ok(Pushed {
            report,
            doubts: check.doubts,
        }),
        // The same content within the same millisecond.
        _ => Ok(Pushed {
            report: ImportReport::default(),
            doubts: None,
        }),
    }
}
