//! notify: packs notices into messages and sends them to their channels, each in a loop of its own. A slow or
//! failing channel delays only itself: its failures are counted in the database, and the pauses after them grow. A
//! message is compared with the present state when it leaves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::present_state::{self, Standing, kinds_of_states};
use super::{Ctx, Mode, daily_watch, telegram};
use crate::clock::Clock;
use crate::domain::chat_pace::ChatPace;
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::domain::schedule::Schedule;
use crate::events::log_event;
use crate::net::Backoff;
use crate::notify::{Channel, Item, Outgoing, SendError};
use crate::store::{Bounds, Delivery, NotTaken, Store, StoreError, StoredNotice, Worker};

/// Messages sent to one channel in one run; the next run follows at once while there are more.
const SENT_AT_ONCE: u32 = 20;

/// Pauses after failures, with full jitter. The longest is short, so that a channel that works again gets its
/// messages within a minute.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(1));
/// Longest pause that a channel can ask for.
const ASKED_LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// A message that its channel rejected this often is not sent again. From the second time on it is a short text.
const REJECTIONS_MAX: i64 = 3;

/// How long notices are kept after they were sent.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often the cancel budget, stock and the daily digest are checked.
const WATCH_EVERY: Duration = Duration::from_secs(30);

/// How often each shop's summary is logged.
const HOUR: Duration = Duration::from_hours(1);
/// When the first summary is logged after the start.
const FIRST_SUMMARY_AFTER: Duration = Duration::from_secs(20);

/// Orders named in the notice of a message that is given up.
const ORDERS_NAMED: usize = 50;

/// A failing channel is logged at most once per this interval.
const LOG_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// When the conditions that develop over time are reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WatchSettings {
    /// When the daily digest is sent, in minutes after midnight in Almaty.
    pub digest_at: Option<u16>,
    /// How long no list of new orders succeeds before people are notified.
    pub outage_after: SignedDuration,
    /// How long a shop may keep the others of the same stock waiting before people are notified.
    pub group_patience: SignedDuration,
    /// The share of cancels above which Kaspi switches a shop off.
    pub cancel_share_max: f64,
}

/// What the stages watch and notify work with; one for each database.
pub struct Notifier {
    /// The database.
    pub store: Arc<Store>,
    /// The only source of time.
    pub clock: Clock,
    channels: Vec<Channel>,
    bounds: Bounds,
    pub(super) watch: WatchSettings,
    shops: Vec<Arc<Ctx>>,
    /// When it began, by the clock and in ticks: what was so before may not be so any more.
    pub(super) began: (Timestamp, Duration),
    watched_at: Mutex<Option<Duration>>,
    /// When the next hourly summary is logged, with each shop's counts at the previous one.
    hour: tokio::sync::Mutex<(Duration, Vec<BTreeMap<daily_watch::Class, u64>>)>,
    /// When a channel's failure was last logged, by its name.
    failure_logged: Mutex<HashMap<String, Timestamp>>,
    /// When messages were sent to each chat of Telegram.
    paces: Mutex<HashMap<String, ChatPace>>,
    /// The row of the audit log up to which a channel's messages follow their orders.
    followed: Mutex<HashMap<String, i64>>,
    random: Mutex<fastrand::Rng>,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages packed.
    pub packed: usize,
    /// Messages delivered.
    pub delivered: usize,
    /// Attempts that failed.
    pub failed: usize,
    /// Whether more can be sent at once.
    pub more: bool,
    /// The error of a failing channel, if one fails.
    pub trouble: Option<String>,
}

