//! Plans a stage's requests before the first is sent: a pure function of the stored state and both clocks.
//! A stage loads the state, plans, and carries the plan out; `qabyl explain --plan` prints it.
//!
//! Every step of a plan names its [`RequestClass`], by which the gate (`src/kaspi/gate.rs`) orders the requests.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{Clocks, Settings, Window};
use crate::domain::ids::ShopName;
pub use crate::kaspi::RequestClass;
use crate::mutant::mutant;
use crate::store::{Scan, ScanKind, Store, StoreError};

/// Most orders of each kind read singly in one pass: some are missing from every list permanently.
const SINGLES_MAX: u32 = 200;

/// Most orders of each kind that one pass reads singly; `None` after an outage, when all are read.
pub const fn singles_max(is_after_outage: bool) -> Option<u32> {
    if is_after_outage {
        None
    } else {
        Some(SINGLES_MAX)
    }
}

/// One step of a plan, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What its requests are for.
    pub class: RequestClass,
    /// What it does.
    pub what: String,
}

impl Step {
    /// Creates a step.
    pub fn new(class: RequestClass, what: impl Into<String>) -> Self {
        Self {
            class,
            what: what.into(),
        }
    }
}

/// Steps on one line, for the log.
pub fn one_line(steps: &[Step]) -> String {
    let steps = steps
        .iter()
        .map(|step| format!("{}: {}", step.class, step.what));
    steps.collect::<Vec<_>>().join("; ")
}

/// The stored state of earlier lists of one kind.
#[derive(Debug, Clone)]
pub struct ListState {
    /// Both clocks now.
    pub clocks: Clocks,
    /// The last complete list.
    pub last: Option<Scan>,
    /// The last complete list of the full depth.
    pub last_deep: Option<Scan>,
    /// When the oldest order was placed that the list must show.
    pub oldest: Option<Timestamp>,
}

/// How far back a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The lookback before the last complete list.
    Lookback,
    /// As far as orders may be open.
    Deep,
}

/// The list of one kind to read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlan {
    /// The creation dates it covers.
    pub window: Window,
    /// How far back that is.
    pub depth: Depth,
}

impl ListState {
    /// Loads it.
    ///
    /// # Errors
    /// A database error.
    pub async fn load(
        store: &Store,
        (shop, kind): (&ShopName, ScanKind),
        (settings, clocks): (&Settings, Clocks),
    ) -> Result<Self, StoreError> {
        let deep_from = clocks.window(settings.deep_lookback).from;
        let reached = deep_from.saturating_add(settings.deep_every * 2);
        let reached = reached.unwrap_or(deep_from);
        Ok(Self {
            clocks,
            last: store.last_complete_scan(shop, kind, clocks.ours).await?,
            last_deep: store.last_complete_scan(shop, kind, reached).await?,
            oldest: match kind {
                ScanKind::New => store.oldest_waiting(shop).await?,
                ScanKind::Sweep => store.oldest_followed(shop).await?,
            },
        })
    }

    /// The list to read now: from the lookback before the last complete one, so that a pause between
    /// two hides nothing, or as deep as `confirm.deep_lookback` where that is due, and always back to the oldest
    /// order that it must show (R10).
    pub fn plan(&self, settings: &Settings) -> ListPlan {
        if self.is_deep_due(settings) && !mutant("r10_no_deep_scan") {
            let deep = self.clocks.window(settings.deep_lookback);
            return ListPlan {
                window: deep.extended_to(self.oldest),
                depth: Depth::Deep,
            };
        }
        let recent = self.clocks.window(settings.lookback);
        let last = self.last.as_ref();
        let since = last.and_then(|scan| scan.kaspi_at.saturating_sub(settings.lookback).ok());
        let window = Window {
            from: since.unwrap_or(recent.from).min(recent.from),
            ..recent
        };
        ListPlan {
            window: window.extended_to(self.oldest),
            depth: Depth::Lookback,
        }
    }

    /// At the first start and every `confirm.deep_scan_every`, as soon as either clock says so or was
    /// set by as much.
    fn is_deep_due(&self, settings: &Settings) -> bool {
        let is_long = |span: SignedDuration| span.abs() >= settings.deep_every;
        self.last_deep.as_ref().is_none_or(|scan| {
            is_long(self.clocks.ours.duration_since(scan.started_at))
                || is_long(self.clocks.kaspi.duration_since(scan.kaspi_at))
        })
    }
}

