//! The connections of the status pages: how many, and how long each may last.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Most connections at once: a scraper, a health check, a few people.
const CONNECTIONS_MAX: usize = 32;

/// Longest life of a connection: an idle one must not keep its slot.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// Longest wait for the head of a request, the first and each later one: a client that sends half of one must
/// not keep its slot.
const HEAD_MAX: Duration = Duration::from_secs(5);

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

impl Peer {
    /// The other end's address.
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// Notes that the head of a request is complete.
    pub(super) fn head_is_read(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }
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
