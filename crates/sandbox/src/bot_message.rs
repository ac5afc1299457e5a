//! Messages of a bot with their buttons.

use serde_json::Value;

use super::bot_api::{Answered, failed};

/// Longest message, in UTF-16 code units.
const TEXT_UNITS_MAX: usize = 4096;
/// Longest data of a button, in bytes.
const DATA_BYTES_MAX: usize = 64;

/// A button below a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotButton {
    /// What people read on it.
    pub label: String,
    /// What the bot gets when it is pressed.
    pub data: String,
}

/// A message that the bot sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotMessage {
    /// Its number in the chat.
    pub id: i64,
    /// As it reads now.
    pub text: String,
    /// Its buttons now, row by row.
    pub buttons: Vec<Vec<BotButton>>,
    /// How often it was changed.
    pub edits: usize,
}

impl BotMessage {
    /// The data of the button with this label.
    pub fn data(&self, label: &str) -> Option<&str> {
        let mut buttons = self.buttons.iter().flatten();
        let found = buttons.find(|button| button.label == label);
        found.map(|button| button.data.as_str())
    }

    /// What its buttons say.
    pub fn labels(&self) -> Vec<&str> {
        let buttons = self.buttons.iter().flatten();
        buttons.map(|button| button.label.as_str()).collect()
    }
}

/// How the bot answered a press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PressAnswer {
    /// What the person reads; empty: nothing.
    pub text: String,
    /// Whether they have to close it.
    pub alert: bool,
}

pub(super) fn text_of(parameters: &Value) -> Result<&str, Answered> {
    let text = parameters["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(failed(400, "Bad Request: message text is empty"));
    }
    if text.encode_utf16().count() > TEXT_UNITS_MAX {
        return Err(failed(400, "Bad Request: message is too long"));
    }
    Ok(text)
}

pub(super) fn buttons_of(parameters: &Value) -> Result<Vec<Vec<BotButton>>, Answered> {
    let rows = parameters["reply_markup"]["inline_keyboard"].as_array();
    let invalid = || failed(400, "Bad Request: BUTTON_DATA_INVALID");
    let mut keyboard = Vec::new();
    for row in rows.into_iter().flatten() {
        let mut buttons = Vec::new();
        for button in row.as_array().ok_or_else(invalid)? {
            let (label, data) = (button["text"].as_str(), button["callback_data"].as_str());
            let (Some(label), Some(data)) = (label, data) else {
                // A button that opens a page has no data.
                if button["url"].is_string() {
                    continue;
                }
                return Err(invalid());
            };
            if label.is_empty() || data.is_empty() || data.len() > DATA_BYTES_MAX {
                return Err(invalid());
            }
            buttons.push(BotButton {
                label: label.to_owned(),
                data: data.to_owned(),
            });
        }
        keyboard.push(buttons);
    }
    Ok(keyboard)
}
