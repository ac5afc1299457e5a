//! Access to the status pages: on loopback to requests whose `Host` is loopback, elsewhere to those with the
//! token. `Host` is checked so that a web page cannot read them through a browser (DNS rebinding).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::Clock;
use crate::events::log_event;
use crate::net::{Bounds, Peer, is_loopback_host, protect};
use crate::text::is_same_secret;

/// Most connections at once: a scraper, a health check, a few people.
const CONNECTIONS_MAX: usize = 32;

/// Longest life of a connection: an idle one must not keep its slot.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// Longest wait for the head of a request, the first and each later one: a client that sends half of one must
/// not keep its slot.
const HEAD_MAX: Duration = Duration::from_secs(5);

/// What a client of the pages may take.
pub(super) fn bounds() -> Bounds {
    Bounds {
        connections: CONNECTIONS_MAX,
        per_client: None,
        proxies: Vec::new(),
        life: CONNECTION_LIFE,
        head: HEAD_MAX,
        idle: HEAD_MAX,
    }
}

/// Most requests with a wrong token that are answered within [`REFUSALS_WITHIN`]; later ones are turned away.
const REFUSALS_MAX: u32 = 20;

/// The time in which wrong tokens are counted.
const REFUSALS_WITHIN: Duration = Duration::from_mins(1);

/// What a page may load and do.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Pages that answer without a token, with yes or no only.
const PUBLIC: [&str; 2] = ["/healthz", "/readyz"];

/// Who may read the pages.
#[derive(Clone)]
pub(super) struct Guard {
    token: Option<Arc<SecretString>>,
    clock: Clock,
    refusals: Arc<Mutex<Refusals>>,
}

/// Wrong tokens, counted over a short time.
struct Refusals {
    /// By the monotonic clock.
    since: Duration,
    count: u32,
}

impl Guard {
    /// Requests must carry the token, if one is configured.
    pub(super) fn new(token: Option<SecretString>, clock: Clock) -> Self {
        let refusals = Refusals {
            since: clock.ticks(),
            count: 0,
        };
        Self {
            token: token.map(Arc::new),
            clock,
            refusals: Arc::new(Mutex::new(refusals)),
        }
    }

    /// Why a request is not answered, or whether it is to get yes or no only.
    fn admit(&self, request: &Request) -> Result<Admitted, Box<Response>> {
        let headers = request.headers();
        if headers.get_all(header::HOST).iter().count() > 1 {
            let why = "send one Host header\n";
            return Err(Box::new((StatusCode::BAD_REQUEST, why).into_response()));
        }
        let Some(token) = &self.token else {
            if is_for_loopback(headers) {
                return Ok(Admitted::Fully);
            }
            let why = "ask for 127.0.0.1 or localhost\n";
            return Err(Box::new(
                (StatusCode::MISDIRECTED_REQUEST, why).into_response(),
            ));
        };
        if carries(headers, token) {
            return Ok(Admitted::Fully);
        }
        if PUBLIC.contains(&request.uri().path()) {
            return Ok(Admitted::ForYesOrNo);
        }
        if headers.contains_key(header::AUTHORIZATION) && self.refuse(request) > REFUSALS_MAX {
            let later = [(header::RETRY_AFTER, REFUSALS_WITHIN.as_secs().to_string())];
            let why = "too many wrong tokens\n";
            return Err(Box::new(
                (StatusCode::TOO_MANY_REQUESTS, later, why).into_response(),
            ));
        }
        let ask = [(header::WWW_AUTHENTICATE, "Bearer")];
        let why = "send the token: Authorization: Bearer …\n";
        Err(Box::new(
            (StatusCode::UNAUTHORIZED, ask, why).into_response(),
        ))
    }

    /// Counts a wrong token, and logs the first of a while and the one from which they are turned away.
    fn refuse(&self, request: &Request) -> u32 {
        let count = {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            let ticks = self.clock.ticks();
            if ticks.saturating_sub(refusals.since) > REFUSALS_WITHIN {
                *refusals = Refusals {
                    since: ticks,
                    count: 0,
                };
            }
            refusals.count = refusals.count.saturating_add(1);
            refusals.count
        };
        if count == 1 || count == REFUSALS_MAX + 1 {
            let peer = request.extensions().get::<ConnectInfo<Peer>>();
            let peer = peer.map_or_else(String::new, |peer| peer.0.address.ip().to_string());
            log_event!(
                HTTP_REFUSED,
                peer,
                count,
                "a request for the status pages carried a wrong token"
            );
        }
        count
    }
}

/// How much a request may learn.
enum Admitted {
    Fully,
    /// Without the token.
    ForYesOrNo,
}

/// Marks a request without the token: its answer must be yes or no only.
#[derive(Clone, Copy)]
pub(super) struct Unauthenticated;

pub(super) async fn check(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>() {
        peer.has_asked();
    }
    let mut answer = match guard.admit(&request) {
        Ok(Admitted::Fully) => next.run(request).await,
        Ok(Admitted::ForYesOrNo) => {
            request.extensions_mut().insert(Unauthenticated);
            next.run(request).await
        }
        Err(refusal) => *refusal,
    };
    protect(answer.headers_mut(), POLICY);
    answer
}

fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok())
        .is_some_and(is_loopback_host)
}

fn carries(headers: &HeaderMap, token: &SecretString) -> bool {
    let sent = headers.get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    is_same_secret(
        sent.unwrap_or_default().as_bytes(),
        token.expose_secret().as_bytes(),
    )
}
