//! The HTTP API, as a program uses it: a daemon of its own, raw requests, and every answer held to the document that
//! the API gives of itself.

mod contract;
mod decisions;
mod doors;
mod stock;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use qabyl_sandbox::Settings;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::Desk;
use crate::cli::daemon::{Daemon, until};

/// A daemon that serves the API.
pub(super) struct Api {
    pub(super) desk: Desk,
    pub(super) address: SocketAddr,
    daemon: Option<Daemon>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Said {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    /// The stable name of a problem.
    pub(super) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or_default();
        kind.strip_prefix("urn:qabyl:problem:").unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let mut values = lines.filter_map(|line| line.split_once(": "));
        let found = values.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

/// A request that is being put together.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    line: String,
    token: &'a str,
    headers: String,
    body: String,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: &str, token: &'a str) -> Self {
        Self {
            line: format!("GET /api/v1/{path}"),
            token,
            headers: String::new(),
            body: String::new(),
        }
    }

    pub(super) fn post(path: &str, token: &'a str, body: &str) -> Self {
        Self {
            line: format!("POST /api/v1/{path}"),
            body: body.to_owned(),
            ..Self::get(path, token)
        }
        .header("Content-Type", "application/json")
    }

    pub(super) fn put(path: &str, token: &'a str, kind: &str, body: &str) -> Self {
        Self {
            line: format!("PUT /api/v1/{path}"),
            body: body.to_owned(),
            ..Self::get(path, token)
        }
        .header("Content-Type", kind)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }
}

impl Api {
    /// Starts with one shop in mode `act`; `more` goes at the end of the configuration.
    pub(super) async fn start(more: &str) -> Self {
        Self::start_in("act", "", more).await
    }

    pub(super) async fn start_in(mode: &str, of_web: &str, more: &str) -> Self {
        let desk = Desk::new(Settings::default());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let web = format!("[web]\nlisten = \"{address}\"\n{of_web}[log]\n");
        let config = desk
            .config(mode, more)
            .replace("[interlocks]\n", &format!("{web}[interlocks]\n"));
        desk.write("qabyl.toml", &config);
        desk.write("token2", "a-token-of-another-shop");
        desk.only_for_owner("token2");
        let mut api = Self {
            desk,
            address,
            daemon: None,
        };
        api.run().await;
        api
    }

    /// Starts the daemon, or starts it again after a kill.
    pub(super) async fn run(&mut self) {
        self.daemon = Some(Daemon::start(&self.desk));
        for _ in 0..600 {
            if TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{}",
            std::fs::read_to_string(self.desk.path("log")).unwrap()
        );
    }

    pub(super) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(super) fn stop(mut self) {
        assert_eq!(self.daemon.take().unwrap().stop(), Some(0));
    }

    /// A token of this role.
    pub(super) async fn token(&self, name: &str, role: &str) -> String {
        self.token_for(name, role, &[]).await
    }

    /// The same, with more arguments.
    pub(super) async fn token_for(&self, name: &str, role: &str, more: &[&str]) -> String {
        let create = [&["token", "create", name, "--role", role], more].concat();
        let made = self.desk.qabyl(&create).await;
        made.ok().out.trim().to_owned()
    }

    /// An order that the rules hold, as its goods are in no source.
    pub(super) async fn held(&self, code: &str) {
        self.desk.place(code, "NOWHERE", 1);
        for _ in 0..600 {
            let listed = self
                .desk
                .qabyl(&["orders", "list", "--held", "--format", "json"])
                .await;
            if listed.code == 0 && listed.out.contains(code) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{code} is not held");
    }

    pub(super) async fn accepted(&self, code: &str) {
        until("it is accepted", || {
            self.desk.status(code) == "ACCEPTED_BY_MERCHANT"
        })
        .await;
    }

    /// Asks, and holds the answer to the document.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Said {
        let said = self.ask_raw(ask).await;
        let (method, path) = ask.line.split_once(' ').unwrap();
        contract::check(method, path, &said);
        said
    }

    /// Asks as it is written.
    pub(super) async fn ask_raw(&self, ask: &Ask<'_>) -> Said {
        let host = if ask.headers.to_lowercase().contains("host:") {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let token = if ask.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", ask.token)
        };
        let length = if ask.body.is_empty() && !ask.line.starts_with('P') {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", ask.body.len())
        };
        let request = format!(
            "{} HTTP/1.1\r\n{host}{token}{length}{}Connection: close\r\n\r\n{}",
            ask.line, ask.headers, ask.body
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (mut reading, mut writing) = stream.split();
        // It may answer before it has read all.
        let write = async {
            let _ = writing.write_all(request.as_bytes()).await;
        };
        let mut answer = Vec::new();
        let read = async {
            let _ = reading.read_to_end(&mut answer).await;
        };
        tokio::join!(write, read);
        said(&String::from_utf8_lossy(&answer))
    }
}

pub(super) fn said(answer: &str) -> Said {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Said {
        status: status.unwrap_or_default(),
        head: head.to_owned(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}
