//! Secrets in text from outside. A server that was sent a token may repeat it, in a header dump or an
//! error page; [`Secrets`] removes it before anything stores, logs or shows the answer.

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};

use super::encoded::{base64_inside, matched, percent_decoded};

/// Shorter secrets are not searched for: their characters stand in ordinary answers too.
const SECRET_BYTES_MIN: usize = 8;
/// A part of a URL's path from this length on may be a key, as in the address of a shared sheet.
const PATH_PART_BYTES_MIN: usize = 20;
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

    /// Adds what may be secret in a URL: the login, long parts of the path, and each value of the query.
    #[must_use]
    pub fn and_url(mut self, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parts = place.split('/');
        let authority = parts.next().unwrap_or_default();
        if let Some((login, _)) = authority.rsplit_once('@') {
            let login = percent_decoded(login);
            if let Some((_, password)) = login.split_once(':') {
                self = self.and(password);
            }
            self = self.and(&login);
        }
        for part in parts.filter(|part| part.len() >= PATH_PART_BYTES_MIN) {
            self = self.and(&percent_decoded(part));
        }
        for pair in query.split('&') {
            let (_, value) = pair.split_once('=').unwrap_or(("", pair));
            self = self.and(&percent_decoded(value));
        }
        self
    }

    /// Those that are neither a plain number nor a plain word, as an answer may have anyway.
    pub(super) fn uncommon(&self) -> Self {
        let is_common = |secret: &str| {
            secret.len() < PATH_PART_BYTES_MIN
                && (secret.bytes().all(|byte| byte.is_ascii_digit())
                    || secret
                        .bytes()
                        .all(|byte| byte.is_ascii_alphabetic() || byte == b'_'))
        };
        let needles = self.needles.iter();
        let uncommon = needles.filter(|needle| !is_common(needle.expose_secret()));
        Self {
            needles: uncommon.cloned().collect(),
        }
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
        let key = "2PACX-1vQ9dTjGkm3zXh";
        let sheet = Secrets::default().and_url(&format!("https://host/d/e/{key}/pub"));
        assert_eq!(sheet.redact_text(key), "***");
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
