//! Every key with what it may hold; a test ties this table to `config/default.toml`.

use std::time::Duration;

use super::source::SourceKind;
use super::text;
use super::value::Kind;

/// One key of one section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn key(section: &'static str, name: &'static str, kind: Kind) -> Key {
    Key {
        section,
        name,
        kind,
    }
}

const fn span(min: Duration, max: Duration) -> Kind {
    Kind::Span { min, max }
}

const fn count(min: i64, max: i64) -> Kind {
    Kind::Count { min, max }
}

const TICK: Duration = Duration::from_millis(100);
const BRIEF: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(365 * 24);
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
const FORTNIGHT: Duration = Duration::from_hours(14 * 24);
/// A day more than any list reaches back.
const REACH: Duration = Duration::from_hours(61 * 24);
const MANY: i64 = 1_000_000_000;

/// The section name of the keys in a `[[shops]]` block.
pub(super) const SHOPS: &str = "shops";
/// The section name of the keys in a `[[stock.sources]]` block.
pub(super) const SOURCES: &str = "stock.sources";
/// The one key there that holds a table.
pub(super) const WAREHOUSES: &str = "warehouses";

/// The section name of the keys in a `[[channels]]` block.
pub(super) const CHANNELS: &str = "channels";

/// Whether a section is written as blocks, one for each of its kind.
pub(super) fn is_blocks(section: &str) -> bool {
    section == SHOPS || section == SOURCES || section == CHANNELS
}

/// In the order of `config/default.toml`.
pub(super) const KEYS: &[Key] = &[
    key("database", "path", Kind::Text(text::filled)),
    key("kaspi", "base_url", Kind::Text(text::base_url)),
    key("kaspi", "connect_timeout", span(TICK, MINUTE)),
    key(
        "kaspi",
        "request_timeout",
        span(TICK, Duration::from_mins(5)),
    ),
    key("kaspi", "rate_per_second", Kind::Rate { max: 1_000_000.0 }),
    key("kaspi", "max_in_flight", count(1, 1024)),
    key("kaspi", "user_agent", Kind::Text(text::header)),
    key("kaspi", "include_entries", Kind::Flag),
    key("kaspi", "body_max_bytes", count(1024, 256 * 1024 * 1024)),
    key("kaspi", "pages_max", count(1, 10_000)),
    key("kaspi", "retries_max", count(0, 20)),
    key("kaspi", "allow_plain_http", Kind::Flag),
    key("poll", "schedule", Kind::Text(text::cron)),
    key("poll", "lookback", span(HOUR, FORTNIGHT)),
    key("confirm", "sweep_every", span(TICK, DAY)),
    key("confirm", "cancel_sweep_age_max", span(TICK, HOUR)),
    key("confirm", "accept_sweep_age_max", span(TICK, HOUR)),
    key("confirm", "last_units", count(0, MANY)),
    key("confirm", "deep_scan_every", span(TICK, FORTNIGHT)),
    key("confirm", "archive_after_missed", count(1, 1000)),
    key("http", "listen", Kind::Text(text::listen)),
    key("http", "token_file", Kind::Text(text::anything)),
    key("log", "format", Kind::Word(&["json", "text", "journald"])),
    key("log", "filter", Kind::Text(text::log_filter)),
    key("rules", "file", Kind::Text(text::anything)),
    key("stock", "semantics", Kind::Word(&["physical", "available"])),
    key("stock", "safety_stock", count(0, MANY)),
    key("stock", "company", Kind::Text(text::anything)),
    key(
        "interlocks",
        "cancel_confirm_after",
        Kind::LimitSpan { max: CENTURY },
    ),
    key("interlocks", "cancel_budget_share", Kind::LimitShare),
    key("interlocks", "cancel_budget_window", span(HOUR, YEAR)),
    key("interlocks", "cancel_budget_from", count(0, MANY)),
    key(
        "interlocks",
        "cancels_per_hour_max",
        Kind::LimitCount { max: MANY },
    ),
    key(
        "interlocks",
        "stock_max_age",
        Kind::LimitSpan { max: CENTURY },
    ),
    key("interlocks", "stock_collapse_share", Kind::LimitShare),
    key("actions", "settle", span(BRIEF, DAY)),
    key("actions", "attempts_max", count(1, 10_000)),
    key("actions", "sighting_age_max", span(TICK, DAY)),
    key("actions", "retry_base", span(BRIEF, HOUR)),
    key("actions", "retry_cap", span(BRIEF, DAY)),
    key(
        "actions",
        "accepts_per_hour_max",
        Kind::LimitCount { max: MANY },
    ),
    key("schedule", "deadline", span(MINUTE, FORTNIGHT)),
    key("schedule", "alert_before", span(MINUTE, FORTNIGHT)),
    key("schedule", "hours", Kind::Text(text::working_hours)),
    key("schedule", "holidays", Kind::Text(text::holidays)),
    key(
        "schedule",
        "at_deadline",
        Kind::Word(&["hold", "accept_waiting", "accept_all"]),
    ),
    key("schedule", "last_call", span(MINUTE, FORTNIGHT)),
    key("watchdog", "run_max", span(Duration::from_secs(1), DAY)),
    key("backup", "directory", Kind::Text(text::anything)),
    key("backup", "every", span(MINUTE, FORTNIGHT)),
    key("backup", "keep_hourly", count(1, 10_000)),
    key("backup", "keep_daily", count(0, 10_000)),
    key("retention", "orders", span(REACH, CENTURY)),
    key("retention", "audit", span(REACH, CENTURY)),
    key("retention", "batch", count(1, 10_000)),
    key("notify", "digest_at", Kind::Text(text::time_of_day)),
    key("notify", "queue_max", count(10, 10_000)),
    key("notify", "summarise_after", span(MINUTE, FORTNIGHT)),
];

