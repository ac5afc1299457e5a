//! Texts with a form of their own: addresses, cron, names, filters.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use tokio_cron_scheduler::Job;
use tracing_subscriber::EnvFilter;

use super::value::Fault;
use crate::domain::notice::Kind;
use crate::domain::schedule::WorkingHours;

type Checked = Result<(), Fault>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands in the schema beside checks that can fail"
)]
pub(super) fn anything(_: &str) -> Checked {
    Ok(())
}

pub(super) fn filled(text: &str) -> Checked {
    if text.trim().is_empty() {
        Err(Fault::new("must not be empty"))
    } else {
        Ok(())
    }
}

pub(super) fn base_url(text: &str) -> Checked {
    let expected = |why: &str| Fault::new(format!("expected a URL, {why}"));
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
        return Err(Fault::new("must not end in /v2").hint("it is added where it belongs"));
    }
    Ok(())
}

/// The value is never shown: it may carry a secret.
pub(super) fn feed_url(text: &str) -> Checked {
    let is_address = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    if is_address {
        return Ok(());
    }
    Err(Fault::new("expected an address").hint("such as \"https://example.kz/stock.csv\""))
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

pub(super) fn header(text: &str) -> Checked {
    filled(text)?;
    if text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Fault::new(
        "must be printable ASCII, as it is sent in a header",
    ))
}

pub(super) fn cron(text: &str) -> Checked {
    let fields = text.split_whitespace().count();
    let expected = "expected six cron fields (s m h day month weekday)";
    if fields == 5 {
        let fault = Fault::new(format!("{expected}, found 5 in {text:?}"));
        return Err(fault.hint(format!("with seconds first: \"0 {}\"", text.trim())));
    }
    if fields != 6 {
        return Err(Fault::new(format!(
            "{expected}, found {fields} in {text:?}"
        )));
    }
    let job = Job::new(text, |_, _| {});
    job.map(drop)
        .map_err(|_| Fault::new(format!("{expected}, cannot read {text:?}")))
}

pub(super) fn listen(text: &str) -> Checked {
    let text = text.trim();
    if text.is_empty() || text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let fault = Fault::new(format!(
        "expected ADDRESS:PORT such as \"127.0.0.1:9464\", found {text:?}"
    ));
    let port = text
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<u16>().ok());
    Err(match port {
        Some(port) => fault.hint(format!("did you mean \"127.0.0.1:{port}\"?")),
        None => fault.hint("\"\" switches it off"),
    })
}

pub(super) fn log_filter(text: &str) -> Checked {
    let parsed = EnvFilter::builder().parse(text);
    parsed.map(drop).map_err(|_| {
        Fault::new(format!("expected a log filter, cannot read {text:?}"))
            .hint("such as \"info\" or \"info,qabyl=debug\"")
    })
}

pub(super) fn working_hours(text: &str) -> Checked {
    WorkingHours::parse(text, "").map(drop).map_err(|why| {
        Fault::new(why)
            .hint("such as \"mon-fri 09:00-18:00, sat 10:00-15:00\"; \"\" is around the clock")
    })
}

pub(super) fn holidays(text: &str) -> Checked {
    WorkingHours::parse("", text).map(drop).map_err(|why| {
        Fault::new(why).hint(
            "such as \"2026-03-21..2026-03-23, 01-01\"; a date without a year comes every year",
        )
    })
}

pub(super) fn slug(text: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        return Ok(());
    }
    let fault = Fault::new(format!(
        "must be of a-z 0-9 _ - (at most 64), found {text:?}"
    ));
    let lower = text.to_lowercase().replace(' ', "-");
    let fits = !lower.is_empty() && lower.chars().all(allowed);
    Err(if fits {
        fault.hint(format!("did you mean \"{lower}\"?"))
    } else {
        fault
    })
}

/// The value is never shown: it may be a token written in the wrong place.
pub(super) fn token_file(text: &str) -> Checked {
    filled(text)?;
    if text.ends_with('=') {
        let fault = Fault::new("looks like a token, expected the name of a file");
        return Err(fault.hint("put the token in a file of its own, mode 0600"));
    }
    Ok(())
}

/// The value is never shown: it may be a token written in the wrong place.
pub(super) fn variable(text: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && text.chars().all(allowed) {
        return Ok(());
    }
    Err(
        Fault::new("expected the name of a variable such as \"KASPI_TOKEN\"")
            .hint("the token itself does not belong in this file"),
    )
}

pub(super) fn merchant_uid(text: &str) -> Checked {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return Ok(());
    }
    let fault = Fault::new(format!("expected digits, found {text:?}"));
    Err(fault.hint("the number before _PP1 in a pickup point"))
}

/// The value is never shown: it may carry credentials.
pub(super) fn proxy(text: &str) -> Checked {
    let fault = || {
        Fault::new("expected a proxy URL").hint("http://HOST:PORT, with USER:PASSWORD@ if it asks")
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if fits { Ok(()) } else { Err(fault()) }
}

/// The value is never shown: it may hold a secret.
pub(super) fn channel_url(text: &str) -> Checked {
    let fault =
        |what: &str| Err(Fault::new(what).hint("such as \"https://example.kz/hooks/qabyl\""));
    let Ok(url) = Url::parse(text) else {
        return fault("expected a URL");
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return fault("expected a URL without credentials and without #");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return fault("expected https://");
    }
    if is_plain_and_remote(text) {
        return fault("http:// would send order numbers in the clear: only to this machine itself");
    }
    Ok(())
}

/// The value is never shown: it may be a token written in the wrong place.
pub(super) fn chat(text: &str) -> Checked {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let is_chat = is_number(text.strip_prefix('-').unwrap_or(text))
        || text.strip_prefix('@').is_some_and(is_name);
    if is_chat {
        return Ok(());
    }
    let fault =
        Fault::new("expected a chat such as \"123456789\", \"-100123456789\" or \"@channel\"");
    Err(fault.hint("in quotes; the bot's token belongs in secret_file"))
}

/// Kinds of notices, with commas between; none is all.
pub(super) fn kinds(text: &str) -> Checked {
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    for word in words {
        if Kind::parse(word).is_none() {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
            let fault = Fault::new(format!("there is no event {word:?}"));
            return Err(fault.hint(format!("there are {}", known.join(", "))));
        }
    }
    Ok(())
}

/// Hours and minutes, or nothing.
pub(super) fn time_of_day(text: &str) -> Checked {
    if text.is_empty() || minutes_of_day(text).is_some() {
        return Ok(());
    }
    let fault = Fault::new(format!("expected a time such as \"20:00\", found {text:?}"));
    Err(fault.hint("\"\" switches it off"))
}

/// Minutes after midnight.
pub(super) fn minutes_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
