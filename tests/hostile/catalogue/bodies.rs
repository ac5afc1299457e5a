//! Answers that are whole and well framed, and say something else than they should.

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Call, Class};
use crate::honest::{self, answer, body, document, html, says, spoilt, thing};

fn text(name: &str, body: impl Into<Vec<u8>>) -> Behaviour {
    Behaviour::new(name, says(answer("200 OK", "", &body.into())))
}

fn each(name: &str, body: impl Fn(Call) -> Vec<u8> + Send + Sync + 'static) -> Behaviour {
    Behaviour::by_call(name, move |call, _| says(answer("200 OK", "", &body(call))))
}

/// JSON of another shape: an answer, and not one that is understood.
fn shape(name: &str, body: impl Into<Vec<u8>>) -> Behaviour {
    text(name, body)
        .reads(Class::Unreadable)
        .post(Class::Applied)
}

/// The document's one thing with this JSON at these places, where it has them.
fn wrong(name: &str, places: &[(&str, &str)]) -> Behaviour {
    let places: Vec<(String, String)> = places
        .iter()
        .map(|(place, value)| ((*place).to_owned(), (*value).to_owned()))
        .collect();
    each(name, move |call| {
        let mut document = document(call);
        let mut marks = Vec::new();
        for (n, (place, value)) in places.iter().enumerate() {
            let place = format!("{}{place}", thing(call));
            if let Some(found) = document.pointer_mut(&place) {
                // Not every text is one that serde would write: it is put in afterwards.
                *found = Value::String(format!("@{n}@"));
                marks.push((format!("\"@{n}@\""), value));
            }
        }
        let text = document.to_string();
        let put_in = |text: String, (mark, value): (String, &String)| text.replace(&mark, value);
        marks.into_iter().fold(text, put_in).into_bytes()
    })
    .reads(Class::Unreadable)
    .post(Class::Applied)
}

pub(super) fn all() -> Vec<Behaviour> {
    [not_json(), shapes(), values(), names(), lists()]
        .into_iter()
        .flatten()
        .collect()
}

fn not_json() -> Vec<Behaviour> {
    let utf16 = |call| -> Vec<u8> {
        let text = String::from_utf8(body(call)).unwrap();
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xFF, 0xFE].into_iter().chain(units).collect()
    };
    vec![
        text("200 with a page", html("Технические работы")),
        text("200 with nothing", "").post(Class::Applied),
        text("200 with white space", " \r\n\t ").post(Class::Applied),
        text("a word", "OK"),
        text("NaN", "NaN"),
        each("JSON cut short", |call| {
            let whole = body(call);
            whole[..whole.len() - 2].to_vec()
        }),
        each("JSON, then a page", |call| {
            [body(call), html("debug")].concat()
        }),
        each("JSON twice", |call| body(call).repeat(2)),
        each("a byte order mark", |call| {
            [b"\xEF\xBB\xBF", &body(call)[..]].concat()
        }),
        each("UTF-16", utf16),
        each("bytes that are no UTF-8", |call| {
            let text = String::from_utf8(body(call)).unwrap();
            let (before, after) = text
                .split_once("orders")
                .or(text.split_once("entries"))
                .unwrap();
            [before.as_bytes(), b"\xFF\xFE", after.as_bytes()].concat()
        }),
        each("a script before the JSON", |call| {
            [b")]}',\n", &body(call)[..]].concat()
        }),
    ]
}

fn shapes() -> Vec<Behaviour> {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    vec![
        shape("null", "null"),
        shape("an empty list", "[]"),
        shape("an empty object", "{}"),
        shape("a number", "42"),
        shape("a text", "\"OK\""),
        shape("data null", "{\"data\":null}"),
        shape("data of text", "{\"data\":\"none\"}"),
        shape("data of numbers", "{\"data\":[1,2,3]}"),
        shape("data an empty object", "{\"data\":{}}"),
        shape("data an empty list", "{\"data\":[]}").page(Class::Empty),
        shape("brackets 100 000 deep", deep("[", "]")),
        shape(
            "objects 100 000 deep",
            deep("{\"data\":", "") + "1" + &"}".repeat(100_000),
        ),
        shape(
            "data 100 000 deep",
            format!("{{\"data\":{}}}", deep("[", "]")),
        )
        .post(Class::Unknown),
        shape(
            "a million zeros",
            format!("{{\"data\":[{}0]}}", "0,".repeat(1_000_000)),
        )
        .large(),
        shape(
            "a million objects",
            format!("{{\"data\":[{}{{}}]}}", "{},".repeat(1_000_000)),
        )
        .large(),
        each("an object in place of a list, and the reverse", |call| {
            let mut document = document(call);
            let data = document["data"].take();
            document["data"] = match data {
                Value::Array(mut list) => list.remove(0),
                one => json!([one]),
            };
            document.to_string().into_bytes()
        })
        .reads(Class::Unreadable),
        shape("data twice", "{\"data\":[],\"data\":[]}"),
        text("errors under 200", honest::errors("Internal error"))
            .reads(Class::Unreadable)
            .post(Class::Unknown),
    ]
}

