//! Texts with a form of their own: addresses, cron, names, filters. Each reader is for `deserialize_with`.
//!
//! Messages quote what was found, except where it may be a secret, or a token written in the wrong place.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use toml::Value;
use tracing_subscriber::EnvFilter;

use crate::diagnostics::{Mistake, expected};
use crate::domain::notice::Kind;
use crate::domain::schedule::WorkingHours;

type Checked = Result<(), Mistake>;

/// What a checked text is kept as.
pub(super) trait FromText {
    fn from_text(text: String) -> Self;
}

impl FromText for String {
    fn from_text(text: String) -> Self {
        text
    }
}

impl FromText for PathBuf {
    fn from_text(text: String) -> Self {
        text.into()
    }
}

impl<T: FromText> FromText for Option<T> {
    fn from_text(text: String) -> Self {
        Some(T::from_text(text))
    }
}

/// Readers of texts that must pass a check.
macro_rules! readers {
    ($($reader:ident: $check:path;)*) => {$(
        pub(super) fn $reader<'de, D: Deserializer<'de>, T: FromText>(from: D) -> Result<T, D::Error> {
            let text: String = any_text(from)?;
            $check(&text).map_err(D::Error::custom)?;
            Ok(T::from_text(text))
        }
    )*};
}

readers! {
    not_empty: check_not_empty;
    feed_url: check_feed_url;
    header: check_header;
    cron: check_cron;
    log_filter: check_log_filter;
    working_hours: check_working_hours;
    holidays: check_holidays;
    slug: check_slug;
    token_file: check_token_file;
    variable: check_variable;
    merchant_uid: check_merchant_uid;
    proxy: check_proxy;
    channel_url: check_channel_url;
    chat: check_chat;
    events: check_events;
    time_of_day: check_time_of_day;
}

/// Any text; for a number the quotes are missing.
pub(super) fn any_text<'de, D: Deserializer<'de>, T: FromText>(from: D) -> Result<T, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => Ok(T::from_text(text)),
        found => Err(D::Error::custom(expected("text in quotes", &found))),
    }
}

/// The address of the API, without the slash at its end.
pub(super) fn base_url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text: String = any_text(from)?;
    check_base_url(&text).map_err(D::Error::custom)?;
    Ok(text.trim().trim_end_matches('/').to_owned())
}

/// An address and port; the empty text is off.
pub(super) fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text: String = any_text(from)?;
    check_listen(&text).map_err(D::Error::custom)?;
    Ok(text.trim().parse().ok())
}

/// A path; the empty text is off.
pub(super) fn path_or_off<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text: String = any_text(from)?;
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

/// For `serialize_with`: `""` is off.
#[allow(clippy::ref_option, reason = "serde hands the field over as it is")]
pub(super) fn write_or_off<S: Serializer, T: Serialize>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => "".serialize(serializer),
    }
}

fn check_not_empty(text: &str) -> Checked {
    if text.trim().is_empty() {
        Err(Mistake::new("must not be empty"))
    } else {
        Ok(())
    }
}

fn check_base_url(text: &str) -> Checked {
    let expected = |why: &str| Mistake::new(format!("expected a URL, {why}"));
    let url = Url::parse(text).map_err(|error| {
        expected(&error.to_string()).hint("such as \"https://kaspi.kz/shop/api\"")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(expected("found one with credentials in it"));
    }
    if !matches!(url.scheme(), "https" | "http") {
        let scheme = url.scheme();
        return Err(expected(&format!("found scheme {scheme}")).hint("use https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(expected("found one with ? or # in it"));
    }
    if url.path().trim_end_matches('/').ends_with("/v2") {
        return Err(Mistake::new("must not end in /v2").hint("it is added where it belongs"));
    }
    Ok(())
}

fn check_feed_url(text: &str) -> Checked {
    let found = Url::parse(text).ok();
    let found = found.filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(url) = found.filter(|url| url.host_str().is_some()) else {
        let mistake = Mistake::new("expected an address");
        return Err(mistake.hint("such as \"https://example.kz/stock.csv\""));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let mistake = Mistake::new(
            "a name and a password in the address would be sent and stored in the clear",
        );
        return Err(
            mistake.hint("leave user:password@ out; use an address that holds a key instead")
        );
    }
    if is_link_local(&url) {
        let mistake =
            Mistake::new("this address is of the machine's own network services, not of a stock");
        return Err(mistake.hint("such as \"https://example.kz/stock.csv\""));
    }
    if is_plain_and_remote(text) {
        let mistake = Mistake::new(
            "http:// lets anybody on the way change the stock: only on this machine itself",
        );
        return Err(mistake.hint("use https://, or fetch the file and name it with file"));
    }
    Ok(())
}

/// Whether an address is link-local, as the services are that give a cloud machine its keys.
fn is_link_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            let of_v4 = address.to_ipv4_mapped();
            address.is_unicast_link_local() || of_v4.is_some_and(|address| address.is_link_local())
        }
        Err(_) => false,
    }
}

/// Whether the token would leave this machine in the clear.
pub(super) fn is_plain_and_remote(base_url: &str) -> bool {
    let Ok(url) = Url::parse(base_url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    url.scheme() == "http"
        && host != "localhost"
        && !address.is_ok_and(|address| address.is_loopback())
}

fn check_header(text: &str) -> Checked {
    check_not_empty(text)?;
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Mistake::new(
        "must be printable ASCII, as it is sent in a header",
    ))
}

