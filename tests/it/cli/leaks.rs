//! No name, phone, address or token in anything that is written, at any level.

use std::path::Path;

use qabyl_sandbox::Settings;

use super::{Desk, TOKEN};

const CANARY: &str = "canary-7f3a";

fn holds(path: &Path, needle: &[u8]) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_and_no_token_is_ever_written() {
    let desk = Desk::new(Settings {
        canary: Some(CANARY.to_owned()),
        ..Settings::default()
    });
    desk.stock("sku,on_hand\nA,5\nB,0\n").await;
    for (number, sku) in ["A", "B", "UNKNOWN"].iter().enumerate() {
        desk.place(&format!("90000000{number}"), sku, 1);
    }
    let mut written = String::new();
    for format in ["json", "text", "journald"] {
        let log = format!("[log]\nformat = \"{format}\"\nfilter = \"trace\"\n");
        desk.write("qabyl.toml", &format!("{log}{}", desk.config("act", "")));
        let said = desk.qabyl(&["once"]).await;
        written.push_str(&said.out);
        written.push_str(&said.err);
    }
    assert!(
        written.contains("order.decided"),
        "the log is there to be searched"
    );
    for command in [
        &["orders", "list"][..],
        &["orders", "list", "--format", "json"],
        &["orders", "show", "900000000"],
        &["explain", "900000000"],
        &["explain", "900000000", "--format", "json"],
        &["audit"],
        &["status"],
        &["config", "dump"],
        &["doctor"],
    ] {
        let said = desk.qabyl(command).await;
        written.push_str(&said.out);
        written.push_str(&said.err);
    }
    for secret in [CANARY, TOKEN] {
        assert!(!written.contains(secret), "{secret} was written");
        for entry in std::fs::read_dir(desk.folder()).unwrap() {
            let path = entry.unwrap().path();
            let is_data = path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("qabyl.db");
            assert!(
                !is_data || !holds(&path, secret.as_bytes()),
                "{} holds {secret}",
                path.display()
            );
        }
    }
    let sent = desk.server.world().ledger().requests_total();
    assert!(sent > 5, "the sandbox served its canaries: {sent} requests");
}

/// A server that answers every request with 400 and the request's own head in Kaspi's error format, written
/// by `encode`.
fn echoing(encode: fn(&str) -> String) -> std::net::SocketAddr {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(length) if length > 0 => head.extend_from_slice(&buffer[..length]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head);
            // Kaspi's words are kept to 200 characters: the token stands within them.
            let token = head
                .lines()
                .find(|line| line.to_lowercase().starts_with("x-auth-token"));
            let body = format!(
                "{{\"errors\":[{{\"title\":\"you sent {}\"}}]}}",
                encode(token.unwrap_or_default())
            );
            let _ = write!(
                stream,
                "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

fn unicode_escapes(text: &str) -> String {
    let escaped = text.chars().map(|c| format!("\\u{:04x}", u32::from(c)));
    escaped.collect::<Vec<_>>().concat()
}

fn split_by_control_characters(text: &str) -> String {
    text.replace("token", "to\\u0000k\\u0007en")
}

fn percent(text: &str) -> String {
    let escaped = text.bytes().map(|byte| format!("%{byte:02x}"));
    escaped.collect::<Vec<_>>().concat()
}

#[rstest::rstest]
#[case::plain(ToOwned::to_owned)]
#[case::unicode_escapes(unicode_escapes)]
#[case::split_by_control_characters(split_by_control_characters)]
#[case::percent(percent)]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_repeats_is_written_nowhere(#[case] encode: fn(&str) -> String) {
    let desk = Desk::new(Settings::default());
    let address = echoing(encode);
    let config = desk.config("act", "[log]\nfilter = \"debug\"\n");
    let config = config.replace(
        desk.server.base_url().as_str(),
        &format!("http://{address}"),
    );
    desk.write("qabyl.toml", &config);
    let mut written = String::new();
    for command in [
        &["once", "--timeout", "3s"][..],
        &["doctor"],
        &["status"],
        &["audit"],
        &["catalog", "categories"],
    ] {
        let said = desk.qabyl(command).await;
        written.push_str(&said.out);
        written.push_str(&said.err);
    }
    assert!(
        written.contains("HTTP 400") && written.contains("you sent") && written.contains("***"),
        "the server's message is shown, and the token in it replaced: {written}"
    );
    for secret in [TOKEN, percent(TOKEN).as_str()] {
        assert!(
            !written.contains(secret),
            "the token was written: {written}"
        );
        for entry in std::fs::read_dir(desk.folder()).unwrap() {
            let path = entry.unwrap().path();
            let is_data = path.to_string_lossy().contains("qabyl.db");
            assert!(
                !is_data || !holds(&path, secret.as_bytes()),
                "{} holds the token",
                path.display()
            );
        }
    }
}
