//! `qabyl init`: from nothing to the first proposed decision, and nothing that is right is changed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use qabyl_sandbox::Settings;

use super::{Desk, Said, TOKEN, said};

/// A folder in which nothing is but the address of the sandbox, and a stock file.
fn nothing() -> Desk {
    let desk = Desk::bare(Settings::default());
    std::fs::remove_file(desk.path("token")).unwrap();
    let text = format!(
        "# mine\n[kaspi]\nbase_url = \"{}\"\n",
        desk.server.base_url()
    );
    desk.write("qabyl.toml", &text);
    desk.write("stock.csv", "sku,on_hand\nA,5\n");
    desk.place("900000001", "A", 1);
    desk
}

/// Answers the questions, one a line.
async fn answer(desk: &Desk, args: &[&str], answers: &str) -> Said {
    let mut command = desk.command(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let answers = answers.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // It may end before it has read every answer.
        let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
        child.wait_with_output().unwrap()
    });
    said(&output.await.unwrap())
}

/// One answer of a Bot API that knows one chat.
fn bot_api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = r#"{"ok":true,"result":[{"update_id":1,"message":{"chat":{"id":77,"first_name":"Айгүл"}}}]}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dialogue_leads_to_the_first_proposed_decision() {
    let desk = nothing();
    let api = bot_api();
    let args = ["init", "--ask", "--lang", "ru", "--telegram-api", &api];
    let answers =
        format!("wrong-token\n{TOKEN}\nx\nmon-sun 00:00-24:00\nno.csv\nstock.csv\n123:abc\n");
    // The hours were mistyped in the flag, and once more.
    let hours = ["--hours", "mon-sun 00:00-25:00"];
    let said = answer(&desk, &[&args[..], &hours].concat(), &answers).await;
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    for words in ["не принимает токен", "Токен верный", "Айгүл", "Дальше"]
    {
        assert!(
            said.out.contains(words),
            "{words}:\n{}\n{}",
            said.out,
            said.err
        );
    }
    let text = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    for line in [
        "# mine",
        "mode = \"propose\"",
        "hours = \"mon-sun 00:00-24:00\"",
        "chat_id = \"77\"",
        "language = \"ru\"",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    for secret in ["token", "bot"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(desk.path(secret)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{secret}");
    }
    desk.qabyl(&["once"]).await.ok();
    let orders = desk
        .qabyl(&["orders", "list", "--format", "json"])
        .await
        .ok();
    assert_eq!(orders.json()[0]["decision"]["verdict"], "accept");
    assert_eq!(desk.posts("900000001"), 0, "nothing is sent in propose");

    // Everything is right now, and so nothing is asked or changed.
    let again = answer(&desk, &args, "another\nmon 01:00-02:00\nother.csv\n").await;
    assert_eq!(again.code, 0, "{}\n{}", again.out, again.err);
    let after = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    assert_eq!(after, text);
    let token = std::fs::read_to_string(desk.path("token")).unwrap();
    assert_eq!(token.trim(), TOKEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_sets_a_shop_up_by_flags() {
    let desk = nothing();
    desk.write("given", TOKEN);
    let args = [
        "init",
        "--yes",
        "--token-from",
        "given",
        "--hours",
        "mon-fri 09:00-18:00",
        "--stock",
        "stock.csv",
    ];
    desk.qabyl(&args).await.ok();
    desk.qabyl(&["doctor"]).await.ok();
    let text = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    desk.qabyl(&args).await.ok();
    let after = std::fs::read_to_string(desk.path("qabyl.toml")).unwrap();
    assert_eq!(after, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_file_that_is_missing_is_a_mistake_where_nobody_answers() {
    let desk = Desk::bare(Settings::default());
    let said = desk.qabyl(&["init", "--config", "other.toml"]).await;
    said.fails(2, &["other.toml"]);
    assert!(!desk.path("other.toml").exists());
}
