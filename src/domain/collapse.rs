//! Whether the stock of a source fell to zero faster than it can be sold: a broken feed looks like that.

use jiff::{SignedDuration, Timestamp};

use super::facts::Collapse;
use crate::mutant::mutant;

/// Falls of a source within this time add up.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// A single SKU may be sold out at any time.
const SKUS_MIN: u64 = 2;

/// Levels that fell to zero in one import, are still there, and that nobody has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fall {
    /// The source.
    pub source: String,
    /// When it was imported.
    pub at: Timestamp,
    /// Levels above zero before the import.
    pub had: u64,
    /// Of those, levels that fell to zero in it and are still there.
    pub fell: u64,
}

/// The sharpest fall of each source within a day, the sharpest of all first; falls of a single SKU are left out.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of SKUs stay far below 2^52"
)]
pub fn collapses(mut falls: Vec<Fall>) -> Vec<Collapse> {
    falls.sort_by(|a, b| (&a.source, a.at).cmp(&(&b.source, b.at)));
    let mut sharpest: Vec<Collapse> = Vec::new();
    let share = |collapse: &Collapse| collapse.fell as f64 / collapse.had.max(1) as f64;
    for (first, fall) in falls.iter().enumerate() {
        let window = if mutant("r8_falls_do_not_add_up") {
            SignedDuration::ZERO
        } else {
            WINDOW
        };
        let of_day = falls.iter().skip(first).take_while(|later| {
            later.source == fall.source && later.at.duration_since(fall.at) <= window
        });
        let of_day: Vec<&Fall> = of_day.collect();
        let fell: u64 = of_day.iter().map(|fall| fall.fell).sum();
        if fell < SKUS_MIN {
            continue;
        }
        let found = Collapse {
            fell,
            had: fall.had.max(fell),
            source: fall.source.clone(),
            at: fall.at,
        };
        match sharpest
            .iter_mut()
            .find(|known| known.source == found.source)
        {
            Some(known) if share(known) < share(&found) => *known = found,
            Some(_) => {}
            None => sharpest.push(found),
        }
    }
    sharpest.sort_by(|a, b| share(b).total_cmp(&share(a)));
    sharpest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fall(source: &str, hour: i64, fell: u64, had: u64) -> Fall {
        Fall {
            source: source.to_owned(),
            at: Timestamp::from_second(1_764_000_000 + 3600 * hour).unwrap(),
            had,
            fell,
        }
    }

    #[test]
    fn falls_of_one_source_within_a_day_add_up() {
        let found = collapses(vec![
            fall("a", 5, 3, 6),
            fall("a", 0, 4, 10),
            fall("b", 0, 1, 1),
            fall("c", 0, 2, 9),
        ]);
        let found: Vec<_> = found
            .iter()
            .map(|c| (c.source.as_str(), c.fell, c.had))
            .collect();
        assert_eq!(found, [("a", 7, 10), ("c", 2, 9)]);
    }

    #[test]
    fn what_is_sold_out_over_days_is_no_collapse() {
        let falls = (0..10).map(|day| fall("a", day * 25, 1, 10)).collect();
        assert_eq!(collapses(falls), []);
    }
}
