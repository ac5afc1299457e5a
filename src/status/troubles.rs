//! What keeps orders from being handled, or a person from hearing of it: one list for the status page, `status`, `doctor`
//! and every `--check`.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::shop_troubles::of_shop;
use crate::config::Loaded;
use crate::domain::calendar;
use crate::domain::facts::Collapse;
use crate::domain::ids::ShopName;
use crate::files::{folder_of, free_bytes};
use crate::lang::Lang;
use crate::pipeline::share;
use crate::runtime::build;
use crate::store::{Store, StoreError, Worker};
use crate::text::counted;

/// The daemon writes a heartbeat every half minute.
pub(super) const DAEMON_SILENT_MAX: SignedDuration = SignedDuration::from_mins(2);
/// Without a daemon `qabyl once` is run by cron, at least this often.
const ONCE_SILENT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// With less room than this the database may not be able to write its log. Bytes.
const FREE_MIN: u64 = 16 * 1024 * 1024;
/// A channel that does not answer for less long is tried again by itself.
const CHANNEL_SILENT_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How long a dropped message stays reported.
const DROPPED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Orders and levels of one kind that are named.
pub(super) const NAMED_MAX: usize = 5;

/// A trouble with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The shop, source or channel; `qabyl` for the whole.
    pub(crate) of: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: String,
    /// What a person wrote about it, for people at the terminal: it goes into no log.
    pub(crate) note: Option<String>,
}

impl Trouble {
    pub(super) fn new(of: &str, what: impl Into<String>, hint: &str) -> Self {
        Self {
            of: of.to_owned(),
            what: what.into(),
            hint: hint.to_owned(),
            note: None,
        }
    }

    /// On one line, for whoever may log it.
    pub(crate) fn words(&self) -> String {
        format!("{}: {}; {}", self.of, self.what, self.hint)
    }

    /// On one line, in the reader's language.
    pub(crate) fn in_lang(&self, lang: Lang) -> String {
        let (of, what) = (lang.sentence(&self.of), lang.sentence(&self.what));
        format!("{of}: {what}; {}", lang.sentence(&self.hint))
    }

    /// The same, with what a person wrote about it.
    pub(crate) fn in_lang_in_full(&self, lang: Lang) -> String {
        let (of, what) = (lang.sentence(&self.of), lang.sentence(&self.what));
        let note = self.note.as_ref();
        let note = note.map_or_else(String::new, |note| format!(": {note}"));
        format!("{of}: {what}{note}; {}", lang.sentence(&self.hint))
    }

    /// What is wrong, with what a person wrote about it.
    pub(crate) fn what_in_full(&self) -> String {
        match &self.note {
            Some(note) => format!("{}: {note}", self.what),
            None => self.what.clone(),
        }
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({ "of": self.of, "what": self.what_in_full(), "hint": self.hint })
    }
}

/// Everything that is wrong now.
pub(crate) async fn find(
    loaded: &Loaded,
    store: &Store,
    now: Timestamp,
) -> Result<Vec<Trouble>, StoreError> {
    let mut found = Vec::new();
    found.extend(worker(store, now).await?);
    found.extend(disk(store.path()));
    found.extend(secrets(loaded));
    found.extend(stock(loaded, store).await?);
    found.extend(channels(loaded, store, now).await?);
    if let Some((since, why)) = store.backup_problem().await? {
        let what = format!("B001: no backup since {}: {why}", local(since));
        let hint = "see that backup.directory is there, writable and has room";
        found.push(Trouble::new("backup", what, hint));
    }
    if let Some((at, why)) = store.reload_problem().await? {
        let at = local(at);
        let what = format!("C001: the reload at {at} was refused: {why}");
        let hint = "fix the file and reload again: the rules and limits of before are in force";
        found.push(Trouble::new("configuration", what, hint));
    }
    for words in removed_shops(store).await? {
        let hint = "see \"shops\" in docs/OPERATIONS.md";
        found.push(Trouble::new("removed shop", words, hint));
    }
    let patience = loaded.config.ledger.group_patience;
    let patience = SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX);
    for silent in store.silent_shops(patience, now).await? {
        let waiting: Vec<&str> = silent.waiting.iter().map(ShopName::as_str).collect();
        let what = format!(
            "accepted orders not read since {}: accepts of {} wait, as they sell from the same stock",
            local(silent.since),
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
async fn worker(store: &Store, now: Timestamp) -> Result<Option<Trouble>, StoreError> {
    let Some((worker, at)) = store.last_worked().await? else {
        return Ok(None);
    };
    let silent = now.duration_since(at);
    let since = local(at);
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
    let secrets = loaded.secrets();
    let readable = secrets.iter().filter_map(|(name, source)| {
        let file = source.readable_by_others()?;
        let what = format!("other users of this machine can read {}", file.display());
        let hint = format!("chmod 600 {}", file.display());
        Some(Trouble::new(name, what, &hint))
    });
    readable.collect()
}

async fn stock(loaded: &Loaded, store: &Store) -> Result<Vec<Trouble>, StoreError> {
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
            "cancels are stopped: import a correct file, or confirm it with `qabyl stock import FILE --confirm-zeros`",
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
        let more = counted(overdrawn.len() - NAMED_MAX, "more SKU");
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

async fn channels(
    loaded: &Loaded,
    store: &Store,
    now: Timestamp,
) -> Result<Vec<Trouble>, StoreError> {
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
            let what = format!("N001: no message delivered since {}: {why}", local(since));
            let hint = "`qabyl notify test` tries it at once";
            found.push(Trouble::new(&of, what, hint));
        }
        let dropped = state.last_dropped_at;
        if let Some(at) = dropped.filter(|at| now.duration_since(*at) < DROPPED_FOR) {
            let what = format!("a message was given up at {}", local(at));
            let hint = "`qabyl notify list` and `qabyl orders list --held` show what was in it";
            found.push(Trouble::new(&of, what, hint));
        }
    }
    Ok(found)
}

/// Removed shops that still matter, in words with the remedy.
async fn removed_shops(store: &Store) -> Result<Vec<String>, StoreError> {
    let (_, at_stake) = store.known_shops().await?;
    let words = at_stake.into_iter().map(|shop| {
        format!(
            "{shop}: no longer configured, and has a pause, waiting orders or promises, which still hold stock: configure it \
             again, or `qabyl shops forget {shop}`"
        )
    });
    Ok(words.collect())
}

/// A moment in Almaty.
pub(super) fn local(at: Timestamp) -> String {
    calendar::local(at).strftime("%d.%m %H:%M:%S").to_string()
}
