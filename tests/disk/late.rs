//! A connection that takes its time: what it was for may be stale when it is there.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::kaspi::{
    HttpSettings, HttpTransport, Method, Transport as _, TransportError, WireRequest, WireResponse,
};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

/// How long the listener's queue stays full. The next try to connect comes a second after the first.
const QUEUE_FULL: Duration = Duration::from_millis(400);

/// How long everything may take.
const ALL: Duration = Duration::from_secs(20);

const BODY: &str = "{\"data\":{}}";

/// A listener whose queue is full, and the connections that fill it.
fn busy_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        fill.push(stream);
        assert!(fill.len() < 100, "the queue does not fill");
    }
    (listener, fill)
}

/// Sends one POST that is good for so long, over a connection that takes about a second. Gives what
/// came of it and what the server read.
async fn post(good_for: Duration) -> (Result<WireResponse, TransportError>, String) {
    let (listener, fill) = busy_listener();
    let settings = HttpSettings {
        base_url: format!("http://{}", listener.local_addr().unwrap()),
        connect_timeout: ALL,
        request_timeout: ALL,
        body_max_bytes: 1 << 20,
        proxy: None,
    };
    let clock = Clock::System;
    let transport = HttpTransport::new(&settings, clock.clone()).unwrap();
    let request = WireRequest {
        method: Method::Post,
        path: "/v2/orders".to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        token: SecretString::from("canary-7f3a"),
        body: Some(BODY.into()),
        send_by: Some(clock.ticks() + good_for),
    };
    let server = async {
        tokio::time::sleep(QUEUE_FULL).await;
        drop(fill);
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            // Those that filled the queue have closed and say nothing.
            while !String::from_utf8_lossy(&read).contains(BODY) {
                if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                    break;
                }
            }
            if !read.is_empty() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
                return String::from_utf8_lossy(&read).into_owned();
            }
        }
    };
    let sending = transport.send(&request);
    let quiet = Duration::from_millis(500);
    tokio::pin!(server, sending);
    tokio::select! {
        read = &mut server => (sending.await, read),
        answer = &mut sending => {
            let read = tokio::time::timeout(quiet, server).await;
            (answer, read.unwrap_or_default())
        }
    }
}

#[tokio::test]
async fn a_stale_request_never_leaves() {
    let (answer, read) = post(Duration::from_millis(300)).await;
    assert_eq!(read, "", "it left, and {answer:?}");
    assert!(
        matches!(answer, Err(TransportError::NotSent(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn one_that_is_still_good_leaves_as_it_is() {
    let (answer, read) = post(ALL).await;
    assert_eq!(answer.unwrap().status, 200);
    assert!(
        read.starts_with("POST /v2/orders HTTP/1.1\r\n") && read.ends_with(BODY),
        "{read}"
    );
    let length = format!("content-length: {}\r\n", BODY.len());
    assert!(read.to_lowercase().contains(&length), "{read}");
}
