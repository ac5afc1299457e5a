//! The daemon's own HTTP pages: health, readiness, status, metrics. Read-only, without personal data.

mod exposition;
mod guard;
mod held;
mod metrics;
pub(crate) mod orders;
mod page;
pub(crate) mod shop_troubles;
pub(crate) mod troubles;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Loaded;
use crate::events::log_event;
use crate::kaspi::BreakerState;
use crate::net::{Bounded, Peer};
use crate::pipeline::{Ctx, StageError};
use crate::runtime::Board;
use crate::store::{Store, StoreError};
use crate::text::shown;
use guard::{Guard, Unauthenticated};
use troubles::Trouble;

/// A shop whose last complete list is older than this is not ready.
pub(crate) const LIST_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What the pages are made from.
#[derive(Clone)]
pub struct Shared {
    store: Arc<Store>,
    board: Arc<Board>,
    shops: Arc<Vec<Arc<Ctx>>>,
    loaded: Arc<Loaded>,
    clock: Clock,
}

impl Shared {
    /// Joins the parts.
    pub fn new(
        loaded: Loaded,
        (store, board): (Arc<Store>, Arc<Board>),
        shops: Vec<Arc<Ctx>>,
    ) -> Self {
        Self {
            store,
            board,
            shops: Arc::new(shops),
            loaded: Arc::new(loaded),
            clock: Clock::System,
        }
    }
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is not loopback, and no token is configured.
    #[error(
        "http.listen is {0}, which other machines can reach: set http.token_file to a file with a token that \
         requests must carry, or listen at 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The port is taken, or not allowed.
    #[error("http.listen: cannot listen at {0}: {1}; choose another port, or \"\" for none")]
    Bind(SocketAddr, std::io::Error),
}

/// Serves until `stop`; the returned future ends after the last answer.
///
/// # Errors
/// An address that is not loopback without a token, or one that cannot be listened at.
pub async fn serve(
    address: SocketAddr,
    token: Option<SecretString>,
    shared: Shared,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()>, ServeError> {
    // In a container the port is published on the host's loopback, and `Host` is checked as there.
    let is_published = shared.loaded.is_container() && address.ip().is_unspecified();
    if !address.ip().is_loopback() && token.is_none() && !is_published {
        return Err(ServeError::Open(address));
    }
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Bind(address, error))?;
    let guard = Guard::new(token, shared.clock.clone());
    let router = Router::new()
        .route("/", get(page::page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/metrics", get(metrics::page))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(shared)
        .into_make_service_with_connect_info::<Peer>();
    let listener = Bounded::new(listener, guard::bounds());
    let tracker = tokio_util::task::TaskTracker::new();
    tracker.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            log_event!(HTTP_FAILED, "the status pages ended: {error}");
        }
    });
    tracker.close();
    Ok(async move { tracker.wait().await })
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(
    State(shared): State<Shared>,
    unauthenticated: Option<Extension<Unauthenticated>>,
) -> (StatusCode, String) {
    let found = unready(&shared).await;
    if unauthenticated.is_some() && !matches!(&found, Ok(why) if why.is_empty()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned());
    }
    match found {
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
    for ctx in shared.shops.iter() {
        let shop = &ctx.shop;
        match shared.store.lists_read(shop).await?.0 {
            None => why.push(format!(
                "the orders of shop {shop} were never listed completely"
            )),
            Some(at) if now.duration_since(at) > LIST_AGE_MAX => {
                why.push(format!(
                    "the orders of shop {shop} were last listed completely at {at}"
                ));
            }
            Some(_) => {}
        }
        let state = shared.store.shop_state(shop).await?;
        let denied = state.denied.map(|(_, denied)| denied);
        why.extend(
            denied
                .or(state.mismatch)
                .map(|why| format!("shop {shop}: {why}")),
        );
        if ctx.reader.acts_elsewhere() {
            why.push(format!("shop {shop}: {}", StageError::Elsewhere));
        }
    }
    Ok(why)
}

async fn status(State(shared): State<Shared>) -> impl IntoResponse {
    match status_json(&shared).await {
        Ok(page) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "application/json")],
            shown(&page.to_string(), usize::MAX),
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::CONTENT_TYPE, "application/json")],
            shown(
                &json!({ "error": error.to_string() }).to_string(),
                usize::MAX,
            ),
        ),
    }
}

async fn status_json(shared: &Shared) -> Result<Value, StoreError> {
    let mut shops = Vec::new();
    for ctx in shared.shops.iter() {
        let shop = &ctx.shop;
        let totals = shared.store.totals(Some(shop)).await?;
        let state = shared.store.shop_state(shop).await?;
        let (new, accepted) = shared.store.lists_read(shop).await?;
        let view = ctx.reader.view();
        shops.push(json!({
            "shop": shop, "orders": totals.orders, "accepted": totals.accepted,
            "cancelled": totals.cancelled, "held": totals.held, "waiting": totals.waiting,
            "undecided": totals.undecided, "open_actions": totals.open_actions, "stuck": totals.stuck,
            "paused": state.paused, "denied": state.denied.map(|(_, why)| why), "mismatch": state.mismatch,
            "stock": state.stock, "waived_at": state.waived,
            "new_read_at": new, "accepted_read_at": accepted, "policy": ctx.policy().digest(),
            "breaker_open": view.breaker == BreakerState::Open,
            "paused_until": view.paused_until, "clock_skew_s": view.skew.map(|skew| skew.as_secs()),
            "requests": view.requests, "requests_per_second_max": view.pace, "outages": view.outages,
            "unread": shared.store.unread_orders(shop).await?,
        }));
    }
    let stages = shared.board.snapshot().into_iter();
    let stages: Vec<Value> = stages
        .map(|(shop, stage, status)| {
            json!({
                "shop": shop, "stage": stage.name(), "description": stage.declared().about,
                "period": stage.declared().runs, "status": status,
            })
        })
        .collect();
    let channels = shared.store.channels().await?.into_iter();
    let channels: Vec<Value> = channels
        .map(|state| {
            json!({
                "channel": state.name, "waiting": state.due, "failures": state.failures,
                "failing_since": state.failing_since, "last_error": state.last_error,
            })
        })
        .collect();
    let troubles = troubles::find(&shared.loaded, &shared.store, shared.clock.now()).await?;
    let troubles: Vec<Value> = troubles.iter().map(Trouble::as_json).collect();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"), "troubles": troubles, "shops": shops, "stages": stages,
        "channels": channels,
    }))
}
