//! `[web]`: what programs use from outside, under `/api/v1`, each request with a token, and what people use in a browser,
//! each with a session. What a request may do is decided by the use cases (`src/ledger/manual_decisions.rs`, `src/pipeline/sync_stock/push.rs`), not here.

mod answer;
mod body;
mod guard;
mod keys;
mod limits;
mod orders;
mod pages;
mod stock;
mod summary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Extension, Router};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Loaded;
use crate::events::log_event;
use crate::net::{Bounded, Bounds, Network, Peer};
use crate::pipeline::Ctx;
use crate::pipeline::sync_stock::Feeds;
use crate::store::{Store, StoreError};
use answer::Answer;
use guard::Caller;
use limits::{Kind, Limits};

/// What the API answers, in the words of OpenAPI; `tests/it/api` holds it to what is answered.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Most connections at once: programs, and proxies in front of people.
const CONNECTIONS_MAX: usize = 256;
/// Most of one client.
const PER_CLIENT_MAX: usize = 8;
/// Longest life of a connection: a push of 16 MiB over a slow line takes minutes.
const CONNECTION_LIFE: Duration = Duration::from_mins(5);
/// Longest wait for the head of a request, and for the next request.
const HEAD_MAX: Duration = Duration::from_secs(5);
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Largest body of a decision.
const BODY_MAX: usize = 64 * 1024;
/// Largest body of a push: the stock of 200 000 SKUs.
const PUSH_MAX: usize = 16 * 1024 * 1024;
/// Pushes that are read at once: each is in memory.
const PUSHES_MAX: usize = 2;

/// What requests are answered from.
pub struct Parts {
    /// The configuration.
    pub loaded: Loaded,
    /// The database.
    pub store: Arc<Store>,
    /// The configured shops.
    pub shops: Vec<Arc<Ctx>>,
    /// Where pushed stock goes.
    pub feeds: Option<Arc<Feeds>>,
    /// The only source of time.
    pub clock: Clock,
}

#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    loaded: Loaded,
    store: Arc<Store>,
    shops: Vec<Arc<Ctx>>,
    feeds: Option<Arc<Feeds>>,
    clock: Clock,
    limits: Limits,
    proxies: Vec<Network>,
    pushes: Semaphore,
    replays: Semaphore,
    live: pages::Live,
    stop: CancellationToken,
}

impl std::ops::Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Why it cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("web.listen: cannot listen at {0}: {1}; choose another port, or \"\" for none")]
pub struct ServeError(SocketAddr, #[source] std::io::Error);

/// Serves until `stop`; the returned future ends after the last answer.
///
/// # Errors
/// An address that cannot be listened at.
pub async fn serve(
    address: SocketAddr,
    parts: Parts,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()>, ServeError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| ServeError(address, error))?;
    Ok(serve_at(listener, parts, stop))
}

/// Serves at a socket until `stop`; the returned future ends after the last answer.
pub fn serve_at(
    listener: tokio::net::TcpListener,
    parts: Parts,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let proxies = parts.loaded.config.web.proxies();
    let bounds = Bounds {
        connections: CONNECTIONS_MAX,
        per_client: Some(PER_CLIENT_MAX),
        proxies: proxies.clone(),
        life: CONNECTION_LIFE,
        head: HEAD_MAX,
        idle: IDLE_MAX,
    };
    let shared = Shared(Arc::new(Inner {
        limits: Limits::new(parts.clock.clone()),
        loaded: parts.loaded,
        store: parts.store,
        shops: parts.shops,
        feeds: parts.feeds,
        clock: parts.clock,
        proxies,
        pushes: Semaphore::new(PUSHES_MAX),
        replays: Semaphore::new(1),
        live: pages::Live::default(),
        stop: stop.clone(),
    }));
    let router = Router::new()
        .route("/api/v1/orders", get(orders::list))
        .route("/api/v1/orders/{code}", get(orders::show))
        .route("/api/v1/orders/{code}/{verb}", post(orders::decide))
        .route("/api/v1/stock", get(stock::list))
        .route("/api/v1/stock/{source}", put(stock::push))
        .route("/api/v1/summary", get(summary::show))
        .route("/api/v1/openapi.json", get(openapi))
        .merge(pages::routes())
        .fallback(async |request: axum::extract::Request| pages::not_found(&request))
        .method_not_allowed_fallback(async || {
            let what = "this address has other methods: see /api/v1/openapi.json";
            Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", what)
        })
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared)
        .into_make_service_with_connect_info::<Peer>();
    let listener = Bounded::new(listener, bounds);
    let tracker = tokio_util::task::TaskTracker::new();
    tracker.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            log_event!(API_FAILED, "the API ended: {error}");
        }
    });
    tracker.close();
    async move { tracker.wait().await }
}

/// Logs why a request was not answered: who asked is shown the code alone, as the cause names files and statements.
fn log_unanswered(error: &StoreError) {
    let code = error.code();
    log_event!(WEB_UNANSWERED, code, "a request was not answered: {error}");
}

async fn openapi(
    axum::extract::State(shared): axum::extract::State<Shared>,
    Extension(caller): Extension<Caller>,
) -> axum::response::Response {
    if let Err(problem) = caller.take(&shared, Kind::Read) {
        return problem.into_response();
    }
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
