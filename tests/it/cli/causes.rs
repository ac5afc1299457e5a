//! A message names the cause that was injected, and its advice fits it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use qabyl_sandbox::Settings;
use rstest::rstest;

use super::Desk;

/// An address where every request is answered with this status.
pub(super) fn answers(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let answer = format!(
                "HTTP/1.1 {status} Said\r\nlocation: http://login.example/\r\ncontent-length: 0\r\n\
                 connection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

/// An address at which nothing listens.
pub(super) fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// What `doctor` says with another address of Kaspi, on one line.
async fn doctor_at(address: &str) -> String {
    let desk = Desk::new(Settings::default());
    let config = desk.config("act", "");
    let config = config.replace(desk.server.base_url().as_str(), address);
    desk.write("qabyl.toml", &config);
    let said = desk.qabyl(&["doctor", "--format", "json"]).await;
    assert_ne!(said.code, 0, "{}", said.out);
    said.out
}

#[rstest]
#[case::dns("https://no-such-host.invalid".to_owned(), &["(DNS)", "cannot find the server's name"])]
#[case::refused(unused_address(), &["refused", "nothing listens"])]
#[case::redirect(answers(302), &["HTTP 302", "redirect"])]
#[case::proxy_login(answers(407), &["HTTP 407", "login"])]
#[case::not_found(answers(404), &["HTTP 404", "base_url"])]
#[case::failing(answers(503), &["HTTP 503", "wait"])]
#[case::forbidden(answers(403), &["HTTP 403", "2323"])]
#[case::token(answers(401), &["HTTP 401", "new token"])]
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_between_here_and_kaspi_is_named(
    #[case] address: String,
    #[case] words: &[&str],
) {
    let said = doctor_at(&address).await;
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    // The one cause that only Kaspi can name.
    assert_eq!(said.contains("2323"), words.contains(&"2323"), "{said}");
}

#[rstest]
#[case::quotes(b"\"a-token\"", "quotes")]
#[case::named(b"KASPI_TOKEN=a-token", "NAME=")]
#[case::utf_16(b"\xff\xfea\0-\0t\0", "UTF-16")]
#[case::utf_16_without_mark(b"a\0-\0t\0o\0", "UTF-16")]
#[case::two_lines(b"one\ntwo", "other than one token")]
#[case::empty(b"  ", "is empty")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_token_file_is_named(#[case] content: &[u8], #[case] word: &str) {
    let desk = Desk::new(Settings::default());
    std::fs::write(desk.path("token"), content).unwrap();
    for command in [&["doctor", "--format", "json"][..], &["once"]] {
        let said = desk.qabyl(command).await;
        let text = format!("{}{}", said.out, said.err);
        assert!(said.code != 0 && text.contains(word), "{text}");
        assert!(!text.contains("make a new token"), "{text}");
        assert!(!text.contains("a-token"), "a token is never shown: {text}");
    }
}

/// Makes a database and spoils it.
async fn spoiled(spoil: impl FnOnce(&mut Vec<u8>)) -> (Desk, String) {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let mut database = crate::migrations::look_into(&desk.path("qabyl.db")).await;
    sqlx::raw_sql(checkpoint)
        .execute(&mut database)
        .await
        .unwrap();
    drop(database);
    let mut bytes = std::fs::read(desk.path("qabyl.db")).unwrap();
    spoil(&mut bytes);
    std::fs::write(desk.path("qabyl.db"), bytes).unwrap();
    // What the log still holds would heal it.
    for log in ["qabyl.db-wal", "qabyl.db-shm"] {
        let _ = std::fs::remove_file(desk.path(log));
    }
    let said = desk.qabyl(&["once"]).await;
    let text = format!("{}{}", said.out, said.err);
    assert_ne!(said.code, 0, "{text}");
    (desk, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_called_damaged_wherever_it_is_hit() {
    let header = |bytes: &mut Vec<u8>| bytes[..16].copy_from_slice(b"not a database!!");
    let texts = [
        spoiled(header).await,
        spoiled(|bytes| bytes.truncate(bytes.len() / 2)).await,
    ];
    for (_, text) in texts {
        assert!(text.contains("damaged"), "{text}");
        assert!(text.contains("qabyl restore"), "{text}");
        assert!(!text.contains("disk is full"), "{text}");
        assert!(!text.contains("belong to"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_program_locks_is_called_locked() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let mut other = crate::migrations::look_into(&desk.path("qabyl.db")).await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let said = desk.qabyl(&["stock", "set", "A", "3"]).await;
    said.fails(1, &["locked", "another program"]);
    assert!(!said.err.contains("disk is full"), "{}", said.err);
}
