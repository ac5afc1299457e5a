//! The only module that knows Kaspi's HTTP and JSON (KASPI_API). Reading and writing are separate: a
//! [`Reader`] cannot change anything, and a [`Writer`] exists only for a shop in mode `act`.

mod blocked;
mod bounded;
mod breaker;
mod claim;
mod convert;
pub mod decode;
mod entries;
mod error;
mod fields;
mod gate;
#[cfg(test)]
mod hidden_limit;
mod http;
mod includes;
mod json;
mod limit_estimate;
mod pace;
mod page;
mod plain;
mod rate_limit;
mod reader;
mod release;
mod request_class;
mod slowness;
mod transport;
mod view;
mod wire;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub use blocked::Blocked;
pub use error::ApiError;
pub use gate::{GateSettings, Turn};
pub use http::{HttpSettings, HttpTransport};
pub use page::{Asked, OrderRead, Page, UnreadableOrder};
pub use plain::{PlainApi, PostError, parse_plain};
pub use reader::{ListQuery, Reader};
pub use request_class::RequestClass;
pub use transport::{Method, Transport, TransportError, WireRequest, WireResponse};
pub use view::{BreakerState, CLASSES, GateView};
pub use writer::Writer;

use crate::clock::Clock;

/// Content type of every orders request (KASPI_API §1).
const JSON_API: &str = "application/vnd.api+json";

/// The shop's token. It can be replaced while requests are in flight.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<CurrentToken>);

#[derive(Debug)]
struct CurrentToken {
    token: RwLock<SecretString>,
    number: std::sync::atomic::AtomicU64,
    changed: tokio::sync::Notify,
}

impl Credentials {
    /// Credentials with this token.
    pub fn new(token: SecretString) -> Self {
        Self(Arc::new(CurrentToken {
            token: RwLock::new(token),
            number: std::sync::atomic::AtomicU64::new(0),
            changed: tokio::sync::Notify::new(),
        }))
    }

    /// Replaces the token.
    pub fn replace(&self, token: SecretString) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        self.0
            .number
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }

    /// Waits until the token is replaced.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn number(&self) -> u64 {
        self.0.number.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn get(&self) -> SecretString {
        self.0
            .token
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Settings of one shop's client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Rate limit and concurrency.
    pub gate: GateSettings,
    /// Most repeats of one read.
    pub retries_max: u32,
    /// `User-Agent`, always sent (KASPI_API §1).
    pub user_agent: String,
    /// `X-Merchant-Uid`, sent when set (KASPI_API §1).
    pub merchant_uid: Option<String>,
    /// Seed of the jitter of pauses.
    pub seed: u64,
}

/// One shop's client: its reader and its writer share rate limit, circuit breaker and clock.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    settings: ClientSettings,
    credentials: Credentials,
    transport: Arc<dyn Transport>,
    clock: Clock,
    gate: gate::Gate,
    random: std::sync::Mutex<fastrand::Rng>,
    claim: Option<claim::Claim>,
    reads_ended: CancellationToken,
}

impl Client {
    /// A client over a transport.
    pub fn new(
        settings: ClientSettings,
        credentials: Credentials,
        transport: Arc<dyn Transport>,
        clock: Clock,
    ) -> Self {
        let random = std::sync::Mutex::new(fastrand::Rng::with_seed(settings.seed));
        let gate = gate::Gate::new(&settings.gate, clock.clone());
        let claim = transport.address();
        let claim = claim.map(|address| claim::Claim::new(address, &credentials.get()));
        Self {
            shared: Arc::new(Shared {
                settings,
                credentials,
                transport,
                clock,
                gate,
                random,
                claim,
                reads_ended: CancellationToken::new(),
            }),
        }
    }

    /// Reads the shop's orders.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Changes the shop's orders. Only for a shop in mode `act`, and only for the act stage.
    pub fn writer(&self) -> Writer {
        Writer::new(Arc::clone(&self.shared))
    }

    /// The endpoints beside the orders API. They change no order.
    pub fn plain(&self) -> PlainApi {
        PlainApi::new(Arc::clone(&self.shared))
    }

    /// Ends reads in flight and refuses new ones: they change nothing, and stopping the process must not wait
    /// for a silent server. Writes continue to their end.
    pub fn end_reads(&self) {
        self.shared.reads_ended.cancel();
    }

    /// Starts from half of a pace that was good before a restart. Only before the first request.
    pub fn resume_pace(&self, pace: f64) {
        self.shared.gate.start_from(pace / 2.0);
    }

    /// Counters and state, for the status page.
    pub fn view(&self) -> GateView {
        self.shared.gate.view()
    }
}

impl Shared {
    fn jitter(&self) -> f64 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .f64()
    }

    /// A request with every header that Kaspi requires (KASPI_API §1).
    fn request(
        &self,
        method: Method,
        path: String,
        query: Vec<(String, String)>,
        body: Option<Vec<u8>>,
    ) -> WireRequest {
        let mut headers = vec![
            ("Content-Type", JSON_API.to_owned()),
            ("Accept", JSON_API.to_owned()),
            ("User-Agent", self.settings.user_agent.clone()),
        ];
        if let Some(uid) = &self.settings.merchant_uid {
            headers.push(("X-Merchant-Uid", uid.clone()));
        }
        let token = self.credentials.get();
        WireRequest {
            method,
            path,
            query,
            headers,
            token,
            body,
            send_by: None,
        }
    }
}
