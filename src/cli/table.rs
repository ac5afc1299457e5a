//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};

/// A table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width())
        .set_header(header.to_vec());
    table
}

/// "1 shop", "2 shops".
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A time as people say it: its two largest units, such as "3h 12m". Less than a second is "0s".
pub(super) fn age(time: jiff::SignedDuration) -> String {
    let seconds = time.as_secs().unsigned_abs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size);
    let first = first.unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut words = Vec::new();
    for (name, size) in units.iter().skip(first).take(2) {
        words.push((left / size, name));
        left %= size;
    }
    let sign = if time.is_negative() { "-" } else { "" };
    let told = words.iter().enumerate();
    let told = told.filter(|(place, (count, _))| *place == 0 || *count > 0);
    let told: Vec<String> = told
        .map(|(_, (count, name))| format!("{count}{name}"))
        .collect();
    format!("{sign}{}", told.join(" "))
}

fn width() -> u16 {
    const WIDE: u16 = 120;
    WIDE
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn ages_are_said_in_two_units() {
        let said = |seconds| age(SignedDuration::from_secs(seconds));
        assert_eq!(said(0), "0s");
        assert_eq!(said(59), "59s");
        assert_eq!(said(60), "1m");
        assert_eq!(said(3_725), "1h 2m");
        assert_eq!(said(2 * 86_400 + 59), "2d");
        assert_eq!(said(-61), "-1m 1s");
        assert_eq!(age(SignedDuration::from_millis(999)), "0s");
        assert_eq!(
            (counted(1, "shop"), counted(2, "shop")),
            ("1 shop".into(), "2 shops".into())
        );
    }
}
