//! What the processes of the program may do, as the kernel sees it: the daemon leaves no core, and the one that reads
//! stock files can open nothing.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use qabyl::stock::{CHILD, How};
use qabyl_sandbox::Settings;
use serde_json::json;

use super::Desk;
use super::daemon::{Daemon, until};
use qabyl::domain::stock::Semantics;

/// The limit as it is, such as `0`, of a process.
fn limit(pid: u32, name: &str) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix(name));
    let words = line.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    words.unwrap_or_default().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_leaves_no_core() {
    let desk = Desk::new(Settings::default());
    let daemon = Daemon::start(&desk);
    let log = || std::fs::read_to_string(desk.path("log")).unwrap_or_default();
    until("it runs", || log().contains("\"daemon.started\"")).await;
    assert_eq!(limit(daemon.id(), "Max core file size"), "0 0");
    assert_eq!(daemon.stop(), Some(0));
}

/// Ends with the test, also when it fails.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_stock_files_can_open_write_and_start_nothing() {
    let desk = Desk::bare(Settings::default());
    let mut command = desk.command(&[CHILD]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = Reader(command.spawn().unwrap());
    let moment = "2026-11-28T10:00:00Z";
    let question = json!({
        "file": "shelf.csv", "how": How::plain(Semantics::Physical),
        "moments": { "made_at": moment, "now": moment },
    });
    let mut input = reader.0.stdin.take().unwrap();
    writeln!(input, "{question}").unwrap();
    // It waits for the file now, and takes what it does not need from itself before.
    let pid = reader.0.id();
    until("it may open nothing", || {
        limit(pid, "Max open files") == "0 0"
    })
    .await;
    for name in ["Max core file size", "Max file size", "Max processes"] {
        assert_eq!(limit(pid, name), "0 0", "{name}");
    }
    assert_ne!(limit(pid, "Max address space"), "unlimited unlimited");
    write!(input, "sku,on_hand\nA,5\n").unwrap();
    drop(input);
    let mut answer = String::new();
    let mut output = reader.0.stdout.take().unwrap();
    output.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("\"level\"") && answer.contains("\"done\""),
        "{answer}"
    );
}
