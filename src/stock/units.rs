//! A quantity as people and programs write it.

use crate::domain::stock::OnHand;

/// Words that may follow a quantity.
const PIECES: [&str; 5] = ["шт.", "шт", "pcs", "pc", "дана"];

/// The units that a cell gives; `None` where it is no quantity. An empty cell and a dash are unknown.
pub(super) fn read(text: &str) -> Option<OnHand> {
    let text = text.trim().to_lowercase();
    let text = PIECES
        .iter()
        .find_map(|word| text.strip_suffix(word))
        .unwrap_or(&text)
        .trim();
    if matches!(text, "" | "-" | "–" | "—") {
        return Some(OnHand::Unknown);
    }
    let more = text
        .strip_prefix(">=")
        .or_else(|| text.strip_prefix(['>', '≥']))
        .or_else(|| text.strip_suffix('+'));
    if let Some(least) = more {
        return Some(OnHand::AtLeast(whole(least.trim())?));
    }
    if let Some(below) = text.strip_prefix(['-', '−']) {
        let is_zero = whole(below.trim())? == 0;
        return Some(if is_zero {
            OnHand::Exactly(0)
        } else {
            OnHand::Negative
        });
    }
    whole(text).map(OnHand::Exactly)
}

/// A whole number: `5`, `1 200`, `5,000` and `5.0` (zeros behind a decimal sign), `1,200.00`.
fn whole(text: &str) -> Option<u32> {
    let (number, fraction) = match text.rfind(['.', ',']) {
        Some(at) => {
            let (number, fraction) = text.split_at(at);
            (number, fraction.get(1..).unwrap_or_default())
        }
        None => (text, "0"),
    };
    let is_nothing = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit == b'0');
    if !is_nothing(fraction) {
        return None;
    }
    grouped(number)?.parse().ok()
}

/// The digits of a number whose thousands may be apart: by spaces, or by the other sign than the decimal one.
fn grouped(number: &str) -> Option<String> {
    let is_sign = |c: char| c.is_whitespace() || matches!(c, ',' | '.' | '\'' | '’');
    let mut groups = number.split(is_sign);
    let first = groups.next()?;
    let are_digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let mut digits = first.to_owned();
    let mut is_grouped = false;
    for group in groups {
        is_grouped = true;
        if group.len() != 3 || !are_digits(group) {
            return None;
        }
        digits.push_str(group);
    }
    let fits = are_digits(first) && (!is_grouped || first.len() <= 3);
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_whole_or_none() {
        for (text, expected) in [
            ("5", Some(OnHand::Exactly(5))),
            ("0", Some(OnHand::Exactly(0))),
            ("00005", Some(OnHand::Exactly(5))),
            ("5,000", Some(OnHand::Exactly(5))),
            ("5.0", Some(OnHand::Exactly(5))),
            ("5,0", Some(OnHand::Exactly(5))),
            ("1 200", Some(OnHand::Exactly(1200))),
            ("1\u{a0}200,000", Some(OnHand::Exactly(1200))),
            ("1\u{202f}200", Some(OnHand::Exactly(1200))),
            ("1,200.00", Some(OnHand::Exactly(1200))),
            ("12 шт.", Some(OnHand::Exactly(12))),
            (">50", Some(OnHand::AtLeast(50))),
            ("> 1 000", Some(OnHand::AtLeast(1000))),
            ("50+", Some(OnHand::AtLeast(50))),
            ("-3", Some(OnHand::Negative)),
            ("-3,000", Some(OnHand::Negative)),
            ("-0", Some(OnHand::Exactly(0))),
            ("", Some(OnHand::Unknown)),
            (" - ", Some(OnHand::Unknown)),
            ("—", Some(OnHand::Unknown)),
            ("5,5", None),
            ("1,200", None),
            ("5.", None),
            (".0", None),
            ("1 20", None),
            ("12 345 6", None),
            ("1234 567", None),
            ("много", None),
            ("<5", None),
            ("5-7", None),
            ("--5", None),
            ("1e3", None),
            ("4294967296", None),
            ("٥", None),
            ("шт", Some(OnHand::Unknown)),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
