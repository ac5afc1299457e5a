//! What both HTTP servers share: a listener with limits, so that clients that send half of a request, or keep
//! connections open, cost a slot for seconds only.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Network;

/// What a client may take of a server.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Most connections at once; one more takes the place of another.
    pub connections: usize,
    /// Most connections of one client; one more takes the place of one that asks nothing, or is closed at once.
    pub per_client: Option<usize>,
    /// Proxies that speak for many clients: their connections are not counted as one client's.
    pub proxies: Vec<Network>,
    /// Longest life of a connection.
    pub life: Duration,
    /// Longest wait for the head of the first request, and of each later one once it has begun.
    pub head: Duration,
    /// Longest wait for the next request.
    pub idle: Duration,
}

/// A client as limits count it: an IPv6 client has a whole network of addresses.
pub fn as_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Counts what each client has open.
#[derive(Debug, Clone, Default)]
pub struct PerClient(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of a client's.
#[derive(Debug)]
pub struct OfClient {
    of: PerClient,
    client: IpAddr,
}

impl PerClient {
    /// One more of this client; `None` where it has as many as it may.
    pub fn one_more(&self, address: IpAddr, max: usize) -> Option<OfClient> {
        let client = as_client(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(OfClient {
            of: self.clone(),
            client,
        })
    }
}

impl Drop for OfClient {
    fn drop(&mut self) {
        let mut open = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// A listener within its bounds. A connection too many takes the place of another, so that clients that keep theirs
/// open cannot keep a health check waiting.
pub struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    bounds: Bounds,
    /// The open connections, oldest first, and those that ended since the last one was accepted.
    open: Vec<Open>,
}

/// A connection, as the listener knows it.
struct Open {
    client: IpAddr,
    close: CancellationToken,
    /// As in [`Peer`]; nobody has it once the connection has ended.
    is_answered: Weak<AtomicBool>,
}

impl Bounded {
    /// Listens within these bounds.
    pub fn new(listener: TcpListener, bounds: Bounds) -> Self {
        Self {
            listener,
            slots: Arc::new(Semaphore::new(bounds.connections)),
            bounds,
            open: Vec::new(),
        }
    }

    /// Waits for a slot, and closes a connection where none is free.
    async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            return Some(slot);
        }
        if !self.close_oldest_awaited(|_| true) && !self.open.is_empty() {
            self.open.remove(0).close.cancel();
        }
        slots.acquire_owned().await.ok()
    }

    /// Closes the oldest connection of these from which the head of a request is awaited, if there is one.
    fn close_oldest_awaited(&mut self, is_one: impl Fn(&Open) -> bool) -> bool {
        let is_awaited = |open: &Open| {
            let answered = open.is_answered.upgrade();
            answered.is_some_and(|answered| !answered.load(Ordering::Relaxed))
        };
        let mut open = self.open.iter();
        let place = open.position(|open| is_one(open) && is_awaited(open));
        place
            .map(|place| self.open.remove(place).close.cancel())
            .is_some()
    }

    /// Whether a client may open one more. All users of this machine are one client: those of them that ask nothing give
    /// way to one that may ask.
    fn has_room_for(&mut self, address: IpAddr) -> bool {
        self.open.retain(|open| open.is_answered.strong_count() > 0);
        let mut proxies = self.bounds.proxies.iter();
        let is_proxy = proxies.any(|proxy| proxy.contains(address));
        let Some(max) = self.bounds.per_client.filter(|_| !is_proxy) else {
            return true;
        };
        let client = as_client(address);
        let is_of_client = |open: &Open| open.client == client;
        let count = self.open.iter().filter(|open| is_of_client(open)).count();
        count < max || self.close_oldest_awaited(is_of_client)
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // One too many of a client is closed by being dropped.
            if !self.has_room_for(address.ip()) {
                continue;
            }
            let slot = self.slot().await;
            let peer = Peer {
                address,
                is_answered: Arc::default(),
            };
            let close = CancellationToken::new();
            self.open.push(Open {
                client: as_client(address.ip()),
                close: close.clone(),
                is_answered: Arc::downgrade(&peer.is_answered),
            });
            let connection = Connection {
                stream,
                peer,
                closed: Box::pin(close.cancelled_owned()),
                deadline: Box::pin(tokio::time::sleep(self.bounds.life)),
                head_deadline: Box::pin(tokio::time::sleep(self.bounds.head)),
                has_begun: true,
                head: self.bounds.head,
                idle: self.bounds.idle,
                _slot: slot,
            };
            return (connection, address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The head of a request is complete and its answer not begun: nothing more is expected from the client.
    is_answered: Arc<AtomicBool>,
}

impl Peer {
    /// A request has arrived, or another part of its body: the deadline for a head does not run until the answer.
    pub fn has_asked(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        stream.io().peer.clone()
    }
}

/// A connection, its slots and its deadlines.
pub struct Connection {
    stream: TcpStream,
    peer: Peer,
    /// Its slot is needed for another one.
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    deadline: Pin<Box<Sleep>>,
    /// For the head of the next request.
    head_deadline: Pin<Box<Sleep>>,
    /// Whether something of that head has arrived, or must at once.
    has_begun: bool,
    head: Duration,
    idle: Duration,
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if is_awaited && !self.has_begun && buffer.filled().len() > before {
            self.has_begun = true;
            self.head_deadline = Box::pin(tokio::time::sleep(self.head));
        }
        read
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
            self.has_begun = false;
            self.head_deadline = Box::pin(tokio::time::sleep(self.idle));
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
