//! Telegram as a bot sees it: chats, messages with buttons, what people write and press, and the five methods of the
//! Bot API that Qabyl calls. Like [`World`](super::World) it is pure: it has no clock and does no I/O.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::bot_message::{BotMessage, PressAnswer, buttons_of, text_of};

/// Longest answer to a press, in characters.
const ANSWER_CHARS_MAX: usize = 200;
/// Updates in one answer.
pub(super) const UPDATES_MAX: usize = 100;

/// One call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct BotCall {
    /// Such as `sendMessage`.
    pub method: String,
    /// Its parameters.
    pub parameters: Value,
    /// What it was answered with.
    pub status: u16,
}

/// Telegram with one bot.
#[derive(Debug)]
pub struct BotApi {
    token: String,
    next_update: i64,
    updates: VecDeque<Value>,
    chats: BTreeMap<i64, Vec<BotMessage>>,
    next_message: i64,
    presses: BTreeMap<String, Option<PressAnswer>>,
    next_press: u64,
    calls: Vec<BotCall>,
    /// Answers given in place of the real ones: method, status, body.
    scripted: VecDeque<(String, u16, Value)>,
    /// Counts the calls of `getUpdates`: a later one ends an earlier one that still waits.
    polls: u64,
}

/// An answer: status and body.
pub(super) type Answered = (u16, Value);

pub(super) fn failed(status: u16, description: &str) -> Answered {
    let body = json!({ "ok": false, "error_code": status, "description": description });
    (status, body)
}

fn done(result: &Value) -> Answered {
    (200, json!({ "ok": true, "result": result }))
}

