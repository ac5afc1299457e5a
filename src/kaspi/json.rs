//! Parsing JSON from Kaspi. Errors name the field, never the value, which may be personal.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Longest order or entry in bytes: twenty times what Kaspi sends. A longer one is not parsed.
const RESOURCE_BYTES_MAX: usize = 64 * 1024;

/// Parses one JSON text and says which field was wrong.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    // The parser does not check fields that are skipped, not even for valid UTF-8.
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    // serde reads a list as the fields in their order: `[[]]` would be a page without orders.
    if !text.trim_start().starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| error_text(&error))?;
    // A second JSON text after the first is part of another answer.
    json.end().map_err(|error| category(&error))?;
    Ok(value)
}

/// Parses one resource of a list, unless it is too large to be one.
pub(super) fn resource<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    if raw.get().len() > RESOURCE_BYTES_MAX {
        return Err(format!("longer than {RESOURCE_BYTES_MAX} bytes"));
    }
    parse(raw.get().as_bytes())
}

/// Whether this is one JSON text, of whatever shape.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Which field was wrong, and how.
pub(super) fn error_text(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let words = category(error.inner());
    match error.inner().classify() {
        serde_json::error::Category::Data => format!("{}: {words}", error.path()),
        // Syntax errors occur in skipped fields too, whose names may be anything.
        _ => words,
    }
}

/// The kind of a JSON error without the text it was found in, which may be personal.
fn category(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => {
            let text = error.to_string();
            let end = text.find(" at line").unwrap_or(text.len());
            let message = text.get(..end).unwrap_or_default();
            // "invalid type: string \"…\"" repeats the value: only the expectation is kept.
            match message.split_once(", expected ") {
                Some((_, expected)) => format!("expected {expected}"),
                None => message.to_owned(),
            }
        }
        serde_json::error::Category::Eof => "the JSON ends too early".to_owned(),
        _ => "not JSON".to_owned(),
    }
}
