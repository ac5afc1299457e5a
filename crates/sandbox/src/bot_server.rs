//! Serves a [`BotApi`] on a TCP port.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch};

use super::{
    bot_api::{Answered, BotApi},
    http::{Incoming, read_request, write_reply},
    listener::Listener,
    message::{Reply, Request},
    server::Clock,
};

/// The longest time that a call of `getUpdates` waits.
const WAIT_MAX: u64 = 50;

/// A running Bot API. Stops when dropped; [`BotServer::shutdown`] also waits for the end.
pub struct BotServer {
    listener: Listener,
    shared: Arc<Shared>,
}

struct Shared {
    api: Mutex<BotApi>,
    /// Changes whenever something may have happened that a waiting call is answered for.
    changes: watch::Sender<u64>,
    clock: Clock,
}

impl BotServer {
    /// Listens on `addr` (port 0 = any free one). Must be called inside a Tokio runtime with
    /// I/O and time enabled. Errors are those of binding the address.
    pub fn start(addr: SocketAddr, api: BotApi, clock: Clock) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            api: Mutex::new(api),
            changes: watch::Sender::new(0),
            clock,
        });
        let of_connections = Arc::clone(&shared);
        let serve = move |stream| answer_all(stream, Arc::clone(&of_connections));
        let listener = Listener::start(addr, serve)?;
        Ok(Self { listener, shared })
    }

    /// Its address, for a channel's `url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.listener.addr)
    }

    /// Reads or changes what is behind the port; a call that waits for news looks again afterwards.
    pub fn with<T>(&self, change: impl FnOnce(&mut BotApi) -> T) -> T {
        let done = change(&mut self.shared.api());
        self.shared.changed();
        done
    }

    /// Stops listening, drops every connection and waits for all tasks to end.
    pub async fn shutdown(self) {
        self.listener.shutdown().await;
    }
}

impl Shared {
    fn api(&self) -> MutexGuard<'_, BotApi> {
        self.api.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn handle(&self, request: &Request) -> Answered {
        let path = request.path.strip_prefix("/bot").unwrap_or_default();
        let (token, method) = path.split_once('/').unwrap_or((path, ""));
        if !self.api().is_token(token) {
            return (401, unauthorized());
        }
        let parameters: Value = if request.body.is_empty() {
            let pairs = request.query.iter();
            pairs
                .map(|(name, value)| (name.clone(), Value::from(value.clone())))
                .collect()
        } else {
            serde_json::from_slice(&request.body).unwrap_or_default()
        };
        if method == "getUpdates" {
            return self.poll(&parameters).await;
        }
        let answered = self.api().call(method, &parameters);
        self.changed();
        answered
    }

    /// Waits for updates as long as it is asked to.
    async fn poll(&self, parameters: &Value) -> Answered {
        let wait = &parameters["timeout"];
        let wait = wait.as_u64().or_else(|| wait.as_str()?.parse().ok());
        let wait = Duration::from_secs(wait.unwrap_or(0).min(WAIT_MAX));
        let mut changes = self.changes.subscribe();
        let poll = match self.api().begins_poll(parameters) {
            Ok(poll) => poll,
            Err(answer) => return answer,
        };
        // An earlier call that still waits is ended.
        self.changed();
        let late = tokio::time::sleep(wait);
        tokio::pin!(late);
        let mut is_late = wait.is_zero();
        loop {
            changes.mark_unchanged();
            if let Some(answer) = self.api().polled(poll, parameters, is_late) {
                return answer;
            }
            tokio::select! {
                () = &mut late => is_late = true,
                _ = changes.changed() => {}
            }
        }
    }
}

fn unauthorized() -> Value {
    serde_json::json!({ "ok": false, "error_code": 401, "description": "Unauthorized" })
}

async fn answer_all(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let (request, keep_alive) = match read_request(&mut stream, &mut buffer).await? {
            Incoming::Request {
                request,
                keep_alive,
            } => (request, keep_alive),
            Incoming::Malformed(reply) => {
                write_reply(&mut stream, &reply, (shared.clock)(), false).await?;
                return stream.shutdown().await;
            }
            Incoming::Closed => return Ok(()),
        };
        let (status, body) = tokio::select! {
            answered = shared.handle(&request) => answered,
            // The client has closed the connection and reads no answer.
            () = closed(&mut stream) => return Ok(()),
        };
        let reply = Reply::plain_json(status, &body);
        write_reply(&mut stream, &reply, (shared.clock)(), keep_alive).await?;
        if !keep_alive {
            return stream.shutdown().await;
        }
    }
}

/// Ends when the client has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut next = [0_u8; 1];
    // What comes before the answer, on a connection that stays open, is the next request.
    if !matches!(stream.peek(&mut next).await, Ok(0) | Err(_)) {
        std::future::pending::<()>().await;
    }
}
