//! What keeps orders from being handled, or a person from hearing of it: one list for `status`, `doctor` and every
//! `--check`.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Failure, known_shops, orders, table};
use crate::config::{Loaded, Shop};
use crate::domain::facts::Collapse;
use crate::domain::ids::ShopName;
use crate::domain::not_found::REPORTED_FROM;
use crate::files::{folder_of, free_bytes};
use crate::pipeline::share;
use crate::runtime::build;
use crate::status::LIST_AGE_MAX;
use crate::store::{Page, ScanKind, Store, Worker};

/// The daemon notes that it works every half minute.
const DAEMON_SILENT_MAX: SignedDuration = SignedDuration::from_mins(2);
/// Without a daemon `qabyl once` is run by cron, at least this often.
const ONCE_SILENT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// With less room than this the database may not be able to write its log. Bytes.
const FREE_MIN: u64 = 16 * 1024 * 1024;
/// A channel that does not answer for less long is tried again by itself.
const CHANNEL_SILENT_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How long a message that was given up is a trouble.
const DROPPED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Orders past their deadline, and overdrawn levels, that are named.
const NAMED_MAX: usize = 5;
/// Orders on one page.
const BATCH: u32 = 1_000;

/// A trouble with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The shop, source or channel; `qabyl` for the whole.
    pub(super) of: String,
    /// What is wrong.
    pub(super) what: String,
    /// What to do about it.
    pub(super) hint: String,
}

impl Trouble {
    fn new(of: &str, what: impl Into<String>, hint: &str) -> Self {
        Self {
            of: of.to_owned(),
            what: what.into(),
            hint: hint.to_owned(),
        }
    }

    /// On one line.
    pub(super) fn words(&self) -> String {
        format!("{}: {}; {}", self.of, self.what, self.hint)
    }

    pub(super) fn as_json(&self) -> Value {
        json!({ "of": self.of, "what": self.what, "hint": self.hint })
    }
}

/// Everything that is wrong now.
pub(super) async fn find(
    loaded: &Loaded,
    store: &Store,
    now: Timestamp,
) -> Result<Vec<Trouble>, Failure> {
    let mut found = Vec::new();
    found.extend(worker(store, now).await?);
    found.extend(disk(store.path()));
    found.extend(secrets(loaded));
    found.extend(stock(loaded, store).await?);
    found.extend(channels(loaded, store, now).await?);
    if let Some((since, why)) = store.backup_problem().await? {
        let what = format!("B001: no backup since {}: {why}", orders::local(since));
        let hint = "see that backup.directory is there, writable and has room";
        found.push(Trouble::new("backup", what, hint));
    }
    for words in known_shops::removed(store).await? {
        let hint = "see \"shops\" in docs/OPERATIONS.md";
        found.push(Trouble::new("removed shop", words, hint));
    }
    let patience = loaded.config.ledger.group_patience;
    let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
    for silent in store.silent_shops(patience, now).await? {
        let waiting: Vec<&str> = silent.waiting.iter().map(ShopName::as_str).collect();
        let what = format!(
            "accepted orders not read since {}: accepts of {} wait, as they sell from the same stock",
            orders::local(silent.since),
            waiting.join(", ")
        );
        let hint = "`qabyl doctor` says what is wrong; `qabyl shops waive` with its name lets the others go on";
        found.push(Trouble::new(silent.shop.as_str(), what, hint));
    }
    for shop in &loaded.config.shops {
        found.extend(of_shop(loaded, store, shop, now).await?);
    }
    Ok(found)
}

/// Whether anything works on the database.
async fn worker(store: &Store, now: Timestamp) -> Result<Option<Trouble>, Failure> {
    let Some((worker, at)) = store.last_worked().await? else {
        return Ok(None);
    };
    let silent = now.duration_since(at);
    let since = orders::local(at);
    Ok(match worker {
        Worker::Daemon if silent.abs() > DAEMON_SILENT_MAX => Some(Trouble::new(
            "qabyl",
            format!("the daemon is not running: it last worked at {since}"),
            "start it: `systemctl start qabyl` or `qabyl run`; its log says why it ended",
        )),
        Worker::Once if silent.abs() > ONCE_SILENT_MAX => Some(Trouble::new(
            "qabyl",
            format!("nothing works on this database: the last `qabyl once` ended at {since}"),
            "start `qabyl run`, or look at the cron job",
        )),
        _ => None,
    })
}

