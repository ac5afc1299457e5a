//! The configuration as the rest of the program sees it: complete and valid.
//!
//! `config/default.toml` says what each key is for and why its default is what it is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::duration::{
    self, CENTURY, DAY, DAYS_14, DAYS_60, DAYS_61, HOUR, MINUTE, MINUTES_5, MS_10, MS_100, SECOND,
    YEAR,
};
use super::limit::Limit;
use super::number::{self, MANY};
use super::shop::Shop;
use super::source::{StockSemantics, StockSource};
use super::text;
use super::web::Web;
use crate::domain::schedule::AtDeadline;
use crate::domain::stock::STOCK_DEFAULT;

/// The largest answer that may be read, in bytes.
const BODY_MAX: i64 = 256 * 1024 * 1024;

/// The largest stock file that may be read, in bytes: the process that reads it gets four times as much memory.
const STOCK_FILE_MAX: i64 = 64 * 1024 * 1024;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where things are remembered.
    pub database: Database,
    /// The client of Kaspi's API; every limit is per shop.
    pub kaspi: Kaspi,
    /// When and how far back orders are read.
    pub poll: Poll,
    /// When outcomes are read back.
    pub confirm: Confirm,
    /// The daemon's own HTTP surface.
    pub http: Http,
    /// The API for programs.
    pub web: Web,
    /// The log.
    pub log: Log,
    /// The merchant's rules.
    pub rules: Rules,
    /// How stock numbers are to be understood.
    pub stock: Stock,
    /// What is believed of stock and departures.
    pub ledger: Ledger,
    /// What may turn a verdict into hold or wait.
    pub interlocks: Interlocks,
    /// How decisions are carried out.
    pub actions: Actions,
    /// Kaspi's deadline.
    pub schedule: Schedule,
    /// When a stage is taken to hang.
    pub watchdog: Watchdog,
    /// Copies of the database.
    pub backup: Backup,
    /// How long the past is kept.
    pub retention: Retention,
    /// Notifications.
    pub notify: Notify,
    /// Where notifications are sent.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// The shops; empty only when loaded with `load_partial`.
    #[serde(default)]
    pub shops: Vec<Shop>,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The SQLite file.
    #[serde(deserialize_with = "text::not_empty")]
    pub path: PathBuf,
}

/// `[kaspi]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kaspi {
    /// Without `/v2` and without a slash at the end.
    #[serde(deserialize_with = "text::base_url")]
    pub base_url: String,
    /// Until the connection is established.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, MINUTE>"
    )]
    pub connect_timeout: Duration,
    /// The whole request, answer included.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, MINUTES_5>"
    )]
    pub request_timeout: Duration,
    /// Requests per second and shop at the first start; above 0.
    #[serde(deserialize_with = "number::rate")]
    pub rate_start: f64,
    /// Most requests per second and shop; above 0. The pace adapts below it.
    #[serde(deserialize_with = "number::rate")]
    pub rate_per_second: f64,
    /// Requests at the same time, per shop; at least 1.
    #[serde(deserialize_with = "number::count::<_, _, 1, 1024>")]
    pub max_in_flight: usize,
    /// Browser-like, or requests may hang.
    #[serde(deserialize_with = "text::header")]
    pub user_agent: String,
    /// Ask for order lines in the list itself.
    #[serde(deserialize_with = "number::flag")]
    pub include_entries: bool,
    /// The longest answer read.
    #[serde(deserialize_with = "number::count::<_, _, 1024, BODY_MAX>")]
    pub body_max_bytes: u64,
    /// The most pages of one list.
    #[serde(deserialize_with = "number::count::<_, _, 1, 10000>")]
    pub pages_max: u32,
    /// Repeats of a failed read.
    #[serde(deserialize_with = "number::count::<_, _, 0, 20>")]
    pub retries_max: u32,
    /// Whether `http://` may leave this machine.
    #[serde(deserialize_with = "number::flag")]
    pub allow_plain_http: bool,
}

/// `[poll]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// Cron with seconds, six fields.
    #[serde(deserialize_with = "text::cron")]
    pub schedule: String,
    /// How far back creation dates are read; 1 hour to 14 days.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, HOUR, DAYS_14>"
    )]
    pub lookback: Duration,
}

