//! `then`: what a rule says.

use jiff::SignedDuration;
use toml::de::{DeTable, DeValue};

use super::reader::{Place, Reader, Value, entries};
use super::values::{duration, text};
use crate::domain::rules::Outcome;
use crate::domain::verdict::{COMMENT_CHARS_MAX, CancelReason};

/// What the buyer reads when goods are out of stock and the merchant wrote nothing.
const OUT_OF_STOCK_COMMENT: &str = "Нет в наличии";
const WORDS: [&str; 4] = ["accept", "hold", "cancel", "wait"];
const WRITE_CANCEL: &str = "write then = { cancel = \"MERCHANT_OUT_OF_STOCK\" }";
/// A shorter wait is a mistyped unit, and says nothing: every pass decides a waiting order again.
const WAIT_MIN: SignedDuration = SignedDuration::from_secs(10);
const WRITE_WAIT: &str = "write then = { wait = \"5m\" }";

pub(super) fn outcome(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Outcome> {
    match value.get_ref() {
        DeValue::String(word) => plain(reader, &value.span(), word),
        DeValue::Table(table) => detailed(reader, &value.span(), table),
        _ => {
            reader.expected("then", "an outcome such as \"accept\"", value);
            None
        }
    }
}

fn plain(reader: &mut Reader<'_>, at: &Place, word: &str) -> Option<Outcome> {
    let needs = |hint: &str| {
        (
            format!("outcome '{word}' needs more"),
            Some(hint.to_owned()),
        )
    };
    let (what, hint) = match word {
        "accept" => return Some(Outcome::Accept),
        "hold" => return Some(Outcome::Hold),
        "cancel" => needs(WRITE_CANCEL),
        "wait" => needs(WRITE_WAIT),
        _ => {
            reader.unknown(at, "outcome", word, &WORDS);
            return None;
        }
    };
    reader.refuse(at, &what, hint);
    None
}

fn detailed(reader: &mut Reader<'_>, at: &Place, table: &DeTable<'_>) -> Option<Outcome> {
    let (mut cancel, mut comment, mut wait, mut whole) = (None, None, None, true);
    for entry in entries(table) {
        match entry.key {
            "cancel" => cancel = Some(entry.value),
            "comment" => comment = Some(entry.value),
            "wait" => wait = Some(entry.value),
            word @ ("accept" | "hold") => {
                let hint = format!("write then = \"{word}\"");
                let what = format!("outcome '{word}' stands alone");
                reader.refuse(&entry.at, &what, Some(hint));
                whole = false;
            }
            word => {
                reader.unknown(
                    &entry.at,
                    "key of then",
                    word,
                    &["cancel", "comment", "wait"],
                );
                whole = false;
            }
        }
    }
    let read = match (cancel, wait, comment) {
        (Some(reason), None, comment) => cancelled(reader, at, reason, comment),
        (None, Some(time), None) => waiting(reader, time),
        (None, Some(_), Some(comment)) => {
            let what = "comment: a buyer reads it only when the order is cancelled";
            let hint = "put it into 'note' if it is for you".to_owned();
            reader.refuse(&comment.span(), what, Some(hint));
            None
        }
        (Some(_), Some(_), _) => {
            reader.refuse(at, "a rule says either 'cancel' or 'wait', not both", None);
            None
        }
        // Whatever stood there instead has been complained about.
        (None, None, _) if !whole => None,
        (None, None, _) => {
            let hint = format!("{WRITE_CANCEL}, or \"accept\" or \"hold\" in quotes");
            reader.refuse(at, "then: no outcome in the table", Some(hint));
            None
        }
    };
    read.filter(|_| whole)
}

fn cancelled(
    reader: &mut Reader<'_>,
    at: &Place,
    reason: &Value<'_>,
    comment: Option<&Value<'_>>,
) -> Option<Outcome> {
    let word = text(reader, "cancel", reason);
    let parsed = word.and_then(|word| {
        let parsed = CancelReason::parse(&word);
        if parsed.is_none() {
            let known = CancelReason::ALL.map(CancelReason::as_str);
            reader.unknown(&reason.span(), "reason to cancel", &word, &known);
        }
        parsed
    });
    let comment = match (comment, parsed) {
        (Some(comment), _) => comment_text(reader, comment),
        (None, Some(CancelReason::MerchantOutOfStock) | None) => {
            Some(OUT_OF_STOCK_COMMENT.to_owned())
        }
        (None, Some(reason)) => {
            let what = format!("a cancel for {} needs a comment", reason.as_str());
            let hint = "add comment = \"…\": the buyer reads it".to_owned();
            reader.refuse(at, &what, Some(hint));
            None
        }
    };
    Some(Outcome::Cancel {
        reason: parsed?,
        comment: comment?,
    })
}

fn comment_text(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<String> {
    let comment = text(reader, "comment", value)?;
    let chars = comment.chars().count();
    if chars > COMMENT_CHARS_MAX {
        let what =
            format!("comment: {chars} characters, and Kaspi takes {COMMENT_CHARS_MAX} at most");
        reader.refuse(&value.span(), &what, None);
        return None;
    }
    Some(comment)
}

fn waiting(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Outcome> {
    let time = duration(reader, "wait", value)?;
    if time < WAIT_MIN {
        let what = format!(
            "wait: {} is too short: orders are looked at every few seconds anyway",
            value.get_ref().as_str().unwrap_or_default()
        );
        let hint = "write \"10s\" or more, such as \"5m\"".to_owned();
        reader.refuse(&value.span(), &what, Some(hint));
        return None;
    }
    Some(Outcome::Wait(time))
}
