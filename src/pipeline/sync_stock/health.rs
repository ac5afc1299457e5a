//! What a person is told of a source: what is wrong, once, and that it is over.

use super::feed::Look;
use super::{Feeds, Outcome, Place, Source, StageError};
use crate::store::{SourceState, Trouble};

/// What to do about what is wrong with the numbers themselves.
const COLLAPSED: &str =
    "look at the feed; if the goods are really gone, import it by hand with --confirm-zeros";
const SHRUNK: &str = "look at the feed; levels that are not in it stay as they were, and grow old";
const STALE: &str =
    "have the feed made anew: older levels decide nothing, and their orders are held";

/// Trouble with its hint.
type Told = (Trouble, &'static str);

/// Notes what is wrong now, and tells it where that is news.
pub(super) async fn note(
    feeds: &Feeds,
    source: &Source,
    before: Option<&SourceState>,
    look: &Look,
) -> Result<(), StageError> {
    let was = before.and_then(|state| state.trouble.as_ref());
    let now = match (&look.failed, look.outcome) {
        (Some(error), _) => {
            let (code, problem) = (error.code().to_owned(), error.to_string());
            Some((Trouble { code, problem }, error.hint()))
        }
        (None, Outcome::NotYet) => match was {
            // Nothing was seen that would end it.
            Some((_, trouble)) if is_of_reading(trouble) => return Ok(()),
            _ => judge(feeds, before),
        },
        (None, _) => {
            let states = feeds.store.stock_sources().await?;
            judge(feeds, states.iter().find(|state| state.name == source.name))
        }
    };
    let same = was.map(|(_, trouble)| &trouble.code) == now.as_ref().map(|(t, _)| &t.code);
    if !same {
        tell(source, was.map(|(_, trouble)| trouble), now.as_ref());
    }
    // A file that lies there is looked at every few seconds: nothing is written for that.
    let is_file = matches!(source.place, Place::File(_));
    let is_idle = matches!(look.outcome, Outcome::NotYet | Outcome::Unchanged);
    if same && is_idle && is_file {
        return Ok(());
    }
    if let (Some(report), None) = (look.imported, &look.failed) {
        tracing::info!(
            event = "stock.imported", source = %source.name, rows = report.rows, older = report.older,
            fell = report.fell, absent = report.absent, "stock was taken in"
        );
    }
    let trouble = now.as_ref().map(|(trouble, _)| trouble);
    let at = feeds.clock.now();
    feeds.store.source_tried(&source.name, trouble, at).await?;
    Ok(())
}

fn is_of_reading(trouble: &Trouble) -> bool {
    matches!(trouble.code.as_str(), "S001" | "S002" | "S005")
}

/// What is wrong with numbers that were read well.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
fn judge(feeds: &Feeds, state: Option<&SourceState>) -> Option<Told> {
    let state = state?;
    let as_of = state.read.as_ref()?.as_of;
    let told = |code: &str, problem: String, hint| {
        let code = code.to_owned();
        Some((Trouble { code, problem }, hint))
    };
    let over = |part: i64, whole: i64| {
        let limit = feeds.collapse_share;
        limit.is_some_and(|limit| part >= 3 && part as f64 > limit * whole as f64)
    };
    if over(state.fell, state.had) {
        let (fell, had) = (state.fell, state.had);
        let what = format!("{fell} of {had} SKUs that had stock fell to zero at once");
        return told("S003", what, COLLAPSED);
    }
    let before = state.rows.saturating_add(state.absent);
    if over(state.absent, before) {
        let what = format!("{} of {before} levels are not in it any more", state.absent);
        return told("S003", what, SHRUNK);
    }
    let age = feeds.clock.now().duration_since(as_of);
    let limit = feeds.max_age?;
    if age > limit {
        let what = format!("its numbers are of {as_of}, over {limit:#} ago");
        return told("S004", what, STALE);
    }
    None
}

fn tell(source: &Source, was: Option<&Trouble>, now: Option<&Told>) {
    match (was, now) {
        (_, Some((trouble, hint))) => tracing::error!(
            event = "stock.source_failed", source = %source.name, code = %trouble.code, hint = *hint,
            "a stock source is not as it should be: {}", trouble.problem
        ),
        (Some(_), None) => tracing::info!(
            event = "stock.source_recovered", source = %source.name, "the stock source is well again"
        ),
        (None, None) => {}
    }
}
