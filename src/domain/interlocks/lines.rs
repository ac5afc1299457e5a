//! An order whose lines are not known, or that has weighed goods, is left to a person (KASPI_API §4).

use super::case::{Case, Finding, Remedy};
use crate::domain::facts::LinesFacts;

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let why = match &case.facts.lines {
        LinesFacts::Unreadable(why) => format!("the order's lines could not be read: {why}"),
        LinesFacts::Known(lines) if lines.is_empty() => {
            "Kaspi shows no lines for the order".to_owned()
        }
        LinesFacts::Known(lines) => {
            let measured = lines.iter().find(|line| line.is_measured())?;
            format!(
                "line {} is sold as {}, not as pieces",
                measured.line.number, measured.line.unit
            )
        }
    };
    Some(Finding::hold(Remedy::Person, why))
}
