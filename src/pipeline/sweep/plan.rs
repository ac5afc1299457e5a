//! Plans the requests of a sweep: which lists over which creation dates, whether the archive is listed, how
//! many orders are read singly, and which orders' lines. Pure, except for loading the stored state.

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::ShopName;
use crate::ledger::Restored;
use crate::mutant::mutant;
use crate::pipeline::plan::{ListPlan, ListState, RequestClass, Step, singles_max};
use crate::pipeline::{Clocks, Settings, Window};
use crate::store::{Scan, ScanKind, Store, StoreError};

/// The archive is listed if the orders missing from the accepted states outnumber its pages by more than
/// this: that costs fewer requests than single reads.
const SINGLES_BEYOND_PAGES: u64 = 2;

/// Orders on one page of a list (KASPI_API §2).
const PAGE_SIZE: u64 = 100;

/// A sweep searches the archive for orders placed up to this long before the previous sweep.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

/// Known finished orders on one page of the archive's list; the rest of the page is for unknown ones.
const ARCHIVE_PAGE: u32 = 90;

/// Longest time from the placing of an order to its first appearance in a list (KASPI_API §2).
const SHOWN_LATE_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Longest time that the first sweep allows from the placing of an order to its end: goods that left since the count may
/// be of one placed so long before, and nothing is known of it yet.
const ON_ITS_WAY_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A list of new orders that covers at least this much is a deep one.
const DEEP_AT_LEAST: SignedDuration = SignedDuration::from_hours(13 * 24);

/// What the sweep stage does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepPlan {
    /// The last sweep is recent enough.
    NotDue {
        /// When the next one is due.
        next_at: Timestamp,
    },
    /// The database was restored from a backup, and requests sent before may still take effect.
    WaitForSettle {
        /// Until then.
        until: Timestamp,
    },
    /// The database was restored, and no deep poll has been complete since.
    WaitForDeepPoll,
    /// Everything that the restored database lacks is read.
    CatchUp(CatchUp),
    /// Accepted orders are listed; and the archive, where stock is counted.
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
    /// The class of its list requests.
    pub class: RequestClass,
    /// The lists of the accepted states.
    pub accepted: ListPlan,
    /// The archive's list; `None` where no stock is counted.
    pub archive: Option<ArchivePlan>,
    /// Most missing orders of each kind that are read singly.
    pub singles_max: Option<u32>,
    /// Whose lines are read.
    pub lines: LinesPlan,
}

/// The archive's list. Since the last sweep that read it, orders may have been accepted and finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivePlan {
    /// Creation dates.
    pub window: Window,
    /// Whether sweeps were missed, or did not read the archive: then it is listed day by day.
    pub is_after_outage: bool,
    /// Whether accepted orders were not read either. Then the sweep is incomplete without the archive:
    /// how much was sold in the meantime is unknown.
    pub is_required: bool,
}

/// Orders whose lines a sweep reads: lines give the units that an order holds or took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinesPlan {
    /// Of accepted orders.
    Accepted,
    /// Of accepted orders, and of orders first seen finished since then.
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

/// The stored state that a sweep depends on.
#[derive(Debug, Clone)]
pub struct SweepState {
    /// Earlier sweeps.
    pub lists: ListState,
    /// The last complete sweep.
    pub last: Option<Scan>,
    /// The last complete sweep that read the archive too.
    pub last_with_archive: Option<Scan>,
    /// The time of the oldest stock count; `None` where no stock is counted.
    pub counted_at: Option<Timestamp>,
    /// When the oldest order on the archive's first page was placed, where that page is full.
    pub archive_page_from: Option<Timestamp>,
}

