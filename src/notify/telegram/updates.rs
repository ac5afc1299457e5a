//! What Telegram reports: what people wrote and pressed. Their names are not read.

use serde::Deserialize;
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its number: each is handled once.
    pub id: i64,
    /// What it was; `None` for what is of no use.
    pub event: Option<Event>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody wrote.
    Wrote(Words),
    /// Somebody pressed a button.
    Pressed(Press),
}

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Their number.
    pub from: i64,
    /// Where.
    pub chat: i64,
    /// Whether nobody else reads it there.
    pub is_private: bool,
    /// The text.
    pub text: String,
}

/// A press on a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// What it is answered by.
    pub id: String,
    /// The number of who pressed.
    pub from: i64,
    /// The chat of the message.
    pub chat: i64,
    /// The message.
    pub message: i64,
    /// What the button holds.
    pub data: String,
}

#[derive(Debug, Deserialize)]
struct WireUpdate {
    update_id: i64,
    message: Option<WireMessage>,
    callback_query: Option<WirePress>,
}

#[derive(Debug, Deserialize)]
struct WireMessage {
    from: Option<WireId>,
    chat: WireChat,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WirePress {
    id: String,
    from: WireId,
    message: Option<WirePlace>,
    data: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WirePlace {
    message_id: i64,
    chat: WireId,
}

#[derive(Debug, Deserialize)]
struct WireId {
    id: i64,
}

#[derive(Debug, Deserialize)]
struct WireChat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a list of updates. One that is not understood counts as handled: it can be of no use.
pub(super) fn parse(found: &Value) -> Result<Vec<Update>, String> {
    let found = found.as_array();
    let found = found.ok_or("it answers without a list of updates")?;
    found.iter().map(update).collect()
}

fn update(value: &Value) -> Result<Update, String> {
    let Ok(wire) = WireUpdate::deserialize(value) else {
        let id = value["update_id"].as_i64();
        let id = id.ok_or("it answers with an update without a number")?;
        return Ok(Update { id, event: None });
    };
    let event = match (wire.message, wire.callback_query) {
        (_, Some(press)) => pressed(press).map(Event::Pressed),
        (Some(message), None) => wrote(message).map(Event::Wrote),
        (None, None) => None,
    };
    Ok(Update {
        id: wire.update_id,
        event,
    })
}

fn pressed(press: WirePress) -> Option<Press> {
    let place = press.message?;
    Some(Press {
        id: press.id,
        from: press.from.id,
        chat: place.chat.id,
        message: place.message_id,
        data: press.data?,
    })
}

fn wrote(message: WireMessage) -> Option<Words> {
    Some(Words {
        from: message.from?.id,
        chat: message.chat.id,
        is_private: message.chat.kind == "private",
        text: message.text?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_understood_has_no_event_and_stops_nothing() {
        let found = json!([
            { "update_id": 1, "edited_message": { "text": "a" } },
            { "update_id": 2, "message": { "chat": "none" } },
            { "update_id": 3, "message": { "chat": { "id": -5, "type": "group" }, "from": { "id": 7 }, "text": "/held" } },
            { "update_id": 4, "callback_query": { "id": "p", "from": { "id": 7 }, "data": "n",
                "message": { "message_id": 9, "chat": { "id": -5 } } } },
            { "update_id": 5, "callback_query": { "id": "p", "from": { "id": 7 } } },
        ]);
        let updates = parse(&found).unwrap();
        let has_event: Vec<bool> = updates.iter().map(|u| u.event.is_some()).collect();
        assert_eq!(has_event, [false, false, true, true, false]);
        let Some(Event::Wrote(words)) = &updates[2].event else {
            panic!("{:?}", updates[2]);
        };
        assert!((words.from, words.chat, words.is_private) == (7, -5, false));
        assert!(parse(&json!({})).is_err() && parse(&json!([{}])).is_err());
    }
}