/// The keys of one `[[shops]]` block.
pub(super) const SHOP_KEYS: &[Key] = &[
    key(SHOPS, "name", Kind::Text(text::slug)),
    key(SHOPS, "token_file", Kind::Text(text::token_file)),
    key(SHOPS, "token_env", Kind::Text(text::variable)),
    key(SHOPS, "mode", Kind::Word(&["observe", "propose", "act"])),
    key(SHOPS, "merchant_uid", Kind::Text(text::merchant_uid)),
    key(SHOPS, "proxy", Kind::Text(text::proxy)),
];

/// The keys of one `[[stock.sources]]` block; its `warehouses` is a table of names.
pub(super) const SOURCE_KEYS: &[Key] = &[
    key(SOURCES, "name", Kind::Text(text::slug)),
    key(SOURCES, "kind", Kind::Word(SourceKind::WORDS)),
    key(SOURCES, "file", Kind::Text(text::filled)),
    key(SOURCES, "url", Kind::Text(text::feed_url)),
    key(SOURCES, "every", span(SECOND, FORTNIGHT)),
    key(SOURCES, "schedule", Kind::Text(text::cron)),
    key(SOURCES, "semantics", Kind::Word(&["physical", "available"])),
    key(SOURCES, "warehouse", Kind::Text(text::anything)),
    key(SOURCES, "sku", Kind::Word(&["article", "article_pn"])),
    key(SOURCES, "token_file", Kind::Text(text::token_file)),
    key(SOURCES, "token_env", Kind::Text(text::variable)),
    key(SOURCES, WAREHOUSES, Kind::Text(text::anything)),
];

/// The keys of one `[[channels]]` block.
pub(super) const CHANNEL_KEYS: &[Key] = &[
    key(CHANNELS, "name", Kind::Text(text::slug)),
    key(CHANNELS, "kind", Kind::Word(&["webhook", "telegram"])),
    key(CHANNELS, "url", Kind::Text(text::channel_url)),
    key(CHANNELS, "secret_file", Kind::Text(text::token_file)),
    key(CHANNELS, "secret_env", Kind::Text(text::variable)),
    key(CHANNELS, "chat_id", Kind::Text(text::chat)),
    key(CHANNELS, "language", Kind::Word(&["ru", "kk", "en"])),
    key(CHANNELS, "events", Kind::Text(text::kinds)),
];

/// The sections, blocks included, each once.
pub(super) fn sections() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = KEYS.iter().map(|key| key.section).collect();
    names.dedup();
    names.push(SHOPS);
    names.push(CHANNELS);
    names
}

/// The keys of a section; empty when there is no such section.
pub(super) fn keys_of(section: &str) -> Vec<&'static Key> {
    let all = match section {
        SHOPS => SHOP_KEYS,
        SOURCES => SOURCE_KEYS,
        CHANNELS => CHANNEL_KEYS,
        _ => KEYS,
    };
    all.iter().filter(|key| key.section == section).collect()
}

/// The key at a dotted path such as `kaspi.base_url`.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    keys_of(section).into_iter().find(|key| key.name == name)
}

/// The section other than `section` that has a key of this name.
pub(super) fn elsewhere(section: &str, name: &str) -> Option<&'static str> {
    let mut all = KEYS.iter().chain(SHOP_KEYS).chain(CHANNEL_KEYS);
    all.find(|key| key.name == name && key.section != section)
        .map(|key| key.section)
}

/// The known name nearest to a misspelt one, when one is near enough.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