fn disk(database: &Path) -> Option<Trouble> {
    let folder = folder_of(database);
    let free = free_bytes(folder).filter(|free| *free < FREE_MIN)?;
    Some(Trouble::new(
        "disk",
        format!(
            "the disk of {} is full: {} KiB are free",
            folder.display(),
            free / 1024
        ),
        "make room: without it no decision can be written, and nothing is sent",
    ))
}

fn secrets(loaded: &Loaded) -> Vec<Trouble> {
    let config = &loaded.config;
    let shops = config.shops.iter();
    let of_shops = shops.map(|shop| (&shop.name, loaded.token_source(shop)));
    let channels = config.channels.iter();
    let of_channels = channels.map(|channel| (&channel.name, loaded.secret_source(channel)));
    let readable = of_shops.chain(of_channels).filter_map(|(name, source)| {
        let file = source.readable_by_others()?;
        let what = format!("other users of this machine can read {}", file.display());
        let hint = format!("chmod 600 {}", file.display());
        Some(Trouble::new(name, what, &hint))
    });
    readable.collect()
}

async fn stock(loaded: &Loaded, store: &Store) -> Result<Vec<Trouble>, Failure> {
    let mut found = Vec::new();
    let limits = build::limits(&loaded.config);
    let falls = store.collapses_now().await?;
    let sharpest =
        |a: &Collapse, b: &Collapse| share(a.fell, a.had).total_cmp(&share(b.fell, b.had));
    let fall = falls.into_iter().max_by(sharpest);
    if let (Some(limit), Some(fall)) = (limits.stock_collapse_share, fall)
        && share(fall.fell, fall.had) > limit
    {
        found.push(Trouble::new(
            "stock",
            format!(
                "{} of {} SKUs fell to zero at once ({})",
                fall.fell, fall.had, fall.source
            ),
            "cancels are stopped: import a correct file, or confirm it with `qabyl stock import --trust`",
        ));
    } else if store.is_all_stock_zero().await? {
        found.push(Trouble::new(
            "stock",
            "not one SKU has units: every level is zero",
            "check the stock file; `qabyl stock show` lists the levels",
        ));
    }
    let overdrawn = store
        .overdrawn(&build::stock_settings(&loaded.config))
        .await?;
    let named = overdrawn.iter().take(NAMED_MAX).map(|one| {
        let hint =
            "count it (`qabyl stock set`), and decide what becomes of these orders in the cabinet";
        Trouble::new("stock", one.to_string(), hint)
    });
    found.extend(named);
    if overdrawn.len() > NAMED_MAX {
        let more = table::counted(overdrawn.len() - NAMED_MAX, "more SKU");
        let what = format!("of {more} more is promised than there is");
        found.push(Trouble::new(
            "stock",
            what,
            "`qabyl stock show` lists the levels",
        ));
    }
    let configured = |name: &str| loaded.config.stock.sources.iter().any(|s| s.name == name);
    for state in store.stock_sources().await? {
        if let Some((_, trouble)) = state.trouble.filter(|_| configured(&state.name)) {
            found.push(Trouble::new(
                &format!("stock source {}", state.name),
                format!("{}: {}", trouble.code, trouble.problem),
                "see this code in docs/OPERATIONS.md, then: qabyl stock sources --sync",
            ));
        }
    }
    Ok(found)
}

async fn channels(loaded: &Loaded, store: &Store, now: Timestamp) -> Result<Vec<Trouble>, Failure> {
    let mut found = Vec::new();
    let configured = |name: &str| loaded.config.channels.iter().any(|c| c.name == name);
    for state in store.channels().await? {
        if !configured(&state.name) {
            continue;
        }
        let of = format!("channel {}", state.name);
        let failing = state.failing_since.zip(state.last_error);
        let is_long = |since: Timestamp| now.duration_since(since) > CHANNEL_SILENT_MAX;
        if let Some((since, why)) = failing.filter(|(since, _)| state.refused || is_long(*since)) {
            let what = format!(
                "N001: no message delivered since {}: {why}",
                orders::local(since)
            );
            let hint = "`qabyl notify test` tries it at once";
            found.push(Trouble::new(&of, what, hint));
        }
        let dropped = state.last_dropped_at;
        if let Some(at) = dropped.filter(|at| now.duration_since(*at) < DROPPED_FOR) {
            let what = format!("a message was given up at {}", orders::local(at));
            let hint = "`qabyl notify list` and `qabyl orders list --held` show what was in it";
            found.push(Trouble::new(&of, what, hint));
        }
    }
    Ok(found)
}

