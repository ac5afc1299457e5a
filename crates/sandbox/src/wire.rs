//! Base64 for ids, percent-decoding, and a hash for stable random choices.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64, with or without its padding.
pub(super) fn base64(bytes: &[u8], padded: bool) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| (group << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4_usize {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else if padded {
                text.push('=');
            }
        }
    }
    text
}

/// Undoes percent-encoding; `None` for a broken escape or for bytes that are not UTF-8.
/// `+` means a space in a query only.
pub(super) fn percent_decode(text: &str, in_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'%' => {
                let (hex, tail) = rest.split_at_checked(2)?;
                let hex = str::from_utf8(hex).ok()?;
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
                rest = tail;
            }
            b'+' if in_query => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A number that depends on nothing but its arguments.
pub(super) fn mix(seed: u64, parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_match_the_documented_examples() {
        assert_eq!(base64(b"900000001", true), "OTAwMDAwMDAx");
        assert_eq!(base64(b"900000001##0", true), "OTAwMDAwMDAxIyMw");
        assert_eq!(base64(b"7000000000", false), "NzAwMDAwMDAwMA");
        assert_eq!(base64(b"7000000000", true), "NzAwMDAwMDAwMA==");
    }

    #[test]
    fn brackets_and_dollars_are_decoded() {
        let name = percent_decode("filter%5Borders%5D%5BcreationDate%5D%5B%24ge%5D", true);
        assert_eq!(name.as_deref(), Some("filter[orders][creationDate][$ge]"));
        assert_eq!(percent_decode("%5", true), None);
        assert_eq!(percent_decode("a+b", false).as_deref(), Some("a+b"));
    }
}
