//! The text of a file: UTF-8 with or without a byte order mark, UTF-16, windows-1251, or what an XML
//! declaration names.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251};

/// The text of a file.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decoded(encoding, bytes.get(mark..).unwrap_or_default());
    }
    if let Some(encoding) = utf_16(bytes).or_else(|| declared(bytes)) {
        return decoded(encoding, bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    decoded(
        if is_mostly_utf_8(bytes) {
            UTF_8
        } else {
            WINDOWS_1251
        },
        bytes,
    )
}

fn decoded<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Cow<'a, str> {
    encoding.decode_without_bom_handling(bytes).0
}

/// UTF-16 without a mark: every second byte of ASCII text is zero.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(256)).unwrap_or_default();
    let zeros = |from: usize| {
        head.iter()
            .skip(from)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    match head.len() / 8 {
        0 => None,
        few if odd > few && even == 0 => Some(UTF_16LE),
        few if even > few && odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding of `<?xml … encoding="…"?>`. A declaration that is itself readable as ASCII is not of UTF-16.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(200))?;
    let head = head.strip_prefix(b"<?xml")?;
    let end = head.windows(2).position(|two| two == b"?>")?;
    let head = String::from_utf8_lossy(head.get(..end)?).to_lowercase();
    let (_, value) = head.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let value = value.trim_start_matches(['"', '\'']);
    let label = value.split(['"', '\'']).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    let is_utf_8 = encoding == UTF_8 || encoding == UTF_16LE || encoding == UTF_16BE;
    (!is_utf_8).then_some(encoding)
}

/// Whether damaged text was UTF-8: Cyrillic of windows-1251 hardly ever reads as such.
fn is_mostly_utf_8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_every_encoding() {
        let expected = "Артикул;Остаток\nA;5\n";
        let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
            let units = expected.encode_utf16();
            units.flat_map(bytes).collect::<Vec<u8>>()
        };
        let (little, big) = (utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes));
        let with = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        let cyrillic = WINDOWS_1251.encode(expected).0.into_owned();
        for bytes in [
            expected.as_bytes().to_vec(),
            with(b"\xef\xbb\xbf", expected.as_bytes()),
            with(b"\xff\xfe", &little),
            with(b"\xfe\xff", &big),
            cyrillic,
        ] {
            assert_eq!(text(&bytes), expected, "{bytes:?}");
        }
        let plain = "sku,on_hand\nA,5\n".encode_utf16();
        let plain: Vec<u8> = plain.flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&plain), "sku,on_hand\nA,5\n");
        assert_eq!(text("Чай\n".as_bytes().get(..5).unwrap()), "Ча\u{fffd}");
        let xml = WINDOWS_1251
            .encode("<?xml version='1.0' encoding='windows-1251'?><a b='Ж'/>")
            .0;
        assert!(text(&xml).ends_with("'Ж'/>"));
    }
}
