//! Reads a whole list: all its windows and pages, without duplicate orders, and whether it is complete. Only
//! a few pages are in memory at once, however long the list is.

mod round;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use self::round::{is_shortened_by_acts, read_round};
use super::{Ctx, StageError, Window, short_lists};
use crate::domain::ids::OrderId;
use crate::domain::order::{State, Status};
use crate::kaspi::{ApiError, RequestClass};
use crate::ledger::{Observed, Reading};
use crate::store::StoreError;

/// Most readings of a list that changes while it is read.
const ROUNDS_MAX: u32 = 3;

/// Largest change of the clock skew while a list is read. The clocks drift and are compared in whole seconds,
/// so that a smaller change is harmless. A larger one means that the list's window was wrong.
pub(super) const CLOCK_MOVES: SignedDuration = SignedDuration::from_secs(60);

/// What to list.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) class: RequestClass,
    pub(super) state: State,
    pub(super) status: Option<Status>,
    pub(super) window: Window,
    pub(super) include_entries: bool,
}

/// Most unreadable orders reported from one list.
const UNREADABLE_MAX: usize = 100;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Orders that are not stored yet.
    pub(super) readings: BTreeMap<OrderId, Reading>,
    /// Number of readings already stored, if the list is long.
    pub(super) stored: usize,
    /// What storing them changed.
    pub(super) observed: Observed,
    /// Orders in it.
    pub(super) orders: usize,
    /// Why it is incomplete, if it is.
    pub(super) problem: Option<String>,
    /// The first orders that could not be read: code or id, and why.
    pub(super) unreadable: Vec<(String, String)>,
    /// Fewer orders were shown than Kaspi counts, again and again.
    shortfall: Option<String>,
}

impl Listed {
    fn report(&mut self, name: String, why: String) {
        let is_reported = self.unreadable.iter().any(|(known, _)| *known == name);
        if !is_reported && self.unreadable.len() < UNREADABLE_MAX {
            self.unreadable.push((name, why));
        }
    }

    async fn store(&mut self, ctx: &Ctx, wanted: &Wanted) -> Result<(), StoreError> {
        let readings: Vec<_> = std::mem::take(&mut self.readings).into_values().collect();
        let (store, shop, now) = (&ctx.store, &ctx.shop, ctx.clock.now());
        self.observed.add(match wanted.state {
            State::New => store.record_listed(shop, &readings, now).await?,
            _ => store.record_readings(shop, &readings, now).await?,
        });
        self.stored += readings.len();
        Ok(())
    }
}

/// Reads a list over all its windows, oldest first. After an API error, returns what was read before it and
/// the error.
///
/// # Errors
/// A database error.
pub(super) async fn read(
    ctx: &Ctx,
    wanted: &Wanted,
) -> Result<(Listed, Option<ApiError>), StageError> {
    let mut listed = Listed::default();
    for window in wanted.window.requests() {
        match read_window(ctx, wanted, window, &mut listed).await {
            Ok(()) => {}
            Err(StageError::Api(error)) => {
                listed.problem = Some(error.to_string());
                return Ok((listed, Some(error)));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(short) = listed.shortfall.take()
        && listed.problem.is_none()
        && !short_lists::is_believed(ctx, &wanted.state).await?
    {
        listed.problem = Some(short);
    }
    Ok((listed, None))
}

/// Why a list over this window is incomplete now: its ends were computed from a clock that was wrong or that
/// was set in the meantime, so that orders may lie outside it.
pub(super) fn window_incomplete(ctx: &Ctx, Window { from, to }: Window) -> Option<String> {
    let now = ctx.kaspi_clock.now();
    let back = ctx.settings.lookback - CLOCK_MOVES;
    let reaches_back = from <= now.saturating_sub(back).unwrap_or(now);
    (!reaches_back || to < now).then(|| {
        "the clock was wrong or was set: the list covers the wrong period and is read again"
            .to_owned()
    })
}

/// Pages shift while a list shrinks (KASPI_API §2): it is read again until it has as many orders as Kaspi
/// counts, or two rounds show the same orders. Our own accepts take orders out of it: those are counted, and in the last
/// round none is sent.
async fn read_window(
    ctx: &Ctx,
    wanted: &Wanted,
    window: Window,
    listed: &mut Listed,
) -> Result<(), StageError> {
    let mut before: Option<BTreeSet<OrderId>> = None;
    for number in 0..ROUNDS_MAX {
        let is_last = number + 1 == ROUNDS_MAX;
        let _quiet = if is_last && is_shortened_by_acts(wanted) {
            Some(ctx.sending.quiet().await)
        } else {
            None
        };
        let round = read_round(ctx, wanted, (window, is_last), listed).await?;
        let same = before.as_ref() == Some(&round.ids);
        // Where accepts may explain what is missing, only the last round says.
        let is_settled = same && (is_last || !is_shortened_by_acts(wanted));
        if round.is_whole || is_settled {
            listed.orders += round.ids.len();
            if let (false, Some(counted)) = (round.is_whole, round.total) {
                let words = short_lists::words(&wanted.state, counted, round.ids.len());
                listed.shortfall.get_or_insert(words);
            }
            return Ok(());
        }
        before = Some(round.ids);
    }
    listed.orders += before.map_or(0, |ids| ids.len());
    listed.problem = Some(format!("the list changed in each of {ROUNDS_MAX} readings"));
    Ok(())
}
