//! Text from outside as people see it.

use std::fmt::Write as _;

/// Text on one line that a terminal, a log or a table cannot take for anything else: control characters,
/// characters that change the direction of text, and invisible ones are written as JSON escapes. The result has
/// at most `chars_max` characters; one that was cut ends with `…`.
pub fn shown(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max));
    // Where to cut so that `…` still fits, and how many characters there are.
    let (mut cut_at, mut chars) = (0, 0);
    for c in text.chars() {
        let start = out.len();
        push(&mut out, c);
        chars += out[start..].chars().count();
        if chars > chars_max {
            out.truncate(cut_at);
            out.extend((chars_max > 0).then_some('…'));
            break;
        }
        if chars < chars_max {
            cut_at = out.len();
        }
    }
    out
}

/// As [`shown`], of any length and on as many lines as it has: a whole page of output. JSON stays the same
/// JSON.
pub fn shown_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c => push(&mut out, c),
        }
    }
    out
}

/// Text as it may stand in HTML, in an attribute too.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => push(&mut out, c),
        }
    }
    out
}

/// Adds a character, or its JSON escape where it is not visible as itself.
fn push(out: &mut String, c: char) {
    match c {
        c if is_visible(c) => out.push(c),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Direction marks, embeddings, overrides and isolates.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Without width: they make two names look alike.
            | '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            // Shaping and digits, deprecated; annotations, of which one part is not shown.
            | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}'
            // Tags.
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, expected) in [
            ("", ""),
            ("Қазақша, русский, 8 490 ₸", "Қазақша, русский, 8 490 ₸"),
            ("A\r\nlevel=ERROR", "A\\r\\nlevel=ERROR"),
            ("\u{1b}[31mred", "\\u001b[31mred"),
            ("\u{9b}31m", "\\u009b31m"),
            ("abc\u{202e}cba", "abc\\u202ecba"),
            ("A\u{200b}B", "A\\u200bB"),
            ("a\u{2028}b", "a\\u2028b"),
            ("C:\\n", "C:\\n"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(shown(text, 100), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shown("қабыл", 5), "қабыл");
        assert_eq!(shown("қабыл", 3), "қа…");
        assert_eq!(shown("abc\u{7}", 8), "abc…");
        assert_eq!(shown("abc\u{7}", 9), "abc\\u0007");
        assert_eq!(shown("a", 0), "");
    }

    #[test]
    fn json_on_several_lines_stays_the_same_json() {
        let text = serde_json::json!({ "a": "\u{202e}\n\u{1b}\u{9b}" });
        let shown = shown_lines(&format!("{text:#}"));
        assert!(!shown.contains(['\u{202e}', '\u{1b}', '\u{9b}']) && shown.contains('\n'));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            text
        );
    }

    #[test]
    fn html_cannot_be_left() {
        assert_eq!(
            html("<b title='x' id=\"y\">&\u{7}"),
            "&lt;b title=&#39;x&#39; id=&quot;y&quot;&gt;&amp;\\u0007"
        );
    }
}
