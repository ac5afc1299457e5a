//! Refuses rules of the same name, and rules that no order can reach.

use std::fmt::Debug;

use super::reader::Reader;
use super::rule::Draft;
use crate::domain::rules::{Condition, Criterion};

/// Refuses a name that is used twice, and rules no order can reach.
pub(super) fn check(reader: &mut Reader<'_>, drafts: &[Draft]) {
    let forms: Vec<Option<String>> = drafts.iter().map(form).collect();
    for (index, draft) in drafts.iter().enumerate() {
        let earlier = drafts.get(..index).unwrap_or_default();
        let twin = earlier
            .iter()
            .find(|other| draft.name.is_some() && other.name == draft.name);
        if let (Some(twin), Some(name)) = (twin, &draft.name) {
            let what = format!("two rules are named '{name}'");
            let hint = format!("the other one is on line {}", reader.line(&twin.at));
            reader.refuse(&draft.at, &what, Some(hint));
        }
        if !draft.enabled {
            continue;
        }
        let shadow = earlier.iter().zip(&forms).find(|(other, form)| {
            let same = form.is_some() && Some(*form) == forms.get(index);
            other.enabled && serves(other, draft) && (same || matches_all(other))
        });
        if let Some((other, _)) = shadow {
            unreachable(reader, draft, other);
        }
    }
}

/// Whether a rule is asked in every shop in which the other one is.
fn serves(rule: &Draft, other: &Draft) -> bool {
    match (&rule.shops, &other.shops) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(mine), Some(theirs)) => theirs.iter().all(|shop| mine.contains(shop)),
    }
}

fn unreachable(reader: &mut Reader<'_>, draft: &Draft, other: &Draft) {
    let name = |draft: &Draft| {
        let of_file = draft.name.as_deref().unwrap_or("(no name)");
        format!("rule '{of_file}'")
    };
    let why = match (matches_all(other), &other.shops) {
        (true, None) => "matches every order",
        (true, Some(_)) => "matches every order of its shops",
        (false, _) => "asks the same",
    };
    let line = reader.line(&other.at);
    let what = format!(
        "{} can never apply: {} on line {line} comes first and {why}",
        name(draft),
        name(other),
    );
    let hint = "move it up, or remove one of them".to_owned();
    reader.refuse(&draft.at, &what, Some(hint));
}

fn matches_all(draft: &Draft) -> bool {
    draft.when.as_ref().is_some_and(Condition::is_always)
}

/// The condition in a form in which the order of its parts does not count.
fn form(draft: &Draft) -> Option<String> {
    draft.when.as_ref().map(|when| {
        canonical(when, &|question| match question {
            Criterion::AnyLine(lines) => format!("any_line {}", canonical(lines, &plain)),
            Criterion::AllLines(lines) => format!("all_lines {}", canonical(lines, &plain)),
            other => plain(other),
        })
    })
}

fn plain(question: &impl Debug) -> String {
    format!("{question:?}")
}

fn canonical<T>(condition: &Condition<T>, leaf: &impl Fn(&T) -> String) -> String {
    let sorted = |word: &str, parts: &[Condition<T>]| {
        let mut parts: Vec<_> = parts.iter().map(|part| canonical(part, leaf)).collect();
        parts.sort();
        parts.dedup();
        match parts.as_slice() {
            [only] => only.clone(),
            _ => format!("{word}({})", parts.join(",")),
        }
    };
    match condition {
        Condition::All(parts) => sorted("all", parts),
        Condition::Any(parts) => sorted("any", parts),
        Condition::Not(part) => format!("not({})", canonical(part, leaf)),
        Condition::Test(question) => leaf(question),
    }
}
