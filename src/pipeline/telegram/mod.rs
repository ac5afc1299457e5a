//! listen: asks Telegram what people wrote to a bot and pressed, and does it. One loop asks for a bot: a second one
//! would take half of what is pressed. What an update did and how far updates are handled is one transaction.

mod commands;
mod enrol;
mod follow;
mod messages;
mod outcome;
mod presses;
mod shown;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Ctx;
use crate::clock::Clock;
use crate::domain::notice::{Kind, Notice};
use crate::events::log_event;
use crate::lang::Lang;
use crate::net::Backoff;
use crate::notify::telegram::{Bot, Event, Update};
use crate::notify::{MessageWriter, SendError};
use crate::store::{Store, StoreError};
pub(super) use follow::{follow, send_held};
pub(super) use messages::KEPT_FOR;
pub(super) use shown::titled;

/// How long Telegram waits with its answer while nothing happens.
const WAIT: Duration = Duration::from_secs(50);
/// Longest time without a poll after which presses count as they were made. After a longer one, each must be confirmed:
/// the person may have changed their mind.
const OUTAGE: SignedDuration = SignedDuration::from_mins(2);
/// Pauses after failures.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
/// The longest pause that Telegram can ask for.
const ASKED_LONGEST: Duration = Duration::from_mins(15);
/// A failing bot is logged at most once per this interval.
const LOG_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A bot whose buttons and commands are listened to.
#[derive(Debug)]
pub struct ListeningBot {
    /// The channel that it was configured with; the first one, where it serves several.
    pub channel: String,
    /// The bot.
    pub bot: Bot,
    /// In which language it answers in private.
    pub writer: MessageWriter,
    /// The chats of its channels, each with its language.
    pub chats: Vec<(String, Lang)>,
}

impl ListeningBot {
    /// Writes to this chat in its language.
    fn writer_for(&self, chat: i64) -> MessageWriter {
        let chat = chat.to_string();
        let configured = self.chats.iter().find(|(known, _)| *known == chat);
        MessageWriter {
            language: configured.map_or(self.writer.language, |(_, language)| *language),
            ..self.writer.clone()
        }
    }
}

/// What the stage works with; one for all bots.
pub struct Listener {
    /// The database.
    pub store: Arc<Store>,
    /// The only source of time.
    pub clock: Clock,
    /// The bots.
    pub bots: Vec<ListeningBot>,
    /// The shops.
    pub shops: Vec<Arc<Ctx>>,
    /// Where people sign in at the web app; `None`: it is off.
    pub web_address: Option<String>,
    /// The most cancels of one person within an hour.
    cancels_per_person_max: Option<u64>,
    states: Mutex<HashMap<String, State>>,
    random: Mutex<fastrand::Rng>,
}

/// How a bot fares.
#[derive(Debug, Default)]
struct State {
    failures: u32,
    logged_at: Option<Timestamp>,
    /// Since when somebody else asks with its token.
    conflict_at: Option<Timestamp>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Updates handled.
    pub handled: usize,
    /// When to ask again.
    pub wait: Duration,
    /// Why it could not ask.
    pub trouble: Option<String>,
}

