//! notify: packs notices into messages and sends them to their channels, each independently of the others.
//! A slow or failing channel delays only itself: its failures are counted in the database, and the pauses
//! after them grow.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{Ctx, daily_watch};
use crate::clock::Clock;
use crate::events::log_event;
use crate::net::Backoff;
use crate::notify::{Channel, Item, Outgoing, SendError};
use crate::store::{Bounds, Delivery, Store, StoreError};

/// Messages sent to one channel in one run; the next run follows at once while there are more.
const SENT_AT_ONCE: u32 = 20;

/// Pauses after failures, with full jitter. The longest is short, so that a channel that works again gets its
/// messages within a minute.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(1));
/// Longest pause that a channel can ask for.
const ASKED_LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// A message that its channel rejected this often is not sent again.
const UNFIT_MAX: i64 = 3;

/// How long notices are kept after they were sent.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often the cancel budget, stock and the daily digest are checked.
const WATCH_EVERY: Duration = Duration::from_secs(30);

/// How often each shop's summary is logged.
const HOUR: Duration = Duration::from_hours(1);
/// When the first summary is logged after the start.
const FIRST_SUMMARY_AFTER: Duration = Duration::from_secs(20);

/// A failing channel is logged at most once per this interval.
const LOG_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What the stage works with; one for each database.
pub struct Notifier {
    /// The database.
    pub store: Arc<Store>,
    /// The only source of time.
    pub clock: Clock,
    channels: Vec<Channel>,
    bounds: Bounds,
    /// When the daily digest is sent, in minutes after midnight in Almaty.
    digest_at: Option<u16>,
    shops: Vec<Arc<Ctx>>,
    watched_at: Mutex<Option<Duration>>,
    /// When the next hourly summary is logged, with each shop's counts at the previous one.
    hour: tokio::sync::Mutex<(Duration, Vec<BTreeMap<daily_watch::Class, u64>>)>,
    /// When a channel's failure was last logged, by its name.
    failure_logged: Mutex<HashMap<String, Timestamp>>,
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
        (bounds, digest_at): (Bounds, Option<u16>),
        shops: Vec<Arc<Ctx>>,
        seed: u64,
    ) -> Self {
        // The first summary is logged soon after the start, for the person who restarted the daemon.
        let hour = (
            clock.ticks() + FIRST_SUMMARY_AFTER,
            vec![BTreeMap::new(); shops.len()],
        );
        Self {
            store,
            clock,
            channels,
            bounds,
            digest_at,
            shops,
            watched_at: Mutex::default(),
            hour: hour.into(),
            failure_logged: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Registers the channels: each is notified of what happens from now on.
    ///
    /// # Errors
    /// A database error.
    pub async fn begin(&self) -> Result<(), StoreError> {
        let names: Vec<&str> = self.channels.iter().map(|c| c.name.as_str()).collect();
        self.store.set_channels(&names, self.clock.now()).await
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

/// Packs and sends everything that is due.
///
/// # Errors
/// A database error; channels' errors are in the report.
pub async fn run_once(notifier: &Notifier) -> Result<Report, StoreError> {
    let store = &notifier.store;
    if notifier.is_time_to_watch() {
        let now = notifier.clock.now();
        daily_watch::run_once(store, &notifier.shops, notifier.digest_at, now).await?;
        let before = now.saturating_sub(KEPT_FOR).unwrap_or(now);
        store.drop_notices(before).await?;
        notifier.log_hourly_summaries().await?;
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

/// Packs one channel's notices and sends its messages, the oldest first, until one fails.
async fn deliver(notifier: &Notifier, channel: &Channel) -> Result<Report, StoreError> {
    let (store, clock, name) = (&notifier.store, &notifier.clock, channel.name.as_str());
    let mut report = Report {
        packed: store
            .pack(name, |kind| channel.wants(kind), clock.now())
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
    for delivery in due {
        let message = outgoing(&delivery);
        match channel.send(&message, clock.now()).await {
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

fn outgoing(delivery: &Delivery) -> Outgoing {
    let items = delivery.notices.iter().map(|notice| Item {
        at: notice.at,
        kind: notice.kind,
        shop: notice.shop.clone(),
        facts: notice.facts.clone(),
    });
    Outgoing {
        token: delivery.token.clone(),
        made_at: delivery.made_at,
        is_summary: delivery.is_summary,
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
        SendError::Refused(_) | SendError::Unfit(_) => None,
    };
    let states = store.channels().await?;
    let failures = states
        .iter()
        .find(|state| state.name == channel)
        .map_or(0, |state| state.failures);
    let until = now.saturating_add(notifier.pause(failures, asked));
    let unfit = matches!(error, SendError::Unfit(_)) && delivery.attempts + 1 >= UNFIT_MAX;
    let why = error.to_string();
    let what = (delivery.id, unfit);
    store
        .undelivered(channel, what, &why, until.unwrap_or(now), now)
        .await?;
    if unfit {
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

fn recovered(notifier: &Notifier, channel: &str) {
    let logged = notifier.failure_logged.lock();
    let mut logged = logged.unwrap_or_else(PoisonError::into_inner);
    if logged.remove(channel).is_some() {
        log_event!(NOTIFY_RECOVERED, channel, "messages are delivered again");
    }
}
