//! Compression: bombs, lies about it, and streams cut short.

use std::io::Write as _;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, FlushCompress};

use crate::behaviour::{Behaviour, Call, Class, Step};
use crate::honest::{answer, body, html, raw, says};

const OK: &str = "200 OK";
const GZIP: &str = "Content-Encoding: gzip\r\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gzip stream's beginning, and a piece that can follow it any number of times: a megabyte of
/// white space in about a thousand bytes.
pub(crate) fn bomb() -> (Vec<u8>, Vec<u8>) {
    let head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec();
    let spaces = vec![b' '; 1 << 20];
    let mut piece = Vec::with_capacity(1 << 14);
    let mut encoder = flate2::Compress::new(Compression::best(), false);
    // A full flush ends at a byte and looks back at nothing before it.
    let status = encoder.compress_vec(&spaces, &mut piece, FlushCompress::Full);
    assert_eq!(
        (status.unwrap(), encoder.total_in()),
        (flate2::Status::Ok, 1 << 20)
    );
    assert!(piece.len() < 8192, "a bomb is small: {}", piece.len());
    (head, piece)
}

/// The body under a coding's name.
fn coded(
    name: &str,
    headers: &'static str,
    code: impl Fn(Call) -> Vec<u8> + Send + Sync + 'static,
) -> Behaviour {
    Behaviour::by_call(name, move |call, _| says(answer(OK, headers, &code(call))))
}

pub(super) fn all() -> Vec<Behaviour> {
    let (head, piece) = bomb();
    let limited = [&head[..], &piece.repeat(32)].concat();
    vec![
        coded("gzip and right", GZIP, |call| gzip(&body(call))).harmless(),
        coded(
            "gzip under its old name",
            "Content-Encoding: x-gzip\r\n",
            |call| gzip(&body(call)),
        ),
        Behaviour::new(
            "gzip bomb without end",
            vec![
                Step::Read,
                Step::Write(raw(OK, GZIP, &head)),
                Step::Flood(piece),
            ],
        ),
        coded("gzip bomb of 32 MB", GZIP, move |_| limited.clone()),
        coded("gzip cut short", GZIP, |call| {
            let whole = gzip(&body(call));
            whole[..whole.len() / 2].to_vec()
        }),
        coded("gzip without its checksum", GZIP, |call| {
            let whole = gzip(&body(call));
            whole[..whole.len() - 8].to_vec()
        }),
        coded("gzip with a wrong checksum", GZIP, |call| {
            let mut whole = gzip(&body(call));
            let at = whole.len() - 6;
            whole[at] ^= 0xFF;
            whole
        }),
        coded("gzip declared, body plain", GZIP, body),
        coded("gzip of a page", GZIP, |_| gzip(&html("maintenance"))),
        coded("gzip of gzip", GZIP, |call| gzip(&gzip(&body(call)))),
        coded(
            "gzip declared twice",
            "Content-Encoding: gzip, gzip\r\n",
            |call| gzip(&gzip(&body(call))),
        ),
        coded("gzip and nothing in it", GZIP, |_| gzip(b"")).post(Class::Applied),
        coded("gzip declared, no body", GZIP, |_| Vec::new())
            .post_either(Class::Applied, Class::Unknown),
        coded("zlib declared as gzip", GZIP, |call| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body(call)).unwrap();
            encoder.finish().unwrap()
        }),
        coded(
            "deflate, which was not asked for",
            "Content-Encoding: deflate\r\n",
            |call| {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body(call)).unwrap();
                encoder.finish().unwrap()
            },
        ),
        coded("coding unknown", "Content-Encoding: cabbage\r\n", |_| {
            vec![0xA5; 300]
        }),
        coded("gzip, then noise", GZIP, |call| {
            [gzip(&body(call)), vec![0xA5; 64]].concat()
        })
        .races(),
    ]
}
