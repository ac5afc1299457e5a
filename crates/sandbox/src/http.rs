//! HTTP/1.1 written by hand: reads a [`Request`] from bytes and writes a [`Reply`] as bytes.

use std::io;

use jiff::{Timestamp, fmt::rfc2822};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    message::{Method, Reply, Request, Wire},
    wire::percent_decode,
};

/// The longest request head, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The longest request body, in bytes.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The most headers in a request.
const HEADERS_MAX: usize = 64;

/// What a connection delivered.
pub(super) enum Incoming {
    /// A request, and whether the connection may carry another one.
    Request { request: Request, keep_alive: bool },
    /// A request that is answered without the world; then the connection closes.
    Malformed(Reply),
    /// The client closed the connection.
    Closed,
}

/// A parsed request head.
struct Head {
    request: Request,
    length: usize,
    body_length: usize,
    keep_alive: bool,
}

/// Reads one request; what follows it stays in `buffer`.
pub(super) async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Incoming> {
    let head = loop {
        match parse_head(buffer) {
            Ok(Some(head)) => break head,
            Ok(None) if buffer.len() >= HEAD_BYTES_MAX => {
                return Ok(Incoming::Malformed(Reply::error(
                    431,
                    "Request head is too large",
                )));
            }
            Ok(None) => {}
            Err(reply) => return Ok(Incoming::Malformed(reply)),
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Incoming::Closed);
        }
    };
    let end = head.length + head.body_length;
    while buffer.len() < end {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Incoming::Closed);
        }
    }
    let rest = buffer.split_off(end);
    let body = std::mem::replace(buffer, rest).split_off(head.length);
    let request = Request {
        body,
        ..head.request
    };
    Ok(Incoming::Request {
        request,
        keep_alive: head.keep_alive,
    })
}

fn parse_head(buffer: &[u8]) -> Result<Option<Head>, Reply> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Reply::error(400, &format!("Bad request: {error}"))),
    };
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("POST") => Method::Post,
        _ => return Err(Reply::error(405, "Method Not Allowed")),
    };
    let (path, query) = split_target(parsed.path.unwrap_or_default())
        .ok_or_else(|| Reply::error(400, "Bad percent-encoding"))?;
    let headers = parsed.headers.iter().map(|header| {
        (
            header.name.to_ascii_lowercase(),
            String::from_utf8_lossy(header.value).trim().to_owned(),
        )
    });
    let request = Request {
        method,
        path,
        query,
        headers: headers.collect(),
        body: Vec::new(),
    };
    if request.header("transfer-encoding").is_some() {
        return Err(Reply::error(411, "Content-Length is required"));
    }
    let body_length = match request.header("content-length").map(str::parse) {
        None => 0,
        Some(Ok(length)) if length <= BODY_BYTES_MAX => length,
        Some(Ok(_)) => return Err(Reply::error(413, "Request body is too large")),
        Some(Err(_)) => return Err(Reply::error(400, "Content-Length is invalid")),
    };
    let connection = request
        .header("connection")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let keep_alive = match parsed.version {
        Some(1) => !connection.contains("close"),
        _ => connection.contains("keep-alive"),
    };
    Ok(Some(Head {
        request,
        length,
        body_length,
        keep_alive,
    }))
}

/// A target's decoded path and query pairs; `None` when an escape is broken.
fn split_target(target: &str) -> Option<(String, Vec<(String, String)>)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name, true)?, percent_decode(value, true)?))
        });
    Some((percent_decode(path, false)?, pairs.collect::<Option<_>>()?))
}

/// Sends a reply with an honest Content-Length, and its body whole or cut half-way.
pub(super) async fn write_reply(
    stream: &mut TcpStream,
    reply: &Reply,
    now: Timestamp,
    keep_alive: bool,
) -> io::Result<()> {
    let sent = if reply.wire == Wire::Truncate {
        reply.body.len() / 2
    } else {
        reply.body.len()
    };
    let mut bytes = head(reply, now, keep_alive).into_bytes();
    bytes.extend_from_slice(&reply.body[..sent]);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

fn head(reply: &Reply, now: Timestamp, keep_alive: bool) -> String {
    let mut lines = vec![format!(
        "HTTP/1.1 {} {}",
        reply.status,
        reason(reply.status)
    )];
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    lines.extend(date.map(|date| format!("Date: {date}")));
    lines.extend(
        reply
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    if reply.status != 204 {
        lines.push(format!("Content-Length: {}", reply.body.len()));
    }
    lines.push(format!(
        "Connection: {}\r\n\r\n",
        if keep_alive { "keep-alive" } else { "close" }
    ));
    lines.join("\r\n")
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
