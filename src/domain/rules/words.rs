//! Questions with what was found, in words.

use std::fmt::{Display, Write as _};

use super::Range;

pub(super) fn truth(name: &str, found: Option<bool>, wanted: bool) -> String {
    let found = match found {
        Some(found) => found.to_string(),
        None => "unknown".to_owned(),
    };
    format!("{name} {found}, asked for {wanted}")
}

pub(super) fn ranged<T: Copy, D: Display>(
    name: &str,
    found: &impl Display,
    range: &Range<T>,
    show: impl Fn(T) -> D,
) -> String {
    let mut text = format!("{name} {found}");
    // Writing into a String cannot fail.
    let _ = match range {
        Range::Exactly(wanted) => write!(text, " exactly {}", show(*wanted)),
        Range::Between { over, under } => {
            let over = over.map(|bound| format!(" over {}", show(bound)));
            let under = under.map(|bound| format!(" under {}", show(bound)));
            let and = if over.is_some() && under.is_some() {
                " and"
            } else {
                ""
            };
            let (over, under) = (over.unwrap_or_default(), under.unwrap_or_default());
            write!(text, "{over}{and}{under}")
        }
    };
    text
}

pub(super) fn listed(name: &str, found: Option<&str>, words: &[String]) -> String {
    let found = found.unwrap_or("unknown");
    format!("{name} {found} among {}", words.join(", "))
}