async fn of_shop(
    loaded: &Loaded,
    store: &Store,
    shop: &Shop,
    now: Timestamp,
) -> Result<Vec<Trouble>, Failure> {
    let name = ShopName::new(&shop.name)?;
    let mut found = Vec::new();
    let mut add = |what: String, hint: &str| found.push(Trouble::new(&shop.name, what, hint));
    let state = store.shop_state(&name).await?;
    if let Some((since, why)) = &state.denied {
        let since = orders::local(*since);
        add(
            format!("{why} since {since}"),
            "`qabyl doctor` says what to do",
        );
    } else {
        let failing = store.lists_failing(&name).await?;
        let lasts = |since: Timestamp| now.duration_since(since) > LIST_AGE_MAX;
        let listed = store
            .last_complete_scan(&name, ScanKind::New, Timestamp::MAX)
            .await?;
        if let Some((since, why)) = failing.filter(|(since, _)| lasts(*since)) {
            let since = orders::local(since);
            add(
                format!("new orders not listed since {since}: {why}"),
                "`qabyl doctor` asks Kaspi now",
            );
        } else if let (Some((Worker::Daemon, at)), Some(scan)) =
            (store.last_worked().await?, listed)
            && now.duration_since(at) <= DAEMON_SILENT_MAX
            && lasts(scan.started_at)
        {
            let since = orders::local(scan.started_at);
            add(
                format!("new orders not listed since {since}, although the daemon runs"),
                "look at its log, and restart it if it stays so",
            );
        }
    }
    if let Some(why) = &state.mismatch {
        add(
            why.clone(),
            "nothing is sent for it until its token is the right one",
        );
    }
    if let Some(why) = &state.paused {
        add(format!("paused: {why}"), "`qabyl resume` ends it");
    }
    if let Some(restored) = store.restored_since(&name).await? {
        let since = orders::local(restored);
        add(
            format!("restored at {since}, and still reading what happened since the backup"),
            "nothing is sent until then: wait, and see that the daemon runs",
        );
    }
    let missing = store.not_found_orders(&name).await?;
    if let Some(missing) = missing.filter(|missing| missing.count >= REPORTED_FROM) {
        let since = orders::local(missing.since);
        add(
            format!(
                "K405: Kaspi knows none of {} that it showed before, since {since}",
                table::counted(
                    usize::try_from(missing.count).unwrap_or(usize::MAX),
                    "order"
                )
            ),
            "is this the right shop's token? If it is, wait: what comes back is known again at once",
        );
    }
    let skew = SignedDuration::from_secs(state.clock_skew_s.unwrap_or_default());
    let kaspi_now = now.saturating_add(skew).unwrap_or(now);
    let late = past_deadline(loaded, store, &name, kaspi_now).await?;
    if !late.is_empty() {
        let named = late[..late.len().min(NAMED_MAX)].join(", ");
        add(
            format!(
                "{} past the deadline and still new: {named}",
                table::counted(late.len(), "order")
            ),
            "look at them in the cabinet at once: `qabyl orders list --held`",
        );
    }
    Ok(found)
}

/// The codes of new orders whose deadline has passed.
async fn past_deadline(
    loaded: &Loaded,
    store: &Store,
    shop: &ShopName,
    now: Timestamp,
) -> Result<Vec<String>, Failure> {
    let schedule = build::schedule(&loaded.config);
    let since = now.saturating_sub(schedule.deadline).unwrap_or(now);
    let (mut late, mut page) = (Vec::new(), Some(Page::first(BATCH)));
    while let Some(here) = page {
        let (waiting, next) = store.waiting(shop, since, &here, true).await?;
        let passed = |order| schedule.left(order, now).is_negative();
        let passed = waiting.iter().filter(|waiting| passed(&waiting.order));
        late.extend(passed.map(|waiting| waiting.order.code.to_string()));
        page = next;
    }
    Ok(late)
}