fn values() -> Vec<Behaviour> {
    let long = || Value::String("x".repeat(5 << 20));
    vec![
        wrong(
            "wrong types everywhere",
            &[
                ("/id", "7"),
                ("/attributes/code", "{}"),
                ("/attributes/totalPrice", "[]"),
                ("/attributes/quantity", "{}"),
            ],
        )
        .post(Class::Unknown),
        wrong(
            "numbers of 1e999",
            &[
                ("/attributes/totalPrice", "1e999"),
                ("/attributes/creationDate", "1e999"),
                ("/attributes/quantity", "1e999"),
            ],
        ),
        wrong(
            "numbers of a thousand digits",
            &[
                (
                    "/attributes/creationDate",
                    "100000000000000000000000000000000000000000000",
                ),
                (
                    "/attributes/quantity",
                    "340282366920938463463374607431768211456",
                ),
            ],
        ),
        wrong(
            "negative amounts",
            &[
                ("/attributes/quantity", "-2"),
                ("/attributes/creationDate", "-9223372036854775808"),
            ],
        ),
        wrong(
            "nothing of anything",
            &[("/attributes/quantity", "0"), ("/attributes/code", "\"\"")],
        )
        // A line of no units is none.
        .entries(Class::Empty),
        wrong(
            "a part of a piece",
            &[
                ("/attributes/quantity", "1.5"),
                ("/attributes/creationDate", "\"yesterday\""),
            ],
        ),
        wrong(
            "a list where a number is",
            &[
                ("/attributes/quantity", "[2,2,2]"),
                ("/attributes/creationDate", "[1772428500000]"),
            ],
        ),
        each("the same key twice", |call| {
            let text = String::from_utf8(body(call)).unwrap();
            let twice =
                "\"attributes\":{\"code\":\"1\",\"quantity\":9,\"code\":\"2\",\"quantity\":8,";
            text.replacen("\"attributes\":{", twice, 1).into_bytes()
        })
        .reads(Class::Unreadable)
        .post(Class::Applied),
        each("5 MB in a field that is read", move |call| {
            let code = format!("{}/attributes/code", thing(call));
            let offer = format!("{}/attributes/offer/code", thing(call));
            let long = Value::String("x".repeat(5 << 20));
            spoilt(call, &[(&code, long.clone()), (&offer, long)])
        })
        .reads(Class::Unreadable)
        .post(Class::Applied)
        .large(),
        each("5 MB in a field that is not read", move |call| {
            let mut document = document(call);
            document["links"] = long();
            document.to_string().into_bytes()
        })
        .harmless()
        .large(),
    ]
}

fn names() -> Vec<Behaviour> {
    // An entry's id is used nowhere else, so it is not compared with anything.
    let id = |name: &str, id: &str| wrong(name, &[("/id", id)]);
    vec![
        // Kaspi says what was done to another order than the one asked for.
        id("another order's id", "\"OTAwMDAwMDAy\"")
            .page(Class::Another)
            .entries(Class::Another)
            .post(Class::Unknown),
        id("an id that climbs", "\"../../admin\"").post(Class::Unknown),
        id("an id of dots", "\"..\"").post(Class::Unknown),
        id("an id with line ends", "\"OTAw\\r\\nX-Evil: 1\"").post(Class::Unknown),
        id("an id with a NUL", "\"OTAw\\u0000\"").post(Class::Unknown),
        id("an id of spaces", "\"   \"").post(Class::Unknown),
        wrong(
            "a code with escapes",
            &[("/attributes/code", "\"9\\u001b[2J\\n1\"")],
        )
        .entries(Class::Right),
        each("a SKU with line ends", |call| {
            let place = format!("{}/attributes/offer/code", thing(call));
            spoilt(call, &[(&place, json!("SKU\r\n\u{1b}[2J"))])
        })
        .harmless()
        .entries(Class::Unreadable),
        Behaviour::by_call("links to another host", |call, elsewhere| {
            let to = json!(format!("http://{elsewhere}/steal"));
            let links = json!({"self": to, "next": to, "related": to});
            let mut document = document(call);
            document["links"] = links.clone();
            let one = document.pointer_mut(thing(call)).unwrap();
            one["links"] = links.clone();
            one["relationships"] = json!({"entries": {"links": links}});
            says(answer("200 OK", "", document.to_string().as_bytes()))
        })
        .harmless(),
    ]
}

/// Lies about how many there are.
fn lists() -> Vec<Behaviour> {
    let many = |count: usize| {
        each(&format!("{count} where 100 were asked for"), move |call| {
            let mut document = document(call);
            if let Value::Array(list) = &mut document["data"] {
                let one = list.remove(0);
                *list = (0..count)
                    .map(|n| {
                        let mut one = one.clone();
                        one["id"] = json!(format!("id-{n}"));
                        one
                    })
                    .collect();
            }
            document.to_string().into_bytes()
        })
        .harmless()
        .page(Class::Unreadable)
        .entries(Class::Unreadable)
    };
    // Counts are advice: what is not understood is left out.
    let counts = |name: &str, counts: &'static str| {
        each(name, move |call| {
            let text = String::from_utf8(body(call)).unwrap();
            text.replace("{\"pageCount\":1,\"totalCount\":1}", counts)
                .into_bytes()
        })
        .harmless()
    };
    vec![
        many(10_000).large(),
        many(1_001),
        counts("a negative count", "{\"pageCount\":-1,\"totalCount\":-1}"),
        counts(
            "a count of 2^64 - 1",
            "{\"pageCount\":1,\"totalCount\":18446744073709551615}",
        ),
        counts(
            "pages 2^64 - 1",
            "{\"pageCount\":18446744073709551615,\"totalCount\":1}",
        ),
        counts(
            "pages 2^32 - 1",
            "{\"pageCount\":4294967295,\"totalCount\":1}",
        ),
        counts(
            "counts of text",
            "{\"pageCount\":\"1\",\"totalCount\":\"1\"}",
        ),
        counts("counts of null", "{\"pageCount\":null,\"totalCount\":null}"),
        counts("counts absent", "{}"),
        counts(
            "counts fractional",
            "{\"pageCount\":1.5,\"totalCount\":0.5}",
        ),
    ]
}
