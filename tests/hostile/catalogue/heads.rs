//! Status lines and headers.

use crate::behaviour::{Behaviour, Class, Step};
use crate::honest::{answer, body, raw, says};

const OK: &str = "200 OK";

/// The honest answer with this in place of the status.
fn status(name: &str, status: &'static str) -> Behaviour {
    Behaviour::by_call(name, move |call, _| says(answer(status, "", &body(call))))
}

/// The honest answer with these headers too.
fn with(name: &str, headers: Vec<u8>) -> Behaviour {
    Behaviour::by_call(name, move |call, _| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&raw(OK, "", b"")[b"HTTP/1.1 200 OK\r\n".len()..]);
        let at = bytes.len() - 2;
        let length = format!("Content-Length: {}\r\n", body(call).len()).into_bytes();
        bytes.splice(at..at, length);
        bytes.extend_from_slice(&body(call));
        says(bytes)
    })
}

/// These bytes first, then the honest answer.
fn before(name: &str, first: Vec<u8>) -> Behaviour {
    Behaviour::by_call(name, move |call, _| {
        says([&first[..], &answer(OK, "", &body(call))].concat())
    })
}

fn flood(name: &str, first: &[u8], again: Vec<u8>) -> Behaviour {
    Behaviour::new(
        name,
        vec![Step::Read, Step::Write(first.to_vec()), Step::Flood(again)],
    )
}

pub(super) fn all() -> Vec<Behaviour> {
    [headers(), lines(), informational()]
        .into_iter()
        .flatten()
        .collect()
}

fn headers() -> Vec<Behaviour> {
    let many = (0..10_000).flat_map(|n| format!("X-Header-{n}: {n}\r\n").into_bytes());
    vec![
        flood(
            "headers without end",
            b"HTTP/1.1 200 OK\r\n",
            b"X-More: more\r\n".repeat(512),
        ),
        flood(
            "one header without end",
            b"HTTP/1.1 200 OK\r\nX-Long: ",
            vec![b'a'; 8192],
        ),
        with(
            "a header of 1 MB",
            [b"X-Long: ", &vec![b'a'; 1 << 20][..], b"\r\n"].concat(),
        ),
        with("10 000 headers", many.collect()),
        with("a header without a colon", b"Not a header\r\n".to_vec()),
        with("a header without a name", b": value\r\n".to_vec()),
        with("NUL in a header", b"X-Nul: a\0b\r\n".to_vec()),
        with("a bare CR in a header", b"X-Cr: a\rb\r\n".to_vec()),
        with("a folded header", b"X-Fold: a\r\n b\r\n".to_vec()),
        with(
            "a header of Cyrillic bytes",
            "X-Who: Кто\r\n".as_bytes().to_vec(),
        )
        .harmless(),
        with(
            "links to elsewhere",
            b"Refresh: 0; url=http://elsewhere\r\nAlt-Svc: h2=\":1\"\r\n".to_vec(),
        )
        .harmless(),
    ]
}

fn lines() -> Vec<Behaviour> {
    let silent = |name: &str, bytes: &[u8]| Behaviour::new(name, says(bytes.to_vec()));
    vec![
        status("reason of Cyrillic bytes", "200 Хорошо").harmless(),
        status("no reason", "200").harmless(),
        status("status 099", "099 Low"),
        status("status 999", "999 High"),
        status("status 600", "600 Higher"),
        status("status of letters", "abc OK"),
        status("status of four digits", "2000 OK"),
        status("no status", ""),
        flood("reason without end", b"HTTP/1.1 200 ", vec![b'K'; 8192]),
        Behaviour::by_call("HTTP/0.9: a body alone", |call, _| says(body(call))),
        Behaviour::by_call("HTTP/1.0", |call, _| {
            says([b"HTTP/1.0 200 OK\r\n\r\n", &body(call)[..]].concat())
        })
        .harmless(),
        silent("HTTP/3.7", b"HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n"),
        silent("HTTP/2 settings", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
        silent("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        silent("another protocol's banner", b"SSH-2.0-OpenSSH_9.6\r\n"),
        silent(
            "the request comes back",
            b"POST /shop/api/v2/orders HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        before("empty lines before the answer", b"\r\n".repeat(2)).races(),
        flood("empty lines without end", b"", b"\r\n".repeat(4096)),
        flood("noise without end", b"", vec![0xA5; 8192]),
    ]
}

fn informational() -> Vec<Behaviour> {
    let more = b"HTTP/1.1 100 Continue\r\n\r\n";
    vec![
        before("a few 100 before the answer", more.repeat(5)).harmless(),
        before(
            "early hints",
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec(),
        )
        .harmless(),
        flood("100 without end", b"", more.repeat(256)).waits(),
        status("101 without being asked", "101 Switching Protocols"),
        Behaviour::new(
            "101 to websocket",
            says(raw(
                "101 Switching Protocols",
                "Upgrade: websocket\r\nConnection: Upgrade\r\n",
                b"\x81\x05hello",
            )),
        ),
        Behaviour::new("204", says(raw("204 No Content", "", b""))).post(Class::Applied),
        Behaviour::by_call("204 with a body", |call, _| {
            says(answer("204 No Content", "", &body(call)))
        })
        .post(Class::Applied),
        Behaviour::new("205", says(answer("205 Reset Content", "", b""))).post(Class::Applied),
        status("201", "201 Created").harmless(),
    ]
}
