//! Reports a source's trouble once when it begins, and once when it has ended.

use jiff::Timestamp;

use super::feed::Check;
use super::{Feeds, Outcome, Place, Source, StageError};
use crate::domain::facts::Collapse;
use crate::events::log_event;
use crate::store::{SourceState, Trouble};

/// What to do about levels that look wrong.
const COLLAPSED: &str = "check the feed; if the stock really is zero: qabyl stock import FILE --source NAME --confirm-zeros";
const SHRUNK: &str =
    "check the feed; SKUs that it no longer lists count as unknown, and their orders are held";
const OLDER: &str = "put the newest file back; what was read before stays in force";
const UNDATED: &str = "nothing, if it is read again soon; otherwise: qabyl stock sources --sync";
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
            _ => judge(feeds, before).await?.or_else(|| still_doubtful(was)),
        },
        (None, Outcome::Unchanged) => judge(feeds, before).await?.or_else(|| still_doubtful(was)),
        (None, _) => {
            let states = feeds.store.stock_sources().await?;
            let state = states.iter().find(|state| state.name == source.name);
            let judged = judge(feeds, state).await?;
            judged.or_else(|| check.doubts.clone().map(doubtful))
        }
    };
    let same = match (was.map(|(_, trouble)| trouble), now.as_ref()) {
        // The same mistake is reported once, and each other one.
        (Some(was), Some((now, _))) if is_of_file(source, now) => was == now,
        (was, now) => was.map(|t| &t.code) == now.map(|(t, _)| &t.code),
    };
    if !same {
        log_change(source, was.map(|(_, trouble)| trouble), now.as_ref());
    }
    // A file is checked every few seconds: an unchanged one writes nothing.
    let is_file = matches!(source.place, Place::File(_) | Place::Push);
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
fn doubtful(problem: String) -> TroubleWithHint {
    let code = "S006".to_owned();
    (Trouble { code, problem }, DOUBTFUL)
}

/// The same content has the same doubts.
fn still_doubtful(was: Option<&(Timestamp, Trouble)>) -> Option<TroubleWithHint> {
    let (_, trouble) = was.filter(|(_, trouble)| trouble.code == "S006")?;
    Some(doubtful(trouble.problem.clone()))
}

/// Whether it is a mistake of a file, which stays the same until somebody changes the file.
fn is_of_file(source: &Source, trouble: &Trouble) -> bool {
    let is_file = matches!(source.place, Place::File(_));
    trouble.code == "S001" || (is_file && trouble.code == "S002")
}

fn is_of_reading(trouble: &Trouble) -> bool {
    matches!(trouble.code.as_str(), "S001" | "S002" | "S005")
}

/// What is wrong with levels that were read successfully.
async fn judge(
    feeds: &Feeds,
    state: Option<&SourceState>,
) -> Result<Option<TroubleWithHint>, StageError> {
    let Some(state) = state else { return Ok(None) };
    let collapses = feeds.store.collapses_now().await?;
    let collapse = collapses.into_iter().find(|fall| fall.source == state.name);
    Ok(trouble_of(feeds, state, collapse))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
fn trouble_of(
    feeds: &Feeds,
    state: &SourceState,
    collapse: Option<Collapse>,
) -> Option<TroubleWithHint> {
    let trouble = |code: &str, problem: String, hint| {
        let code = code.to_owned();
        Some((Trouble { code, problem }, hint))
    };
    let Some(read) = &state.read else {
        // It was read before, and the clock was wrong then.
        let what = "its levels were read while the clock was wrong: they count as unknown";
        return (state.rows > 0)
            .then(|| trouble("S008", what.to_owned(), UNDATED))
            .flatten();
    };
    let as_of = read.as_of;
    let over = |part: u64, whole: u64| {
        let limit = feeds.collapse_share;
        limit.is_some_and(|limit| part >= 2 && part as f64 > limit * whole as f64)
    };
    if let Some(fall) = collapse.filter(|fall| over(fall.fell, fall.had)) {
        let what = format!(
            "{} of {} SKUs that had stock fell to zero at once, within a day",
            fall.fell, fall.had
        );
        return trouble("S003", what, COLLAPSED);
    }
    let before = state.rows.saturating_add(state.absent);
    if over(state.absent.unsigned_abs(), before.unsigned_abs()) {
        let what = format!("{} of {before} levels are no longer listed", state.absent);
        return trouble("S003", what, SHRUNK);
    }
    let age = feeds.clock.now().duration_since(as_of);
    if let Some(limit) = feeds.max_age.filter(|limit| age > *limit) {
        let what = format!("its levels are of {as_of}, more than {limit:#} ago");
        return trouble("S004", what, STALE);
    }
    if state.rows == 0 && state.older > 0 {
        let older = state.older;
        let what = format!(
            "an older file is in its place, as of {as_of}: {older} levels stay as they were"
        );
        return trouble("S007", what, OLDER);
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

/// Why a file that never stops changing is not read.
pub(super) fn still_changing(file: &std::path::Path) -> String {
    format!(
        "{} has been changing for more than {} minutes, and a file is read once it is complete: write it under another \
         name, then rename it (mv)",
        file.display(),
        super::CHANGES_FOR_MAX.as_secs() / 60
    )
}
