//! SKUs that look alike: the one that a shop sells and the one that its stock lists are often the same goods, written
//! another way.

use std::collections::HashMap;

use super::ids::Sku;

/// Most SKUs that are named beside one.
const NEAR_MAX: usize = 3;

/// Cyrillic letters that look like Latin ones.
const LOOK_ALIKE: [(char, char); 14] = [
    ('а', 'a'),
    ('в', 'b'),
    ('е', 'e'),
    ('ё', 'e'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
];

/// An SKU without what is often lost or added: case, spaces, zeros in front, a pickup point at the end, and Cyrillic
/// letters that look like Latin ones. SKUs that look alike have the same look.
pub fn look(sku: &str) -> String {
    let letter = |c: char| {
        if c.is_ascii() {
            return c;
        }
        let alike = LOOK_ALIKE.iter().find(|(cyrillic, _)| *cyrillic == c);
        alike.map_or(c, |(_, latin)| *latin)
    };
    let text: String = sku
        .to_lowercase()
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(letter)
        .collect();
    let is_point = |end: &str| {
        let digits = end.strip_prefix("pp").unwrap_or(end);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let text = match text.rsplit_once('_') {
        Some((text, end)) if !text.is_empty() && is_point(end) => text,
        _ => &text,
    };
    let short = text.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }.to_owned()
}

/// For each SKU that is not listed, those among the listed ones that look like it.
pub fn near<'a>(
    wanted: impl IntoIterator<Item = &'a Sku>,
    listed: impl IntoIterator<Item = &'a str>,
) -> HashMap<Sku, Vec<String>> {
    let mut by_look: HashMap<String, Vec<&Sku>> = HashMap::new();
    for sku in wanted {
        by_look.entry(look(sku.as_str())).or_default().push(sku);
    }
    let mut found: HashMap<Sku, Vec<String>> = HashMap::new();
    for name in listed {
        for sku in by_look.get(&look(name)).into_iter().flatten() {
            let near = found.entry((*sku).clone()).or_default();
            if near.len() < NEAR_MAX {
                near.push(name.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sku_written_another_way_is_near() {
        for (wanted, listed, is_near) in [
            ("00049", "49", true),
            ("49", "00049", true),
            ("a-01", "A-01", true),
            ("А-01", "A-01", true), // the first is Cyrillic
            ("A 01", "A01", true),
            ("A-01_PP1", "A-01", true),
            ("A-01", "A-01_30000001", true),
            ("000", "0", true),
            ("490", "49", false),
            ("A-01", "A-011", false),
            ("_PP1", "PP1", false),
        ] {
            let sku = Sku::new(wanted).unwrap();
            let found = near([&sku], [listed]);
            assert_eq!(!found.is_empty(), is_near, "{wanted} {listed}");
        }
    }
}
