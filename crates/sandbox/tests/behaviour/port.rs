//! The port, byte by byte.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qabyl_sandbox::{EndpointKind, Fault, Script, Server, Settings, Status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ID, ORDERS, TOKEN, accept, after, at, cancel, now, order, world_with};

async fn exchange(server: &Server, sent: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8(received).unwrap()
}

fn serve(settings: Settings) -> Server {
    Server::start(
        ([127, 0, 0, 1], 0).into(),
        world_with(settings, order()),
        Arc::new(|| after(60)),
    )
    .unwrap()
}

fn raw(line: &str, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\nX-Auth-Token: {TOKEN}\r\n\
         Content-Type: application/vnd.api+json\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn requests_are_answered_over_http() {
    let server = serve(Settings::default());
    let query = format!(
        "page%5Bnumber%5D=0&page%5Bsize%5D=10&filter%5Borders%5D%5BcreationDate%5D%5B%24ge%5D={}",
        now().as_millisecond()
    );
    // Two requests on one connection, the second asking to close.
    let list = raw(&format!("GET {ORDERS}?{query}"), "");
    let sent = accept().body;
    let sent = String::from_utf8(sent).unwrap();
    let post = raw(
        &format!("POST {ORDERS}"),
        &format!("Connection: close\r\nContent-Length: {}\r\n", sent.len()),
    );
    let received = exchange(&server, &format!("{list}{post}{sent}")).await;
    assert_eq!(
        received.matches("HTTP/1.1 200 OK\r\n").count(),
        2,
        "{received}"
    );
    assert!(
        received.contains("Date: Mon, 02 Mar 2026 12:01:00 GMT\r\n"),
        "{received}"
    );
    assert!(received.contains("\"totalCount\":1"));
    assert_eq!(at(&server.world()).1, Status::AcceptedByMerchant);
    assert_eq!(server.world().ledger().requests_total(), 2);
    let bad = exchange(&server, "PUT / HTTP/1.1\r\n\r\n").await;
    assert!(bad.starts_with("HTTP/1.1 405 "), "{bad}");
    server.shutdown().await;
}

#[tokio::test]
async fn faults_happen_on_the_wire() {
    let server = serve(Settings::default());
    let one = raw(&format!("GET {ORDERS}/{ID}"), "");
    server.world().script(Script::once(Fault::Truncated));
    let cut = exchange(&server, &one).await;
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .unwrap();
    assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2);
    server
        .world()
        .script(Script::once(Fault::DropAfter).path("/orders/"));
    assert_eq!(exchange(&server, &one).await, "");
    server.world().script(Script::once(Fault::Hang));
    let hung = tokio::time::timeout(Duration::from_millis(100), exchange(&server, &one)).await;
    assert!(hung.is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn many_connections_are_served_concurrently() {
    let server = serve(Settings {
        latency: Duration::from_millis(200),
        ..Settings::default()
    });
    let one = raw(&format!("GET {ORDERS}/{ID}"), "Connection: close\r\n");
    let started = Instant::now();
    let all = futures_util::future::join_all((0..100).map(|_| exchange(&server, &one))).await;
    let took = started.elapsed();
    assert!(all.iter().all(|reply| reply.starts_with("HTTP/1.1 200 OK")));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(
        server.world().ledger().requests_of(EndpointKind::Order),
        100
    );
    let addr = server.addr();
    drop(server);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_ledger_report_is_not_counted_as_a_request() {
    let server = serve(Settings::default());
    let ask = "GET /ledger HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let served = async || {
        let answer = exchange(&server, ask).await;
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        serde_json::from_str::<serde_json::Value>(&body).unwrap()
    };
    let before = served().await;
    assert_eq!(
        (&before["waiting"], &before["requests"]),
        (&1.into(), &0.into())
    );
    assert!(before["last_post_at"].is_null());
    for (request, times) in [(accept(), 1), (accept(), 2), (cancel(), 3)] {
        let body = String::from_utf8(request.body).unwrap();
        let head = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
        let post = raw(&format!("POST {ORDERS}"), &head);
        exchange(&server, &format!("{post}{body}")).await;
        let after = served().await;
        let list = |name: &str| after[name].as_array().unwrap().len();
        assert_eq!(after["posts"], times);
        assert_eq!((list("accepted"), &after["waiting"]), (1, &0.into()));
        assert_eq!(list("written_more_than_once"), usize::from(times > 1));
        assert_eq!(list("both_actions_sent"), usize::from(times > 2));
        assert_eq!(after["last_post_at"], after_ms());
    }
}

fn after_ms() -> i64 {
    after(60).as_millisecond()
}
