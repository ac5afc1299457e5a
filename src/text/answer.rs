//! Secrets in an answer that is parsed afterwards: what is taken out must not change what the rest means.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::Secrets;

/// What stands in the place of a text that cannot be cut.
const MARK: &[u8] = b"***";

impl Secrets {
    /// The answer with every secret replaced by `***`. In JSON only texts change: numbers, names of fields and the
    /// structure stay, and so do ids and words where the secret may be an ordinary number or word itself.
    pub fn redact_answer<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.redact(bytes) {
            Cow::Owned(_) if is_json(bytes) => Cow::Owned(self.redact_texts(bytes)),
            redacted => redacted,
        }
    }

    fn redact_texts(&self, json: &[u8]) -> Vec<u8> {
        let uncommon = self.uncommon();
        let mut out = Vec::with_capacity(json.len());
        let mut rest = json;
        while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
            let (before, text) = rest.split_at(start + 1);
            out.extend_from_slice(before);
            let (text, after) = text.split_at(length_of(text));
            let is_name = after.get(1..).is_some_and(|after| {
                let next = after.iter().find(|byte| !byte.is_ascii_whitespace());
                next == Some(&b':')
            });
            let redacted = if is_name {
                Cow::Borrowed(text)
            } else if is_word(text) {
                uncommon.redact(text)
            } else {
                self.redact(text)
            };
            // A secret may begin in the middle of an escape.
            let literal = [b"\"", &*redacted, b"\""].concat();
            out.extend_from_slice(if is_json(&literal) { &redacted } else { MARK });
            rest = after;
            if let Some((quote, after)) = rest.split_first() {
                out.push(*quote);
                rest = after;
            }
        }
        out.extend_from_slice(rest);
        out
    }
}

fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// The length of a JSON text up to its closing quote.
fn length_of(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

/// Whether a text is an id or a word of a fixed list, rather than a sentence.
fn is_word(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secret: &str, answer: &str) -> String {
        let secrets = Secrets::default().and(secret);
        String::from_utf8(secrets.redact_answer(answer.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_secret_of_digits_spoils_no_number_and_no_id() {
        let order =
            r#"{"id":"912345678","totalPrice":12345678,"12345678":1,"title":"you sent 12345678"}"#;
        let out = redacted("12345678", order);
        assert_eq!(out, order.replace("sent 12345678", "sent ***"));
    }

    #[test]
    fn a_secret_that_is_a_word_spoils_no_status() {
        let order = r#"{"state":"KASPI_DELIVERY" , "why":"wrong login delivery"}"#;
        let out = redacted("delivery", order);
        assert_eq!(out, order.replace("login delivery", "login ***"));
    }

    #[test]
    fn a_token_is_removed_wherever_a_text_holds_it() {
        let token = "Qx7aB9kLmN0pRsTuVwXyZ2";
        let out = redacted(token, &format!(r#"{{"id":"{token}","title":"x {token}"}}"#));
        assert_eq!(out, r#"{"id":"***","title":"x ***"}"#);
        let out = redacted(token, &format!("<html>{token}"));
        assert_eq!(out, "<html>***");
    }

    #[test]
    fn what_is_left_is_json() {
        let out = redacted("nSecretWord1", r#"{"title":"a\nSecretWord1 b","n":1}"#);
        assert_eq!(out, r#"{"title":"***","n":1}"#);
        let quoted = redacted("say+the\"word", r#"{"title":"\"say+the\"word\"","n":1}"#);
        assert_eq!(quoted, r#"{"title":"\"***\"","n":1}"#);
    }
}
