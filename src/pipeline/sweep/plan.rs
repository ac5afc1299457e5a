//! What a sweep asks: which lists over which creation dates, whether the archive, how many orders
//! singly, and whose lines. Pure, but for the loading of what is stored.

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::ShopName;
use crate::ledger::Restored;
use crate::mutant::mutant;
use crate::pipeline::plan::{ListPlan, ListState, RequestClass, Step, singles_max};
use crate::pipeline::{Clocks, Settings, Window};
use crate::store::{Scan, ScanKind, Store, StoreError};

/// Where more orders than the archive has pages, and this many, are missing from the accepted states, the
/// archive is listed: that costs fewer requests than single reads.
const SINGLES_BEYOND_PAGES: u64 = 2;

/// Orders on one page of a list (KASPI_API §2).
const PAGE_SIZE: u64 = 100;

/// Between two sweeps, orders placed this long before the last one are looked for in the archive.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// Finished orders on one page of the archive's list, with room for some that are not known yet.
const ARCHIVE_PAGE: u32 = 90;

/// An order may show up for the first time this long after it was placed (KASPI_API §2).
const SHOWN_LATE_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A list of new orders that covers this much is a deep one.
const DEEP_AT_LEAST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// What the sweep stage does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepPlan {
    /// The last sweep is recent enough.
    NotDue {
        /// When the next one is due.
        next_at: Timestamp,
    },
    /// The database was restored from a backup, and requests of before may still take effect.
    WaitForSettle {
        /// Until then.
        until: Timestamp,
    },
    /// The database was restored, and no deep poll has been complete since.
    WaitForDeepPoll,
    /// Everything a restored database cannot know is read.
    CatchUp(CatchUp),
    /// Accepted orders are listed, and what a shelf count needs besides.
    Sweep(Sweep),
}

/// The reading after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    /// When the backup was put in place.
    pub restored_at: Timestamp,
    /// Creation dates of the accepted states and of the archive.
    pub window: Window,
}

/// A sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Why it takes place.
    pub class: RequestClass,
    /// The lists of the accepted states.
    pub accepted: ListPlan,
    /// The archive's list; `None` where no stock is counted.
    pub archive: Option<ArchivePlan>,
    /// Missing orders of each kind to be read singly, at most.
    pub singles_max: Option<u32>,
    /// Whose lines are read.
    pub lines: LinesPlan,
}

/// The archive's list. Since the last sweep that read it, orders may have been accepted and finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivePlan {
    /// Creation dates.
    pub window: Window,
    /// Whether sweeps were missed, or could not read the archive: then it is listed day by day.
    pub is_after_outage: bool,
    /// Whether accepted orders were not read either. Then the sweep is incomplete without the archive:
    /// how much was sold in the meantime is unknown.
    pub is_required: bool,
}

/// Orders whose lines a sweep reads: what they hold, or held, their lines say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinesPlan {
    /// Of accepted orders.
    Accepted,
    /// Of those, and of orders first seen finished since then.
    AcceptedAndDeparted {
        /// Our time.
        seen_since: Timestamp,
    },
    /// Of all orders that were accepted elsewhere in an outage, finished or not.
    AcceptedElsewhere {
        /// First seen since then.
        seen_since: Timestamp,
        /// Lines without a SKU are asked for again of orders seen since then.
        sku_missing_since: Timestamp,
    },
}

/// What is stored that a sweep depends on.
#[derive(Debug, Clone)]
pub struct SweepState {
    /// Earlier sweeps.
    pub lists: ListState,
    /// The last complete sweep, however old its window.
    pub last: Option<Scan>,
    /// The last complete sweep that read the archive too.
    pub last_with_archive: Option<Scan>,
    /// The oldest moment any stock level speaks of; `None` where no stock is counted.
    pub counted_at: Option<Timestamp>,
    /// When the oldest order on the archive's first page was placed, where that page is full.
    pub archive_page_from: Option<Timestamp>,
}

