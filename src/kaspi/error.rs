//! Errors of reads, one variant for each thing the caller does next, with advice for the operator
//! (KASPI_API §6).

use jiff::Timestamp;

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
    #[error("Kaspi asks to wait until {until}")]
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
    #[error("requests are held back until {until} after several outages in a row")]
    Breaker {
        /// When the next request may be sent.
        until: Timestamp,
    },
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
    pub const fn hint(&self) -> &'static str {
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
            Self::Outage(_) => {
                "wait: work resumes by itself. If it lasts, check the network and shops.proxy; then the API \
                 may not be activated (call 2323), or Kaspi refuses this User-Agent (kaspi.user_agent)"
            }
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
