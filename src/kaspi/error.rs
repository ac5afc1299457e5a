//! What a read may answer instead, by what the caller does next, with the advice for the operator
//! (KASPI_API §6).

use jiff::Timestamp;

/// Why a read brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 400: our request was wrong. Not repeated.
    #[error("Kaspi finds the request wrong (HTTP {status}){}", said(title))]
    Parameters {
        /// HTTP status.
        status: u16,
        /// Kaspi's words.
        title: String,
    },
    /// 401: the token.
    #[error("Kaspi does not take the token (HTTP 401)")]
    Token,
    /// 403: no access.
    #[error("Kaspi refuses access (HTTP 403)")]
    Forbidden,
    /// 404.
    #[error("Kaspi knows no such thing (HTTP 404)")]
    NotFound,
    /// Come back later; not a failure.
    #[error("Kaspi asks to wait until {until}")]
    Snooze {
        /// When.
        until: Timestamp,
    },
    /// No usable answer: 5xx, timeout, broken connection, a page that is not JSON.
    #[error("Kaspi gives no usable answer: {0}")]
    Outage(String),
    /// JSON of another shape than known.
    #[error("Kaspi's answer is not understood: {0}")]
    Unreadable(String),
    /// Requests are held back after several outages in a row.
    #[error("requests are held back until {until} after several outages in a row")]
    Breaker {
        /// When the next one may go.
        until: Timestamp,
    },
}

fn said(title: &str) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!(": {title}")
    }
}

impl ApiError {
    /// The stable code, a heading in the runbook.
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
            Self::Token => {
                "make a new token in the cabinet (Settings, API token, Generate) and put it in the \
                 token file: it is picked up without a restart, or after `systemctl restart qabyl` where \
                 systemd hands it over"
            }
            Self::Forbidden => "the API is not activated for this shop: call 2323",
            Self::NotFound => "the order does not belong to this shop, or its id changed",
            Self::Snooze { .. } => {
                "nothing: work goes on by itself; lower kaspi.rate_per_second if this repeats"
            }
            Self::Outage(_) => {
                "wait: work goes on by itself. If it lasts, the API is not activated (call 2323), or \
                 Kaspi refuses this User-Agent or address (kaspi.user_agent, shops.proxy)"
            }
            Self::Unreadable(_) => {
                "look at the order in the cabinet, and report the field named here"
            }
            Self::Breaker { .. } => "nothing: one read asks again by itself",
        }
    }

    /// Whether Kaspi refuses this shop altogether.
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Token | Self::Forbidden)
    }

    /// Whether nothing was asked in the end: it was put off, or refused to everybody.
    pub const fn is_put_off(&self) -> bool {
        self.is_denied() || matches!(self, Self::Snooze { .. } | Self::Breaker { .. })
    }
}
