//! A receiver of webhooks, and Telegram's stand-in: real HTTP, its own idea of a signature, and every
//! way of not answering.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use qabyl::clock::Clock;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

pub(crate) const SECRET: &str = "whsec_cmVjZWl2ZXItc2VjcmV0LW9mLXRoaXJ0eS10d28hIQ==";
const KEY: &[u8] = b"receiver-secret-of-thirty-two!!";

/// How it behaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mode {
    /// Takes what has a valid signature.
    Well,
    /// Answers with this, after a header line.
    Says(u16, &'static str, &'static str),
    /// Takes it, and the answer is lost.
    LosesReply,
    /// Takes it, and answers after this time.
    Slow(Duration),
    /// Never answers.
    Hangs,
}

#[derive(Default, Clone)]
pub(crate) struct Seen {
    /// Requests that came in, taken or not.
    pub(crate) requests: usize,
    /// Those that repeated an id taken before.
    pub(crate) repeats: usize,
    /// Bodies taken, each id once.
    pub(crate) taken: Vec<Value>,
    /// When each of them arrived.
    pub(crate) arrived: Vec<Timestamp>,
    /// What was wrong with a request.
    pub(crate) wrong: Vec<String>,
    /// Paths asked for.
    pub(crate) paths: Vec<String>,
    ids: HashSet<String>,
}

impl Seen {
    /// Notices delivered, the summarised ones too.
    pub(crate) fn items(&self) -> Vec<Value> {
        let items = self
            .taken
            .iter()
            .filter_map(|body| body["data"]["items"].as_array());
        items.flatten().cloned().collect()
    }
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
    seen: Arc<Mutex<Seen>>,
    task: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let mut receiver = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            mode: Arc::new(Mutex::new(Mode::Well)),
            seen: Arc::default(),
            task: None,
        };
        receiver.listen().await;
        receiver
    }

    /// Listens at its address again.
    pub(crate) async fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (mode, seen) = (Arc::clone(&self.mode), Arc::clone(&self.seen));
        let tracker = TaskTracker::new();
        let of_each = tracker.clone();
        self.task = Some(tracker.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (mode, seen) = (Arc::clone(&mode), Arc::clone(&seen));
                of_each.spawn(async move { serve(stream, &mode, &seen).await });
            }
        }));
    }

    /// Nobody listens any more.
    pub(crate) async fn stop_listening(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub(crate) fn behaves(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?key=hidden-part-of-the-url", self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn serve(mut stream: TcpStream, mode: &Mutex<Mode>, seen: &Mutex<Seen>) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length")?.parse::<usize>().ok()?;
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
    };
    let mode = mode.lock().unwrap().clone();
    seen.lock().unwrap().requests += 1;
    match mode {
        Mode::Hangs => {
            std::future::pending::<()>().await;
        }
        Mode::Says(status, line, body) => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Said\r\n{line}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
        Mode::LosesReply => take(&head, &body, &mut seen.lock().unwrap()),
        Mode::Well | Mode::Slow(_) => {
            take(&head, &body, &mut seen.lock().unwrap());
            if let Mode::Slow(time) = mode {
                tokio::time::sleep(time).await;
            }
            let said = r#"{"ok":true}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
                said.len()
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }
    Some(())
}

fn take(head: &str, body: &str, seen: &mut Seen) {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_telegram = path.contains("/sendMessage");
    seen.paths.push(path);
    if !is_telegram {
        let [id, time, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| header(head, name).unwrap_or_default());
        let signed = format!("{id}.{time}.{body}");
        let expected = format!("v1,{}", base64(&hmac(KEY, signed.as_bytes())));
        if signature != expected {
            seen.wrong
                .push(format!("{signature}, and {expected} was expected"));
            return;
        }
        if !seen.ids.insert(id) {
            seen.repeats += 1;
            return;
        }
    }
    seen.taken.push(serde_json::from_str(body).unwrap());
    seen.arrived.push(Clock::System.now());
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// RFC 2104, written out.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// RFC 4648, written out.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[test]
fn the_key_is_the_one_in_the_secret() {
    assert_eq!(SECRET, format!("whsec_{}", base64(KEY)));
}