impl fmt::Display for ListPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = match self.depth {
            Depth::Lookback => "since the lookback before the last list",
            Depth::Deep => "deep: as old as open orders may be",
        };
        let requests = self.window.requests().len();
        write!(f, "placed {} ({depth}, windows: {requests})", self.window)
    }
}

/// What a poll asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPlan {
    /// The list of new orders. An order that waits for longer than the lookback is listed each time: it
    /// may be sent only while it is listed.
    pub list: ListPlan,
}

impl PollPlan {
    /// Plans from what is stored.
    ///
    /// # Errors
    /// A database error.
    pub async fn load(
        store: &Store,
        shop: &ShopName,
        (settings, clocks): (&Settings, Clocks),
    ) -> Result<Self, StoreError> {
        let lists = ListState::load(store, (shop, ScanKind::New), (settings, clocks)).await?;
        Ok(Self {
            list: lists.plan(settings),
        })
    }

    /// The plan for people.
    pub fn steps(&self) -> Vec<Step> {
        let list = format!("list NEW + APPROVED_BY_BANK {}", self.list);
        let lines = "read the lines that are missing of new orders";
        vec![
            Step::new(RequestClass::NewOrders, list),
            Step::new(RequestClass::Sweep, lines),
        ]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
pub(super) mod tests {
    use super::*;
    use std::time::Duration;

    use crate::domain::action::RetryPolicy;
    use crate::ledger::StockSettings;
    use crate::net::Backoff;

    pub(in crate::pipeline) fn hours(hours: i64) -> SignedDuration {
        SignedDuration::from_hours(hours)
    }

    pub(in crate::pipeline) fn now() -> Timestamp {
        "2026-11-30T10:00:00Z".parse().unwrap()
    }

    pub(in crate::pipeline) fn clocks() -> Clocks {
        Clocks::new(now(), None)
    }

    pub(in crate::pipeline) fn settings() -> Settings {
        Settings {
            lookback: hours(48),
            deep_every: hours(1),
            deep_lookback: hours(60 * 24),
            sweep_every: SignedDuration::from_mins(2),
            archive_after_missed: 3,
            pages_max: 100,
            include_entries: true,
            max_in_flight: 4,
            sighting_age_max: SignedDuration::from_secs(30),
            retry_policy: RetryPolicy {
                settle: SignedDuration::from_mins(2),
                attempts_max: 5,
                backoff: Backoff::new(Duration::from_secs(10), Duration::from_mins(2)),
            },
            stock: StockSettings::default(),
            reverted_lists: 3,
        }
    }

    /// A complete list begun so long ago.
    pub(in crate::pipeline) fn scan(kind: ScanKind, ago: SignedDuration) -> Scan {
        let at = now() - ago;
        Scan {
            kind,
            started_at: at,
            kaspi_at: at,
            finished_at: at,
            from: at - hours(48),
            to: at,
            problem: None,
            archive_read: true,
        }
    }

    pub(in crate::pipeline) fn lists(ago: SignedDuration) -> ListState {
        ListState {
            clocks: clocks(),
            last: Some(scan(ScanKind::Sweep, ago)),
            last_deep: Some(scan(ScanKind::Sweep, ago)),
            oldest: None,
        }
    }

    #[test]
    fn the_first_list_is_deep() {
        let first = ListState {
            last: None,
            last_deep: None,
            ..lists(hours(0))
        };
        let plan = first.plan(&settings());
        assert_eq!(plan.depth, Depth::Deep);
        assert_eq!(plan.window.from, now() - hours(60 * 24));
        assert_eq!(plan.window.requests().len(), 5, "Kaspi allows 14 days");
    }

    #[test]
    fn a_list_soon_after_the_last_one_looks_back_from_there() {
        let minute = SignedDuration::from_mins(1);
        let plan = lists(minute).plan(&settings());
        assert_eq!(plan.depth, Depth::Lookback);
        assert_eq!(plan.window.from, now() - minute - hours(48));
    }

    #[test]
    fn after_an_outage_the_list_begins_before_it() {
        let day = ListState {
            last_deep: Some(scan(ScanKind::New, SignedDuration::from_mins(1))),
            ..lists(hours(24))
        };
        let plan = day.plan(&settings());
        assert_eq!(plan.depth, Depth::Lookback);
        assert_eq!(plan.window.from, now() - hours(24 + 48));
    }

    #[test]
    fn the_list_goes_back_to_the_oldest_order_that_waits() {
        let waiting = ListState {
            oldest: Some(now() - hours(20 * 24)),
            ..lists(SignedDuration::from_mins(1))
        };
        let plan = waiting.plan(&settings());
        assert_eq!(plan.window.from, now() - hours(20 * 24));
    }
}
