//! The four calls as the daemon makes them: the real client over real sockets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use qabyl::clock::Clock;
use qabyl::domain::action::Outcome;
use qabyl::domain::ids::{OrderCode, OrderId};
use qabyl::domain::money::Money;
use qabyl::domain::order::{Lines, Order};
use qabyl::kaspi::{
    ApiError, Client, ClientSettings, Credentials, GateSettings, HttpSettings, HttpTransport,
    ListQuery, Page,
};
use secrecy::SecretString;

use crate::behaviour::{Call, Class};
use crate::honest;

pub(crate) const TOKEN: &str = "canary-7f3a-hostile-token";

/// How long the client may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
}

/// A client as `runtime::build` makes it, without repeats of its own.
pub(crate) fn client(base_url: String, limits: Limits, body_max_bytes: u64) -> Client {
    let http = HttpSettings {
        base_url,
        connect_timeout: limits.connect,
        request_timeout: limits.request,
        body_max_bytes,
        proxy: None,
    };
    let transport = HttpTransport::new(&http, Clock::System).unwrap();
    let settings = ClientSettings {
        gate: GateSettings {
            rate_start: 1000.0,
            rate_per_second: 1000.0,
            max_in_flight: 2,
        },
        retries_max: 0,
        user_agent: "qabyl hostile test".to_owned(),
        merchant_uid: None,
        seed: 1,
    };
    let token = Credentials::new(SecretString::from(TOKEN));
    Client::new(settings, token, Arc::new(transport), Clock::System)
}

/// What came of a call.
pub(crate) struct Answer {
    pub(crate) class: Class,
    /// Until when Kaspi asked to wait.
    pub(crate) until: Option<Timestamp>,
    /// Everything that may be shown of it.
    pub(crate) text: String,
}

pub(crate) async fn perform(client: &Client, call: Call) -> Answer {
    let id = OrderId::new(honest::ID).unwrap();
    match call {
        Call::Page => classified(&client.reader().list(&query()).await, page_class),
        Call::Order => classified(&client.reader().order(&id).await, |order| match order {
            Some(order) => order_class(order),
            None => Class::NotFound,
        }),
        Call::Entries => classified(&client.reader().lines(&id).await, lines_class),
        Call::Post => {
            let code = OrderCode::new(honest::CODE).unwrap();
            let writer = client.writer();
            match writer.turn().await {
                Ok(turn) => posted(&writer.accept(turn, &id, &code, None).await),
                Err(blocked) => posted(&Outcome::NotSent {
                    until: blocked.until(),
                    why: blocked.why().to_owned(),
                }),
            }
        }
    }
}

fn query() -> ListQuery {
    ListQuery {
        state: None,
        status: None,
        from: "2026-03-02T00:00:00Z".parse().unwrap(),
        to: "2026-03-03T00:00:00Z".parse().unwrap(),
        page: 0,
        size: 100,
        include_entries: false,
    }
}

fn classified<T: std::fmt::Debug>(
    answer: &Result<T, ApiError>,
    right: impl Fn(&T) -> Class,
) -> Answer {
    let text = match answer {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}; {error}; {}", error.hint()),
    };
    let until = match answer {
        Err(ApiError::Snooze { until }) => Some(*until),
        _ => None,
    };
    let class = match answer {
        Ok(value) => right(value),
        Err(error) => match error {
            ApiError::Parameters { .. } => Class::Parameters,
            ApiError::Token => Class::Token,
            ApiError::Forbidden => Class::Forbidden,
            ApiError::NotFound => Class::NotFound,
            ApiError::Snooze { .. } => Class::Snooze,
            ApiError::Outage(_) => Class::Outage,
            ApiError::Unreadable(_) => Class::Unreadable,
            ApiError::Breaker { .. } => Class::Breaker,
        },
    };
    Answer { class, until, text }
}

fn order_class(order: &Order) -> Class {
    // It is held, and the field named.
    if !order.unread.is_empty() {
        return Class::Unreadable;
    }
    let found = (
        order.id.as_str(),
        order.code.as_str(),
        order.total.map(Money::tiyn),
    );
    let waits = order.awaits_merchant();
    if found == (honest::ID, honest::CODE, Some(2_598_000)) && waits {
        Class::Right
    } else if waits && order.code.as_str() == honest::CODE {
        Class::Another
    } else {
        Class::Wrong(format!("{order:?}"))
    }
}

fn page_class(page: &Page) -> Class {
    match (page.orders.as_slice(), page.unreadable.as_slice()) {
        ([one], []) => order_class(&one.order),
        ([], []) => Class::Empty,
        ([], [_, ..]) => Class::Unreadable,
        _ => Class::Wrong(format!("{page:?}")),
    }
}

fn lines_class(lines: &Lines) -> Class {
    match lines {
        Lines::Unreadable(_) => Class::Unreadable,
        Lines::Known(lines) => match lines.as_slice() {
            [] => Class::Empty,
            [line]
                if line
                    .sku
                    .as_ref()
                    .is_some_and(|sku| sku.as_str() == honest::SKU)
                    && line.quantity == 2 =>
            {
                if line.entry.as_str() == "OTAwMDAwMDAxIyMw" {
                    Class::Right
                } else {
                    Class::Another
                }
            }
            _ => Class::Wrong(format!("{lines:?}")),
        },
    }
}

fn posted(outcome: &Outcome) -> Answer {
    let until = match outcome {
        Outcome::Snoozed { until, .. } => Some(*until),
        _ => None,
    };
    let class = match outcome {
        Outcome::Applied => Class::Applied,
        Outcome::Rejected(_) => Class::Rejected,
        Outcome::Snoozed { .. } => Class::Snoozed,
        Outcome::NotSent { .. } => Class::NotSent,
        Outcome::Denied { .. } => Class::Denied,
        Outcome::Unknown(_) => Class::Unknown,
    };
    Answer {
        class,
        until,
        text: format!("{outcome:?}"),
    }
}
