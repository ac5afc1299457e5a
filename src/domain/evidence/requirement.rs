//! What each use asks of the evidence.

use jiff::{SignedDuration, Timestamp};

use super::{Freshness, Gap, Interval, is_older};
use crate::mutant::mutant;

/// What is to rest on the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The decision to accept an order.
    Accept,
    /// The decision to accept an order that takes the last units of something.
    AcceptLastUnits {
        /// When the order was first seen: others may have come with it and been accepted elsewhere at once.
        /// `None` where that was asked before.
        order_seen_at: Option<Timestamp>,
    },
    /// The decision to cancel an order for stock.
    Cancel {
        /// When its missing units were last counted: units may have left between an earlier reading and the
        /// count, and would be missed twice.
        counted_at: Option<Timestamp>,
    },
    /// The first POST of an accept.
    FirstAttempt {
        /// When it was decided.
        decided_at: Timestamp,
    },
    /// Another POST of an accept.
    Repeat,
}

/// A moment that a sweep must not have begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotBefore {
    OrderSeen(Timestamp),
    StockCounted(Timestamp),
}

impl NotBefore {
    const fn at(self) -> Timestamp {
        match self {
            Self::OrderSeen(at) | Self::StockCounted(at) => at,
        }
    }
}

/// Which unaccounted orders stand in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocking {
    All,
    FoundAfter(Timestamp),
    None,
}

/// What a use asks of the evidence: one row of the table above.
pub(super) struct Requirement {
    pub(super) start_age_max: SignedDuration,
    /// A long sweep is as old as its start, but a shop whose sweeps are slow must get somewhere: where more
    /// freshness is needed, its end counts.
    end_age_max: Option<SignedDuration>,
    not_begun_before: Option<NotBefore>,
    archive: bool,
    pub(super) unaccounted: Blocking,
    /// Whether the other shops of the stock are to be read as freshly.
    pub(super) others_as_fresh: bool,
}

impl Use {
    pub(super) fn requirement(self, freshness: &Freshness) -> Requirement {
        let plain = Requirement {
            start_age_max: freshness.sweep_age_max,
            end_age_max: None,
            not_begun_before: None,
            archive: false,
            unaccounted: Blocking::None,
            others_as_fresh: false,
        };
        match self {
            Self::Accept => Requirement {
                unaccounted: Blocking::All,
                ..plain
            },
            Self::AcceptLastUnits { .. } if mutant("r6_last_units_unread") => {
                Self::Accept.requirement(freshness)
            }
            Self::AcceptLastUnits { order_seen_at } => Requirement {
                end_age_max: Some(freshness.last_units_age_max),
                not_begun_before: order_seen_at
                    .filter(|_| !mutant("r6_swept_before_order_seen"))
                    .map(NotBefore::OrderSeen),
                archive: true,
                unaccounted: Blocking::All,
                others_as_fresh: !mutant("r6_other_shops_are_fresh"),
                ..plain
            },
            Self::Cancel { counted_at } => Requirement {
                end_age_max: Some(freshness.cancel_age_max),
                not_begun_before: counted_at
                    .filter(|_| !mutant("r8_count_after_sweep"))
                    .map(NotBefore::StockCounted),
                ..plain
            },
            Self::FirstAttempt { .. } | Self::Repeat if mutant("r6_old_sweep_suffices") => {
                Requirement {
                    start_age_max: SignedDuration::MAX,
                    ..plain
                }
            }
            Self::FirstAttempt { .. } if mutant("r6_unaccounted_order_ignored") => plain,
            Self::FirstAttempt { decided_at } => Requirement {
                unaccounted: Blocking::FoundAfter(decided_at),
                ..plain
            },
            Self::Repeat => plain,
        }
    }
}

impl Requirement {
    /// What sweeps of a shop that are not too old lack.
    pub(super) fn not_fresh(
        &self,
        sweep: Interval,
        archive: Option<Interval>,
        now: Timestamp,
    ) -> Option<Gap> {
        if let Some(event) = self.not_begun_before
            && sweep.start < event.at()
        {
            let start = sweep.start;
            return Some(match event {
                NotBefore::OrderSeen(_) => Gap::BeforeOrder { start },
                NotBefore::StockCounted(counted_at) => Gap::BeforeCount { start, counted_at },
            });
        }
        let limit = self.end_age_max?;
        if is_older(sweep.end, limit, now) {
            return Some(Gap::EndedTooLongAgo {
                end: sweep.end,
                limit,
            });
        }
        if !self.archive {
            return None;
        }
        let is_fresh = |archive: Interval| {
            let event = self.not_begun_before.map(NotBefore::at);
            !is_older(archive.end, limit, now) && event.is_none_or(|event| archive.start >= event)
        };
        if archive.is_some_and(is_fresh) {
            return None;
        }
        Some(Gap::ArchiveNotRead {
            end: archive.map(|archive| archive.end),
        })
    }
}