impl SweepPlan {
    /// Plans from the stored state. With `force`, a sweep runs before its period has passed, because an
    /// action waits for it.
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
    /// Plans the catch-up of a restored database. It starts once requests sent before the restore can no
    /// longer take effect and a deep poll has been complete.
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
        let unknown_from = known_until.unwrap_or(Timestamp::MIN).max(ahead.furthest());
        let unknown_from = unknown_from.min(ahead.from);
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

/// When the next sweep is due, if that is in the future.
fn not_due_before(last: Option<&Scan>, settings: &Settings, clocks: Clocks) -> Option<Timestamp> {
    let last = last?;
    let is_due = clocks.ours.duration_since(last.started_at) >= settings.sweep_every;
    let next_at = last.started_at.saturating_add(settings.sweep_every);
    (!is_due).then(|| next_at.unwrap_or(last.started_at))
}

impl Sweep {
    /// Plans a sweep.
    pub fn plan(state: &SweepState, settings: &Settings, force: bool) -> Self {
        let class = if force {
            RequestClass::Evidence
        } else {
            RequestClass::Sweep
        };
        let accepted = state.lists.plan(settings);
        let unobserved = Unobserved::of(state, settings).filter(|_| !mutant("r6_outage_not_read"));
        let Some(unobserved) = unobserved else {
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
                from: unobserved.placed_from.max(accepted.window.furthest()),
                ..accepted.window
            },
            is_after_outage: unobserved.is_outage,
            is_required: unobserved.accepted_unread,
        };
        let lines = if unobserved.is_outage {
            LinesPlan::AcceptedElsewhere {
                seen_since: unobserved.since,
                sku_missing_since: unobserved.placed_from,
            }
        } else {
            LinesPlan::AcceptedAndDeparted {
                seen_since: unobserved.since,
            }
        };
        Self {
            class,
            accepted,
            archive: Some(archive),
            singles_max: singles_max(unobserved.is_outage),
            lines,
        }
    }

    /// Whether it reads the orders of an outage.
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
            // Orders placed later have just been listed.
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

/// The unobserved period since the last sweep that read the archive: orders may have been accepted and
/// finished in it.
#[derive(Debug, Clone, Copy)]
struct Unobserved {
    /// When it began, by our clock; `Timestamp::MIN` without such a sweep.
    since: Timestamp,
    /// Orders placed from then on may have been accepted in it.
    placed_from: Timestamp,
    /// Whether sweeps were missed, or did not read the archive.
    is_outage: bool,
    /// Whether accepted orders were not read either.
    accepted_unread: bool,
}

impl Unobserved {
    /// `None` where no stock is counted: then no decision depends on the archive.
    fn of(state: &SweepState, settings: &Settings) -> Option<Self> {
        let counted_at = state.counted_at?;
        let last = state.last_with_archive.as_ref();
        let clocks = state.lists.clocks;
        let is_recent =
            |scan: Option<&Scan>| scan.is_some_and(|scan| is_continuous(scan, settings, clocks));
        let is_outage = !is_recent(last);
        // Before the first sweep, the count already includes everything that left the shelf before it.
        let known_until = last.map_or(counted_at, |scan| scan.kaspi_at);
        let before = |span: SignedDuration| known_until.saturating_sub(span).unwrap_or(known_until);
        let back = if last.is_none() && !mutant("r6_first_archive_is_short") {
            ON_ITS_WAY_MAX
        } else {
            settings.lookback
        };
        let lookback = if mutant("r6_outage_without_lookback") {
            known_until
        } else {
            before(back)
        };
        let placed_from = match state.archive_page_from {
            // Few orders are finished within one sweep period of being placed: one page is enough.
            Some(page) if !is_outage => page.min(before(RECENT)).max(lookback),
            _ => lookback,
        };
        Some(Self {
            since: last.map_or(Timestamp::MIN, |scan| scan.started_at),
            placed_from,
            is_outage,
            accepted_unread: !is_recent(state.last.as_ref()),
        })
    }
}

/// Whether no sweep was missed since this one, by both clocks. The duration of the sweep itself does not
/// count: otherwise a long archive would be listed again in every sweep.
fn is_continuous(scan: &Scan, settings: &Settings, clocks: Clocks) -> bool {
    let took = scan.finished_at.duration_since(scan.started_at);
    let is_short = |span: SignedDuration| (span - took).abs() <= settings.sweep_pause_max();
    is_short(clocks.ours.duration_since(scan.started_at))
        && is_short(clocks.kaspi.duration_since(scan.kaspi_at))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
