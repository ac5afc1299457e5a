//! The ways in which a server may write a text that it repeats.

/// A secret cut short is still recognised from this many bytes on.
const PREFIX_BYTES_MIN: usize = 16;
/// Spaces and control characters in a row that may split a secret. Bounds the time of a search.
const FILLERS_MAX: usize = 32;

/// How many bytes of `text` spell the secret, or enough of its beginning.
pub(super) fn matched(text: &[u8], secret: &[u8]) -> Option<usize> {
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

pub(super) fn percent_decoded(text: &str) -> String {
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
pub(super) fn base64_inside(bytes: &[u8], offset: usize) -> String {
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