impl SweepPlan {
    /// Plans from what is stored. With `force` a sweep takes place before its period is over: something
    /// waits for it.
    ///
    /// # Errors
    /// A database error.
    pub async fn load(
        store: &Store,
        shop: &ShopName,
        (settings, clocks): (&Settings, Clocks),
        force: bool,
    ) -> Result<Self, StoreError> {
        if let Some(restored) = store.restored(shop, clocks.ours).await? {
            let is_listed = store.listed_since(shop, restored.at, DEEP_AT_LEAST).await?;
            let oldest = store.oldest_followed(shop).await?;
            return Ok(CatchUp::plan(
                &restored,
                (clocks, settings.retry_policy.settle),
                (is_listed, oldest),
            ));
        }
        let last = store
            .last_complete_scan(shop, ScanKind::Sweep, Timestamp::MAX)
            .await?;
        if let (false, Some(next_at)) = (force, not_due_before(last.as_ref(), settings, clocks)) {
            return Ok(Self::NotDue { next_at });
        }
        let counted = store.stock_age().await?;
        let state = SweepState {
            lists: ListState::load(store, (shop, ScanKind::Sweep), (settings, clocks)).await?,
            last,
            last_with_archive: store.last_sweep_with_archive(shop).await?,
            counted_at: counted.map(|(_, oldest)| oldest),
            archive_page_from: store.archived_from(shop, ARCHIVE_PAGE).await?,
        };
        Ok(Self::Sweep(Sweep::plan(&state, settings, force)))
    }

    /// The plan for people.
    pub fn steps(&self) -> Vec<Step> {
        let idle = |what: String| vec![Step::new(RequestClass::Sweep, what)];
        match self {
            Self::NotDue { next_at } => idle(format!("nothing before {next_at:.0}")),
            Self::WaitForSettle { until } => idle(format!(
                "nothing before {until:.0}: the database was restored, and requests sent before may still take effect"
            )),
            Self::WaitForDeepPoll => idle(
                "nothing before a complete deep poll: the database was restored from a backup"
                    .to_owned(),
            ),
            Self::CatchUp(plan) => plan.steps(),
            Self::Sweep(plan) => plan.steps(),
        }
    }
}

impl CatchUp {
    /// What a restored database reads, once no request of before may still take effect and the new
    /// orders were listed whole since.
    pub fn plan(
        restored: &Restored,
        (clocks, settle): (Clocks, SignedDuration),
        (is_deep_poll_complete, oldest): (bool, Option<Timestamp>),
    ) -> SweepPlan {
        let until = restored.at.saturating_add(settle).unwrap_or(restored.at);
        if clocks.ours < until {
            return SweepPlan::WaitForSettle { until };
        }
        if !is_deep_poll_complete {
            return SweepPlan::WaitForDeepPoll;
        }
        let ahead = clocks.window(SignedDuration::ZERO);
        let known_until = restored
            .known_until
            .and_then(|until| until.saturating_sub(SHOWN_LATE_MAX).ok());
        let unknown_from = known_until.map_or(Timestamp::MIN, |until| until.min(ahead.from));
        let window = Window {
            from: unknown_from,
            ..ahead
        };
        SweepPlan::CatchUp(Self {
            restored_at: restored.at,
            window: window.extended_to(oldest),
        })
    }

    fn steps(&self) -> Vec<Step> {
        vec![
            Step::new(
                RequestClass::Sweep,
                format!(
                    "after a restore: list the accepted states and, day by day, the archive placed {}",
                    self.window
                ),
            ),
            Step::new(
                RequestClass::Singles,
                "read each unfinished order that no list showed",
            ),
            Step::new(
                RequestClass::Singles,
                "read the lines of orders accepted elsewhere",
            ),
        ]
    }
}

/// When the next sweep is due, where that is not yet.
fn not_due_before(last: Option<&Scan>, settings: &Settings, clocks: Clocks) -> Option<Timestamp> {
    let last = last?;
    let is_due = clocks.ours.duration_since(last.started_at) >= settings.sweep_every;
    let next_at = last.started_at.saturating_add(settings.sweep_every);
    (!is_due).then(|| next_at.unwrap_or(last.started_at))
}

impl Sweep {
    /// What a sweep reads.
    pub fn plan(state: &SweepState, settings: &Settings, force: bool) -> Self {
        let class = if force {
            RequestClass::Evidence
        } else {
            RequestClass::Sweep
        };
        let accepted = state.lists.plan(settings);
        let gap = Gap::of(state, settings).filter(|_| !mutant("r6_outage_not_read"));
        let Some(gap) = gap else {
            return Self {
                class,
                accepted,
                archive: None,
                singles_max: singles_max(false),
                lines: LinesPlan::Accepted,
            };
        };
        let archive = ArchivePlan {
            window: Window {
                from: gap.placed_from.max(accepted.window.from),
                ..accepted.window
            },
            is_after_outage: gap.is_outage,
            is_required: gap.is_blind,
        };
        let lines = if gap.is_outage {
            LinesPlan::AcceptedElsewhere {
                seen_since: gap.since,
                sku_missing_since: gap.placed_from,
            }
        } else {
            LinesPlan::AcceptedAndDeparted {
                seen_since: gap.since,
            }
        };
        Self {
            class,
            accepted,
            archive: Some(archive),
            singles_max: singles_max(gap.is_outage),
            lines,
        }
    }

