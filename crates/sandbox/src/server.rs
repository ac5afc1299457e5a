//! Serves a [`World`] on a TCP port.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    commands::COMMANDS,
    http::{Incoming, read_request, write_reply},
    ledger_report,
    listener::Listener,
    message::{Method, Reply, Request, Wire},
    world::World,
};

/// The source of the server's time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where commands are sent to and listed, beside the API and not counted as requests.
const CONTROL: &str = "/control";

/// A running sandbox. Stops when dropped; [`Server::shutdown`] also waits for the end.
pub struct Server {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Shared by all connections.
struct Shared {
    world: Mutex<World>,
    clock: Clock,
}

impl Server {
    /// Listens on `addr` (port 0 = any free one). Must be called inside a Tokio runtime with
    /// I/O and time enabled. Errors are those of binding the address.
    pub fn start(addr: SocketAddr, world: World, clock: Clock) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            clock,
        });
        let of_connections = Arc::clone(&shared);
        let serve = move |stream| answer_all(stream, Arc::clone(&of_connections));
        let listener = Listener::start(addr, serve)?;
        Ok(Self { listener, shared })
    }

    /// The listening address.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr
    }

    /// The base address of the API, for a client's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/shop/api", self.listener.addr)
    }

    /// The base address of the supplier Al-Style, where the settings have one.
    pub fn al_style_url(&self) -> String {
        format!("http://{}{}", self.listener.addr, super::al_style::ROOT)
    }

    /// The world behind the port. Every answer waits while the guard is held: do not keep it
    /// across an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Stops listening, drops every connection and waits for all tasks to end.
    pub async fn shutdown(self) {
        self.listener.shutdown().await;
    }
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request. The clock is read under the lock, so that the world's time never runs backwards.
    fn handle(&self, request: &Request) -> Reply {
        let mut world = self.world();
        let now = (self.clock)();
        if request.method == Method::Get && request.path == ledger_report::PATH {
            world.advance(now);
            return Reply::json(200, &ledger_report::report(&world));
        }
        if request.method == Method::Get && request.path == ledger_report::REQUESTS {
            return Reply::json(200, &ledger_report::requests(&world));
        }
        if request.path == CONTROL {
            return control(&mut world, request, now);
        }
        world.handle(now, request)
    }
}

/// Carries out commands, one in each line of the body; a GET lists them.
fn control(world: &mut World, request: &Request, now: Timestamp) -> Reply {
    if request.method == Method::Get {
        return Reply::plain(200, COMMANDS);
    }
    let commands = String::from_utf8_lossy(&request.body);
    match world.carry_out_commands(&commands, now) {
        Ok(done) => Reply::plain(200, &format!("done: {done}\n")),
        Err(error) => Reply::plain(400, &format!("{error}\n")),
    }
}

/// Answers one request after another until either side closes.
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
        let reply = shared.handle(&request);
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        match reply.wire {
            Wire::DropBefore | Wire::DropAfter => return Ok(()),
            Wire::Hang => return wait_for_close(&mut stream).await,
            Wire::Truncate => {
                write_reply(&mut stream, &reply, (shared.clock)(), false).await?;
                return stream.shutdown().await;
            }
            Wire::Whole => {
                write_reply(&mut stream, &reply, (shared.clock)(), keep_alive).await?;
                if !keep_alive {
                    return stream.shutdown().await;
                }
            }
        }
    }
}

/// Stays silent until the client closes the connection.
async fn wait_for_close(stream: &mut TcpStream) -> io::Result<()> {
    let mut ignored = [0_u8; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
