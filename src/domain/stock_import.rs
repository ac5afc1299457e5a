//! What one import does to the levels of its source.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::stock::{ImportReport, OnHand, StockRow};
use super::stock_sources::{Absent, Negative};
use crate::mutant::mutant;

/// SKU and warehouse.
pub type Place = (String, String);

/// What an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A configured source, read as a whole.
    Standing {
        /// What the SKUs mean that it no longer lists.
        absent: Absent,
        /// What a number below zero means.
        negative: Negative,
    },
    /// A file imported by hand: what it does not list stays.
    HandFile,
    /// Levels named one by one.
    Single,
}

/// A level of the source that is imported, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Units.
    pub on_hand: Option<i64>,
    /// Whether there may be more.
    pub is_at_least: bool,
    /// The moment it was counted at, in milliseconds; `None`: not datable.
    pub as_of: Option<i64>,
    /// The last import that listed it.
    pub import: i64,
    /// The first of the imports in a row that gave this number.
    pub first_import: i64,
    /// The import in which it fell to zero.
    pub fell_in: Option<i64>,
    /// It came from an import of the same name.
    pub is_same_name: bool,
}

/// A level of another source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The source.
    pub source: String,
    /// Whether it has units.
    pub has_some: bool,
    /// The moment it was counted at, in milliseconds.
    pub as_of: Option<i64>,
    /// It is a count by hand.
    pub is_hand: bool,
    /// It fell to zero in an import, and nobody confirmed that.
    pub is_fallen: bool,
}

/// What is stored of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Of the source that is imported.
    pub own: Option<Own>,
    /// Of the others.
    pub others: Vec<Other>,
}

impl Known {
    /// Whether the place had units, as its own source says, or else the newest of the others.
    fn had_some(&self) -> bool {
        if let Some(own) = &self.own {
            return own.on_hand > Some(0);
        }
        let newest = self.others.iter().max_by_key(|other| other.as_of);
        newest.is_some_and(|other| other.has_some)
    }
}

/// What the import is compared with.
#[derive(Debug, Clone)]
pub struct Before {
    /// All places.
    pub known: HashMap<Place, Known>,
    /// The source's last import, and the newest moment it spoke of.
    pub last: Option<(i64, i64)>,
}

/// The import itself.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// Its number.
    pub import: i64,
    /// Its source, as its levels are stored.
    pub source: &'a str,
    /// What it is.
    pub scope: Scope,
    /// A person vouches for the numbers.
    pub trusted: bool,
    /// The newest moment its rows speak of, in milliseconds.
    pub as_of: i64,
    /// Now, in milliseconds.
    pub now: i64,
}

/// A level to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub place: Place,
    /// Units.
    pub on_hand: Option<i64>,
    /// Whether there may be more.
    pub is_at_least: bool,
    /// The moment it was counted at, in milliseconds.
    pub as_of: i64,
    /// The first of the imports in a row that gave this number.
    pub first_import: i64,
    /// The import in which it fell to zero.
    pub fell_in: Option<i64>,
    /// Whether the number differs from the one stored.
    pub is_changed: bool,
}

/// A number that a level no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// SKU, warehouse and source.
    pub key: (String, String, String),
    /// The first and the last import that gave it.
    pub imports: (i64, i64),
    /// Units.
    pub on_hand: i64,
    /// The last moment it was counted at, in milliseconds.
    pub as_of: i64,
}

/// What an import does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Levels to be written.
    pub puts: Vec<Put>,
    /// Levels to be deleted: SKU, warehouse and source.
    pub deleted: Vec<(String, String, String)>,
    /// Falls to zero of other sources that a person has confirmed: SKU, warehouse and source.
    pub confirmed: Vec<(String, String, String)>,
    /// Numbers that levels no longer have.
    pub past: Vec<Span>,
    /// SKUs that are listed at other places than before.
    pub moved: Vec<String>,
    /// The counts.
    pub report: ImportReport,
}

