//! `expect`: what is to come out.

use jiff::SignedDuration;
use toml::de::DeValue;

use super::fields;
use crate::domain::decision::CancelReason;
use crate::domain::interlocks;
use crate::rules_file::reader::{Entry, Reader, Value};
use crate::rules_file::values::{duration, text, word, words};

const KEYS: [&str; 6] = [
    "verdict",
    "rule",
    "interlocks",
    "reason",
    "wait",
    "overruled",
];
const VERDICTS: [&str; 4] = ["accept", "cancel", "hold", "wait"];

/// What is expected of a decision; what is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// `accept`, `cancel`, `hold` or `wait`.
    pub verdict: String,
    /// The rule that speaks.
    pub rule: Option<String>,
    /// Exactly these interlocks object.
    pub interlocks: Option<Vec<interlocks::Name>>,
    /// Why it is cancelled.
    pub reason: Option<CancelReason>,
    /// How long it waits.
    pub wait: Option<SignedDuration>,
    /// Whether the deadline overruled the rule.
    pub overruled: Option<bool>,
}

pub(super) fn expect(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Expect> {
    let mut verdict = None;
    let mut expect = Expect {
        verdict: String::new(),
        rule: None,
        interlocks: None,
        reason: None,
        wait: None,
        overruled: None,
    };
    let entries = fields(reader, "expect", value, &KEYS)?;
    let says = entries.iter().any(|entry| entry.key == "verdict");
    for Entry { key, value, .. } in entries {
        match key {
            "verdict" => verdict = word(reader, key, value, &VERDICTS),
            "rule" => expect.rule = text(reader, key, value),
            "interlocks" => expect.interlocks = names(reader, key, value),
            "reason" => {
                let known = CancelReason::ALL.map(CancelReason::as_str);
                let read = word(reader, key, value, &known);
                expect.reason = read.and_then(|word| CancelReason::parse(&word));
            }
            "wait" => expect.wait = duration(reader, key, value),
            "overruled" => expect.overruled = crate::rules_file::values::truth(reader, key, value),
            _ => {}
        }
    }
    if !says {
        let hint = "add verdict = \"accept\", \"cancel\", \"hold\" or \"wait\"".to_owned();
        reader.refuse(&value.span(), "expect: there is no verdict", Some(hint));
    }
    expect.verdict = verdict?;
    Some(expect)
}

/// A list of interlocks; an empty one says that none objects.
fn names(reader: &mut Reader<'_>, key: &str, value: &Value<'_>) -> Option<Vec<interlocks::Name>> {
    if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
        return Some(Vec::new());
    }
    let all = interlocks::Name::ALL;
    let known = all.map(interlocks::Name::as_str);
    let words = words(reader, key, value, Some(&known))?;
    let named = all
        .into_iter()
        .filter(|name| words.iter().any(|word| word == name.as_str()));
    Some(named.collect())
}