    /// Whether it reads what happened in an outage.
    pub fn is_after_outage(&self) -> bool {
        self.archive.is_some_and(|archive| archive.is_after_outage)
    }

    /// The part of the archive to list for orders that are missing from the accepted states, where that
    /// costs fewer requests than reading each. `finished` orders of the window are known to be in the
    /// archive.
    pub fn archive_for_missing(&self, missing: u64, finished: u64) -> Option<Window> {
        let pages = (finished + missing).div_ceil(PAGE_SIZE);
        (missing > pages + SINGLES_BEYOND_PAGES).then(|| {
            let Window { from, to } = self.accepted.window;
            // What was placed later has just been listed.
            let to = self
                .archive
                .map_or(to, |archive| archive.window.from.min(to));
            Window { from, to }
        })
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::new(
            self.class,
            format!("list the accepted states {}", self.accepted),
        )];
        if let Some(archive) = &self.archive {
            let how = if archive.is_after_outage {
                "after an outage, day by day"
            } else {
                "one page where possible"
            };
            let what = format!("list the archive placed {} ({how})", archive.window);
            steps.push(Step::new(self.class, what));
        }
        let singles = self.singles_max.map_or_else(
            || "read every order that no list shows".to_owned(),
            |max| format!("read up to {max} orders of each kind that no list shows"),
        );
        steps.push(Step::new(RequestClass::Singles, singles));
        let lines = match self.lines {
            LinesPlan::Accepted => "read missing lines of accepted orders",
            LinesPlan::AcceptedAndDeparted { .. } => {
                "read missing lines of accepted orders and of orders just finished"
            }
            LinesPlan::AcceptedElsewhere { .. } => {
                "read missing lines of all orders accepted elsewhere"
            }
        };
        steps.push(Step::new(RequestClass::Singles, lines));
        steps
    }
}

/// The time since the last sweep that read the archive: orders may have been accepted and finished in it.
#[derive(Debug, Clone, Copy)]
struct Gap {
    /// When it began, by our clock; before all time where there was no such sweep.
    since: Timestamp,
    /// Orders placed from then on may have been approved since.
    placed_from: Timestamp,
    /// Whether sweeps were missed, or could not read the archive.
    is_outage: bool,
    /// Whether accepted orders were not read either.
    is_blind: bool,
}

impl Gap {
    /// `None` where no stock is counted: then nothing depends on it.
    fn of(state: &SweepState, settings: &Settings) -> Option<Self> {
        let counted_at = state.counted_at?;
        let last = state.last_with_archive.as_ref();
        let clocks = state.lists.clocks;
        let is_recent =
            |scan: Option<&Scan>| scan.is_some_and(|scan| follows(scan, settings, clocks));
        let is_outage = !is_recent(last);
        // The count includes what left before it, and before the first sweep ever.
        let known_until = last.map_or(counted_at, |scan| scan.kaspi_at);
        let before = |span: SignedDuration| known_until.saturating_sub(span).unwrap_or(known_until);
        let lookback = if mutant("r6_outage_without_lookback") {
            known_until
        } else {
            before(settings.lookback)
        };
        let placed_from = match state.archive_page_from {
            // Between two sweeps hardly anything is finished that was just placed: as far back as one
            // request goes.
            Some(page) if !is_outage => page.min(before(RECENT)).max(lookback),
            _ => lookback,
        };
        Some(Self {
            since: last.map_or(Timestamp::MIN, |scan| scan.started_at),
            placed_from,
            is_outage,
            is_blind: !is_recent(state.last.as_ref()),
        })
    }
}

/// Whether the time since this sweep is no outage, by either clock. What the sweep itself took does not
/// count: a long archive would be listed for ever.
fn follows(scan: &Scan, settings: &Settings, clocks: Clocks) -> bool {
    let took = scan.finished_at.duration_since(scan.started_at);
    let is_short = |span: SignedDuration| (span - took).abs() <= settings.sweep_pause_max();
    is_short(clocks.ours.duration_since(scan.started_at))
        && is_short(clocks.kaspi.duration_since(scan.kaspi_at))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
