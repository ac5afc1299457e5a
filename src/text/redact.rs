//! Secrets in text from outside. A server that was sent a token may repeat it, in a header dump or an
//! error page; [`Secrets`] removes it before anything stores, logs or shows the answer.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};

/// Shorter secrets are not searched for: their characters stand in ordinary answers too.
const SECRET_BYTES_MIN: usize = 8;
/// A secret cut short is still recognised from this many bytes on.
const PREFIX_BYTES_MIN: usize = 16;
/// Spaces and control characters in a row that may split a secret. Bounds the time of a search.
const FILLERS_MAX: usize = 32;
/// What stands in the place of a secret.
const MARK: &[u8] = b"***";

/// The secrets one request carried. They are recognised as they are, in base64, in either case, and
/// through JSON escapes (also doubled), percent-encoding, HTML character references, and line breaks or
/// control characters between their characters.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Each secret, and its base64 at the three offsets it may have in a longer text.
    needles: Vec<SecretString>,
}

impl Secrets {
    /// Adds a secret.
    #[must_use]
    pub fn and(mut self, secret: &str) -> Self {
        let secret = secret.trim();
        if secret.len() >= SECRET_BYTES_MIN {
            self.needles.push(SecretString::from(secret));
            let encoded = (0..3).map(|offset| base64_inside(secret.as_bytes(), offset));
            self.needles.extend(encoded.map(SecretString::from));
        }
        self
    }

    /// Adds what may be secret in a URL: the login, and each value of the query.
    #[must_use]
    pub fn and_url(mut self, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = place.split('/').next().unwrap_or_default();
        if let Some((login, _)) = authority.rsplit_once('@') {
            let login = percent_decoded(login);
            if let Some((_, password)) = login.split_once(':') {
                self = self.and(password);
            }
            self = self.and(&login);
        }
        for pair in query.split('&') {
            let (_, value) = pair.split_once('=').unwrap_or(("", pair));
            self = self.and(&percent_decoded(value));
        }
        self
    }

    /// The bytes with every secret replaced by `***`.
    pub fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let starts = self.starts();
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = starts[usize::from(*byte)].then(|| self.longest(rest));
            let Some(length) = found.flatten() else {
                at += 1;
                continue;
            };
            let out = out.get_or_insert_default();
            out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
            out.extend_from_slice(MARK);
            at += length;
            copied = at;
        }
        match out {
            None => Cow::Borrowed(bytes),
            Some(mut out) => {
                out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
                Cow::Owned(out)
            }
        }
    }

    /// The text with every secret replaced by `***`.
    pub fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes())).into_owned()
    }

    /// The bytes at which a secret, or an encoding of one, may begin.
    fn starts(&self) -> [bool; 256] {
        let mut starts = [false; 256];
        if self.needles.is_empty() {
            return starts;
        }
        for needle in &self.needles {
            if let Some(first) = needle.expose_secret().bytes().next() {
                starts[usize::from(first.to_ascii_lowercase())] = true;
                starts[usize::from(first.to_ascii_uppercase())] = true;
            }
        }
        for escape in b"\\%&" {
            starts[usize::from(*escape)] = true;
        }
        starts
    }

    /// The length in `bytes` of the longest secret that begins there.
    fn longest(&self, bytes: &[u8]) -> Option<usize> {
        let found = self
            .needles
            .iter()
            .filter_map(|needle| matched(bytes, needle.expose_secret().as_bytes()));
        found.max()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.needles.len())
    }
}

/// How many bytes of `text` spell the secret, or enough of its beginning.
fn matched(text: &[u8], secret: &[u8]) -> Option<usize> {
    let (mut at, mut end, mut done, mut fillers) = (0, 0, 0, 0);
    while let Some(wanted) = secret.get(done) {
        let rest = text.get(at..).unwrap_or_default();
        let is_same = |byte: u8| byte.eq_ignore_ascii_case(wanted);
        let Some(first) = rest.first() else { break };
        let step = if is_same(*first) {
            Some((1, *first))
        } else {
            unescaped(rest)
        };
        let (length, byte) = step.unwrap_or((1, *first));
        if is_same(byte) || (*wanted == b'+' && byte == b' ') {
            done += 1;
            fillers = 0;
            at += length;
            end = at;
        } else if done > 0 && byte <= b' ' && fillers < FILLERS_MAX {
            fillers += 1;
            at += length;
        } else {
            break;
        }
    }
    (done == secret.len() || done >= PREFIX_BYTES_MIN).then_some(end)
}

/// The ASCII character an escape at the beginning of `text` stands for, and the escape's length.
fn unescaped(text: &[u8]) -> Option<(usize, u8)> {
    match text.first()? {
        b'\\' => json_escape(text),
        b'%' => percent_escape(text),
        b'&' => html_reference(text),
        _ => None,
    }
}

/// `\u0041`, `\x41`, `\/` or `\n`, with any number of backslashes: JSON within JSON doubles them.
fn json_escape(text: &[u8]) -> Option<(usize, u8)> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = text.get(slashes..)?;
    match rest.first()? {
        b'u' => Some((slashes + 5, ascii(rest.get(1..5)?, 16)?)),
        b'x' => Some((slashes + 3, ascii(rest.get(1..3)?, 16)?)),
        b'n' | b'r' | b't' | b'b' | b'f' => Some((slashes + 1, b' ')),
        other => Some((slashes + 1, *other)),
    }
}

