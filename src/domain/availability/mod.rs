//! What is available of a stock level: an interval, from named contributions.
//!
//! Every promise contributes to its level by a named figure ([`contributions`]): reserved, in doubt (and why), or
//! perhaps given back. What is certain counts units in doubt as taken, what is possible counts them as free; the
//! sums are [`Promised`].

mod counts;
mod doubt;
mod interval;
mod other_shops;
mod overlap;
mod promise;

use jiff::{SignedDuration, Timestamp};

pub use self::counts::{Reading, fell_since};
pub use self::doubt::{ClosedBy, Doubt, Reason};
pub use self::interval::{Bound, Coverage, Interval, Possible};
pub use self::other_shops::{OtherShops, Sweep};
pub use self::overlap::{Changed, Held, Overlap, widen};
pub use self::promise::{Place, Promise, Units};
use super::reservation::Departure;
use super::semantics::Semantics;
use crate::mutant::mutant;

/// When a level was counted, and what its number includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<'a> {
    /// When it was counted.
    pub as_of: Timestamp,
    /// What the number means.
    pub semantics: Semantics,
    /// How late the source books goods that left.
    pub posting_lag: SignedDuration,
    /// How late the source takes an accepted order off, where it does.
    pub order_lag_max: SignedDuration,
    /// How late Kaspi may show that goods left.
    pub courier_lag_max: SignedDuration,
    /// The level's counts in order of time, this one last, as far as they are known.
    pub readings: &'a [Reading],
    /// Whether counts that did not fall show that nothing left.
    pub counts_are_evidence: bool,
}

/// What a contribution does to a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Taken, whatever is assumed.
    Reserved,
    /// Taken for an accept, free for a cancel.
    InDoubt {
        /// Why.
        why: Reason,
        /// What settles it.
        closed_by: ClosedBy,
        /// By when at the latest, as far as that is known.
        by: Option<Timestamp>,
        /// Since when the units may have left, or the doubt lasts.
        since: Option<Timestamp>,
    },
    /// Not in the number, but perhaps there: the source may have taken it off before it was given back.
    MaybeReturned,
    /// In doubt by itself, but the counts show that the units are still there.
    StillThere,
}

impl Kind {
    const fn in_doubt(why: Reason, closed_by: ClosedBy) -> Self {
        Self::InDoubt {
            why,
            closed_by,
            by: None,
            since: None,
        }
    }

    const fn until_counted(why: Reason, since: Timestamp) -> Self {
        Self::InDoubt {
            why,
            closed_by: ClosedBy::NextCount,
            by: None,
            since: Some(since),
        }
    }

    /// Whether it is in doubt only whether the units left before the count.
    const fn may_have_left_since(self) -> Option<Timestamp> {
        match self {
            Self::InDoubt {
                why: Reason::MayHaveLeft | Reason::LeftNearCount,
                since,
                ..
            } => since,
            _ => None,
        }
    }
}

/// One named figure of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// Where it comes from.
    pub promise: &'a Promise,
    /// How many units.
    pub units: i64,
    /// What they are.
    pub kind: Kind,
}

impl Contribution<'_> {
    /// What it adds to the units that are certain.
    pub const fn certain(&self) -> i64 {
        match self.kind {
            Kind::Reserved | Kind::InDoubt { .. } | Kind::StillThere => -self.units,
            Kind::MaybeReturned => 0,
        }
    }

    /// What it adds to the units that are possible.
    pub const fn possible(&self) -> i64 {
        match self.kind {
            Kind::Reserved | Kind::StillThere => -self.units,
            Kind::InDoubt { .. } => 0,
            Kind::MaybeReturned => self.units,
        }
    }

    /// The doubt it stands for.
    pub fn doubt(&self) -> Option<Doubt> {
        let (why, closed_by, by, since) = match self.kind {
            Kind::Reserved | Kind::StillThere => return None,
            Kind::InDoubt {
                why,
                closed_by,
                by,
                since,
            } => (why, closed_by, by, since),
            Kind::MaybeReturned => (Reason::GivenBack, ClosedBy::NextCount, None, None),
        };
        Some(Doubt {
            units: self.units,
            order: Some(self.promise.code.clone()),
            why,
            closed_by,
            by,
            since: since.or(Some(self.promise.made_at)),
        })
    }
}