/// `[confirm]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Between list sweeps.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, DAY>"
    )]
    pub sweep_every: Duration,
    /// How long ago accepted orders may have been read for a cancel to rest on it.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, HOUR>"
    )]
    pub cancel_sweep_age_max: Duration,
    /// The same for an accept of the last units.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, HOUR>"
    )]
    pub accept_sweep_age_max: Duration,
    /// Units: an accept that leaves fewer of a SKU takes the last ones.
    #[serde(deserialize_with = "number::count::<_, _, 0, MANY>")]
    pub last_units: u32,
    /// Between lists that go back by `deep_lookback`.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, DAYS_14>"
    )]
    pub deep_scan_every: Duration,
    /// How far back those go; 14 to 60 days.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, DAYS_14, DAYS_60>"
    )]
    pub deep_lookback: Duration,
    /// After this many missed sweeps in a row, the archive is listed too.
    #[serde(deserialize_with = "number::count::<_, _, 1, 1000>")]
    pub archive_after_missed: u32,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen; `None` (written `""`) is off.
    #[serde(
        serialize_with = "text::write_or_off",
        deserialize_with = "text::listen"
    )]
    pub listen: Option<SocketAddr>,
    /// Where the token is that readers must show; `None` (written `""`) asks for none.
    #[serde(
        serialize_with = "text::write_or_off",
        deserialize_with = "text::path_or_off"
    )]
    pub token_file: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// As in `RUST_LOG`.
    #[serde(deserialize_with = "text::log_filter")]
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One flat JSON object per line.
    Json,
    /// For people.
    Text,
    /// The systemd journal, with fields.
    Journald,
}

/// `[rules]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The merchant's rules; `None` (written `""`) is the embedded default.
    #[serde(
        serialize_with = "text::write_or_off",
        deserialize_with = "text::path_or_off"
    )]
    pub file: Option<PathBuf>,
}

/// `[stock]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// What a feed's numbers mean, unless the feed says so itself.
    pub semantics: StockSemantics,
    /// Units kept back of every SKU.
    #[serde(deserialize_with = "number::count::<_, _, 0, MANY>")]
    pub safety_stock: u32,
    /// The company's name in an exported price list.
    #[serde(deserialize_with = "text::any_text")]
    pub company: String,
    /// The largest stock file that is read, in bytes.
    #[serde(deserialize_with = "number::count::<_, _, 1, STOCK_FILE_MAX>")]
    pub file_max_bytes: u64,
    /// Where numbers come from by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<StockSource>,
}

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// How late Kaspi may show that goods left.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, 0, DAYS_14>"
    )]
    pub courier_lag_max: Duration,
    /// Whether levels that did not fall prove that nothing left.
    pub cancel_evidence: CancelEvidence,
    /// How long a shop may keep the others of the same stock waiting before it is reported.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, 60, DAYS_14>"
    )]
    pub group_patience: Duration,
    /// Complete lists in a row that must agree before an earlier status of an order is believed.
    #[serde(deserialize_with = "number::count::<_, _, 2, 1000>")]
    pub reverted_lists: u32,
}

/// What counts as evidence that goods did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelEvidence {
    /// Levels that did not fall, as well as what Kaspi shows.
    Counts,
    /// What Kaspi shows alone.
    Strict,
}

/// `[interlocks]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interlocks {
    /// How far apart a shortage must be seen twice before a cancel.
    pub cancel_confirm_after: Limit<Duration>,
    /// The largest share of cancels among decided orders, 0 to 1.
    pub cancel_budget_share: Limit<f64>,
    /// Over which the share is counted.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, HOUR, YEAR>"
    )]
    pub cancel_budget_window: Duration,
    /// Decided orders from which the share counts.
    #[serde(deserialize_with = "number::count::<_, _, 0, MANY>")]
    pub cancel_budget_from: u64,
    /// The share of cancels above which Kaspi switches a shop off, above 0 and at most 1: for meters and alerts.
    #[serde(deserialize_with = "number::share")]
    pub cancel_share_max: f64,
    /// The most cancels in an hour, per shop; 0 is never.
    pub cancels_per_hour_max: Limit<u64>,
    /// The most cancels in an hour of one person or token, in all shops; 0 is never.
    pub cancels_per_person_max: Limit<u64>,
    /// Older stock is unknown.
    pub stock_max_age: Limit<Duration>,
    /// The share of SKUs at zero at once that means a broken feed, 0 to 1.
    pub stock_collapse_share: Limit<f64>,
}

/// `[actions]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Before a POST of unknown outcome may be repeated.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_10, DAY>"
    )]
    pub settle: Duration,
    /// POSTs for one action.
    #[serde(deserialize_with = "number::count::<_, _, 1, 10000>")]
    pub attempts_max: u32,
    /// The oldest reading of an order that may be acted on.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_100, DAY>"
    )]
    pub sighting_age_max: Duration,
    /// The first pause between attempts.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_10, HOUR>"
    )]
    pub retry_base: Duration,
    /// The longest pause between attempts.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MS_10, DAY>"
    )]
    pub retry_cap: Duration,
    /// The most accepts in an hour, per shop; 0 is never.
    pub accepts_per_hour_max: Limit<u64>,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How long an order may wait before Kaspi cancels it.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAYS_14>"
    )]
    pub deadline: Duration,
    /// How long before the deadline a person is notified of an order that still waits.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAYS_14>"
    )]
    pub alert_before: Duration,
    /// Working hours of each weekday; empty is around the clock.
    #[serde(deserialize_with = "text::working_hours")]
    pub hours: String,
    /// Days off.
    #[serde(deserialize_with = "text::holidays")]
    pub holidays: String,
    /// What is decided at the last call of an order that a rule still holds or makes wait.
    pub at_deadline: AtDeadline,
    /// How long before the deadline that is.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAYS_14>"
    )]
    pub last_call: Duration,
}