impl Listener {
    /// Creates the stage; the number is the seed of the pauses' jitter, the other one the most cancels of one person within
    /// an hour.
    pub fn new(
        (store, clock): (Arc<Store>, Clock),
        bots: Vec<ListeningBot>,
        shops: Vec<Arc<Ctx>>,
        (seed, cancels_per_person_max): (u64, Option<u64>),
    ) -> Self {
        Self {
            store,
            clock,
            bots,
            shops,
            web_address: None,
            cancels_per_person_max,
            states: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// The names of the bots.
    pub fn names(&self) -> Vec<String> {
        self.bots.iter().map(|bot| bot.channel.clone()).collect()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jitter(&self) -> f64 {
        let random = self.random.lock();
        random.unwrap_or_else(PoisonError::into_inner).f64()
    }
}

/// Asks for what happened, and handles it.
///
/// # Errors
/// A database error. The bot's errors are in the report.
pub async fn run_once(listener: &Listener, name: &str) -> Result<Report, StoreError> {
    let Some(of) = listener.bots.iter().find(|bot| bot.channel == name) else {
        return Ok(Report::default());
    };
    let bot = match of.bot.id() {
        Ok(bot) => bot,
        Err(error) => return failed(listener, name, &error).await,
    };
    let (store, now) = (&listener.store, listener.clock.now());
    let state = store.bot_state(bot, now).await?;
    let is_late = state
        .polled_at
        .is_none_or(|at| now.duration_since(at).abs() > OUTAGE);
    // What waited is fetched by itself, so that what happens now does not look late.
    let wait = if is_late { Duration::ZERO } else { WAIT };
    let updates = match of.bot.updates(state.next_update, wait, now).await {
        Ok(updates) => updates,
        Err(error) => return failed(listener, name, &error).await,
    };
    recovered(listener, name);
    for update in &updates {
        handle(listener, of, (bot, update, is_late)).await?;
    }
    if !Bot::is_full(updates.len()) {
        store.note_polled(bot, listener.clock.now()).await?;
    }
    Ok(Report {
        handled: updates.len(),
        ..Report::default()
    })
}

async fn handle(
    listener: &Listener,
    of: &ListeningBot,
    (bot, update, is_late): (i64, &Update, bool),
) -> Result<(), StoreError> {
    let number = (bot, update.id);
    match &update.event {
        Some(Event::Wrote(words)) => commands::handle(listener, of, (number, words)).await,
        Some(Event::Pressed(press)) => {
            presses::handle(listener, of, (number, press, is_late)).await
        }
        None => {
            listener
                .store
                .pass_update(number, listener.clock.now())
                .await?;
            Ok(())
        }
    }
}

/// Writes to a chat. What cannot be written is logged: the person will ask again.
async fn reply(listener: &Listener, of: &ListeningBot, chat: i64, text: &str) {
    let now = listener.clock.now();
    if let Err(error) = of.bot.send(&chat.to_string(), (text, &[]), now).await {
        not_delivered(of, &error);
    }
}

/// Logs that an answer did not arrive.
fn not_delivered(of: &ListeningBot, error: &SendError) {
    log_event!(
        TELEGRAM_REPLY_FAILED,
        channel = of.channel,
        why = %error,
        "an answer in Telegram was not delivered"
    );
}

/// Logs that something did nothing.
fn refused(of: &ListeningBot, telegram: i64, why: &str) {
    log_event!(
        TELEGRAM_REFUSED,
        channel = of.channel,
        telegram,
        why,
        "what somebody wrote or pressed in Telegram did nothing"
    );
}

async fn failed(listener: &Listener, name: &str, error: &SendError) -> Result<Report, StoreError> {
    let (now, why) = (listener.clock.now(), error.to_string());
    let is_conflict = matches!(error, SendError::Conflict(_));
    let (failures, logs, conflict) = {
        let mut states = listener.states();
        let state = states.entry(name.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        let is_due =
            |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at).abs() >= LOG_AGAIN);
        let conflict = is_conflict && is_due(state.conflict_at);
        let logs = !is_conflict && is_due(state.logged_at);
        if conflict {
            state.conflict_at = Some(now);
        }
        if logs {
            state.logged_at = Some(now);
        }
        (state.failures, logs, conflict)
    };
    if conflict {
        log_event!(
            TELEGRAM_CONFLICT,
            channel = name,
            code = "N002",
            why,
            hint = "stop the other program that uses this bot; if you have none, revoke the token in BotFather (/revoke)",
            "another program asks for what is pressed: somebody else may have the bot's token"
        );
        let what = format!("{name}:{}", now.as_millisecond());
        let notice = Notice::of_all(Kind::BotConflict, &what, json!({ "channel": name }));
        listener.store.add_notice(notice, now).await?;
    }
    if logs {
        log_event!(
            TELEGRAM_FAILING,
            channel = name,
            failures,
            why,
            "a bot cannot be asked what is pressed; orders are handled as before"
        );
    }
    let asked = match error {
        SendError::Later { after, .. } => *after,
        _ => None,
    };
    let pause = BACKOFF.jittered(failures.saturating_sub(1), listener.jitter());
    Ok(Report {
        handled: 0,
        wait: asked.map_or(pause, |asked| asked.min(ASKED_LONGEST).max(pause)),
        trouble: Some(format!("{name}: {why}")),
    })
}

fn recovered(listener: &Listener, name: &str) {
    let mut states = listener.states();
    let Some(state) = states.get_mut(name) else {
        return;
    };
    state.failures = 0;
    if state.logged_at.take().is_some() {
        log_event!(
            TELEGRAM_RECOVERED,
            channel = name,
            "the bot can be asked again"
        );
    }
}