/// All that promises contribute to a level. `others` is `None` where no shop's view is taken: every shop then
/// counts as read.
pub fn contributions<'a>(
    count: &Count<'_>,
    promises: impl IntoIterator<Item = &'a Promise>,
    others: Option<&OtherShops>,
) -> Vec<Contribution<'a>> {
    let mut found = Vec::new();
    let mut departed = Vec::new();
    for promise in promises {
        let taken = promise.taken(count, others);
        if taken.is_none() {
            departed.extend(left_before(count, promise));
        }
        let overlap = promise.overlap.map(|overlap| overlap.units);
        let overlap = overlap.unwrap_or_default().clamp(0, promise.quantity);
        let is_elsewhere_perhaps = promise.may_be_taken_off_elsewhere(count);
        let is_doubted = taken.is_some() || is_elsewhere_perhaps;
        let doubted = promise.doubted().filter(|_| is_doubted);
        let returned = if promise.may_be_returned(count) {
            promise.quantity
        } else if is_elsewhere_perhaps {
            overlap
        } else {
            0
        };
        let kinds = [
            (taken, promise.quantity - overlap),
            (doubted, overlap),
            (Some(Kind::MaybeReturned), returned),
        ];
        let kinds = kinds.into_iter().filter(|(_, units)| *units > 0);
        found.extend(kinds.filter_map(|(kind, units)| {
            kind.map(|kind| Contribution {
                promise,
                units,
                kind,
            })
        }));
    }
    apply_counts(count, &mut found, &departed);
    found
}

/// When units left that the count no longer includes, and how many.
fn left_before(count: &Count<'_>, promise: &Promise) -> Option<(Timestamp, i64)> {
    match promise.units {
        Units::Left(Departure::Between { after, .. }) => {
            // Of units that may have been another level's it is not known that they left this one.
            let elsewhere = promise.overlap.map_or(0, |overlap| overlap.units);
            let units = promise.quantity.saturating_sub(elsewhere);
            Some((promise.left_after(count, after), units))
        }
        _ => None,
    }
}

/// What may have left before the count is at most what the counts fell by, less what is known to have left: of the
/// rest it is certain that it is still there.
fn apply_counts(
    count: &Count<'_>,
    found: &mut Vec<Contribution<'_>>,
    departed: &[(Timestamp, i64)],
) {
    let in_doubt = |found: &Contribution<'_>| found.kind.may_have_left_since();
    if count.semantics != Semantics::Physical || !count.counts_are_evidence {
        return;
    }
    let Some(since) = found.iter().filter_map(in_doubt).min() else {
        return;
    };
    let Some(fell) = fell_since(count.readings, since) else {
        return;
    };
    let known = departed.iter().filter(|(after, _)| *after > since);
    let known: i64 = known.map(|(_, units)| units).sum();
    let mut may_have_left = if mutant("r9_falls_are_no_departures") {
        0
    } else {
        fell.saturating_sub(known).max(0)
    };
    let mut still_there = Vec::new();
    for one in found.iter_mut().filter(|one| in_doubt(one).is_some()) {
        let left = one.units.min(may_have_left);
        may_have_left -= left;
        if left < one.units {
            still_there.push(Contribution {
                units: one.units - left,
                kind: Kind::StillThere,
                ..*one
            });
        }
        one.units = left;
    }
    found.retain(|one| one.units > 0);
    found.append(&mut still_there);
}

/// Units promised of one SKU at one warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promised {
    /// For orders that Kaspi shows as accepted.
    pub confirmed: i64,
    /// For orders whose accept is not confirmed yet, or whose units may be missing from the number already.
    pub in_doubt: i64,
    /// Released since the count, and perhaps not yet in the source's number.
    pub returned: i64,
    /// Why units are in doubt.
    pub doubts: Vec<Doubt>,
}

impl<'a> FromIterator<Contribution<'a>> for Promised {
    fn from_iter<I: IntoIterator<Item = Contribution<'a>>>(contributions: I) -> Self {
        let mut sums = Self::default();
        for contribution in contributions {
            let sum = match contribution.kind {
                Kind::Reserved | Kind::StillThere => &mut sums.confirmed,
                Kind::InDoubt { .. } => &mut sums.in_doubt,
                Kind::MaybeReturned => &mut sums.returned,
            };
            *sum = sum.saturating_add(contribution.units);
            sums.doubts.extend(contribution.doubt());
        }
        sums
    }
}