/// `[watchdog]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watchdog {
    /// The longest a stage's run may take.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, SECOND, DAY>"
    )]
    pub run_max: Duration,
}

/// `[backup]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Where copies go; `None` (written `""`) is off.
    #[serde(
        serialize_with = "text::write_or_off",
        deserialize_with = "text::path_or_off"
    )]
    pub directory: Option<PathBuf>,
    /// Between two copies.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAYS_14>"
    )]
    pub every: Duration,
    /// Hours whose newest copy stays.
    #[serde(deserialize_with = "number::count::<_, _, 1, 10000>")]
    pub keep_hourly: usize,
    /// Days whose newest copy stays.
    #[serde(deserialize_with = "number::count::<_, _, 0, 10000>")]
    pub keep_daily: usize,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Orders that are over, since they were last seen.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, DAYS_61, CENTURY>"
    )]
    pub orders: Duration,
    /// The record of who did what.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, DAYS_61, CENTURY>"
    )]
    pub audit: Duration,
    /// Orders deleted in one transaction.
    #[serde(deserialize_with = "number::count::<_, _, 1, 10000>")]
    pub batch: u32,
}

/// `[notify]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// When the day's summary is sent, Almaty's time; empty is never.
    #[serde(deserialize_with = "text::time_of_day")]
    pub digest_at: String,
    /// Messages of a channel that wait, at most.
    #[serde(deserialize_with = "number::count::<_, _, 10, 10000>")]
    pub queue_max: u32,
    /// Messages that wait for longer become one.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAYS_14>"
    )]
    pub summarise_after: Duration,
    /// How long no list of new orders succeeds before people are notified.
    #[serde(
        serialize_with = "duration::write",
        deserialize_with = "duration::within::<_, MINUTE, DAY>"
    )]
    pub outage_after: Duration,
}

impl Notify {
    /// When the day's summary is sent, in minutes after midnight.
    pub fn digest_minutes(&self) -> Option<u16> {
        text::minutes_of_day(&self.digest_at)
    }
}

impl Config {
    /// The stocks that shops name.
    pub fn stocks(&self) -> BTreeSet<&str> {
        let named: BTreeSet<&str> = self.shops.iter().map(|shop| shop.stock.as_str()).collect();
        if named.is_empty() {
            BTreeSet::from([STOCK_DEFAULT])
        } else {
            named
        }
    }

    /// The stock that a source lists.
    pub fn stock_of<'a>(&'a self, source: &'a StockSource) -> &'a str {
        source
            .stock
            .as_deref()
            .unwrap_or_else(|| self.stock_of_unnamed())
    }

    /// The stock of what names none: that of every shop, empty, or the default one as soon as some source names one.
    pub fn stock_of_unnamed(&self) -> &'static str {
        let names_one = |source: &StockSource| source.stock.is_some();
        if self.stock.sources.iter().any(names_one) {
            STOCK_DEFAULT
        } else {
            ""
        }
    }

    /// The interlocks that are off, for a warning at start-up.
    pub fn relaxed(&self) -> Vec<&'static str> {
        let interlocks = &self.interlocks;
        [
            (
                "cancel_confirm_after",
                interlocks.cancel_confirm_after.is_off(),
            ),
            (
                "cancel_budget_share",
                interlocks.cancel_budget_share.is_off(),
            ),
            (
                "cancels_per_hour_max",
                interlocks.cancels_per_hour_max.is_off(),
            ),
            (
                "cancels_per_person_max",
                interlocks.cancels_per_person_max.is_off(),
            ),
            ("stock_max_age", interlocks.stock_max_age.is_off()),
            (
                "stock_collapse_share",
                interlocks.stock_collapse_share.is_off(),
            ),
        ]
        .into_iter()
        .filter_map(|(name, off)| off.then_some(name))
        .collect()
    }

    /// Whether a POST may be repeated before the one before it has timed out, for a warning at start-up: a
    /// request still under way may take effect after its order was read as unchanged.
    pub fn settle_is_below_request_timeout(&self) -> bool {
        self.actions.settle < self.kaspi.request_timeout
    }
}
