//! Answers that say no, or somewhere else.

use std::net::SocketAddr;

use crate::behaviour::{Behaviour, Class, Step};
use crate::honest::{answer, body, errors, html, raw, says};

fn status(code: &'static str, reads: &Class, post: &Class) -> [Behaviour; 2] {
    let response = |kind: &str, body: Vec<u8>| {
        Behaviour::new(format!("{code} with {kind}"), says(answer(code, "", &body)))
            .reads(reads.clone())
            .post(post.clone())
    };
    let [with_json, with_html] = [
        response("JSON", errors("Что-то не так")),
        response("a page", html(code)),
    ];
    [with_json, with_html]
}

/// To another host, with an honest-looking body.
fn redirect(
    code: &'static str,
    location: impl Fn(SocketAddr) -> String + Send + Sync + 'static,
) -> Behaviour {
    let name = format!("{code} to {}", location(([127, 0, 0, 1], 1).into()));
    Behaviour::by_call(name, move |call, elsewhere| {
        let location = format!("Location: {}\r\n", location(elsewhere));
        says(answer(code, &location, &body(call)))
    })
}

pub(super) fn all() -> Vec<Behaviour> {
    let mut all = vec![
        redirect("302 Found", |_| "file:///etc/passwd".to_owned()),
        redirect("302 Found", |_| "/shop/api/v2/orders".to_owned()),
        redirect("302 Found", |_| "javascript:alert(1)".to_owned()),
        redirect("307 Temporary Redirect", |_| "\u{1}".to_owned()),
        redirect("300 Multiple Choices", |at| format!("http://{at}/")),
        redirect("305 Use Proxy", |at| format!("http://{at}/")),
        Behaviour::new("304", says(raw("304 Not Modified", "", b""))),
        Behaviour::by_call("201 with a place to look at", |call, elsewhere| {
            let location = format!(
                "Location: http://{elsewhere}/\r\nContent-Location: http://{elsewhere}/\r\n"
            );
            says(answer("201 Created", &location, &body(call)))
        })
        .harmless(),
    ];
    for code in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        all.push(redirect(code, |at| {
            format!("http://{at}/shop/api/v2/orders")
        }));
    }
    all.extend(refusals());
    all.extend(failures());
    all.extend(unfinished());
    all
}

fn refusals() -> Vec<Behaviour> {
    let entries_404 = |behaviour: Behaviour| behaviour.entries(Class::Unreadable);
    let mut all: Vec<Behaviour> = [
        status("401 Unauthorized", &Class::Token, &Class::Denied),
        status("403 Forbidden", &Class::Forbidden, &Class::Denied),
        status("400 Bad Request", &Class::Parameters, &Class::Rejected),
        status("402 Payment Required", &Class::Parameters, &Class::Rejected),
        status(
            "405 Method Not Allowed",
            &Class::Parameters,
            &Class::Rejected,
        ),
        status("406 Not Acceptable", &Class::Parameters, &Class::Rejected),
        status("409 Conflict", &Class::Parameters, &Class::Rejected),
        status("410 Gone", &Class::Parameters, &Class::Rejected),
        status(
            "413 Content Too Large",
            &Class::Parameters,
            &Class::Rejected,
        ),
        status(
            "415 Unsupported Media Type",
            &Class::Parameters,
            &Class::Rejected,
        ),
        status("418 I'm a teapot", &Class::Parameters, &Class::Rejected),
        status(
            "422 Unprocessable Content",
            &Class::Parameters,
            &Class::Rejected,
        ),
        status(
            "431 Request Header Fields Too Large",
            &Class::Parameters,
            &Class::Rejected,
        ),
        status(
            "451 Unavailable For Legal Reasons",
            &Class::Parameters,
            &Class::Rejected,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let missing = status("404 Not Found", &Class::NotFound, &Class::Rejected);
    all.extend(
        missing
            .into_iter()
            .map(entries_404)
            .map(|behaviour| behaviour.page(Class::Outage)),
    );
    all.push(
        Behaviour::by_call("401 that asks for a password", |_, elsewhere| {
            let challenge = format!(
                "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\nLocation: http://{elsewhere}/\r\n"
            );
            says(answer("401 Unauthorized", &challenge, b""))
        })
        .reads(Class::Token)
        .post(Class::Denied),
    );
    all
}

fn failures() -> Vec<Behaviour> {
    let mut all: Vec<Behaviour> = [
        "407 Proxy Authentication Required",
        "408 Request Timeout",
        "421 Misdirected Request",
        "425 Too Early",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "507 Insufficient Storage",
        "511 Network Authentication Required",
        "520 Web Server Returned an Unknown Error",
        "599 Network Connect Timeout",
    ]
    .into_iter()
    .flat_map(|code| status(code, &Class::Outage, &Class::Unknown))
    .collect();
    for code in [
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        let name = format!("{code} that asks to wait");
        let bytes = answer(code, "Retry-After: 3600\r\n", &errors("later"));
        all.push(Behaviour::new(name, says(bytes)));
    }
    // The body looks as if all were well; the status says it is not.
    all.push(Behaviour::by_call("500 with an honest body", |call, _| {
        says(answer("500 Internal Server Error", "", &body(call)))
    }));
    all.push(
        Behaviour::by_call("400 with an honest body", |call, _| {
            says(answer("400 Bad Request", "", &body(call)))
        })
        .reads(Class::Parameters)
        .post(Class::Rejected),
    );
    all
}

/// The status is sent; the body is cut, endless or no text. It is not needed.
fn unfinished() -> Vec<Behaviour> {
    let cut = |code: &'static str| says(raw(code, "Content-Length: 900\r\n", b"{\"errors\":["));
    let endless = |code: &'static str| {
        vec![
            Step::Read,
            Step::Write(raw(code, "", b"{\"errors\":[")),
            Step::Flood(b"{\"title\":null},".repeat(1024)),
        ]
    };
    let gzip = |code: &'static str| says(answer(code, "Content-Encoding: gzip\r\n", &[0xA5; 64]));
    let mut all = Vec::new();
    for (code, reads, post) in [
        ("400 Bad Request", Class::Parameters, Class::Rejected),
        ("401 Unauthorized", Class::Token, Class::Denied),
        ("500 Internal Server Error", Class::Outage, Class::Unknown),
    ] {
        for (how, plan) in [
            ("cut", cut(code)),
            ("without end", endless(code)),
            ("not the gzip it says", gzip(code)),
        ] {
            let one = Behaviour::new(format!("{code}, its body {how}"), plan);
            all.push(one.reads(reads.clone()).post(post.clone()));
        }
    }
    all
}