impl Notifier {
    /// Creates the stage; `seed` is the seed of the pauses' jitter.
    pub fn new(
        (store, clock): (Arc<Store>, Clock),
        channels: Vec<Channel>,
        (bounds, watch): (Bounds, WatchSettings),
        shops: Vec<Arc<Ctx>>,
        seed: u64,
    ) -> Self {
        // The first summary is logged soon after the start, for the person who restarted the daemon.
        let hour = (
            clock.ticks() + FIRST_SUMMARY_AFTER,
            vec![BTreeMap::new(); shops.len()],
        );
        let began = (clock.now(), clock.ticks());
        Self {
            store,
            clock,
            channels,
            began,
            bounds,
            watch,
            shops,
            watched_at: Mutex::default(),
            hour: hour.into(),
            failure_logged: Mutex::default(),
            paces: Mutex::default(),
            followed: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Registers the channels. Each is notified of what happens from now on, and of what is so now and was never
    /// sent to it: open holds above all, also those that were decided while their shop only proposed.
    ///
    /// # Errors
    /// A database error.
    pub async fn begin(&self) -> Result<(), StoreError> {
        let names: Vec<&str> = self.channels.iter().map(|c| c.name.as_str()).collect();
        let (store, now) = (&self.store, self.clock.now());
        store.set_channels(&names, now).await?;
        for ctx in self.shops.iter().filter(|ctx| ctx.mode == Mode::Act) {
            store.notice_open_holds(&ctx.shop, now).await?;
        }
        let since = now.saturating_sub(KEPT_FOR).unwrap_or(now);
        for channel in &self.channels {
            let kinds = kinds_of_states().filter(|k| channel.wants(*k));
            let kinds: Vec<Kind> = kinds.collect();
            let mut unsent = store.unsent_notices(&channel.name, &kinds, since).await?;
            let mut so = Vec::with_capacity(unsent.len());
            for notice in &unsent {
                so.push(present_state::is_so(self, notice).await?);
            }
            let mut so = so.into_iter();
            unsent.retain(|_| so.next().unwrap_or(false));
            store
                .pack_again((&channel.name, channel.decides()), &unsent, now)
                .await?;
        }
        Ok(())
    }

    /// The names of the channels.
    pub fn channel_names(&self) -> Vec<String> {
        self.channels.iter().map(|c| c.name.clone()).collect()
    }

    pub(super) fn shops(&self) -> &[Arc<Ctx>] {
        &self.shops
    }

    /// Whether a chat of Telegram may be written to now.
    pub(super) fn may_write(&self, chat: &str) -> bool {
        let is_group = chat.starts_with(['-', '@']);
        let paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = paces
            .get(chat)
            .map(|pace| pace.wait(is_group, self.clock.ticks()));
        wait.is_none_or(|wait| wait.is_zero())
    }

    /// A chat of Telegram was written to.
    pub(super) fn note_written(&self, chat: &str) {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces
            .entry(chat.to_owned())
            .or_default()
            .note(self.clock.ticks());
    }

    /// A chat of Telegram is not written to for so long.
    pub(super) fn pause_chat(&self, chat: &str, time: Duration) {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(chat.to_owned()).or_default();
        pace.pause(time, self.clock.ticks());
    }

    /// Up to which row of the audit log a channel's messages follow their orders.
    pub(super) fn followed(&self, channel: &str) -> Option<i64> {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.get(channel).copied()
    }

    pub(super) fn note_followed(&self, channel: &str, row: i64) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.insert(channel.to_owned(), row);
    }

    /// The deadlines of a shop's orders, and Kaspi's time, by which they are; `None` for a shop that is not configured.
    pub(super) fn deadlines(&self, shop: &ShopName) -> Option<(Schedule, Timestamp)> {
        let ctx = self.shops.iter().find(|ctx| ctx.shop == *shop)?;
        Some((ctx.policy().limits.schedule.clone(), ctx.kaspi_clock.now()))
    }

    /// The facts of a notice; for people with the titles of rules in their language. Programs get the names.
    fn facts_for(&self, channel: &Channel, notice: &StoredNotice) -> Value {
        let mut facts = notice.facts.clone();
        let because = facts["because"]
            .as_array()
            .filter(|_| channel.telegram().is_some());
        if let Some(because) = because {
            let words = because.iter().filter_map(Value::as_str).map(str::to_owned);
            let shop = notice.shop.as_deref();
            let ctx = self
                .shops
                .iter()
                .find(|ctx| Some(ctx.shop.as_str()) == shop);
            let language = channel.writer().language;
            let titled = telegram::titled(ctx.map(AsRef::as_ref), words.collect(), language);
            facts["because"] = json!(titled);
        }
        facts
    }

    /// The time left to the deadline of a notice's order.
    fn left(&self, notice: &StoredNotice) -> Option<SignedDuration> {
        let shop = ShopName::new(notice.shop.as_deref()?).ok()?;
        let (schedule, now) = self.deadlines(&shop)?;
        let since = notice.facts["waiting_since"].as_str()?.parse().ok()?;
        Some(schedule.left_since((since, notice.facts["express"] == true), now))
    }

    async fn log_hourly_summaries(&self) -> Result<(), StoreError> {
        let mut hour = self.hour.lock().await;
        let ticks = self.clock.ticks();
        if ticks < hour.0 {
            return Ok(());
        }
        hour.0 = ticks + HOUR;
        for (ctx, last) in self.shops.iter().zip(&mut hour.1) {
            *last =
                daily_watch::log_hourly_summary(&self.store, ctx, last, self.clock.now()).await?;
        }
        Ok(())
    }

    fn pause(&self, failures: i64, asked: Option<Duration>) -> SignedDuration {
        if let Some(asked) = asked.and_then(|asked| SignedDuration::try_from(asked).ok()) {
            return asked.clamp(SignedDuration::from_secs(1), ASKED_LONGEST);
        }
        let jitter = self
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .f64();
        let pause = BACKOFF.jittered(u32::try_from(failures).unwrap_or_default(), jitter);
        SignedDuration::try_from(pause).unwrap_or(ASKED_LONGEST)
    }

    fn is_time_to_watch(&self) -> bool {
        let now = self.clock.ticks();
        let mut last = self
            .watched_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|last| now.saturating_sub(last) >= WATCH_EVERY);
        if is_time {
            *last = Some(now);
        }
        is_time
    }
}

