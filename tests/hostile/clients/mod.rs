//! The other direction: hostile clients at the doors of the daemon, its status pages and its API. Every connection ends
//! in time, no answer is a failure of the server or repeats a secret, nothing is decided by those without a token,
//! and the daemon goes on accepting orders.

mod requests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::binary;
use crate::calls::TOKEN;
use crate::daemon::{PEAK_KB_MAX, long, sandbox};
use crate::figures::mb;
use crate::process::{Daemon, stock, until};
use requests::{API, Door, Hostile, PAGES, bodies};

/// The bounds are 5 to 10 s, and some requests meet several; the rest is for a loaded machine.
const ENDS_IN: Duration = Duration::from_mins(2);
/// The API takes eight connections of one client.
const AT_ONCE: usize = 6;
/// Requests that are good but for a few bytes: so many for each second that the suite is given.
const SPOILT_PER_SECOND: u64 = 60;
/// What an answer may say: that the request was served, or what is wrong with it. Nothing else is documented.
const STATUSES: [u16; 19] = [
    200, 202, 204, 400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 415, 421, 422, 429, 431,
];

/// What is wrong with how the door answered.
async fn trouble(hostile: &Hostile, secrets: &[String], met: &Met) -> Option<String> {
    let exchange = async {
        // A connection that is not taken is an end, too.
        let Ok(mut stream) = TcpStream::connect(hostile.to).await else {
            return Vec::new();
        };
        let (mut reading, mut writing) = stream.split();
        let write = async {
            let _ = writing.write_all(&hostile.bytes).await;
            let _ = writing.shutdown().await;
        };
        let mut answer = Vec::new();
        let read = async {
            let _ = reading.read_to_end(&mut answer).await;
        };
        tokio::join!(write, read);
        answer
    };
    let Ok(answer) = tokio::time::timeout(ENDS_IN, exchange).await else {
        return Some("it did not end".to_owned());
    };
    let text = String::from_utf8_lossy(&answer);
    if let Some(secret) = secrets.iter().find(|secret| text.contains(*secret)) {
        return Some(format!("{secret} is in the answer"));
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    if head.contains("HTTP/1.1 100") || head.is_empty() {
        return None;
    }
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    if !status.is_some_and(|status| STATUSES.contains(&status)) {
        return Some(format!("it answers {head}"));
    }
    met.lock().unwrap().extend(status);
    // What cannot be read as a request is refused without a body.
    if !body.is_empty() && !head.contains("x-content-type-options: nosniff") {
        return Some(format!("no security headers: {head}"));
    }
    let obeyed = |c: char| (c.is_control() && !"\r\n\t".contains(c)) || c == '\u{202e}';
    text.contains(obeyed)
        .then(|| format!("it repeats what a terminal obeys: {}", text.escape_debug()))
}

/// The statuses that were met: a suite that reached nothing would find nothing.
type Met = Mutex<BTreeSet<u16>>;

async fn run(all: Vec<Hostile>, secrets: &Arc<Vec<String>>, met: &Arc<Met>) -> Vec<String> {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for hostile in all {
        let (at_once, secrets) = (Arc::clone(&at_once), Arc::clone(secrets));
        let met = Arc::clone(met);
        tasks.spawn(async move {
            let _one = at_once.acquire_owned().await.unwrap();
            let trouble = trouble(&hostile, &secrets, &met).await;
            trouble.map(|trouble| format!("{}: {trouble}", hostile.what))
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn place(sandbox: &Server, code: &str, sku: &str) {
    let seed = OrderSeed::new(code, Clock::System.now()).line(sku, 1);
    assert!(sandbox.world().place(seed));
}

/// Whether a page is answered while others hold every connection they can get.
async fn is_served(to: SocketAddr, path: &str, token: &str) -> bool {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(to).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
async fn hostile_clients_get_nothing_and_stop_nothing() {
    let sandbox = sandbox();
    let folder = Daemon::folder(&sandbox.base_url());
    let (pages, api) = (free(), free());
    let file = folder.path().join("qabyl.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let doors = format!("[http]\nlisten = \"{pages}\"\n[web]\nlisten = \"{api}\"\n");
    let pushed = "[[stock.sources]]\nname = \"pushed\"\nkind = \"push\"\n";
    let config = config.replace("[http]\nlisten = \"\"\n", &doors) + pushed;
    std::fs::write(&file, config.replace("\"trace\"", "\"debug\"")).unwrap();
    stock(&folder, "sku,on_hand\nA,400\n");
    let token = |name: &str, role: &str| {
        let create = ["token", "create", name, "--role", role];
        let made = binary::qabyl(folder.path()).args(create).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    // A viewer: no request of theirs decides anything.
    let (viewer, reader) = (token("viewer", "viewer"), token("reader", "viewer"));
    let admins = ["one", "two", "three"].map(|name| token(name, "admin"));
    let daemon = Daemon::start(folder, None, "clients.log");
    // Held, as its goods are in no source: only a manual decision would end that.
    place(&sandbox, "900000090", "NOWHERE");
    let listens = until(Duration::from_mins(1), || {
        std::net::TcpStream::connect(api).is_ok()
    })
    .await;
    assert!(listens, "the API does not listen");

    let tokens = [TOKEN, &viewer, &reader].map(str::to_owned);
    let secrets: Vec<String> = tokens.into_iter().chain(admins.clone()).collect();
    let secrets = Arc::new(secrets);
    let doors = [
        (pages, PAGES.as_slice(), ""),
        (api, &API, ""),
        (api, &API, viewer.as_str()),
    ];
    let doors = doors.map(|(to, paths, token)| Door {
        to,
        paths,
        token: token.to_owned(),
    });
    let mut all: Vec<Hostile> = doors.iter().flat_map(Door::all).collect();
    // Each may write ten times before it has to wait.
    for (body, at) in bodies().iter().zip((0..admins.len()).cycle()) {
        let token = admins[at].clone();
        all.extend(
            Door {
                to: api,
                paths: &API,
                token,
            }
            .with_body(body),
        );
    }
    let mut random = fastrand::Rng::with_seed(7);
    let spoilt = long().as_secs() * SPOILT_PER_SECOND;
    all.extend((0..spoilt).map(|_| doors[random.usize(..doors.len())].spoilt(&mut random)));
    let count = all.len();
    let started = Clock::System.ticks();
    let met = Arc::default();
    let troubles = run(all, &secrets, &met).await;
    let took = Clock::System.ticks().saturating_sub(started);

    // Connections that ask nothing, half of something, or keep a body back.
    let half = format!("GET /healthz HTTP/1.1\r\nHost: {pages}");
    let body =
        format!("PUT /api/v1/stock/pushed HTTP/1.1\r\nHost: {api}\r\nContent-Length: 9\r\n\r\n1");
    let mut held = Vec::new();
    for bytes in ["", half.as_str(), body.as_str()] {
        for to in [pages, api] {
            for _ in 0..100 {
                let mut stream = TcpStream::connect(to).await.unwrap();
                let _ = stream.write_all(bytes.as_bytes()).await;
                held.push(stream);
            }
        }
    }
    let served = async {
        is_served(pages, "/healthz", "").await && is_served(api, "/api/v1/summary", &reader).await
    };
    let served = tokio::time::timeout(ENDS_IN, served).await;
    let connections = held.len();
    drop(held);

    place(&sandbox, "900000091", "A");
    let status = |code: &str| sandbox.world().order(code).unwrap().status.to_string();
    let accepts = until(Duration::from_mins(1), || {
        status("900000091") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    let peak = daemon.peak();
    let (_folder, _, log) = daemon.stop().await;
    println!(
        "hostile clients: {count} requests ({spoilt} of them spoilt) in {:.1} s, {} wrong; {connections} held connections; peak {:.1} MB",
        took.as_secs_f64(),
        troubles.len(),
        mb(peak),
    );
    assert!(
        troubles.is_empty(),
        "{} of {count}: {:#?}",
        troubles.len(),
        &troubles[..troubles.len().min(20)]
    );
    assert!(
        matches!(served, Ok(true)),
        "held connections keep others out: {served:?}"
    );
    assert!(accepts, "it accepts nothing any more:\n{log}");
    let met = met.lock().unwrap().clone();
    for status in [200, 400, 401, 403, 404, 405] {
        assert!(met.contains(&status), "{status} is not among {met:?}");
    }
    let orders = sandbox.world().ledger().posts_for("900000090").len();
    assert_eq!(orders, 0, "those who may not decide have decided");
    assert!(peak <= PEAK_KB_MAX, "{peak} kB");
    for secret in secrets.iter() {
        assert!(!log.contains(secret.as_str()), "a secret was logged");
    }
    assert!(!log.contains("panicked"), "{log}");
}
