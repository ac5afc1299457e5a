//! What hostile clients send.

use std::net::SocketAddr;

pub(super) const PAGES: [&str; 5] = ["/", "/healthz", "/readyz", "/status", "/metrics"];
pub(super) const API: [&str; 8] = [
    "/api/v1/orders",
    "/api/v1/orders/900000090",
    "/api/v1/orders/900000090/accept",
    "/api/v1/orders/900000090/cancel",
    "/api/v1/stock",
    "/api/v1/stock/pushed",
    "/api/v1/summary",
    "/api/v1/openapi.json",
];

/// A request as it is sent.
#[derive(Clone)]
pub(super) struct Hostile {
    pub(super) to: SocketAddr,
    pub(super) what: String,
    pub(super) bytes: Vec<u8>,
}

/// A door, and the token that opens it, or none.
pub(super) struct Door {
    pub(super) to: SocketAddr,
    pub(super) paths: &'static [&'static str],
    pub(super) token: String,
}

fn methods(path: &str) -> Vec<String> {
    let long = "X".repeat(9_000);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI",
        "get", "G\u{1b}T", "", &long,
    ];
    let of_methods = methods.map(|method| format!("{method} {path} HTTP/1.1"));
    let versions = [
        "HTTP/1.0",
        "HTTP/0.9",
        "HTTP/2.0",
        "HTTP/9.9",
        "HTTP/1.1 more",
        "",
        "\u{1b}[2J",
    ];
    let of_versions = versions.map(|version| format!("GET {path} {version}"));
    of_methods.into_iter().chain(of_versions).collect()
}

fn paths(path: &str) -> Vec<String> {
    let long = format!("{path}?{}", "a=b&".repeat(20_000));
    let paths = [
        format!("{path}/../../../etc/passwd"),
        format!("{path}/%2e%2e/%2e%2e/etc/qabyl/token"),
        format!("{path}%00"),
        format!("{path}/%ff%fe"),
        format!("{path}/%1b[2J%0d%0aSet-Cookie:%20a=b"),
        format!("{path}?cursor=%1b&limit=99999999999999999999&state=%00"),
        format!("{path}?limit=1&limit=2"),
        format!("http://evil.example{path}"),
        format!("http://user:password@127.0.0.1{path}"),
        format!("/{path}"),
        format!("{path}\t{path}"),
        format!("{path}\u{202e}"),
        "*".to_owned(),
        long,
    ];
    paths.map(|path| format!("GET {path} HTTP/1.1")).into()
}

fn headers() -> Vec<String> {
    let long = "a".repeat(70_000);
    let many = "X-A: b\r\n".repeat(300);
    let headers = [
        "Host: localhost\r\n",
        "Host: evil.example\r\n",
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=1.2.3.4\r\n",
        "Authorization: Basic YTpi\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer qab_00000000_\u{1b}\r\n",
        "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Expect: 100-continue\r\nContent-Length: 3\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAA\r\n",
        "Content-Encoding: gzip\r\nContent-Type: application/json\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "If-Match: \"\u{1b}\"\r\n",
        "If-Match: a\r\nIf-Match: b\r\n",
        "Idempotency-Key: a b\r\n",
        "Range: bytes=0-0,1-1,-1\r\n",
        "no colon at all\r\n",
        " folded: x\r\n",
        "X-Null: a\0b\r\n",
        "X-Bare: a\nX-Other: b\r\n",
        "X-Return: a\rb\r\n",
        ": empty\r\n",
    ];
    let more = [
        many,
        format!("X-Long: {long}\r\n"),
        format!("Cookie: {long}\r\n"),
    ];
    headers.into_iter().map(str::to_owned).chain(more).collect()
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let deep = "[".repeat(60_000);
    let deep_object = "{\"why\":".repeat(8_000);
    let bodies: [&[u8]; 12] = [
        b"{",
        b"null",
        b"[]",
        b"{\"why\": 1e999999}",
        b"{\"why\": \"\\ud800\"}",
        b"{\"why\": \"\xff\xfe\"}",
        b"{\"why\": \"a\", \"why\": \"b\"}",
        b"\xef\xbb\xbf{\"why\": \"a\"}",
        b"{\"why\": \"\\u001b]52;c;ZXZpbA==\\u0007\\u202e\"}",
        b"{\"override\": [\"\\u0000\"], \"reason\": \"\"}",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ];
    bodies.map(<[u8]>::to_vec).into()
}

impl Door {
    fn request(&self, line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let token = if self.token.is_empty() {
            String::new()
        } else {
            format!("Authorization: Bearer {}\r\n", self.token)
        };
        let host = format!("Host: {}\r\n", self.to);
        let head = format!("{line}\r\n{host}{token}{headers}Connection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    pub(super) fn all(&self) -> Vec<Hostile> {
        let mut all = Vec::new();
        let mut add = |what: &str, bytes: Vec<u8>| {
            let what = format!(
                "{} {}",
                what.escape_debug(),
                if self.token.is_empty() {
                    ""
                } else {
                    "with a token"
                }
            );
            let what = what.chars().take(200).collect();
            all.push(Hostile {
                to: self.to,
                what,
                bytes,
            });
        };
        for path in self.paths {
            for line in methods(path).into_iter().chain(paths(path)) {
                add(&line, self.request(&line, "", b""));
            }
        }
        // What concerns heads is the same for every page.
        for path in [self.paths[0], self.paths[self.paths.len() / 2]] {
            for headers in headers() {
                let line = format!("POST {path} HTTP/1.1");
                add(
                    &format!("{line} {headers}"),
                    self.request(&line, &headers, b"5\r\nhello\r\nffffffffffffffffff\r\n"),
                );
            }
            let whole = self.request(&format!("GET {path} HTTP/1.1"), "", b"");
            for cut in [0, 1, 3, whole.len() / 2, whole.len() - 2, whole.len() - 1] {
                add(
                    &format!("GET {path}, cut after {cut} bytes"),
                    whole[..cut].to_vec(),
                );
            }
        }
        all
    }

    /// Bodies that neither decide nor are stock, to who may do both.
    pub(super) fn with_body(&self, body: &[u8]) -> [Hostile; 2] {
        [
            ("POST /api/v1/orders/900000090/cancel", "application/json"),
            ("PUT /api/v1/stock/pushed", "text/csv"),
        ]
        .map(|(line, kind)| {
            let length = body.len();
            let headers = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
            Hostile {
                to: self.to,
                what: format!("{line} with {}", body[..body.len().min(60)].escape_ascii()),
                bytes: self.request(&format!("{line} HTTP/1.1"), &headers, body),
            }
        })
    }

    /// A good request with a few bytes of it changed.
    pub(super) fn spoilt(&self, random: &mut fastrand::Rng) -> Hostile {
        let path = self.paths[random.usize(..self.paths.len())];
        let method = ["GET", "POST", "PUT"][random.usize(..3)];
        let line = format!("{method} {path} HTTP/1.1");
        let body = b"{\"why\": \"a reason\"}";
        let headers = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let mut bytes = self.request(&line, &headers, body);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\r\n\0 :;,%\x1b\xff"[random.usize(..10)]),
            }
        }
        Hostile {
            to: self.to,
            what: format!("{}", bytes.escape_ascii()),
            bytes,
        }
    }
}
