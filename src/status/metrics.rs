//! `/metrics` in OpenMetrics text.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Shared;
use crate::kaspi::BreakerState;
use crate::store::StoreError;

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn page(State(shared): State<Shared>) -> impl IntoResponse {
    match text(&shared).await {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, TYPE)], text),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}

/// One family: its name, type, help, and a value for each shop.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: Vec<String>,
}

async fn text(shared: &Shared) -> Result<String, StoreError> {
    let family = |name, kind, help| Family {
        name,
        kind,
        help,
        values: Vec::new(),
    };
    let mut orders = family("qabyl_orders", "gauge", "Orders by what was made of them");
    let mut open = family(
        "qabyl_actions_open",
        "gauge",
        "Actions whose effect is not seen yet",
    );
    let mut requests = family("qabyl_requests", "counter", "Requests sent to Kaspi");
    let mut outages = family(
        "qabyl_outages",
        "counter",
        "Requests without a usable answer",
    );
    let mut breaker = family(
        "qabyl_breaker_open",
        "gauge",
        "1 while requests are held back",
    );
    for (shop, client) in shared.shops.iter() {
        let t = shared.store.totals(Some(shop)).await?;
        let counts = [
            ("accepted", t.accepted),
            ("cancelled", t.cancelled),
            ("held", t.held),
            ("waiting", t.waiting),
            ("undecided", t.undecided),
        ];
        for (word, count) in counts {
            orders
                .values
                .push(format!("{{shop=\"{shop}\",standing=\"{word}\"}} {count}"));
        }
        open.values
            .push(format!("{{shop=\"{shop}\"}} {}", t.open_actions));
        let view = client.view();
        requests
            .values
            .push(format!("_total{{shop=\"{shop}\"}} {}", view.requests));
        outages
            .values
            .push(format!("_total{{shop=\"{shop}\"}} {}", view.outages));
        let is_open = u8::from(view.breaker == BreakerState::Open);
        breaker
            .values
            .push(format!("{{shop=\"{shop}\"}} {is_open}"));
    }
    let mut out = String::new();
    for family in [orders, open, requests, outages, breaker] {
        let _ = writeln!(
            out,
            "# TYPE {} {}\n# HELP {} {}.",
            family.name, family.kind, family.name, family.help
        );
        for value in family.values {
            let _ = writeln!(out, "{}{value}", family.name);
        }
    }
    out.push_str("# EOF\n");
    Ok(out)
}
