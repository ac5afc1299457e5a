//! A raw TCP server: it does what a [`Step`] says, byte by byte, and remembers every request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::behaviour::{Call, Plan, Port, Step};

/// Longest request taken.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Requests as they came, head and body.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Vec<u8>>>>);

impl Seen {
    pub(crate) fn push(&self, request: Vec<u8>) {
        self.0.lock().unwrap().push(request);
    }

    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

/// One hostile port. Everything behind it ends when it is dropped.
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Seen,
    _tasks: JoinSet<()>,
    /// What holds the port in its state: connections that fill a backlog, a listener nobody asks.
    _held: Held,
}

/// A listener, and connections that lie in its backlog.
type Held = (Option<TcpListener>, Vec<TcpStream>);

impl Hostile {
    /// Opens a port that meets every connection with this plan.
    pub(crate) async fn open(port: Port, plan: Plan) -> Self {
        let seen = Seen::default();
        let mut tasks = JoinSet::new();
        let mut held = Held::default();
        let address = match port {
            Port::Serves | Port::Https => {
                let listener = TcpListener::bind(loopback()).await.unwrap();
                let address = listener.local_addr().unwrap();
                tasks.spawn(accept(listener, Arc::new(plan), seen.clone()));
                address
            }
            Port::Refuses => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(loopback()).unwrap();
                // Bound and not listening: the kernel refuses, and nobody else can take the port.
                let address = socket.local_addr().unwrap();
                tasks.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(socket);
                });
                address
            }
            Port::NeverAccepts => {
                let listener = TcpListener::bind(loopback()).await.unwrap();
                let address = listener.local_addr().unwrap();
                held.0 = Some(listener);
                address
            }
            Port::Full => {
                let (listener, fillers) = fill().await;
                let address = listener.local_addr().unwrap();
                held = (Some(listener), fillers);
                address
            }
        };
        Self {
            address,
            seen,
            _tasks: tasks,
            _held: held,
        }
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// A listener whose backlog is full: the kernel drops what comes next, as a black hole does.
async fn fill() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    loop {
        let connect = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), connect).await {
            Ok(Ok(filler)) => fillers.push(filler),
            Ok(Err(error)) => panic!("the backlog refuses instead of being full: {error}"),
            Err(_) => return (listener, fillers),
        }
    }
}

async fn accept(listener: TcpListener, plan: Arc<Plan>, seen: Seen) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (plan, seen) = (Arc::clone(&plan), seen.clone());
        tasks.spawn(async move {
            // The client going away in the middle is what most plans end with.
            let _ = follow(stream, &plan, &seen).await;
        });
        while tasks.try_join_next().is_some() {}
    }
}

/// Does the plan on one connection.
async fn follow(mut stream: TcpStream, plan: &[Step], seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut rest = Vec::new();
    for step in plan {
        match step {
            Step::Read => match read_request(&mut stream, &mut rest).await? {
                Some(request) => seen.push(request),
                None => return Ok(()),
            },
            step => perform(&mut stream, step).await?,
        }
    }
    Ok(())
}

/// Does one step that does not read.
pub(crate) async fn perform(stream: &mut TcpStream, step: &Step) -> io::Result<()> {
    match step {
        Step::Read => Ok(()),
        Step::Write(bytes) => stream.write_all(bytes).await,
        Step::Drip(bytes, pause) => {
            for byte in bytes {
                stream.write_all(std::slice::from_ref(byte)).await?;
                tokio::time::sleep(*pause).await;
            }
            Ok(())
        }
        Step::Flood(bytes) => loop {
            stream.write_all(bytes).await?;
        },
        Step::Pause(time) => {
            tokio::time::sleep(*time).await;
            Ok(())
        }
        Step::Hold => {
            let mut ignored = [0_u8; 4096];
            while stream.read(&mut ignored).await? > 0 {}
            Ok(())
        }
        Step::Reset => {
            stream.set_zero_linger()?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// One request, head and body, as it came; `None` when the client has disconnected.
pub(crate) async fn read_request(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(length) = length_of(rest) {
            let after = rest.split_off(length);
            return Ok(Some(std::mem::replace(rest, after)));
        }
        if rest.len() > REQUEST_BYTES_MAX || stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}

/// The length of the first whole request in these bytes.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = header(bytes, "content-length").map_or(0, |text| text.parse().unwrap());
    (bytes.len() >= head + body).then_some(head + body)
}

/// A header of a request as it came.
pub(crate) fn header(request: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let head = text.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// What a request as it came asks for.
pub(crate) fn call_of(request: &[u8]) -> Option<Call> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let path = target.split('?').next()?;
    Some(match (method, path.ends_with("/entries")) {
        ("POST", _) => Call::Post,
        (_, true) => Call::Entries,
        _ if path.ends_with("/v2/orders") => Call::Page,
        _ => Call::Order,
    })
}

/// A host the client was never given: it answers anything, and counts.
pub(crate) struct Elsewhere {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
    _tasks: JoinSet<()>,
}

impl Elsewhere {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let mut tasks = JoinSet::new();
        let notes = Arc::clone(&got);
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                let read = stream.read_buf(&mut bytes);
                let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
                notes.lock().unwrap().push(bytes);
            }
        });
        Self {
            address,
            got,
            _tasks: tasks,
        }
    }

    /// What came, one entry a connection.
    pub(crate) fn got(&self) -> Vec<Vec<u8>> {
        self.got.lock().unwrap().clone()
    }
}
