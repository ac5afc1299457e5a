//! A TCP port whose connections are each served in a task of their own, until it is stopped.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Pause after a failed accept, for example without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A port that is listened at. Stops when dropped; [`Listener::shutdown`] also waits for the end.
pub(crate) struct Listener {
    pub(crate) addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Listens on `addr` (port 0 = any free one), and serves each connection by `serve`. Must be called inside a Tokio
    /// runtime with I/O and time enabled. Errors are those of binding the address.
    pub(crate) fn start<F>(
        addr: SocketAddr,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let started = Self {
            addr: listener.local_addr()?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (stop, tasks) = (started.stop.clone(), started.tasks.clone());
        started.tasks.spawn(accept(listener, stop, tasks, serve));
        Ok(started)
    }

    /// Stops listening, drops every connection and waits for all tasks to end.
    pub(crate) async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept<F>(
    listener: TcpListener,
    stop: CancellationToken,
    tasks: TaskTracker,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (stop, served) = (stop.clone(), serve(stream));
                tasks.spawn(async move {
                    let ended = tokio::select! {
                        () = stop.cancelled() => return,
                        ended = served => ended,
                    };
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a sandbox connection broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the sandbox cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