/// What an import of these rows does. A row as of an earlier moment than the level already known is left out. An SKU's
/// levels are replaced as a set: where a source lists points of an SKU whose common pool it listed before, the pool is
/// gone, and the other way round.
pub fn plan(new: &New<'_>, before: &Before, rows: &[StockRow]) -> Plan {
    let mut plan = Plan::default();
    let is_own = |known: &&Known| known.own.as_ref().is_some_and(|own| own.is_same_name);
    let had = before.known.values().filter(|known| known.had_some());
    let own = count(had.clone().filter(is_own).count());
    // What a source may lose at once is not known before it gave anything, as a list of what is sold out never does:
    // then it is measured by all stock.
    let is_measured_by_all = own == 0;
    plan.report.had = if is_measured_by_all {
        count(had.count())
    } else {
        own
    };
    let mut listed: HashMap<&str, Shape> = HashMap::new();
    let mut rows_at: HashSet<(&str, &str)> = HashSet::with_capacity(rows.len());
    for row in rows {
        let shape = listed.entry(row.sku.as_str()).or_default();
        shape.pool |= row.warehouse.is_empty();
        shape.points |= !row.warehouse.is_empty();
        rows_at.insert((row.sku.as_str(), row.warehouse.as_str()));
    }
    let nothing = Known::default();
    for row in rows {
        let place = (row.sku.as_str().to_owned(), row.warehouse.clone());
        let known = before.known.get(&place).unwrap_or(&nothing);
        plan.row(new, before, (place, known), (row, is_measured_by_all));
    }
    let is_listed = |place: &Place| rows_at.contains(&(place.0.as_str(), place.1.as_str()));
    let mut left: Vec<(&Place, &Own)> = before
        .known
        .iter()
        .filter_map(|(place, known)| known.own.as_ref().map(|own| (place, own)))
        .filter(|(place, own)| own.is_same_name && !is_listed(place))
        .collect();
    left.sort_unstable_by_key(|(place, _)| *place);
    for (place, own) in left {
        plan.left_out(new, before, (place, own), listed.get(place.0.as_str()));
    }
    plan.moved.sort_unstable();
    plan.moved.dedup();
    plan
}

/// Where an import lists an SKU.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    pool: bool,
    points: bool,
}

impl Plan {
    fn row(
        &mut self,
        new: &New<'_>,
        before: &Before,
        (place, known): (Place, &Known),
        (row, is_measured_by_all): (&StockRow, bool),
    ) {
        // With a clock that runs ahead, everything that happens until then would seem counted already.
        let as_of = if mutant("r9_count_from_the_future") {
            row.as_of.as_millisecond()
        } else {
            row.as_of.as_millisecond().min(new.now)
        };
        if known.own.is_none() && known.others.is_empty() {
            self.moved.push(place.0.clone());
        }
        if is_older(new, known, as_of) {
            self.report.older += 1;
            return;
        }
        let on_hand = units(new, row.on_hand);
        let (had_some, own) = (known.had_some(), known.own.as_ref());
        let fell = had_some && on_hand == Some(0);
        // Given by another source, or counted by hand, since this one last did.
        let is_counted = is_measured_by_all || own.is_some_and(|own| own.is_same_name);
        self.report.rows += 1;
        self.report.had += i64::from(had_some && !is_counted);
        self.report.fell += i64::from(fell);
        self.report.unknown += usize::from(on_hand.is_none());
        if new.trusted {
            let fallen = known.others.iter().filter(|other| other.is_fallen);
            self.confirmed
                .extend(fallen.map(|other| of_source(&place, &other.source)));
        }
        if matches!(new.scope, Scope::Standing { .. }) {
            self.end_counts((&place, known), as_of);
        }
        let is_at_least = matches!(row.on_hand, OnHand::AtLeast(_));
        self.put(
            new,
            before,
            (place, own),
            (on_hand, is_at_least, as_of, fell),
        );
    }

    /// A count by hand ends where every source that lists its place was read since.
    fn end_counts(&mut self, (place, known): (&Place, &Known), as_of: i64) {
        let standing = known.others.iter().filter(|other| !other.is_hand);
        let oldest = standing.map(|other| other.as_of).min();
        for count in known.others.iter().filter(|other| other.is_hand) {
            let is_over =
                count.as_of < Some(as_of) && oldest.is_none_or(|oldest| count.as_of < oldest);
            if is_over {
                self.deleted.push(of_source(place, &count.source));
            }
        }
    }

    /// A level that its source listed before and does not list now.
    fn left_out(
        &mut self,
        new: &New<'_>,
        before: &Before,
        (place, own): (&Place, &Own),
        listed: Option<&Shape>,
    ) {
        let absent = match new.scope {
            Scope::Standing { absent, .. } => absent,
            Scope::HandFile => Absent::Keep,
            Scope::Single => return,
        };
        // Newer than this import, or dated by a clock that was wrong: an older file says nothing about it.
        if own.as_of.is_some_and(|at| at > new.as_of && at <= new.now) {
            return;
        }
        let is_pool = place.1.is_empty();
        let is_replaced = listed.is_some_and(|listed| {
            if is_pool {
                listed.points && !listed.pool
            } else {
                listed.pool && !listed.points
            }
        });
        if is_replaced && !mutant("r15_old_pool_stays") {
            self.past.extend(span(new.source, place, own));
            self.deleted.push(of_source(place, new.source));
            self.moved.push(place.0.clone());
            return;
        }
        let absent = if mutant("r15_absent_keeps_its_level") {
            Absent::Keep
        } else {
            absent
        };
        match absent {
            // A source that lists a part each time loses nothing by it.
            Absent::Keep => {
                self.report.absent += i64::from(new.scope == Scope::HandFile);
            }
            Absent::Unknown => {
                self.report.absent += 1;
                if own.on_hand.is_some() {
                    self.put(
                        new,
                        before,
                        (place.clone(), Some(own)),
                        (None, false, new.as_of, false),
                    );
                }
            }
            Absent::Zero => {
                let fell = own.on_hand > Some(0);
                self.report.fell += i64::from(fell);
                self.put(
                    new,
                    before,
                    (place.clone(), Some(own)),
                    (Some(0), false, new.as_of, fell),
                );
            }
        }
    }

