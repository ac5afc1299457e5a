//! Errors of reads, one variant for each thing the caller does next, with advice for the operator
//! (KASPI_API §6).

use jiff::Timestamp;

use crate::domain::calendar;
use crate::domain::denial::Denial;

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 400: our request was wrong. Not repeated.
    #[error(
        "Kaspi answers that the request is wrong (HTTP {status}){}",
        suffix(title)
    )]
    Parameters {
        /// HTTP status.
        status: u16,
        /// Kaspi's message; empty if none.
        title: String,
    },
    /// 401: the token is wrong.
    #[error("Kaspi does not accept the token (HTTP 401)")]
    Token,
    /// 403: the shop has no access.
    #[error("Kaspi refuses access (HTTP 403)")]
    Forbidden,
    /// 404.
    #[error("Kaspi does not know it (HTTP 404)")]
    NotFound,
    /// 429 or its pause: try again later; not a failure.
    #[error("Kaspi asks to wait until {}", stamp(*until))]
    Snooze {
        /// When the pause ends.
        until: Timestamp,
    },
    /// No usable answer: 5xx, timeout, broken connection, a page that is not JSON.
    #[error("no usable answer from Kaspi: {0}")]
    Outage(String),
    /// JSON of an unknown shape.
    #[error("Kaspi's answer cannot be read: {0}")]
    Unreadable(String),
    /// The circuit breaker is open after several outages in a row.
    #[error("requests are held back until {} after several outages in a row", stamp(*until))]
    Breaker {
        /// When the next request may be sent.
        until: Timestamp,
    },
}

/// A moment as people in Almaty read it.
fn stamp(at: Timestamp) -> String {
    format!("{} (Almaty)", calendar::local(at).strftime("%H:%M:%S"))
}

/// What to do about an outage, by what failed.
fn outage_hint(why: &str) -> &'static str {
    const HINTS: [(&str, &str); 9] = [
        (
            "407",
            "the proxy asks for a login: give it in shops.proxy as http://NAME:PASSWORD@HOST:PORT",
        ),
        (
            "the proxy makes",
            "check the address in shops.proxy and that the proxy runs",
        ),
        (
            "(DNS)",
            "this machine cannot find the server's name: check its DNS and its connection, and kaspi.base_url",
        ),
        (
            "TLS: ",
            "the server's certificate is not trusted: check this machine's clock and ca-certificates, and whether \
             something between it and Kaspi reads along",
        ),
        (
            "refused",
            "nothing listens at that address: check shops.proxy, kaspi.base_url and the firewall",
        ),
        (
            "HTTP 404",
            "kaspi.base_url is not the address of the shop API: leave it out to use Kaspi's own",
        ),
        (
            "HTTP 3",
            "something answers with a redirect, which is not followed as it would carry the token: check \
             kaspi.base_url, and whether a login page of the network stands in between",
        ),
        (
            "no answer in time",
            "wait: work resumes by itself. If it lasts, check the network and shops.proxy, and kaspi.user_agent: \
             some requests with an unknown one are left without an answer",
        ),
        (
            "could not connect",
            "check this machine's network, the firewall and shops.proxy",
        ),
    ];
    let hint = HINTS.iter().find(|(words, _)| why.contains(words));
    hint.map_or(
        "wait: work resumes by itself. If it lasts, see whether the cabinet works, then check the network",
        |(_, hint)| hint,
    )
}

fn suffix(title: &str) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!(": {title}")
    }
}

impl ApiError {
    /// The stable code, a heading in `docs/OPERATIONS.md`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Parameters { .. } => "K400",
            Self::Token => "K401",
            Self::Forbidden => "K403",
            Self::NotFound => "K404",
            Self::Snooze { .. } => "K429",
            Self::Outage(_) => "K500",
            Self::Unreadable(_) => "K006",
            Self::Breaker { .. } => "K007",
        }
    }

    /// What the operator should do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Parameters { .. } => {
                "check that page number, page size and both creation dates are sent; report this as a bug"
            }
            Self::Token => Denial::Token.hint(),
            Self::Forbidden => Denial::Forbidden.hint(),
            Self::NotFound => "the order does not belong to this shop, or its id changed",
            Self::Snooze { .. } => {
                "nothing: work resumes by itself; lower kaspi.rate_per_second if this repeats"
            }
            Self::Outage(why) => outage_hint(why),
            Self::Unreadable(_) => {
                "check the order in the cabinet, and report the field named here"
            }
            Self::Breaker { .. } => "nothing: a read probes Kaspi by itself",
        }
    }

    /// Whether Kaspi denies this shop access.
    pub const fn is_denied(&self) -> bool {
        self.denial().is_some()
    }

    /// How Kaspi denies this shop access, if it does.
    pub const fn denial(&self) -> Option<Denial> {
        match self {
            Self::Token => Some(Denial::Token),
            Self::Forbidden => Some(Denial::Forbidden),
            _ => None,
        }
    }

    /// Whether nothing was learned about what was asked: the request was postponed, or the shop has no access.
    pub const fn is_postponed(&self) -> bool {
        self.is_denied() || matches!(self, Self::Snooze { .. } | Self::Breaker { .. })
    }
}
