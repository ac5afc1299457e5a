//! Names of goods and places, as people and sources write them.

use super::shown;

/// Most characters of an SKU, and of the name of a warehouse.
const NAME_CHARS_MAX: usize = 64;
/// Characters of a name that an error quotes.
const QUOTED_CHARS_MAX: usize = 32;

fn quoted(name: &str) -> String {
    format!("'{}'", shown(name, QUOTED_CHARS_MAX))
}

/// An SKU or the name of a warehouse, as a source lists it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn listed_name(what: &str, text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{what} {} has control characters", quoted(text)));
    }
    if text.contains('\u{fffd}') {
        return Err(format!(
            "{what} {} has characters that could not be read: save the file in UTF-8",
            quoted(text)
        ));
    }
    let chars = text.chars().count();
    if chars > NAME_CHARS_MAX {
        return Err(format!(
            "{what} {} has {chars} characters, more than {NAME_CHARS_MAX}",
            quoted(text)
        ));
    }
    Ok(())
}
