//! The web app as a browser uses it: raw requests to a server beside the fixture world, whose clock stands still.

mod doors;
mod forms;
mod live;
mod many;
mod matrix;
mod pages;
mod rules;
mod stock;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use qabyl::config::{Config, Sources};
use qabyl::domain::ids::ShopName;
use qabyl::domain::people::{Actor, Grants, Role};
use qabyl::ledger::Secret;
use qabyl::web;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::{Described, TestWorld};

/// A world whose shop is served to browsers.
pub(super) struct Web {
    pub(super) world: TestWorld,
    pub(super) address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// An answer.
pub(super) struct Shown {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Shown {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n\n{}", self.head, self.body);
        self
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// The value of the first hidden field of that name after this text.
    #[track_caller]
    pub(super) fn field(&self, after: &str, name: &str) -> String {
        let (_, rest) = self.body.split_once(after).expect(&self.body);
        let mark = format!("name=\"{name}\" value=\"");
        let (_, rest) = rest.split_once(&mark).expect(rest);
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A browser with its cookie.
#[derive(Clone, Default)]
pub(super) struct Browser {
    pub(super) cookie: String,
}

/// What a browser sends beside the address.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Sent {
    /// As the web app's own pages send a form.
    pub(super) fn form(web: &Web, fields: &[(&'static str, &str)]) -> Self {
        let headers = [
            ("Origin", format!("http://{}", web.address)),
            ("Sec-Fetch-Site", "same-origin".to_owned()),
        ];
        let fields = fields.iter();
        Self {
            headers: headers.into(),
            fields: fields
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    /// The same with another value, or, with an empty one, without it.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if value.is_empty() {
            self.headers.remove(name);
        } else {
            self.headers.insert(name, value.to_owned());
        }
        self
    }

    /// The same with another value of a field, or, with an empty one, without it.
    pub(super) fn with_field(mut self, name: &'static str, value: &str) -> Self {
        self.fields.retain(|(field, _)| *field != name);
        if !value.is_empty() {
            self.fields.push((name, value.to_owned()));
        }
        self
    }

    fn body(&self) -> String {
        let encode = |text: &str| {
            text.bytes().fold(String::new(), |mut out, byte| {
                let _ = write!(out, "%{byte:02X}");
                out
            })
        };
        let pairs = self.fields.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        pairs.join("&")
    }
}

impl Web {
    pub(super) async fn begin(described: Described) -> Self {
        Self::beside(described.begin().await).await
    }

    pub(super) async fn beside(world: TestWorld) -> Self {
        let sources = Sources {
            file: Some(world.config_file()),
            search: Vec::new(),
            env: BTreeMap::new().into(),
            overrides: Vec::new(),
        };
        let parts = web::Parts {
            loaded: Config::load(sources).unwrap(),
            store: Arc::clone(&world.store),
            shops: vec![Arc::clone(&world.shop.ctx)],
            feeds: None,
            clock: world.clock(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        #[expect(
            clippy::disallowed_methods,
            reason = "the test owns it: its end waits for the last answer"
        )]
        let served = tokio::spawn(web::serve_at(listener, parts, stop.clone()));
        Self {
            world,
            address,
            stop,
            served,
        }
    }

    /// Stops, and waits for the last answer.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }

    pub(super) async fn user(&self, name: &str, role: Role, shops: &[&str]) {
        let shops: Vec<ShopName> = shops
            .iter()
            .map(|shop| ShopName::new(shop).unwrap())
            .collect();
        let grants = Grants::of(role, &shops);
        let by = Actor::command_line("person", "uid 1000");
        let added = self
            .world
            .store
            .add_user((name, None), &grants, &by, self.world.now());
        added.await.unwrap();
    }

    /// A link for a user; each number is another secret.
    pub(super) async fn link(&self, name: &str, number: u8) -> String {
        let (secret, by) = (
            Secret::of(&[number; 32]),
            Actor::command_line("person", "uid 1000"),
        );
        let made = self
            .world
            .store
            .make_link(name, &secret, &by, self.world.now());
        made.await.unwrap();
        format!("/sign-in/{}", secret.text())
    }

    /// A browser in which a new user of this role has signed in.
    pub(super) async fn signed_in(&self, name: &str, role: Role, number: u8) -> Browser {
        self.user(name, role, &[]).await;
        let link = self.link(name, number).await;
        self.follow(&link).await
    }

    /// Signs in with a link.
    pub(super) async fn follow(&self, link: &str) -> Browser {
        let said = self
            .post(&Browser::default(), link, &Sent::form(self, &[]))
            .await
            .is(303);
        let cookie = said.header("set-cookie").expect(&said.head);
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Browser { cookie }
    }

    pub(super) async fn get(&self, browser: &Browser, path: &str) -> Shown {
        self.get_with(browser, path, "").await
    }

    pub(super) async fn get_with(&self, browser: &Browser, path: &str, headers: &str) -> Shown {
        self.ask(
            &format!(
                "GET {path} HTTP/1.1\r\n{}{headers}",
                self.head(browser, headers)
            ),
            "",
        )
        .await
    }

    pub(super) async fn post(&self, browser: &Browser, path: &str, sent: &Sent) -> Shown {
        let body = sent.body();
        let mut head = format!("POST {path} HTTP/1.1\r\n{}", self.head(browser, ""));
        for (name, value) in &sent.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.ask(&head, &body).await
    }

    fn head(&self, browser: &Browser, headers: &str) -> String {
        let mut head = String::new();
        if !headers.contains("Host: ") {
            let _ = write!(head, "Host: {}\r\n", self.address);
        }
        if !browser.cookie.is_empty() {
            let _ = write!(head, "Cookie: {}\r\n", browser.cookie);
        }
        head
    }

    /// Asks, and again where the connection was closed unread: on a busy machine a test may be slower than a server waits
    /// for the head of a request.
    async fn ask(&self, head: &str, body: &str) -> Shown {
        for _ in 0..20 {
            let shown = self.ask_once(head, body).await;
            if shown.status != 0 {
                return shown;
            }
        }
        panic!("no answer to {head}");
    }

    async fn ask_once(&self, head: &str, body: &str) -> Shown {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}Connection: close\r\n\r\n{body}");
        let mut answer = Vec::new();
        // A request that is refused early is not read to its end, and its connection may be reset.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Shown {
            status: status.unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }
}
