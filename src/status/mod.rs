//! The daemon's own HTTP surface: health, readiness, status, metrics. Reading only, and nothing
//! personal on it.

mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::ids::ShopName;
use crate::kaspi::{BreakerState, Client};
use crate::runtime::Board;
use crate::store::{ScanKind, Store, StoreError};

/// A shop whose last complete list is older than this is not ready.
const LIST_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What the pages are made from.
#[derive(Clone)]
pub struct Shared {
    store: Arc<Store>,
    board: Arc<Board>,
    shops: Arc<Vec<(ShopName, Client)>>,
    clock: Clock,
}

impl Shared {
    /// Joins the parts.
    pub fn new(store: Arc<Store>, board: Arc<Board>, shops: Vec<(ShopName, Client)>) -> Self {
        Self {
            store,
            board,
            shops: Arc::new(shops),
            clock: Clock::System,
        }
    }
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not this machine's own.
    #[error("http.listen is {0}: only a loopback address such as 127.0.0.1:9464 is served")]
    NotLoopback(SocketAddr),
    /// The port is taken, or not allowed.
    #[error("http.listen: cannot listen at {0}: {1}; choose another port, or \"\" for none")]
    Bind(SocketAddr, std::io::Error),
}

/// Serves until `stop`; the future returned ends when the last answer is out.
///
/// # Errors
/// An address that is not loopback, or cannot be listened at.
pub async fn serve(
    address: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()>, ServeError> {
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Bind(address, error))?;
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/metrics", get(metrics::page))
        .with_state(shared);
    let tracker = tokio_util::task::TaskTracker::new();
    tracker.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::warn!(event = "http.failed", "the status pages ended: {error}");
        }
    });
    tracker.close();
    Ok(async move { tracker.wait().await })
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    match unready(&shared).await {
        Ok(why) if why.is_empty() => (StatusCode::OK, "ready\n".to_owned()),
        Ok(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}\n", why.join("; ")),
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {error}\n"),
        ),
    }
}

async fn unready(shared: &Shared) -> Result<Vec<String>, StoreError> {
    shared.store.ping().await?;
    let now = shared.clock.now();
    let mut why = Vec::new();
    for (shop, _) in shared.shops.iter() {
        let scan = shared
            .store
            .last_complete_scan(shop, ScanKind::New, jiff::Timestamp::MAX)
            .await?;
        match scan {
            None => why.push(format!("shop {shop} was never listed completely")),
            Some(scan) if now.duration_since(scan.started_at) > LIST_AGE_MAX => {
                why.push(format!(
                    "shop {shop} was last listed completely at {}",
                    scan.started_at
                ));
            }
            Some(_) => {}
        }
        if let Some((_, denied)) = shared.store.shop_state(shop).await?.denied {
            why.push(format!("shop {shop}: {denied}"));
        }
    }
    Ok(why)
}

async fn status(State(shared): State<Shared>) -> impl IntoResponse {
    match status_json(&shared).await {
        Ok(page) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "application/json")],
            page.to_string(),
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "application/json")],
            json!({ "error": error.to_string() }).to_string(),
        ),
    }
}

async fn status_json(shared: &Shared) -> Result<Value, StoreError> {
    let mut shops = Vec::new();
    for (shop, client) in shared.shops.iter() {
        let totals = shared.store.totals(Some(shop)).await?;
        let state = shared.store.shop_state(shop).await?;
        let view = client.view();
        shops.push(json!({
            "shop": shop, "orders": totals.orders, "accepted": totals.accepted,
            "cancelled": totals.cancelled, "held": totals.held, "waiting": totals.waiting,
            "undecided": totals.undecided, "open_actions": totals.open_actions, "stuck": totals.stuck,
            "paused": state.paused, "denied": state.denied.map(|(_, why)| why),
            "breaker_open": view.breaker == BreakerState::Open,
            "paused_until": view.paused_until, "clock_skew_s": view.skew.map(|skew| skew.as_secs()),
            "requests": view.requests, "outages": view.outages,
        }));
    }
    let stages: Vec<Value> = shared
        .board
        .snapshot()
        .into_iter()
        .map(|(shop, stage, status)| json!({ "shop": shop, "stage": stage, "status": status }))
        .collect();
    Ok(json!({ "version": env!("CARGO_PKG_VERSION"), "shops": shops, "stages": stages }))
}
