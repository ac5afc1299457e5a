//! Sentences that the code writes in English, for a reader of another language.
//!
//! What is logged, stored or printed as JSON is English, and the same sentence is read by people: an interlock's
//! objection, a trouble with its remedy, an error. It is translated where it is read. `en/sentences.ftl` has each of them
//! once, with its values (`said-overdrawn = { $n_a } of { $sku } are promised …`); a sentence is recognised by that
//! form, and written by the message of the same key in the reader's language. Names say what a value may be: `n_…` a
//! whole number, `span_…` a length of time, `at` a moment, `said_…` a sentence again, `note` any text; any other has no
//! "; " in it, and but for `why` no ": ". `…_word` ("order" or "orders") is of the English form alone.

use std::sync::OnceLock;

use super::{Arg, Lang};

const ENGLISH: &str = include_str!("en/sentences.ftl");

/// Values that have no blanks.
const NO_BLANKS: [&str; 5] = ["code", "name", "policy", "share", "version"];

/// Sentences in sentences, at most.
const DEPTH_MAX: usize = 6;

impl Lang {
    /// A sentence that the code writes in English, in this language. Parts that are not in the catalogue stay as they are.
    pub fn sentence(self, english: &str) -> String {
        if self == Self::En {
            return english.to_owned();
        }
        translated(self, english, DEPTH_MAX)
    }

    /// Lines of such sentences: each by itself, with what it is indented by.
    pub fn sentences(self, english: &str) -> String {
        if self == Self::En {
            return english.to_owned();
        }
        let line = |line: &str| {
            let text = line.trim_start();
            // A row of a table: its cells are translated before.
            if text.starts_with(['│', '┌', '└', '╞', '─']) {
                return line.to_owned();
            }
            format!(
                "{}{}",
                &line[..line.len() - text.len()],
                self.sentence(text)
            )
        };
        english.split('\n').map(line).collect::<Vec<_>>().join("\n")
    }

    /// A length of time in short units, such as `3h 12m`; `None` if the text is none.
    fn span_words(self, text: &str) -> Option<String> {
        let mut words = Vec::new();
        for part in text.split(' ') {
            let digits = part.trim_start_matches('-');
            let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (count, unit) = part.split_at(part.len() - digits.len() + end);
            let key = match unit {
                "y" => "unit-y",
                "mo" => "unit-mo",
                "w" => "unit-w",
                "d" => "unit-d",
                "h" => "unit-h",
                "m" => "unit-m",
                "s" => "unit-s",
                "ms" => "unit-ms",
                _ => return None,
            };
            if !count.ends_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            words.push(format!("{count} {}", self.word(key)));
        }
        Some(words.join(" "))
    }
}

/// A piece of a sentence's English form.
#[derive(Debug)]
enum Piece {
    Words(&'static str),
    Value(&'static str),
}

#[derive(Debug)]
struct Form {
    key: &'static str,
    pieces: Vec<Piece>,
    /// Characters that are not values: the more there are, the surer it is.
    certain: usize,
}

/// The English forms, those with the most words of their own first.
fn forms() -> &'static [Form] {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let mut forms: Vec<Form> = ENGLISH.lines().filter_map(form).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.certain));
        forms
    })
}

fn form(line: &'static str) -> Option<Form> {
    let (key, text) = line.split_once(" = ")?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, after)) = rest.split_once("{ ") {
        let (value, after) = after.split_once(" }")?;
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        pieces.push(match value.strip_prefix('$') {
            Some(name) => Piece::Value(name),
            // A mark that Fluent would read: `{ "{" }`.
            None => Piece::Words(value.trim_matches('"')),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest));
    }
    let length = |piece: &Piece| match piece {
        Piece::Words(words) => words.len(),
        Piece::Value(_) => 0,
    };
    let certain = pieces.iter().map(length).sum();
    Some(Form {
        key,
        pieces,
        certain,
    })
}

