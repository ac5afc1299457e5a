//! Before any byte of an answer: connecting, silence, resets, TLS.

use std::time::Duration;

use crate::behaviour::{Behaviour, Class, Port, Step};
use crate::honest;

pub(super) fn all() -> Vec<Behaviour> {
    let new = Behaviour::new;
    let https = |name: &str, plan| {
        Behaviour::new(name, plan)
            .at(Port::Https)
            .post(Class::NotSent)
    };
    vec![
        new("port refused", vec![])
            .at(Port::Refuses)
            .post(Class::NotSent),
        new("connect swallowed by a full backlog", vec![])
            .at(Port::Full)
            .post(Class::NotSent)
            .waits(),
        new("connection never accepted", vec![])
            .at(Port::NeverAccepts)
            .waits(),
        new("accepted and never answered", vec![Step::Hold]).waits(),
        new("read and never answered", vec![Step::Read, Step::Hold]).waits(),
        // Sometimes the end comes before the request has begun: then nothing can have been sent.
        new("closed at once", vec![]).post_either(Class::Unknown, Class::NotSent),
        new("reset at once", vec![Step::Reset]).post_either(Class::Unknown, Class::NotSent),
        new("closed after the request", vec![Step::Read]),
        new("reset after the request", vec![Step::Read, Step::Reset]),
        new(
            "reset after a pause",
            vec![
                Step::Read,
                Step::Pause(Duration::from_millis(200)),
                Step::Reset,
            ],
        ),
        Behaviour::by_call("reset in the body", |call, _| {
            let length = format!("Content-Length: {}\r\n", honest::body(call).len());
            let half = &honest::body(call)[..20];
            let bytes = honest::raw("200 OK", &length, half);
            vec![
                Step::Read,
                Step::Write(bytes),
                Step::Pause(Duration::from_millis(100)),
                Step::Reset,
            ]
        }),
        Behaviour::by_call("answered before the request was read", |call, _| {
            let bytes = honest::answer("200 OK", "", &honest::body(call));
            vec![Step::Write(bytes), Step::Read, Step::Hold]
        })
        .races_the_request(),
        Behaviour::by_call(
            "answered and closed before the request was read",
            |call, _| {
                let bytes = honest::answer("200 OK", "", &honest::body(call));
                vec![Step::Write(bytes)]
            },
        )
        .races_the_request(),
        https(
            "TLS alert",
            vec![
                Step::Write(b"\x15\x03\x03\x00\x02\x02\x28".to_vec()),
                Step::Hold,
            ],
        ),
        https(
            "plain HTTP on the TLS port",
            vec![Step::Write(honest::answer(
                "400 Bad Request",
                "",
                &honest::html("speak TLS"),
            ))],
        ),
        https("TLS port closed at once", vec![]),
        https("TLS port reset", vec![Step::Reset]),
        https("TLS port silent", vec![Step::Hold]).waits(),
        https(
            "TLS record without end",
            vec![Step::Flood(b"\x16\x03\x03\x40\x00".repeat(64))],
        ),
        https(
            "noise on the TLS port",
            vec![Step::Write(vec![0xA5; 4096]), Step::Hold],
        ),
    ]
}