fn check_cron(text: &str) -> Checked {
    let fields = text.split_whitespace().count();
    let expected = "expected six cron fields (s m h day month weekday)";
    if fields == 5 {
        let mistake = Mistake::new(format!("{expected}, found 5 in {text:?}"));
        return Err(mistake.hint(format!("with seconds first: \"0 {}\"", text.trim())));
    }
    if fields != 6 {
        return Err(Mistake::new(format!(
            "{expected}, found {fields} in {text:?}"
        )));
    }
    if crate::cron::is_schedule(text) {
        return Ok(());
    }
    Err(Mistake::new(format!("{expected}, cannot read {text:?}")))
}

fn check_listen(text: &str) -> Checked {
    let text = text.trim();
    if text.is_empty() || text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let mistake = Mistake::new(format!(
        "expected ADDRESS:PORT such as \"127.0.0.1:9464\", found {text:?}"
    ));
    let port = text
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok());
    Err(match port {
        Some(port) => mistake.hint(format!("did you mean \"127.0.0.1:{port}\"?")),
        None => mistake.hint("\"\" switches it off"),
    })
}

fn check_log_filter(text: &str) -> Checked {
    let parsed = EnvFilter::builder().parse(text);
    parsed.map(drop).map_err(|_| {
        Mistake::new(format!("expected a log filter, cannot read {text:?}"))
            .hint("such as \"info\" or \"info,qabyl=debug\"")
    })
}

fn check_working_hours(text: &str) -> Checked {
    WorkingHours::parse(text, "").map(drop).map_err(|why| {
        Mistake::new(why)
            .hint("such as \"mon-fri 09:00-18:00, sat 10:00-15:00\"; \"\" is around the clock")
    })
}

fn check_holidays(text: &str) -> Checked {
    WorkingHours::parse("", text).map(drop).map_err(|why| {
        Mistake::new(why).hint(
            "such as \"2026-03-21..2026-03-23, 01-01\"; a date without a year comes every year",
        )
    })
}

fn check_slug(text: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        return Ok(());
    }
    let mistake = Mistake::new(format!(
        "must be of a-z 0-9 _ - (at most 64), found {text:?}"
    ));
    let lower = text.to_lowercase().replace(' ', "-");
    let fits = !lower.is_empty() && lower.chars().all(allowed);
    Err(if fits {
        mistake.hint(format!("did you mean \"{lower}\"?"))
    } else {
        mistake
    })
}

fn check_token_file(text: &str) -> Checked {
    check_not_empty(text)?;
    if text.ends_with('=') {
        let mistake = Mistake::new("looks like a token, expected the name of a file");
        return Err(mistake.hint("put the token in a file of its own, mode 0600"));
    }
    Ok(())
}

fn check_variable(text: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && text.chars().all(allowed) {
        return Ok(());
    }
    Err(
        Mistake::new("expected the name of a variable such as \"KASPI_TOKEN\"")
            .hint("the token itself does not belong in this file"),
    )
}

fn check_merchant_uid(text: &str) -> Checked {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Ok(());
    }
    let mistake = Mistake::new(format!("expected digits, found {text:?}"));
    Err(mistake.hint("the number before _PP1 in a pickup point"))
}

fn check_proxy(text: &str) -> Checked {
    let mistake = || {
        Mistake::new("expected a proxy URL")
            .hint("http://HOST:PORT, with USER:PASSWORD@ if it asks")
    };
    let url = Url::parse(text).map_err(|_| mistake())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if fits { Ok(()) } else { Err(mistake()) }
}

fn check_channel_url(text: &str) -> Checked {
    let mistake =
        |what: &str| Err(Mistake::new(what).hint("such as \"https://example.kz/hooks/qabyl\""));
    let Ok(url) = Url::parse(text) else {
        return mistake("expected a URL");
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return mistake("expected a URL without credentials and without #");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return mistake("expected https://");
    }
    if is_plain_and_remote(text) {
        return mistake(
            "http:// would send order numbers in the clear: only to this machine itself",
        );
    }
    Ok(())
}

fn check_chat(text: &str) -> Checked {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_chat = is_number(text.strip_prefix('-').unwrap_or(text))
        || text.strip_prefix('@').is_some_and(is_name);
    if is_chat {
        return Ok(());
    }
    let mistake =
        Mistake::new("expected a chat such as \"123456789\", \"-100123456789\" or \"@channel\"");
    Err(mistake.hint("in quotes; the bot's token belongs in secret_file"))
}

/// Kinds of notices, with commas between; none is all.
fn check_events(text: &str) -> Checked {
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    for word in words {
        if Kind::parse(word).is_none() {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
            let mistake = Mistake::new(format!("there is no event {word:?}"));
            return Err(mistake.hint(format!("there are {}", known.join(", "))));
        }
    }
    Ok(())
}

/// Hours and minutes, or nothing.
fn check_time_of_day(text: &str) -> Checked {
    if text.is_empty() || minutes_of_day(text).is_some() {
        return Ok(());
    }
    let mistake = Mistake::new(format!("expected a time such as \"20:00\", found {text:?}"));
    Err(mistake.hint("\"\" switches it off"))
}

/// Minutes after midnight.
pub(super) fn minutes_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
