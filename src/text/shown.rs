//! Text from outside as people see it.

/// Text on one line that a terminal, a log or a table cannot take for anything else: control characters
/// and characters that change the direction of text or are not visible are written as escapes. Text of
/// more than `chars_max` characters is cut, and ends with `…`.
pub fn shown(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    for (n, c) in text.chars().enumerate() {
        if n == chars_max {
            out.push('…');
            break;
        }
        if is_visible(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
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
            c if is_visible(c) => out.push(c),
            c => out.extend(c.escape_default()),
        }
    }
    out
}

const fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Direction marks, embeddings, overrides and isolates.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Without width: they make two names look alike.
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{00ad}'
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
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
            ("A\u{200b}B", "A\\u{200b}B"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("C:\\n", "C:\\n"),
        ] {
            assert_eq!(shown(text, 100), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shown("қабыл", 5), "қабыл");
        assert_eq!(shown("қабыл", 3), "қаб…");
        assert_eq!(shown("a", 0), "…");
    }

    #[test]
    fn html_cannot_be_left() {
        assert_eq!(
            html("<b title='x' id=\"y\">&\u{7}"),
            "&lt;b title=&#39;x&#39; id=&quot;y&quot;&gt;&amp;\\u{7}"
        );
    }
}