/// A number, also where it came as text.
fn number(parameters: &Value, name: &str) -> Option<i64> {
    let value = &parameters[name];
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl BotApi {
    /// Telegram with the bot that has this token, such as `123456:ABC`.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            next_update: 1,
            updates: VecDeque::new(),
            chats: BTreeMap::new(),
            next_message: 1,
            presses: BTreeMap::new(),
            next_press: 1,
            calls: Vec::new(),
            scripted: VecDeque::new(),
            polls: 0,
        }
    }

    /// Somebody writes to the bot; in a private chat the chat has the number of the person.
    pub fn says(&mut self, from: i64, chat: i64, text: &str) {
        let (id, kind) = (self.message_id(), kind_of(chat));
        self.update(
            "message",
            &json!({
                "message_id": id, "from": person(from), "chat": { "id": chat, "type": kind },
                "date": 0, "text": text,
            }),
        );
    }

    /// Somebody presses the button with this label below a message. Returns the press; `None` where there is no such
    /// button.
    pub fn presses(
        &mut self,
        from: i64,
        (chat, message): (i64, i64),
        label: &str,
    ) -> Option<String> {
        let messages = self.chats.get(&chat)?;
        let shown = messages.iter().find(|shown| shown.id == message)?;
        let data = shown.data(label)?.to_owned();
        Some(self.presses_data(from, (chat, message), &data))
    }

    /// The same with data that the message need not have: a press that comes late, twice, or is made up.
    pub fn presses_data(&mut self, from: i64, (chat, message): (i64, i64), data: &str) -> String {
        let id = format!("press-{}", self.next_press);
        self.next_press += 1;
        self.presses.insert(id.clone(), None);
        self.update(
            "callback_query",
            &json!({
                "id": id, "from": person(from), "chat_instance": "1", "data": data,
                "message": {
                    "message_id": message, "date": 0, "chat": { "id": chat, "type": kind_of(chat) },
                },
            }),
        );
        id
    }

    /// An update as Telegram sends it, of any kind.
    pub fn update(&mut self, kind: &str, content: &Value) {
        let update = json!({ "update_id": self.next_update, kind: content });
        self.next_update += 1;
        self.updates.push_back(update);
    }

    /// The messages of a chat that the bot sent, the oldest first.
    pub fn messages(&self, chat: i64) -> &[BotMessage] {
        self.chats.get(&chat).map_or(&[], Vec::as_slice)
    }

    /// How a press was answered, once it was.
    pub fn answer(&self, press: &str) -> Option<&PressAnswer> {
        self.presses.get(press)?.as_ref()
    }

    /// Every call but `getUpdates`, in order.
    pub fn calls(&self) -> &[BotCall] {
        &self.calls
    }

    /// How often `getUpdates` was called.
    pub const fn polls(&self) -> u64 {
        self.polls
    }

    /// The next call of this method is answered with this, and has no effect.
    pub fn fails_next(&mut self, method: &str, status: u16, body: Value) {
        self.scripted.push_back((method.to_owned(), status, body));
    }

    fn message_id(&mut self) -> i64 {
        let id = self.next_message;
        self.next_message += 1;
        id
    }

    pub(super) fn is_token(&self, token: &str) -> bool {
        token == self.token
    }

    fn script(&mut self, method: &str) -> Option<Answered> {
        let at = self.scripted.iter().position(|(of, ..)| of == method)?;
        let (_, status, body) = self.scripted.remove(at)?;
        Some((status, body))
    }

    /// A call of `getUpdates` begins: what it confirms is forgotten. Returns its number.
    pub(super) fn begins_poll(&mut self, parameters: &Value) -> Result<u64, Answered> {
        self.polls += 1;
        if let Some(answer) = self.script("getUpdates") {
            return Err(answer);
        }
        if let Some(offset) = number(parameters, "offset") {
            self.updates
                .retain(|update| update["update_id"].as_i64() >= Some(offset));
        }
        Ok(self.polls)
    }

    /// What a call of `getUpdates` is answered with; `None` while it waits.
    pub(super) fn polled(&self, poll: u64, parameters: &Value, is_late: bool) -> Option<Answered> {
        if poll != self.polls {
            let why = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
            return Some(failed(409, why));
        }
        let limit = number(parameters, "limit").and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(UPDATES_MAX).clamp(1, UPDATES_MAX);
        let found: Vec<&Value> = self.updates.iter().take(limit).collect();
        (is_late || !found.is_empty()).then(|| done(&json!(found)))
    }

    /// Answers a call of any other method.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Answered {
        let (status, body) =
            self.script(method)
                .unwrap_or_else(|| match self.carry_out(method, parameters) {
                    Ok(result) => done(&result),
                    Err(answer) => answer,
                });
        self.calls.push(BotCall {
            method: method.to_owned(),
            parameters: parameters.clone(),
            status,
        });
        (status, body)
    }

    fn carry_out(&mut self, method: &str, parameters: &Value) -> Result<Value, Answered> {
        match method {
            "getMe" => {
                let id = self.token.split(':').next().unwrap_or_default();
                let id: i64 = id.parse().unwrap_or_default();
                Ok(
                    json!({ "id": id, "is_bot": true, "first_name": "Qabyl", "username": "qabyl_test_bot" }),
                )
            }
            "sendMessage" => self.send(parameters),
            "editMessageText" => {
                let text = text_of(parameters)?.to_owned();
                self.edit(parameters, Some(text))
            }
            "editMessageReplyMarkup" => self.edit(parameters, None),
            "answerCallbackQuery" => self.answer_press(parameters),
            _ => Err(failed(404, "Not Found")),
        }
    }

    fn send(&mut self, parameters: &Value) -> Result<Value, Answered> {
        let Some(chat) = number(parameters, "chat_id") else {
            return Err(failed(400, "Bad Request: chat not found"));
        };
        let (text, buttons) = (text_of(parameters)?.to_owned(), buttons_of(parameters)?);
        let id = self.message_id();
        let result = json!({
            "message_id": id, "date": 0, "chat": { "id": chat, "type": kind_of(chat) }, "text": text,
        });
        self.chats.entry(chat).or_default().push(BotMessage {
            id,
            text,
            buttons,
            edits: 0,
        });
        Ok(result)
    }

    fn edit(&mut self, parameters: &Value, text: Option<String>) -> Result<Value, Answered> {
        let (chat, id) = (
            number(parameters, "chat_id"),
            number(parameters, "message_id"),
        );
        let buttons = buttons_of(parameters)?;
        let messages = chat.and_then(|chat| self.chats.get_mut(&chat));
        let shown = messages.and_then(|all| all.iter_mut().find(|shown| Some(shown.id) == id));
        let Some(shown) = shown else {
            return Err(failed(400, "Bad Request: message to edit not found"));
        };
        let text = text.unwrap_or_else(|| shown.text.clone());
        if text == shown.text && buttons == shown.buttons {
            let why = "Bad Request: message is not modified: specified new message content and reply markup are \
                       exactly the same as a current content and reply markup of the message";
            return Err(failed(400, why));
        }
        shown.edits += 1;
        shown.buttons = buttons;
        shown.text = text;
        Ok(json!({ "message_id": id, "date": 0, "chat": { "id": chat }, "text": shown.text }))
    }

    fn answer_press(&mut self, parameters: &Value) -> Result<Value, Answered> {
        let text = parameters["text"].as_str().unwrap_or_default();
        if text.chars().count() > ANSWER_CHARS_MAX {
            return Err(failed(400, "Bad Request: MESSAGE_TOO_LONG"));
        }
        let press = parameters["callback_query_id"].as_str().unwrap_or_default();
        let Some(answer) = self.presses.get_mut(press) else {
            let why =
                "Bad Request: query is too old and response timeout expired or query ID is invalid";
            return Err(failed(400, why));
        };
        *answer = Some(PressAnswer {
            text: text.to_owned(),
            alert: parameters["show_alert"] == true,
        });
        Ok(json!(true))
    }
}

fn kind_of(chat: i64) -> &'static str {
    if chat > 0 { "private" } else { "supergroup" }
}

fn person(id: i64) -> Value {
    json!({ "id": id, "is_bot": false, "first_name": "Hidden-name-of-a-person", "username": "hidden_username" })
}
