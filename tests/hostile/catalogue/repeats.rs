//! What one answer may do to the next request of the same client.

use std::time::Duration;

use serde_json::json;

use crate::behaviour::{Behaviour, Call, Step};
use crate::honest::{answer, body, raw, spoilt, thing};

/// An answer that must never be taken for one: it looks right, and nobody asked for it.
fn poison(call: Call) -> Vec<u8> {
    let place = |tail: &str| format!("{}{tail}", thing(call));
    let body = spoilt(
        call,
        &[
            (&place("/attributes/status"), json!("COMPLETED")),
            (&place("/attributes/offer/code"), json!("SKU-POISON")),
        ],
    );
    answer("200 OK", "", &body)
}

fn fine(call: Call, headers: &str) -> Vec<u8> {
    answer("200 OK", headers, &body(call))
}

/// Two requests on one connection, or on two.
fn kept(name: &str, headers: &'static str) -> Behaviour {
    Behaviour::by_call(name, move |call, _| {
        vec![
            Step::Read,
            Step::Write(fine(call, headers)),
            Step::Read,
            Step::Write(fine(call, headers)),
        ]
    })
    .harmless()
    .twice()
}

pub(super) fn all() -> Vec<Behaviour> {
    vec![
        kept("kept alive", ""),
        kept(
            "cookies",
            "Set-Cookie: session=1; Path=/\r\nSet-Cookie: token=2; Max-Age=999\r\n",
        ),
        kept("Date of 1970", "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        kept("Date of 2099", "Date: Fri, 09 Jan 2099 00:00:00 GMT\r\n"),
        kept(
            "Date of year 9999",
            "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        ),
        kept("Date of words", "Date: yesterday\r\n"),
        kept(
            "Date twice",
            "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nDate: x\r\n",
        ),
        Behaviour::by_call("answered, then closed", |call, _| {
            vec![Step::Read, Step::Write(fine(call, ""))]
        })
        .harmless()
        .twice(),
        Behaviour::by_call("answered, then reset", |call, _| {
            vec![
                Step::Read,
                Step::Write(fine(call, "")),
                Step::Pause(Duration::from_millis(30)),
                Step::Reset,
            ]
        })
        .harmless()
        .again_after(Duration::from_millis(300)),
        Behaviour::by_call("closed at the second request", |call, _| {
            vec![Step::Read, Step::Write(fine(call, "")), Step::Read]
        })
        .races()
        .twice(),
        Behaviour::by_call("answered twice in one go", |call, _| {
            let both = [fine(call, ""), poison(call)].concat();
            vec![Step::Read, Step::Write(both), Step::Read, Step::Hold]
        })
        .harmless()
        .twice(),
        Behaviour::by_call("answered again a moment later", |call, _| {
            vec![
                Step::Read,
                Step::Write(fine(call, "")),
                Step::Pause(Duration::from_millis(20)),
                Step::Write(poison(call)),
                Step::Read,
                Step::Hold,
            ]
        })
        .harmless()
        .again_after(Duration::from_millis(300)),
        Behaviour::by_call("more than its length", |call, _| {
            let length = format!("Content-Length: {}\r\n", body(call).len());
            let bytes = [
                &raw("200 OK", &length, &body(call))[..],
                b"HTTP/1.1 200 OK\r\n",
            ]
            .concat();
            vec![Step::Read, Step::Write(bytes), Step::Read, Step::Hold]
        })
        .harmless()
        .twice(),
        Behaviour::by_call("an answer inside 204", |call, _| {
            let both = [&b"HTTP/1.1 204 No Content\r\n\r\n"[..], &poison(call)].concat();
            vec![Step::Read, Step::Write(both), Step::Read, Step::Hold]
        })
        .post(crate::behaviour::Class::Applied)
        .twice(),
    ]
}
