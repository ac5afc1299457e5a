//! What a value may be, and the sentence when it is something else.

use std::fmt;
use std::time::Duration;

use super::{Limit, schema, span};

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Flag,
    Count {
        min: i64,
        max: i64,
    },
    /// Above 0.
    Rate {
        max: f64,
    },
    Span {
        min: Duration,
        max: Duration,
    },
    Word(&'static [&'static str]),
    Text(fn(&str) -> Result<(), Fault>),
    LimitSpan {
        max: Duration,
    },
    /// 0 to 1.
    LimitShare,
    LimitCount {
        max: i64,
    },
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Int(i64),
    Float(f64),
    Flag(bool),
    /// A table, an array, a date, a number beyond 64 bits.
    Other(&'static str),
}

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn expected(what: impl fmt::Display, found: &Scalar) -> Self {
        Self::new(format!("expected {what}, found {found}"))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Flag(value) => value.fmt(f),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Scalar {
    /// The value a variable's or a flag's text stands for where `kind` is wanted.
    pub(super) fn from_plain(kind: Kind, text: &str) -> Self {
        let trimmed = text.trim();
        let typed = match kind {
            Kind::Flag => trimmed.parse().ok().map(Self::Flag),
            Kind::Count { .. } | Kind::LimitCount { .. } => trimmed.parse().ok().map(Self::Int),
            Kind::Rate { .. } | Kind::LimitShare => trimmed.parse().ok().map(Self::Float),
            Kind::Span { .. } | Kind::LimitSpan { .. } | Kind::Word(_) | Kind::Text(_) => None,
        };
        typed.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "only compared with small bounds"
    )]
    fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    fn is_off(&self) -> bool {
        *self == Self::Flag(false) || matches!(self.as_text(), Some("off" | "false"))
    }
}

/// Whether `found` may stand where `kind` is wanted.
pub(super) fn check(kind: Kind, found: &Scalar) -> Result<(), Fault> {
    match kind {
        Kind::Flag => match found {
            Scalar::Flag(_) => Ok(()),
            _ => Err(Fault::expected("true or false", found)),
        },
        Kind::Count { min, max } => check_count(found, min, max, ""),
        Kind::Rate { max } => match found.as_float() {
            Some(value) if value > 0.0 && value <= max => Ok(()),
            Some(_) => Err(Fault::new(format!(
                "must be above 0 and at most {max}, found {found}"
            ))),
            None => Err(Fault::expected("a number", found)),
        },
        Kind::Span { min, max } => check_span(found, min, max),
        Kind::Word(words) => check_word(found, words),
        Kind::Text(accept) => match found {
            Scalar::Text(text) => accept(text),
            _ => Err(Fault::expected("text in quotes", found)),
        },
        Kind::LimitSpan { .. } | Kind::LimitShare | Kind::LimitCount { .. } => {
            if found.is_off() {
                Ok(())
            } else {
                check_limit(kind, found)
            }
        }
    }
}

fn check_limit(kind: Kind, found: &Scalar) -> Result<(), Fault> {
    match kind {
        Kind::LimitSpan { max } => match found.as_text().map(Limit::<Duration>::from_text) {
            Some(Some(Limit::Off)) => Ok(()),
            _ => check_span(found, Duration::ZERO, max).map_err(|mut fault| {
                fault.what = fault.what.replacen("\"10m\",", "\"10m\" or \"off\",", 1);
                fault
            }),
        },
        Kind::LimitCount { max } => check_count(found, 0, max, " or \"off\""),
        _ => match found.as_float() {
            Some(value) if (0.0..=1.0).contains(&value) => Ok(()),
            Some(value) => {
                let fault = Fault::new(format!("must be 0 to 1, found {found}"));
                let percent = value / 100.0;
                let is_percent = value > 1.0 && value <= 100.0;
                Err(if is_percent {
                    fault.hint(format!("{value} % is {percent}"))
                } else {
                    fault
                })
            }
            None => Err(Fault::expected("a share such as 0.04 or \"off\"", found)),
        },
    }
}

fn check_count(found: &Scalar, min: i64, max: i64, or_off: &str) -> Result<(), Fault> {
    match found {
        Scalar::Int(value) if (min..=max).contains(value) => Ok(()),
        Scalar::Int(_) => Err(Fault::new(format!("must be {min} to {max}, found {found}"))),
        Scalar::Text(text) if text.trim().parse::<i64>().is_ok() => {
            let fault = Fault::expected(format_args!("a whole number{or_off}"), found);
            Err(fault.hint("leave out the quotes"))
        }
        _ => Err(Fault::expected(
            format_args!("a whole number{or_off}"),
            found,
        )),
    }
}

fn check_span(found: &Scalar, min: Duration, max: Duration) -> Result<(), Fault> {
    let fault = || Fault::expected("a duration such as \"10m\"", found);
    let text = match found {
        Scalar::Text(text) => text,
        Scalar::Int(value) => return Err(fault().hint(format!("did you mean \"{value}s\"?"))),
        _ => return Err(fault()),
    };
    let Some(value) = span::parse(text) else {
        let unitless = text.trim().parse::<u64>();
        return Err(unitless.map_or_else(
            |_| fault(),
            |value| fault().hint(format!("did you mean \"{value}s\"?")),
        ));
    };
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let (min, max) = (span::show(min), span::show(max));
    Err(Fault::new(format!("must be {min} to {max}, found {found}")))
}

fn check_word(found: &Scalar, words: &'static [&'static str]) -> Result<(), Fault> {
    let Some(text) = found.as_text() else {
        return Err(Fault::expected(one_of(words), found));
    };
    if words.contains(&text) {
        return Ok(());
    }
    let fault = Fault::expected(one_of(words), found);
    let near = schema::nearest(text, words.iter().copied());
    Err(match near {
        Some(word) => fault.hint(format!("did you mean \"{word}\"?")),
        None => fault,
    })
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