    fn put(
        &mut self,
        new: &New<'_>,
        before: &Before,
        (place, own): (Place, Option<&Own>),
        (on_hand, is_at_least, as_of, fell): (Option<i64>, bool, i64, bool),
    ) {
        let is_same = |own: &&Own| (own.on_hand, own.is_at_least) == (on_hand, is_at_least);
        let continued = own
            .filter(is_same)
            .filter(|own| is_continued(new, before, own, as_of));
        let first_import = continued.map_or(new.import, |own| own.first_import);
        if let (Some(own), None) = (own, continued) {
            self.past.extend(span(new.source, &place, own));
        }
        let fell_in = match own.and_then(|own| own.fell_in) {
            _ if on_hand > Some(0) || new.trusted => None,
            _ if fell => Some(new.import),
            before => before,
        };
        self.puts.push(Put {
            is_changed: own.is_none_or(|own| own.on_hand != on_hand),
            place,
            on_hand,
            is_at_least,
            as_of,
            first_import,
            fell_in,
        });
    }
}

/// The units that a row gives for certain.
fn units(new: &New<'_>, given: OnHand) -> Option<i64> {
    match (given, new.scope) {
        (
            OnHand::Negative,
            Scope::Standing {
                negative: Negative::Zero,
                ..
            },
        ) => Some(0),
        _ => given.units().map(i64::from),
    }
}

/// Whether something newer is known than a row as of then. A level dated in the future came from a clock that was
/// wrong: it yields. A count by hand yields to readings that are all newer.
fn is_older(new: &New<'_>, known: &Known, as_of: i64) -> bool {
    let newer = |at: Option<i64>| at.is_some_and(|at| at > as_of && at <= new.now);
    if known.own.as_ref().is_some_and(|own| newer(own.as_of)) {
        return true;
    }
    if matches!(new.scope, Scope::Standing { .. }) {
        return false;
    }
    let mut standing = known
        .others
        .iter()
        .filter(|other| !other.is_hand)
        .peekable();
    standing.peek().is_some() && standing.all(|other| newer(other.as_of))
}

/// Whether a number is the same one as before: read again by the next import, or not counted again at all.
fn is_continued(new: &New<'_>, before: &Before, own: &Own, as_of: i64) -> bool {
    let is_read_again = matches!(new.scope, Scope::Standing { .. })
        && before.last == own.as_of.map(|at| (own.import, at))
        && as_of == new.as_of;
    let is_not_counted_again = own.as_of == Some(as_of) && as_of != new.as_of;
    is_read_again || is_not_counted_again
}

fn span(source: &str, place: &Place, own: &Own) -> Option<Span> {
    Some(Span {
        key: of_source(place, source),
        imports: (own.first_import, own.import),
        on_hand: own.on_hand?,
        as_of: own.as_of?,
    })
}

fn of_source(place: &Place, source: &str) -> (String, String, String) {
    (place.0.clone(), place.1.clone(), source.to_owned())
}

fn count(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// The newest moment that rows speak of, not later than now.
pub fn newest(rows: &[StockRow], now: Timestamp) -> Timestamp {
    let newest = rows.iter().map(|row| row.as_of).max();
    newest.map_or(now, |newest| newest.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Sku;

    fn put(negative: Negative, on_hand: OnHand) -> Put {
        let as_of = Timestamp::from_second(1_764_000_000).unwrap();
        let row = StockRow {
            sku: Sku::new("A").unwrap(),
            warehouse: String::new(),
            on_hand,
            as_of,
        };
        let new = New {
            import: 2,
            source: "shelf",
            scope: Scope::Standing {
                absent: Absent::Unknown,
                negative,
            },
            trusted: false,
            as_of: as_of.as_millisecond(),
            now: as_of.as_millisecond(),
        };
        let before = Before {
            known: HashMap::new(),
            last: None,
        };
        plan(&new, &before, &[row]).puts.remove(0)
    }

    #[test]
    fn a_number_below_zero_is_what_its_source_means() {
        assert_eq!(put(Negative::Unknown, OnHand::Negative).on_hand, None);
        assert_eq!(put(Negative::Zero, OnHand::Negative).on_hand, Some(0));
        assert_eq!(put(Negative::Zero, OnHand::Unknown).on_hand, None);
    }

    #[test]
    fn so_many_or_more_is_kept_as_such() {
        let more = put(Negative::Unknown, OnHand::AtLeast(50));
        assert_eq!((more.on_hand, more.is_at_least), (Some(50), true));
        assert!(!put(Negative::Unknown, OnHand::Exactly(50)).is_at_least);
    }
}
