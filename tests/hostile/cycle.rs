//! A server that cycles through every behaviour in front of the sandbox, until it turns honest.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{collections::BTreeSet, io};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::behaviour::{Behaviour, Call, Class, Port, Step};
use crate::wire::{call_of, header, perform, read_request};

/// Pauses longer than this would outlast the test: that they are kept to is shown elsewhere.
const PAUSE_S_MAX: u64 = 5;

struct Shared {
    sandbox: SocketAddr,
    elsewhere: SocketAddr,
    behaviours: Vec<Behaviour>,
    honest: AtomicBool,
    next: AtomicUsize,
    next_of: [AtomicUsize; 4],
    met: Mutex<BTreeSet<(Call, String)>>,
}

/// The server; it ends when dropped.
pub(crate) struct Cycle {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Cycle {
    pub(crate) async fn open(
        sandbox: SocketAddr,
        elsewhere: SocketAddr,
        mut behaviours: Vec<Behaviour>,
    ) -> Self {
        behaviours.retain(|one| {
            one.port == Port::Serves && one.pause_s.is_none_or(|pause| pause <= PAUSE_S_MAX)
        });
        // Neighbours are alike: they are mixed. What takes the most room comes first, and last what makes
        // the daemon rest for long, as it should.
        fastrand::Rng::with_seed(7).shuffle(&mut behaviours);
        behaviours.sort_by_key(|one| {
            let rests = one.pause_s.is_some() || one.allowed(Call::Post).contains(&Class::Denied);
            (rests, !(one.large || one.name.contains("without end")))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            sandbox,
            elsewhere,
            behaviours,
            honest: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            next_of: Default::default(),
            met: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// From now on every new connection reaches the sandbox.
    pub(crate) fn turn(&self, honest: bool) {
        self.shared.honest.store(honest, Ordering::Relaxed);
    }

    /// Behaviours met so far, each by which call.
    pub(crate) fn met(&self) -> BTreeSet<(Call, String)> {
        self.shared.met.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _ = meet(stream, &shared).await;
        });
        while tasks.try_join_next().is_some() {}
    }
}

/// Every other connection is met honestly, so that there is work to do: orders to read and to send.
async fn meet(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if shared.honest.load(Ordering::Relaxed) {
        let mut sandbox = TcpStream::connect(shared.sandbox).await?;
        tokio::io::copy_bidirectional(&mut stream, &mut sandbox).await?;
        return Ok(());
    }
    let turn = shared.next.fetch_add(1, Ordering::Relaxed);
    let behaviour = |n: usize| &shared.behaviours[n % shared.behaviours.len()];
    let early = behaviour(turn / 2);
    let first = early.plan(Call::Page, shared.elsewhere);
    if turn % 2 == 1 && !matches!(first.first(), Some(Step::Read)) {
        note(shared, Call::Page, early);
        for step in &first {
            perform(&mut stream, step).await?;
        }
        return Ok(());
    }
    let mut rest = Vec::new();
    let Some(request) = read_request(&mut stream, &mut rest).await? else {
        return Ok(());
    };
    let call = call_of(&request).unwrap();
    let behaviour = behaviour(shared.next_of[call as usize].fetch_add(1, Ordering::Relaxed));
    if turn.is_multiple_of(2) || is_credible(behaviour, call) {
        let answer = forward(shared.sandbox, &request).await?;
        return stream.write_all(&answer).await;
    }
    note(shared, call, behaviour);
    // Whatever is then said about it, every other POST takes effect.
    if call == Call::Post && turn % 4 == 1 {
        forward(shared.sandbox, &request).await?;
    }
    for step in &behaviour.plan(call, shared.elsewhere) {
        perform(&mut stream, step).await?;
    }
    Ok(())
}

/// An honest-looking answer about another order's lines, or about an order nobody has, is a lie that
/// no client can see through; here the wire is hostile, not the bookkeeping.
fn is_credible(behaviour: &Behaviour, call: Call) -> bool {
    call == Call::Entries
        && [Class::Right, Class::Another]
            .iter()
            .any(|class| behaviour.allowed(call).contains(class))
}

fn note(shared: &Shared, call: Call, behaviour: &Behaviour) {
    let met = (call, behaviour.name.clone());
    shared.met.lock().unwrap().insert(met);
}

/// One request to the sandbox and its whole answer.
async fn forward(sandbox: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(sandbox).await?;
    upstream.write_all(request).await?;
    let mut answer = Vec::new();
    loop {
        if let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let length = header(&answer, "content-length").map_or(0, |text| text.parse().unwrap());
            if answer.len() >= head + 4 + length {
                return Ok(answer);
            }
        }
        if upstream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
