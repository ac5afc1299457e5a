//! Where an answer ends: lengths that lie, chunks that break, bodies that drip or never end.

use std::time::Duration;

use crate::behaviour::{Behaviour, Call, Class, Plan, Step};
use crate::honest::{body, raw, says, says_and_holds};

const OK: &str = "200 OK";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A body in one chunk and its terminator.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    bytes
}

/// The honest body under other headers.
fn under(name: &str, headers: &'static str) -> Behaviour {
    Behaviour::by_call(name, move |call, _| says(raw(OK, headers, &body(call))))
}

/// Chunked, with these bytes for a body.
fn broken_chunks(
    name: &str,
    spoil: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
) -> Behaviour {
    Behaviour::by_call(name, move |call, _| {
        says(raw(OK, CHUNKED, &spoil(body(call))))
    })
}

/// The honest body, its length declared as this much more.
fn off_by(call: Call, more: isize) -> Vec<u8> {
    let declared = body(call).len().saturating_add_signed(more);
    raw(OK, &format!("Content-Length: {declared}\r\n"), &body(call))
}

fn endless(name: &str, headers: &'static str, start: &'static [u8], again: Vec<u8>) -> Behaviour {
    let plan: Plan = vec![
        Step::Read,
        Step::Write(raw(OK, headers, start)),
        Step::Flood(again),
    ];
    Behaviour::new(name, plan)
}

pub(super) fn all() -> Vec<Behaviour> {
    [lengths(), chunks(), slow()]
        .into_iter()
        .flatten()
        .collect()
}

fn lengths() -> Vec<Behaviour> {
    vec![
        under("no length, then closed", "").harmless(),
        Behaviour::by_call("no length, closed in the middle", |call, _| {
            let whole = body(call);
            says(raw(OK, "", &whole[..whole.len() / 2]))
        }),
        Behaviour::by_call("length too large, then closed", |call, _| {
            says(off_by(call, 10))
        }),
        Behaviour::by_call("length too large, then silent", |call, _| {
            says_and_holds(off_by(call, 10))
        })
        .waits(),
        Behaviour::by_call("length too small", |call, _| says(off_by(call, -10))),
        under(
            "length huge, then closed",
            "Content-Length: 9000000000000000000\r\n",
        ),
        Behaviour::by_call("length huge, then silent", |call, _| {
            says_and_holds(raw(
                OK,
                "Content-Length: 9000000000000000000\r\n",
                &body(call),
            ))
        })
        .waits(),
        under(
            "length of 2^64 - 1",
            "Content-Length: 18446744073709551615\r\n",
        ),
        under(
            "length over 64 bits",
            "Content-Length: 99999999999999999999999\r\n",
        ),
        under("length negative", "Content-Length: -5\r\n"),
        under("length with a plus", "Content-Length: +200\r\n"),
        under("length no number", "Content-Length: plenty\r\n"),
        under("length empty", "Content-Length: \r\n"),
        under(
            "two lengths that differ",
            "Content-Length: 5\r\nContent-Length: 200\r\n",
        ),
        under("two lengths in one header", "Content-Length: 5, 200\r\n"),
        Behaviour::by_call("the same length twice", |call, _| {
            let length = format!("Content-Length: {}\r\n", body(call).len());
            says(raw(OK, &length.repeat(2), &body(call)))
        })
        .harmless(),
        endless(
            "plain body without end",
            "",
            b"{\"data\":[",
            b"{},".repeat(4096),
        ),
        endless("white space without end", "", b"", b" ".repeat(8192)),
        endless(
            "huge length and a body to match",
            "Content-Length: 9000000000000000000\r\n",
            b"{\"data\":[",
            b"null,".repeat(4096),
        ),
    ]
}

fn chunks() -> Vec<Behaviour> {
    vec![
        broken_chunks("chunked and right", |body| chunked(&body)).harmless(),
        Behaviour::by_call("chunked, and a length beside it", |call, _| {
            let headers = format!("{CHUNKED}Content-Length: 3\r\n");
            says(raw(OK, &headers, &chunked(&body(call))))
        })
        .races(),
        broken_chunks("chunk size no number", |body| {
            [b"zz\r\n", &body[..]].concat()
        }),
        broken_chunks("chunk size negative", |body| {
            [b"-5\r\n", &body[..]].concat()
        }),
        broken_chunks("chunk size empty", |body| [b"\r\n", &body[..]].concat()),
        broken_chunks("chunk size huge", |body| {
            [b"7fffffffffffffff\r\n", &body[..]].concat()
        }),
        broken_chunks("chunk size over 64 bits", |body| {
            [b"fffffffffffffffff\r\n", &body[..]].concat()
        }),
        broken_chunks("chunk longer than declared", |body| {
            [b"5\r\n", &body[..], b"\r\n0\r\n\r\n"].concat()
        }),
        broken_chunks("chunks without their end", |body| {
            let whole = chunked(&body);
            whole[..whole.len() - 5].to_vec()
        }),
        broken_chunks("chunks that stop in the middle", |body| {
            let whole = chunked(&body);
            whole[..whole.len() / 2].to_vec()
        }),
        under("chunked declared, body plain", CHUNKED),
        under(
            "chunked declared twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        under(
            "transfer encoding unknown",
            "Transfer-Encoding: cabbage\r\n",
        )
        .races(),
        endless(
            "chunks without end",
            CHUNKED,
            b"9\r\n{\"data\":[\r\n",
            [b"2000\r\n", &b"null,   ".repeat(1024)[..], b"\r\n"].concat(),
        ),
        // So many small ones cost more time than bytes.
        endless(
            "chunks of one byte without end",
            CHUNKED,
            b"",
            b"1\r\n \r\n".repeat(2048),
        )
        .waits(),
        endless(
            "chunk extension without end",
            CHUNKED,
            b"5;",
            b"x=y;".repeat(2048),
        ),
        endless(
            "trailers without end",
            CHUNKED,
            b"0\r\n",
            b"X-More: 1\r\n".repeat(1024),
        ),
    ]
}

fn slow() -> Vec<Behaviour> {
    let pause = Duration::from_millis(100);
    vec![
        Behaviour::by_call("head drips", move |call, _| {
            let bytes = raw(OK, "", &body(call));
            vec![Step::Read, Step::Drip(bytes, pause)]
        })
        .waits(),
        Behaviour::by_call("body drips", move |call, _| {
            let length = format!("Content-Length: {}\r\n", body(call).len());
            let head = raw(OK, &length, b"");
            vec![Step::Read, Step::Write(head), Step::Drip(body(call), pause)]
        })
        .waits(),
        Behaviour::by_call("chunks drip", move |call, _| {
            let head = raw(OK, CHUNKED, b"");
            vec![
                Step::Read,
                Step::Write(head),
                Step::Drip(chunked(&body(call)), pause),
            ]
        })
        .waits(),
        Behaviour::new(
            "chunk size drips zeros",
            vec![
                Step::Read,
                Step::Write(raw(OK, CHUNKED, b"")),
                Step::Drip(vec![b'0'; 600], pause),
            ],
        )
        .waits(),
        // The right status was sent, and nothing of the body matters for it.
        Behaviour::new(
            "a refusal's body drips",
            vec![
                Step::Read,
                Step::Write(raw(
                    "401 Unauthorized",
                    "Content-Length: 5000\r\n",
                    b"{\"errors\":[",
                )),
                Step::Drip(vec![b' '; 5000], pause),
            ],
        )
        .reads(Class::Token)
        .post(Class::Denied)
        .waits(),
    ]
}