/// Checks what develops over time, then packs and sends everything that is due, to all channels at once.
///
/// # Errors
/// A database error; channels' errors are in the report.
pub async fn run_once(notifier: &Notifier) -> Result<Report, StoreError> {
    if notifier.is_time_to_watch() {
        watch(notifier, Worker::Once).await?;
    }
    let ends = join_all(notifier.channels.iter().map(|c| deliver(notifier, c))).await;
    let mut report = Report::default();
    for end in ends {
        let of_channel = end?;
        report.packed += of_channel.packed;
        report.delivered += of_channel.delivered;
        report.failed += of_channel.failed;
        report.more |= of_channel.more;
        report.trouble = report.trouble.or(of_channel.trouble);
    }
    Ok(report)
}

/// Notes who works on the database, checks what develops over time, and deletes old notices. No channel delays it.
///
/// # Errors
/// A database error.
pub async fn watch(notifier: &Notifier, worker: Worker) -> Result<(), StoreError> {
    let (store, now) = (&notifier.store, notifier.clock.now());
    store.note_worked(worker, now).await?;
    daily_watch::run_once(store, &notifier.shops, notifier.watch, now).await?;
    let before = now.saturating_sub(KEPT_FOR).unwrap_or(now);
    store.drop_notices(before).await?;
    let before = now.saturating_sub(telegram::KEPT_FOR).unwrap_or(now);
    store.drop_button_messages(before).await?;
    notifier.log_hourly_summaries().await
}

/// Packs and sends what is due for one channel.
///
/// # Errors
/// A database error; the channel's errors are in the report.
pub async fn run_channel(notifier: &Notifier, name: &str) -> Result<Report, StoreError> {
    match notifier.channels.iter().find(|c| c.name == name) {
        Some(channel) => deliver(notifier, channel).await,
        None => Ok(Report::default()),
    }
}

/// Packs one channel's notices and sends its messages, the oldest first, until one fails.
async fn deliver(notifier: &Notifier, channel: &Channel) -> Result<Report, StoreError> {
    let (store, clock, name) = (&notifier.store, &notifier.clock, channel.name.as_str());
    telegram::follow(notifier, channel).await?;
    let mut report = Report {
        packed: store
            .pack(
                name,
                (|kind| channel.wants(kind), channel.decides()),
                clock.now(),
            )
            .await?,
        ..Report::default()
    };
    let summarised = store.summarise(name, notifier.bounds, clock.now()).await?;
    if summarised > 0 {
        log_event!(
            NOTIFY_SUMMARISED,
            channel = name,
            messages = summarised,
            "queued messages were replaced by one summary"
        );
    }
    let due = store
        .due_deliveries(name, SENT_AT_ONCE, clock.now())
        .await?;
    report.more = due.len() == SENT_AT_ONCE as usize;
    for mut delivery in due {
        let (id, many) = (delivery.id, delivery.notices.len() > 1);
        let mut waits = false;
        let mut current = Vec::with_capacity(delivery.notices.len());
        for notice in delivery.notices {
            match present_state::standing(notifier, name, &notice, clock.now()).await? {
                Standing::Current => current.push(notice),
                Standing::Outdated => {}
                Standing::Unsettled => waits = true,
            }
        }
        if waits {
            continue;
        }
        if current.is_empty() {
            store.outdated(id, clock.now()).await?;
            continue;
        }
        delivery.notices = current;
        let message = outgoing(notifier, channel, &delivery);
        if many && !channel.fits(&message, clock.now()) {
            store.split_delivery(name, &delivery, clock.now()).await?;
            report.more = true;
            continue;
        }
        let chat = channel.telegram().map(|(_, chat)| chat);
        if chat.is_some_and(|chat| !notifier.may_write(chat)) {
            report.more = false;
            break;
        }
        let sent = match telegram::send_held(notifier, channel, &delivery).await? {
            Some(sent) => sent,
            None => channel.send(&message, clock.now()).await,
        };
        if let Some(chat) = chat {
            notifier.note_written(chat);
        }
        match sent {
            Ok(()) => {
                store.delivered(name, delivery.id, clock.now()).await?;
                report.delivered += 1;
                recovered(notifier, name);
                let age = clock.now().duration_since(delivery.made_at);
                log_event!(
                    NOTIFY_DELIVERED,
                    channel = name,
                    notices = delivery.notices.len(),
                    attempt.n = delivery.attempts + 1,
                    age_s = age.as_secs(),
                    "a message was delivered"
                );
            }
            Err(error) => {
                failed(notifier, name, &delivery, &error).await?;
                report.failed += 1;
                report.more = false;
                report.trouble = Some(format!("{name}: {error}"));
                break;
            }
        }
    }
    Ok(report)
}

