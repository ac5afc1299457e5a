//! Who gets in, how often, and how long a client may take.

use std::time::Duration;

use qabyl::clock::Clock;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Api, Ask, said};
use crate::cli::Desk;
use qabyl_sandbox::Settings;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_an_unknown_and_a_misplaced_token_let_nobody_in() {
    let api = Api::start("").await;
    let token = api.token("crm", "viewer").await;
    api.ask(&Ask::get("summary", &token)).await.is(200);
    let listed = api
        .desk
        .qabyl(&["token", "list", "--format", "json"])
        .await
        .json();
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");
    let mut wrong = token.clone();
    wrong.pop();
    wrong.push(if token.ends_with('0') { '1' } else { '0' });
    for bad in [wrong.as_str(), "qab_", "nonsense"] {
        api.ask(&Ask::get("summary", bad)).await.is(401);
    }
    // In the address, in a cookie, or twice, it is no token.
    api.ask(&Ask::get(&format!("summary?token={token}"), ""))
        .await
        .is(401);
    let cookie = Ask::get("summary", "").header("Cookie", &format!("token={token}"));
    api.ask(&cookie).await.is(401);
    let twice = Ask::get("summary", &token).header("Authorization", &format!("Bearer {token}"));
    api.ask(&twice).await.is(401);
    api.desk.qabyl(&["token", "revoke", "crm"]).await.ok();
    api.ask(&Ask::get("summary", &token)).await.is(401);
    let log = std::fs::read_to_string(api.desk.path("log")).unwrap();
    assert!(
        !log.contains(token.rsplit('_').next().unwrap()),
        "the token is in the log"
    );
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_that_is_ours_and_no_other() {
    let api = Api::start_in("act", "public_url = \"https://qabyl.shop.kz\"\n", "").await;
    let token = api.token("crm", "viewer").await;
    let of = async |hosts: &str| {
        let ask = Ask::get("summary", &token).header("Host", hosts);
        let said = api.ask(&ask).await;
        let hsts = said.header("strict-transport-security");
        assert!(hsts.is_some(), "{}", said.head);
        said.status
    };
    for ours in [
        "qabyl.shop.kz",
        "QABYL.shop.kz:443",
        "localhost:9465",
        "127.0.0.1",
        "[::1]:80",
    ] {
        assert_eq!(of(ours).await, 200, "{ours}");
    }
    for other in [
        "evil.example",
        "qabyl.shop.kz.evil.example",
        "qabyl.shop.kz:8080",
        "",
    ] {
        assert_eq!(of(other).await, 421, "{other}");
    }
    assert_eq!(of("localhost\r\nHost: localhost").await, 400);
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_of_a_token_are_told_when_to_come_again() {
    let api = Api::start("").await;
    let (busy, other) = (
        api.token("busy", "admin").await,
        api.token("other", "admin").await,
    );
    let write = |token| Ask::post("orders/900000001/hold", token, "{}");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(api.ask(&write(&busy)).await);
    }
    assert!(
        statuses[..10].iter().all(|said| said.status == 404),
        "a burst of ten"
    );
    let refused = statuses
        .iter()
        .find(|said| said.status == 429)
        .expect("then not more than one a second");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    api.ask(&write(&other)).await.is(404);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    api.ask(&write(&busy)).await.is(404);
    // Reads are counted apart, and a repeated request costs nothing.
    api.ask(&Ask::get("summary", &busy)).await.is(200);
    let keyed = write(&other).header("Idempotency-Key", "one");
    for _ in 0..15 {
        api.ask(&keyed).await.is(404);
    }
    let mut reads = 0;
    for _ in 0..60 {
        let asks: Vec<_> = (0..4).map(|_| Ask::get("openapi.json", &other)).collect();
        let all = futures_util::future::join_all(asks.iter().map(|ask| api.ask_raw(ask))).await;
        reads = all.iter().filter(|said| said.status == 429).count();
        if reads > 0 {
            break;
        }
    }
    assert!(reads > 0, "reads are limited too");
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_answered_slowly_after_twenty_and_logged() {
    let api = Api::start("").await;
    let token = api.token("crm", "viewer").await;
    let wrong = format!("qab_00000000_{}", "0".repeat(64));
    for _ in 0..20 {
        api.ask(&Ask::get("summary", &wrong)).await.is(401);
    }
    let begun = Clock::System.ticks();
    api.ask(&Ask::get("summary", &wrong)).await.is(401);
    assert!(
        Clock::System.ticks().saturating_sub(begun) >= Duration::from_millis(1900),
        "{:?}",
        Clock::System.ticks().saturating_sub(begun)
    );
    let begun = Clock::System.ticks();
    api.ask(&Ask::get("summary", &token)).await.is(200);
    assert!(
        Clock::System.ticks().saturating_sub(begun) < Duration::from_millis(1900),
        "a good token is not delayed"
    );
    let log = std::fs::read_to_string(api.desk.path("log")).unwrap();
    assert_eq!(log.matches("api.refused").count(), 2, "{log}");
    assert!(!log.contains(&wrong));
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_size_a_type_and_no_unknown_fields() {
    let api = Api::start("").await;
    let token = api.token("crm", "admin").await;
    let hold = "orders/900000001/hold";
    let long = format!("{{\"why\": \"{}\"}}", "x".repeat(70_000));
    api.ask(&Ask::post(hold, &token, &long)).await.is(413);
    let unknown = api
        .ask(&Ask::post(hold, &token, "{\"wyh\": \"typo\"}"))
        .await
        .is(400);
    assert!(
        unknown.body["detail"].as_str().unwrap().contains("wyh"),
        "{}",
        unknown.body
    );
    for wrong in [
        "[]",
        "{",
        "{\"why\": 1}",
        "{\"why\": \"a\", \"why\": \"b\"}",
    ] {
        api.ask(&Ask::post(hold, &token, wrong)).await.is(400);
    }
    let mut as_form = Ask::post(hold, &token, "why=x");
    as_form.headers = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
    api.ask(&as_form).await.is(415);
    for (path, body) in [
        ("accept", "{\"override\": [\"nothing\"]}"),
        ("cancel", "{}"),
        ("cancel", "{\"reason\": \"BECAUSE\"}"),
    ] {
        let path = format!("orders/900000001/{path}");
        api.ask(&Ask::post(&path, &token, body)).await.is(400);
    }
    for path in [
        "orders?state=nowhere",
        "orders?stat=held",
        "orders?limit=0",
        "orders?cursor=zz",
        "stock?limit=9999",
    ] {
        api.ask(&Ask::get(path, &token)).await.is(400);
    }
    let key = Ask::post(hold, &token, "{}").header("Idempotency-Key", "two words");
    api.ask(&key).await.is(400);
    api.stop();
}

/// Connections of one client are few, and half of a request is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_few_and_do_not_wait_long() {
    let api = Api::start("").await;
    let token = api.token("crm", "viewer").await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(TcpStream::connect(api.address).await.unwrap());
    }
    // All users of this machine are one client: who asks takes the place of one who does not.
    api.ask(&Ask::get("summary", &token)).await.is(200);
    let mut rest = Vec::new();
    // Half of a head: closed after five seconds.
    let mut half = open.pop().unwrap();
    half.write_all(b"GET /api/v1/summary HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let begun = Clock::System.ticks();
    let _ = half.read_to_end(&mut rest).await;
    assert!(
        Clock::System.ticks().saturating_sub(begun) < Duration::from_secs(8),
        "{:?}",
        Clock::System.ticks().saturating_sub(begun)
    );
    drop(open);
    // A body that stops arriving: ended after ten seconds.
    let admin = api.token("admin", "admin").await;
    let mut slow = TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "POST /api/v1/orders/1/hold HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {admin}\r\nContent-Type: \
         application/json\r\nContent-Length: 10\r\n\r\n{{",
        api.address
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let begun = Clock::System.ticks();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(15), slow.read_to_end(&mut answer));
    let _ = read.await.expect("it is ended");
    assert!(
        Clock::System.ticks().saturating_sub(begun) > Duration::from_secs(5),
        "{:?}",
        Clock::System.ticks().saturating_sub(begun)
    );
    assert_eq!(said(&String::from_utf8_lossy(&answer)).status, 408);
    api.ask(&Ask::get("summary", &token)).await.is(200);
    // An idle connection does not delay a stop.
    let idle = TcpStream::connect(api.address).await.unwrap();
    let begun = Clock::System.ticks();
    api.stop();
    assert!(
        Clock::System.ticks().saturating_sub(begun) < Duration::from_secs(10),
        "{:?}",
        Clock::System.ticks().saturating_sub(begun)
    );
    drop(idle);
}

/// Tokens that cross a network in the clear are read by others.
#[tokio::test(flavor = "multi_thread")]
async fn off_loopback_it_does_not_start_unprotected() {
    let desk = Desk::new(Settings::default());
    let with = |web: &str| {
        let config = desk.config("act", "");
        let web = format!("[web]\nlisten = \"0.0.0.0:0\"\n{web}[interlocks]\n");
        desk.write("qabyl.toml", &config.replace("[interlocks]\n", &web));
    };
    let check = ["config", "check"];
    for open in ["", "public_url = \"http://qabyl.shop.kz\"\n"] {
        with(open);
        desk.qabyl(&check)
            .await
            .fails(2, &["web.listen", "public_url", "trusted_proxies"]);
        desk.qabyl(&["run"]).await.fails(2, &["web.listen"]);
    }
    for protected in [
        "public_url = \"https://qabyl.shop.kz\"\n",
        "trusted_proxies = [\"172.18.0.0/16\"]\n",
    ] {
        with(protected);
        desk.qabyl(&check).await.ok();
    }
    with("");
    let mut command = desk.command(&check);
    command.env("QABYL_CONTAINER", "1");
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for wrong in [
        "public_url = \"https://qabyl.shop.kz/path\"\n",
        "trusted_proxies = [\"0.0.0.0/0\"]\n",
    ] {
        with(wrong);
        desk.qabyl(&check).await.fails(2, &["web."]);
    }
}