/// Whether the text is a sentence of this form; its values are added to `found`.
fn values<'t>(
    lang: Lang,
    pieces: &[Piece],
    text: &'t str,
    found: &mut Vec<(&'static str, &'t str)>,
) -> bool {
    let (piece, rest) = match pieces {
        [] => return text.is_empty(),
        [piece, rest @ ..] => (piece, rest),
    };
    let name = match piece {
        Piece::Words(words) => {
            let after = text.strip_prefix(words);
            return after.is_some_and(|after| values(lang, rest, after, found));
        }
        Piece::Value(name) => *name,
    };
    let ends: Vec<usize> = match rest {
        [] => vec![text.len()],
        [Piece::Words(words), ..] => text.match_indices(words).map(|(at, _)| at).collect(),
        [Piece::Value(_), ..] => Vec::new(),
    };
    for end in ends {
        let value = &text[..end];
        if !is_value(lang, name, value) {
            continue;
        }
        found.push((name, value));
        if values(lang, rest, &text[end..], found) {
            return true;
        }
        found.pop();
    }
    false
}

/// Whether this may be the value of that name: the less a form takes, the less it is mistaken for another.
fn is_value(lang: Lang, name: &str, value: &str) -> bool {
    let kind = name.split('_').next().unwrap_or_default();
    match kind {
        "n" => value.parse::<i64>().is_ok(),
        "span" => lang.span_words(value).is_some(),
        // The name of a rule ends at its quote.
        "said" if name == "said_rule" => !value.contains('\''),
        "said" | "detail" | "note" | "title" => !value.is_empty(),
        "why" => !value.is_empty() && !value.contains("; "),
        "at" | "counted" => {
            let is_time = |c: char| c.is_ascii_digit() || " .:-/TZ+".contains(c);
            let plain = value.strip_suffix(" (Almaty)").unwrap_or(value);
            plain.ends_with(|c: char| c.is_ascii_digit() || c == 'Z') && plain.chars().all(is_time)
        }
        _ if name.ends_with("_word") || NO_BLANKS.contains(&name) => {
            !value.is_empty() && !value.contains(' ')
        }
        _ => !value.is_empty() && !value.contains("; ") && !value.contains(": "),
    }
}

/// The whole text as one sentence of the catalogue.
fn as_one(lang: Lang, text: &str, depth: usize) -> Option<String> {
    forms().iter().find_map(|form| {
        let mut found = Vec::new();
        if !values(lang, &form.pieces, text, &mut found) {
            return None;
        }
        let args = found.into_iter().map(|(name, value)| {
            let arg: Arg<'_> = if name.starts_with("n_") {
                value.parse::<i64>().unwrap_or_default().into()
            } else if name.starts_with("span_") {
                lang.span_words(value).unwrap_or_default().into()
            } else if name.starts_with("said_") {
                translated(lang, value, depth).into()
            } else {
                value.into()
            };
            (name, arg)
        });
        lang.find(form.key, &args.collect::<Vec<_>>())
    })
}

/// The text as one sentence, or as several with marks between them.
fn translated(lang: Lang, text: &str, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return text.to_owned();
    };
    if let Some(whole) = as_one(lang, text, depth) {
        return whole;
    }
    // The longest beginning that is a sentence, then the rest; of causes, the first that is none is a name.
    for mark in ["; ", ": "] {
        let ends: Vec<usize> = text.match_indices(mark).map(|(at, _)| at).collect();
        for end in ends.iter().rev() {
            if let Some(begun) = as_one(lang, &text[..*end], depth) {
                let rest = translated(lang, &text[end + mark.len()..], depth);
                return format!("{begun}{mark}{rest}");
            }
        }
        if let Some(end) = ends.first() {
            let rest = translated(lang, &text[end + mark.len()..], depth);
            return format!("{}{mark}{rest}", &text[..*end]);
        }
    }
    text.to_owned()
}
