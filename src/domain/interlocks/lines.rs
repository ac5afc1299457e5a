//! An order whose lines are not known, or that holds weighed goods, is a person's (KASPI_API §4).

use jiff::Timestamp;

use super::{Name, Objection};
use crate::domain::decision::Verdict;
use crate::domain::facts::{Facts, LinesFacts};
use crate::domain::policy::Policy;

pub(super) fn check(facts: &Facts, _: &Policy, _: &Verdict, _: Timestamp) -> Option<Objection> {
    match &facts.lines {
        LinesFacts::Unreadable(why) => Objection::hold(
            Name::Lines,
            format!("the order's lines could not be read: {why}"),
        ),
        LinesFacts::Known(lines) if lines.is_empty() => {
            Objection::hold(Name::Lines, "Kaspi shows no lines for the order".to_owned())
        }
        LinesFacts::Known(lines) => {
            let measured = lines.iter().find(|line| line.is_measured())?;
            Objection::hold(
                Name::Lines,
                format!(
                    "line {} is sold as {}, not as pieces",
                    measured.line.number, measured.line.unit
                ),
            )
        }
    }
}
