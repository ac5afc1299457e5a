//! Access to the status pages: on loopback to requests whose `Host` is loopback, elsewhere to those with the
//! token. `Host` is checked so that a web page cannot read them through a browser (DNS rebinding).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::clock::Clock;
use crate::events::log_event;

/// Most connections at once: a scraper, a health check, a few people.
const CONNECTIONS_MAX: usize = 32;

/// Longest life of a connection: an idle one must not keep its slot.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// Longest wait for the head of a request, the first and each later one: a client that sends half of one must
/// not keep its slot.
const HEAD_MAX: Duration = Duration::from_secs(5);

/// Most requests with a wrong token that are answered within [`REFUSALS_WITHIN`]; later ones are turned away.
const REFUSALS_MAX: u32 = 20;

/// The time in which wrong tokens are counted.
const REFUSALS_WITHIN: Duration = Duration::from_mins(1);

/// Sent with every answer.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
];

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
        peer.is_answered.store(true, Ordering::Relaxed);
    }
    let mut answer = match guard.admit(&request) {
        Ok(Admitted::Fully) => next.run(request).await,
        Ok(Admitted::ForYesOrNo) => {
            request.extensions_mut().insert(Unauthenticated);
            next.run(request).await
        }
        Err(refusal) => *refusal,
    };
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

fn is_for_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn carries(headers: &HeaderMap, token: &SecretString) -> bool {
    let sent = headers.get(header::AUTHORIZATION);
    let sent = sent.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let (sent, token) = (
        sent.unwrap_or_default().as_bytes(),
        token.expose_secret().as_bytes(),
    );
    // Compares every byte, so that the time does not show which one was wrong.
    let differs = sent
        .iter()
        .zip(token)
        .fold(0, |differs, (a, b)| differs | (a ^ b));
    sent.len() == token.len() && differs == 0
}

/// A listener with a limit on connections. One more takes the place of another, so that clients that keep theirs
/// open cannot keep a health check waiting.
pub(super) struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    /// The open connections, oldest first, and those that ended since the last one was accepted.
    open: Vec<Open>,
}

/// A connection, as the listener knows it.
struct Open {
    close: CancellationToken,
    /// As in [`Peer`]; nobody has it once the connection has ended.
    is_answered: Weak<AtomicBool>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            open: Vec::new(),
        }
    }

    /// Waits for a slot, and closes a connection where none is free: the oldest from which the head of a request
    /// is awaited, else the oldest.
    async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        self.open.retain(|open| open.is_answered.strong_count() > 0);
        let slots = Arc::clone(&self.slots);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            return Some(slot);
        }
        let is_awaited = |open: &Open| {
            let answered = open.is_answered.upgrade();
            answered.is_some_and(|answered| !answered.load(Ordering::Relaxed))
        };
        let place = self.open.iter().position(is_awaited).unwrap_or(0);
        if place < self.open.len() {
            self.open.remove(place).close.cancel();
        }
        slots.acquire_owned().await.ok()
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let slot = self.slot().await;
        let peer = Peer {
            address,
            is_answered: Arc::default(),
        };
        let close = CancellationToken::new();
        self.open.push(Open {
            close: close.clone(),
            is_answered: Arc::downgrade(&peer.is_answered),
        });
        let connection = Connection {
            stream,
            peer,
            closed: Box::pin(close.cancelled_owned()),
            deadline: Box::pin(tokio::time::sleep(CONNECTION_LIFE)),
            head_deadline: Box::pin(tokio::time::sleep(HEAD_MAX)),
            _slot: slot,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The other end of a connection.
#[derive(Clone)]
pub(super) struct Peer {
    address: SocketAddr,
    /// The head of a request is complete and its answer not begun: nothing more is expected from the client.
    is_answered: Arc<AtomicBool>,
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        stream.io().peer.clone()
    }
}

/// A connection, its slot and its deadlines.
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
    /// Its slot is needed for another one.
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    deadline: Pin<Box<Sleep>>,
    /// For the head of the next request.
    head_deadline: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Whether it is to end now; else `context` is woken when it is.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.closed.as_mut().poll(context).is_ready()
            || self.deadline.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_awaited = !self.peer.is_answered.load(Ordering::Relaxed);
        if self.is_over(context)
            || (is_awaited && self.head_deadline.as_mut().poll(context).is_ready())
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.peer.is_answered.swap(false, Ordering::Relaxed) {
            self.head_deadline = Box::pin(tokio::time::sleep(HEAD_MAX));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
