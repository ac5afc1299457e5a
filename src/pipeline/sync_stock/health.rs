//! Reports a source's trouble once when it begins, and once when it has ended.

use jiff::Timestamp;

use super::feed::Check;
use super::{Feeds, Outcome, Place, Source, StageError};
use crate::events::log_event;
use crate::store::{SourceState, Trouble};

/// What to do about levels that look wrong.
const COLLAPSED: &str =
    "check the feed; if the stock really is zero, import it by hand with --confirm-zeros";
const SHRUNK: &str =
    "check the feed; levels that it no longer lists stay as they are and become out of date";
const STALE: &str =
    "produce the feed again: levels this old are not used, and their orders are held";

const DOUBTFUL: &str =
    "fix the rows in the feed (docs/STOCK_FILES.md); until then orders for their SKUs are held";

/// Trouble with its hint.
type TroubleWithHint = (Trouble, &'static str);

/// Stores what is wrong now, and logs it where it has changed.
pub(super) async fn note(
    feeds: &Feeds,
    source: &Source,
    before: Option<&SourceState>,
    check: &Check,
) -> Result<(), StageError> {
    let was = before.and_then(|state| state.trouble.as_ref());
    let now = match (&check.failed, check.outcome) {
        (Some(error), _) => {
            let (code, problem) = (error.code().to_owned(), error.to_string());
            Some((Trouble { code, problem }, error.hint()))
        }
        (None, Outcome::NotYet) => match was {
            // Nothing was read that could end it.
            Some((_, trouble)) if is_of_reading(trouble) => return Ok(()),
            _ => judge(feeds, before).or_else(|| still_doubtful(was)),
        },
        (None, Outcome::Unchanged) => judge(feeds, before).or_else(|| still_doubtful(was)),
        (None, _) => {
            let states = feeds.store.stock_sources().await?;
            let state = states.iter().find(|state| state.name == source.name);
            judge(feeds, state).or_else(|| doubtful(check.doubts.clone()?))
        }
    };
    let same = was.map(|(_, trouble)| &trouble.code) == now.as_ref().map(|(t, _)| &t.code);
    if !same {
        log_change(source, was.map(|(_, trouble)| trouble), now.as_ref());
    }
    // A file is checked every few seconds: an unchanged one writes nothing.
    let is_file = matches!(source.place, Place::File(_));
    let is_idle = matches!(check.outcome, Outcome::NotYet | Outcome::Unchanged);
    if same && is_idle && is_file {
        return Ok(());
    }
    if let (Some(report), None) = (check.imported, &check.failed) {
        log_event!(
            STOCK_IMPORTED, source = %source.name, rows = report.rows, outdated = report.older,
            fell_to_zero = report.fell, absent = report.absent, "stock was imported"
        );
    }
    let trouble = now.as_ref().map(|(trouble, _)| trouble);
    let at = feeds.clock.now();
    feeds.store.source_tried(&source.name, trouble, at).await?;
    Ok(())
}

/// Rows that were imported as unknown.
fn doubtful(problem: String) -> Option<TroubleWithHint> {
    let code = "S006".to_owned();
    Some((Trouble { code, problem }, DOUBTFUL))
}

/// The same content has the same doubts.
fn still_doubtful(was: Option<&(Timestamp, Trouble)>) -> Option<TroubleWithHint> {
    let (_, trouble) = was.filter(|(_, trouble)| trouble.code == "S006")?;
    doubtful(trouble.problem.clone())
}

fn is_of_reading(trouble: &Trouble) -> bool {
    matches!(trouble.code.as_str(), "S001" | "S002" | "S005")
}

/// What is wrong with levels that were read successfully.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
fn judge(feeds: &Feeds, state: Option<&SourceState>) -> Option<TroubleWithHint> {
    let state = state?;
    let as_of = state.read.as_ref()?.as_of;
    let trouble = |code: &str, problem: String, hint| {
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
        return trouble("S003", what, COLLAPSED);
    }
    let before = state.rows.saturating_add(state.absent);
    if over(state.absent, before) {
        let what = format!("{} of {before} levels are no longer listed", state.absent);
        return trouble("S003", what, SHRUNK);
    }
    let age = feeds.clock.now().duration_since(as_of);
    let limit = feeds.max_age?;
    if age > limit {
        let what = format!("its levels are of {as_of}, more than {limit:#} ago");
        return trouble("S004", what, STALE);
    }
    None
}

fn log_change(source: &Source, was: Option<&Trouble>, now: Option<&TroubleWithHint>) {
    match (was, now) {
        (_, Some((trouble, hint))) => log_event!(
            STOCK_SOURCE_FAILED, source = %source.name, code = %trouble.code, hint = *hint,
            "a stock source failed: {}", trouble.problem
        ),
        (Some(_), None) => log_event!(
            STOCK_SOURCE_RECOVERED, source = %source.name, "the stock source works again"
        ),
        (None, None) => {}
    }
}
