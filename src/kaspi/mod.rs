//! The only module that knows Kaspi's HTTP and JSON (KASPI_API). Reading and writing are apart: a
//! [`Reader`] cannot change anything, and a [`Writer`] exists only where a shop is to act.

mod bounded;
mod breaker;
mod catalog;
mod claim;
mod convert;
pub mod decode;
mod error;
mod gate;
mod http;
mod includes;
mod pace;
pub mod products;
mod reader;
mod release;
mod retry_after;
mod transport;
mod wire;
mod writer;

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

pub use catalog::{
    Attribute, Catalog, ImportError, ImportResult, ImportState, Named, ProductOutcome,
};
pub use error::ApiError;
pub use gate::{BreakerState, CLASSES, GateSettings, GateView};
pub use http::{BuildError, HttpSettings, HttpTransport, install_crypto};
pub use reader::{ListQuery, OrderRead, Page, Reader, UnreadableOrder};
pub use transport::{Method, Transport, TransportError, WireRequest, WireResponse};
pub use writer::Writer;

use crate::clock::Clock;
use crate::text::Secrets;

/// Content type of every orders request (KASPI_API §1).
const JSON_API: &str = "application/vnd.api+json";

/// The shop's token, replaceable while requests go on.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Held>);

#[derive(Debug)]
struct Held {
    token: RwLock<SecretString>,
    number: std::sync::atomic::AtomicU64,
    changed: tokio::sync::Notify,
}

impl Credentials {
    /// Holds a token.
    pub fn new(token: SecretString) -> Self {
        Self(Arc::new(Held {
            token: RwLock::new(token),
            number: std::sync::atomic::AtomicU64::new(0),
            changed: tokio::sync::Notify::new(),
        }))
    }

    /// Puts a new token in the place of the old one.
    pub fn replace(&self, token: SecretString) {
        *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        self.0
            .number
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }

    /// Ends when a new token is put in place.
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

/// What one shop's client needs.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Pace and concurrency.
    pub gate: GateSettings,
    /// Repeats of one read, at most.
    pub retries_max: u32,
    /// `User-Agent`, always sent (KASPI_API §1).
    pub user_agent: String,
    /// `X-Merchant-Uid`, sent when set (KASPI_API §1).
    pub merchant_uid: Option<String>,
    /// Feeds the spread of pauses.
    pub seed: u64,
}

/// One shop's client: its reader and its writer share pace, breaker and clock.
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
    /// Joins a transport with a shop's token and limits.
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

    /// What may be read.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// What may be changed. Make one only for a shop in mode `act`, and hand it only to the act stage.
    pub fn writer(&self) -> Writer {
        Writer::new(Arc::clone(&self.shared))
    }

    /// Categories, and products a person sends in. It changes no order.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(Arc::clone(&self.shared))
    }

    /// Lets no read begin any more, and those under way end at once: they change nothing, and whoever
    /// stops the process does not wait for a silent server. Writes go on to their end.
    pub fn end_reads(&self) {
        self.shared.reads_ended.cancel();
    }

    /// How the client is doing, for the status page.
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

    /// Sends one request once. The answer comes without the token, should the server repeat it: what
    /// is stored, logged or shown of an answer is taken from here.
    async fn send(&self, request: &WireRequest) -> Result<WireResponse, TransportError> {
        let secrets = Secrets::default().and(request.token.expose_secret());
        let text = |text: &str| secrets.redact_text(text);
        match self.transport.send(request).await {
            Ok(mut answer) => {
                if let std::borrow::Cow::Owned(body) = secrets.redact(&answer.body) {
                    answer.body = body;
                }
                Ok(answer)
            }
            Err(TransportError::NotSent(why)) => Err(TransportError::NotSent(text(&why))),
            Err(TransportError::Broken(why)) => Err(TransportError::Broken(text(&why))),
            Err(error) => Err(error),
        }
    }

    /// A request with every header Kaspi wants (KASPI_API §1).
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
            good_until: None,
        }
    }
}