/// `%2B`, also encoded again as `%252B`.
fn percent_escape(text: &[u8]) -> Option<(usize, u8)> {
    let mut at = 1;
    while text.get(at..at + 2) == Some(b"25") && text.get(at + 2..at + 4).is_some() {
        at += 2;
    }
    let byte = ascii(text.get(at..at + 2)?, 16)?;
    Some((at + 2, byte))
}

/// `&#43;` or `&#x2b;`, and the names that HTML escaping gives.
fn html_reference(text: &[u8]) -> Option<(usize, u8)> {
    const LENGTH_MAX: usize = 12;
    let end = text.iter().take(LENGTH_MAX).position(|b| *b == b';')?;
    let byte = match text.get(1..end)? {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        [b'#', b'x' | b'X', hex @ ..] => ascii(hex, 16)?,
        [b'#', decimal @ ..] => ascii(decimal, 10)?,
        _ => return None,
    };
    Some((end + 1, byte))
}

/// The ASCII character with this number.
fn ascii(digits: &[u8], radix: u32) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    let number = u32::from_str_radix(text, radix).ok()?;
    u8::try_from(number).ok().filter(u8::is_ascii)
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(decoded) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(decoded);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The base64 letters that depend on `bytes` alone where they stand at `offset` modulo 3 in a longer text.
fn base64_inside(bytes: &[u8], offset: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = offset * 8..(offset + bytes.len()) * 8;
    let bit = |at: usize| {
        let at = at - bits.start;
        let byte = bytes.get(at / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let letters = bits.start.div_ceil(6)..bits.end / 6;
    let number = |letter: usize| (0..6).fold(0, |sum, n| sum << 1 | bit(letter * 6 + n));
    letters
        .filter_map(|letter| LETTERS.get(number(letter)).copied())
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "Qx7+aB/9kLmN0pRsTuVwXyZ2==";

    fn redacted(text: &str) -> String {
        Secrets::default().and(TOKEN).redact_text(text)
    }

    #[test]
    fn a_token_is_removed_however_it_is_written() {
        let every = |encode: fn(u8) -> String| -> String {
            let characters: Vec<String> = TOKEN.bytes().map(encode).collect();
            characters.concat()
        };
        for written in [
            TOKEN.to_owned(),
            TOKEN.to_lowercase(),
            TOKEN.replace('/', "\\/"),
            TOKEN.replace('/', "\\\\/"),
            TOKEN.replace('B', "\\u0042"),
            TOKEN.replace('B', "\\\\u0042"),
            TOKEN.replace("kL", "k\\u0000L"),
            TOKEN.replace("kL", "k\\n L"),
            TOKEN.replace("kL", "k\r\n L"),
            TOKEN.replace('+', "%2B").replace('/', "%2f"),
            TOKEN.replace('+', "%252B"),
            TOKEN.replace('+', " "),
            TOKEN.replace('+', "&#x2b;"),
            TOKEN[..TOKEN.len() - 4].to_owned(),
            every(|b| format!("\\u{b:04x}")),
            every(|b| format!("%{b:02X}")),
            every(|b| format!("&#{b};")),
        ] {
            let text = format!("{{\"title\":\"token: {written} is wrong\"}}");
            let out = redacted(&text);
            assert!(out.starts_with("{\"title\":\"token: ***"), "{text}: {out}");
            assert!(out.ends_with(" is wrong\"}"), "{text}: {out}");
            assert!(!out.contains("RsTu"), "{text}: {out}");
        }
    }

    #[test]
    fn a_token_within_base64_is_removed() {
        for (before, encoded) in [
            ("", "UXg3K2FCLzlrTG1OMHBSc1R1VndYeVoyPT0="),
            ("a", "YVF4NythQi85a0xtTjBwUnNUdVZ3WHlaMj09"),
            ("aa", "YWFReDcrYUIvOWtMbU4wcFJzVHVWd1h5WjI9PQ=="),
        ] {
            let out = redacted(encoded);
            assert!(out.contains("***") && out.len() < 12, "{before}: {out}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            "HTTP 400",
            "Qx7+aB/9k",
            "100 % of \\u0041 &amp; more\\",
            "%",
            "&#;",
            "заказ не найден",
        ] {
            assert_eq!(redacted(text), text);
        }
        let short = Secrets::default().and("90000");
        assert_eq!(short.redact_text("900000001"), "900000001");
    }

    #[test]
    fn the_secrets_of_a_url_are_removed() {
        let secrets =
            Secrets::default().and_url("https://me:pass%20word@host/a?key=0123456789&n=1");
        let out = secrets.redact_text("login me:pass word, key 0123456789, host, 1");
        assert_eq!(out, "login ***, key ***, host, 1");
        let out = Secrets::default().and_url("https://host/feed.csv");
        assert_eq!(
            out.redact_text("https://host/feed.csv"),
            "https://host/feed.csv"
        );
    }

    #[test]
    fn a_long_answer_takes_no_long_time() {
        let secrets = Secrets::default().and(&"a".repeat(40)).and(TOKEN);
        let text = "aaaaaaa\u{1} ".repeat(20_000);
        let out = secrets.redact(text.as_bytes());
        assert!(out.len() < text.len());
    }
}
