//! Lists that show fewer orders than Kaspi counts in them: a replica may lag, or the count is wrong.

use jiff::SignedDuration;

use super::{Ctx, StageError};
use crate::domain::order::State;
use crate::mutant::mutant;
use crate::store::ScanKind;

/// How the reason of such a list begins.
const SHORT: &str = "Kaspi counts";

/// So long after the first such list it is believed: a replica has caught up by then, and a count that stays wrong must
/// not stop the shop.
const LASTS: SignedDuration = SignedDuration::from_mins(2);

/// An older one proves nothing of the present lists.
const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(30);

/// Why such a list is incomplete.
pub(super) fn words(state: &State, counted: u64, shown: usize) -> String {
    format!("{SHORT} {counted} orders in {state}, and shows {shown} of them")
}

/// Whether such a list of this state is believed. The archive's is: decisions go on without it, too.
pub(super) async fn is_believed(ctx: &Ctx, state: &State) -> Result<bool, StageError> {
    let kind = match state {
        State::New => ScanKind::New,
        State::Archive => return Ok(true),
        _ => ScanKind::Sweep,
    };
    if mutant("r7_short_list_is_complete") {
        return Ok(true);
    }
    let now = ctx.clock.now();
    let ago = |span| now.saturating_sub(span).unwrap_or(now);
    let failed = ctx.store.failed_lists(&ctx.shop, kind, ago(KNOWN_FOR));
    let failed = failed.await?;
    Ok(failed
        .iter()
        .any(|(begun, why)| *begun <= ago(LASTS) && why.starts_with(SHORT)))
}
