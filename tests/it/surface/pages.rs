//! Who may read, and what is read.

use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::Served;
use crate::cli::daemon::Daemon;

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_only_who_asks_for_loopback_is_answered_and_nothing_is_changed() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    for (host, expected) in [
        ("127.0.0.1:9464", "200"),
        ("localhost", "200"),
        ("[::1]:9464", "200"),
        ("evil.example", "421"),
        ("127.0.0.1.evil.example:80", "421"),
        ("localhost.evil.example", "421"),
        ("", "421"),
    ] {
        for path in ["/", "/status", "/metrics", "/healthz"] {
            let answer = served
                .ask(&format!("GET {path}"), &format!("Host: {host}\r\n"))
                .await;
            assert_eq!(status(&answer.unwrap()), expected, "{path} of '{host}'");
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = served.ask(&format!("{method} /status"), "").await.unwrap();
        assert_eq!(status(&answer), "405", "{method}");
    }
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_token_is_asked_for_or_the_daemon_does_not_start() {
    let mut open = Served::start("0.0.0.0", "").await;
    drop(open.daemon.take());
    let desk = &open.desk;
    let mut command = desk.command(&["run"]);
    let said = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(said.status.code(), Some(2));
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(words.contains("http.token_file"), "{words}");
    drop(open);

    let mut served = Served::start("0.0.0.0", "token_file = \"reader\"\n").await;
    served.desk.write("reader", "reader-token-canary-7f3a\n");
    // It was started before its file was there, and ended.
    drop(served.daemon.take());
    served.daemon = Some(Daemon::start(&served.desk));
    served.ready().await;
    let shown = "Authorization: Bearer reader-token-canary-7f3a\r\n";
    for (headers, expected) in [
        ("", "401"),
        ("Authorization: Bearer reader-token-canary-7f3b\r\n", "401"),
        ("Authorization: Bearer \r\n", "401"),
        (shown, "200"),
    ] {
        for path in ["/", "/status", "/metrics"] {
            let answer = served.ask(&format!("GET {path}"), headers).await.unwrap();
            assert_eq!(status(&answer), expected, "{path} with '{headers}'");
        }
    }
    // A container's health check carries no token, and gets yes or no.
    served.desk.write("token", "a-token-that-is-over");
    let not_ready = async || {
        let answer = served.ask("GET /readyz", "").await.unwrap();
        (status(&answer) == "503").then_some(answer)
    };
    let mut answer = None;
    for _ in 0..600 {
        answer = not_ready().await;
        if answer.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answer.unwrap().ends_with("\r\n\r\nnot ready\n"));
    let answer = served.ask("GET /readyz", shown).await.unwrap();
    assert!(answer.contains("shop main"), "{answer}");
    served
        .desk
        .qabyl(&["healthcheck"])
        .await
        .fails(1, &["not ready"]);
    let log = std::fs::read_to_string(served.desk.path("log")).unwrap();
    assert!(!log.contains("reader-token"), "the token is in the log");
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_gets_the_security_headers_and_two_hosts_are_refused() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    let headers_of = async |headers: &str, expected: &str| {
        let answer = served.ask("GET /status", headers).await.unwrap();
        assert_eq!(status(&answer), expected, "{headers}");
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(header), "{header} of {answer}");
        }
    };
    headers_of("Host: localhost\r\n", "200").await;
    headers_of("Host: evil.example\r\n", "421").await;
    headers_of("Host: localhost\r\nHost: evil.example\r\n", "400").await;
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_logged_and_then_turned_away_and_the_right_one_still_serves() {
    let mut served = Served::start("0.0.0.0", "token_file = \"reader\"\n").await;
    drop(served.daemon.take());
    served.desk.write("reader", "short-token\n");
    let mut command = served.desk.command(&["run"]);
    let said = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(said.status.code(), Some(2));
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        words.contains("11 characters") && words.contains("at least 22"),
        "{words}"
    );
    served.desk.write("reader", "reader-token-canary-7f3a\n");
    served.daemon = Some(Daemon::start(&served.desk));
    served.ready().await;
    let ask = async |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        let answer = served.ask("GET /status", &header).await.unwrap();
        status(&answer).to_owned()
    };
    for _ in 0..20 {
        assert_eq!(ask("reader-token-canary-7f3b").await, "401");
    }
    assert_eq!(ask("reader-token-canary-7f3b").await, "429");
    assert_eq!(ask("reader-token-canary-7f3a").await, "200");
    let log = std::fs::read_to_string(served.desk.path("log")).unwrap();
    assert_eq!(log.matches("http.refused").count(), 2, "{log}");
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_do_not_delay_a_health_check() {
    use tokio::io::AsyncWriteExt as _;
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    let mut half = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: loc")
            .await
            .unwrap();
        half.push(stream);
    }
    // A container's health check waits 5 s; all of these in turn would take 45 s.
    let answer = tokio::time::timeout(Duration::from_secs(4), served.ask("GET /healthz", ""));
    let answer = answer.await.expect("within seconds").unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_connections_and_one_more_takes_the_oldest_ones_place() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    let mut idle = Vec::new();
    for _ in 0..32 {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    let pages = served.ask("GET /healthz", "");
    let beyond = tokio::time::timeout(Duration::from_secs(3), pages).await;
    let answer = beyond.expect("nobody waits for idle ones").unwrap();
    assert!(answer.ends_with("alive\n"), "{answer}");
    let mut byte = [0];
    let oldest = idle[0].read(&mut byte);
    let oldest = tokio::time::timeout(Duration::from_secs(1), oldest).await;
    assert!(
        !matches!(oldest, Err(_) | Ok(Ok(1))),
        "it is closed: {oldest:?}"
    );
    let newest = idle[31].read(&mut byte);
    let newest = tokio::time::timeout(Duration::from_millis(300), newest).await;
    assert!(newest.is_err(), "it is open: {newest:?}");
    drop(idle);
    // One that never asks is disconnected in the end, and does not delay a stop.
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    served.stop();
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_tell_what_is_done_what_waits_and_how_the_stages_are() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    served.work().await;
    let page: Value = serde_json::from_str(&served.body("/status", "").await).unwrap();
    let stages = page["stages"].as_array().unwrap();
    let named: Vec<&str> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    for stage in [
        "poll",
        "decide",
        "act",
        "alert",
        "sweep",
        "housekeep",
        "watch",
    ] {
        assert!(named.contains(&stage), "{named:?}");
    }
    for stage in stages {
        for key in ["description", "period"] {
            assert!(!stage[key].as_str().unwrap().is_empty(), "{stage}");
        }
        let of_stage = stage["status"].as_object().unwrap();
        for key in [
            "runs",
            "failures",
            "last_run",
            "last_ok",
            "running_since",
            "last_error",
            "last_report",
        ] {
            assert!(of_stage.contains_key(key), "{key} of {stage}");
        }
    }
    let poll = stages
        .iter()
        .find(|stage| stage["stage"] == "poll")
        .unwrap();
    assert!(
        poll["status"]["last_report"]["listed"].is_number(),
        "{poll}"
    );

    let html = served.body("/", "").await;
    assert!(
        html.contains("900000211") && html.contains("2 h 59 min"),
        "{html}"
    );
    assert!(html.contains("unknown stock"), "{html}");
    for page in ["/", "/status", "/metrics", "/readyz"] {
        assert!(
            !served.body(page, "").await.contains("canary-7f3a"),
            "{page}"
        );
    }
    let head = served.ask("GET /", "").await.unwrap();
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    served.stop();
}

/// One list of troubles, wherever it is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_name_the_troubles_that_the_commands_name() {
    let served = Served::start("127.0.0.1", "").await;
    served.ready().await;
    served.work().await;
    let html = served.body("/", "").await;
    assert!(!html.contains("Troubles"), "{html}");
    let desk = &served.desk;
    desk.qabyl(&["pause", "--why", "stocktaking"]).await.ok();
    desk.stock("sku,on_hand\nA,0\nB,0\n").await;
    let html = served.body("/", "").await;
    for words in [
        "Troubles",
        "stocktaking",
        "qabyl resume",
        "every level is zero",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    let page: Value = serde_json::from_str(&served.body("/status", "").await).unwrap();
    let said = desk.qabyl(&["status", "--format", "json"]).await.json();
    assert!(page["troubles"].as_array().unwrap().len() > 1, "{page}");
    assert_eq!(page["troubles"], said[0]["troubles"]);
    served.stop();
}
