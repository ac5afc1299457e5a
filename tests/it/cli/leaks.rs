//! No name, phone, address or token in anything that is written, at any level.

use std::path::Path;

use qabyl::sandbox::Settings;

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
    assert!(sent > 5, "the sandbox told its canaries: {sent} requests");
}