fn outgoing(notifier: &Notifier, channel: &Channel, delivery: &Delivery) -> Outgoing {
    let items = delivery.notices.iter().map(|notice| Item {
        at: notice.at,
        kind: notice.kind,
        shop: notice.shop.clone(),
        facts: notifier.facts_for(channel, notice),
        left: notifier.left(notice),
    });
    Outgoing {
        token: delivery.token.clone(),
        made_at: delivery.made_at,
        is_summary: delivery.is_summary,
        is_short: delivery.rejections > 0,
        items: items.collect(),
    }
}

async fn failed(
    notifier: &Notifier,
    channel: &str,
    delivery: &Delivery,
    error: &SendError,
) -> Result<(), StoreError> {
    let (store, now) = (&notifier.store, notifier.clock.now());
    let asked = match error {
        SendError::Later { after, .. } => *after,
        SendError::Refused(_) | SendError::Unfit(_) | SendError::Conflict(_) => None,
    };
    let states = store.channels().await?;
    let failures = states
        .iter()
        .find(|state| state.name == channel)
        .map_or(0, |state| state.failures);
    let until = now.saturating_add(notifier.pause(failures, asked));
    let rejected = matches!(error, SendError::Unfit(_));
    let gives_up = rejected && delivery.rejections + 1 >= REJECTIONS_MAX;
    // The notice of a message given up is not followed by another one.
    let of_drop = |notice: &StoredNotice| notice.kind == Kind::MessageDropped;
    let is_news = gives_up && !delivery.notices.iter().all(of_drop);
    let why = error.to_string();
    let not_taken = NotTaken {
        why: &why,
        refused: matches!(error, SendError::Refused(_)),
        rejected,
        give_up: gives_up,
        notice: is_news.then(|| dropped(channel, delivery)),
    };
    store
        .undelivered(
            channel,
            (delivery.id, &not_taken),
            until.unwrap_or(now),
            now,
        )
        .await?;
    if gives_up {
        log_event!(
            NOTIFY_DROPPED,
            channel,
            why,
            "a message is not sent again: its channel rejects it"
        );
    }
    let logged = notifier.failure_logged.lock();
    let mut logged = logged.unwrap_or_else(PoisonError::into_inner);
    let recent = |at: &Timestamp| now.duration_since(*at).abs() < LOG_AGAIN;
    if logged.get(channel).is_some_and(recent) {
        return Ok(());
    }
    logged.insert(channel.to_owned(), now);
    if matches!(error, SendError::Refused(_)) {
        log_event!(
            NOTIFY_REFUSED,
            channel,
            code = "N001",
            failures = failures + 1,
            why,
            hint = "look at the channel's address, secret and chat: `qabyl notify test` tries it at once",
            "a channel rejects messages; they wait, and orders are handled as before"
        );
    } else {
        log_event!(
            NOTIFY_FAILING,
            channel,
            failures = failures + 1,
            why,
            "a channel does not answer; its messages wait, and orders are handled as before"
        );
    }
    Ok(())
}

/// The notice of a message that is given up.
fn dropped(channel: &str, delivery: &Delivery) -> Notice {
    let orders = delivery.notices.iter();
    let orders = orders.filter_map(|notice| notice.facts["order"].as_str());
    let orders: Vec<&str> = orders.take(ORDERS_NAMED).collect();
    let facts = json!({ "channel": channel, "count": delivery.notices.len(), "orders": orders });
    Notice::of_all(Kind::MessageDropped, &delivery.id.to_string(), facts)
}

fn recovered(notifier: &Notifier, channel: &str) {
    let logged = notifier.failure_logged.lock();
    let mut logged = logged.unwrap_or_else(PoisonError::into_inner);
    if logged.remove(channel).is_some() {
        log_event!(NOTIFY_RECOVERED, channel, "messages are delivered again");
    }
}
