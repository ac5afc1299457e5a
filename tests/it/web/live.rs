//! Pages that stay up to date.

use std::time::Duration;

use qabyl::domain::people::Role;
use qabyl_sandbox::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Browser, Web};
use crate::world::world;

async fn stream(web: &Web, browser: &Browser) -> TcpStream {
    let mut stream = TcpStream::connect(web.address).await.unwrap();
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        web.address, browser.cookie
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Reads until that text has come.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let (mut all, mut part) = (String::new(), [0; 1024]);
    while !all.contains(text) {
        let read = tokio::time::timeout(Duration::from_mins(1), stream.read(&mut part));
        let count = read.await.expect("it comes within a minute").unwrap();
        assert!(count > 0, "it ended with {all}");
        all.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    all
}

#[tokio::test]
async fn a_stream_says_that_something_was_written_and_ends_with_the_daemon() {
    let web = Web::begin(world(Settings::default())).await;
    let browser = web.signed_in("Айгуль", Role::Viewer, 1).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut one = stream(&web, &browser).await;
        until(&mut one, "event: ready").await;
        open.push(one);
    }
    web.get(&browser, "/events").await.is(429);
    web.get(&Browser::default(), "/events").await.is(401);
    let link = web.link("Айгуль", 2).await;
    let other = web.follow(&link).await;
    drop(stream(&web, &other).await);
    web.world.place_plain(&[("900000001", "NOWHERE", 1)]);
    web.world.poll_and_decide().await;
    for one in &mut open {
        until(one, "event: changed").await;
    }
    web.end().await;
    let mut rest = Vec::new();
    for one in &mut open {
        let ended = tokio::time::timeout(Duration::from_mins(1), one.read_to_end(&mut rest));
        let _ = ended.await.expect("a stream ends with the daemon");
    }
}
