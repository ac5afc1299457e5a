//! An output that nobody reads, and signals at awkward moments: orders go on, and a stop is a stop.

use std::io::{PipeReader, Write as _, pipe};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use qabyl_sandbox::Settings;

use super::Desk;
use super::daemon::until;

/// Bytes that a pipe holds.
const PIPE_BYTES: usize = 64 * 1024;

/// A daemon whose output is a pipe that is full already. Nobody reads it while the other end is kept.
fn start_unread(desk: &Desk) -> (Child, PipeReader) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'.'; PIPE_BYTES]).unwrap();
    let mut command = desk.command(&["run"]);
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    (command.spawn().unwrap(), reader)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

/// How it ended within this time.
async fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    for _ in 0..within.as_millis() / 20 {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_reads_delays_neither_accepts_nor_a_stop() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,50\n").await;
    let (mut daemon, reader) = start_unread(&desk);
    for n in 0..20 {
        desk.place(&format!("9400000{n:02}"), "A", 1);
    }
    until("all are accepted", || {
        (0..20).all(|n| desk.status(&format!("9400000{n:02}")) == "ACCEPTED_BY_MERCHANT")
    })
    .await;
    signal(&daemon, "-TERM");
    let status = ended(&mut daemon, Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    drop(reader);
}

/// The first stop waits for the request in flight; whoever asks again does not wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_stop_always_ends_the_process() {
    let desk = Desk::new(Settings {
        latency: Duration::from_mins(1),
        ..Settings::default()
    });
    let config = desk
        .config("act", "")
        .replace("request_timeout = \"2s\"", "request_timeout = \"50s\"");
    let config = config.replace("settle = \"1s\"", "settle = \"60s\"");
    desk.write("qabyl.toml", &config);
    let (mut daemon, reader) = start_unread(&desk);
    until("a request is in flight", || {
        desk.server.world().ledger().requests_total() > 0
    })
    .await;
    signal(&daemon, "-TERM");
    signal(&daemon, "-TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&daemon, "-TERM");
    let status = ended(&mut daemon, Duration::from_secs(3)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(1));
    drop(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_asked_for_during_the_start_does_not_end_it() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.place("940000100", "A", 1);
    let mut command = desk.command(&["run"]);
    let mut daemon = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Before that the kernel ends any program: main does this first of all.
    let status = format!("/proc/{}/status", daemon.id());
    until("the signal no longer ends it", || {
        let status = std::fs::read_to_string(&status).unwrap();
        let masks = status.lines().filter_map(|line| {
            let mask = line
                .strip_prefix("SigCgt:")
                .or(line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        // SIGHUP is the first signal.
        masks.fold(0, |all, mask| all | mask) & 1 == 1
    })
    .await;
    signal(&daemon, "-HUP");
    until("the order is accepted", || {
        desk.status("940000100") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    signal(&daemon, "-TERM");
    let status = ended(&mut daemon, Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

/// Rules, a configuration, a token or a secret behind a pipe: no command waits for whoever writes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_place_of_a_file_is_refused_at_once() {
    let desk = Desk::new(Settings::default());
    let made = Command::new("mkfifo").arg(desk.path("pipe")).status();
    assert!(made.unwrap().success());
    let rules = desk.config("act", "[rules]\nfile = \"pipe\"\n");
    let token = desk.config("act", "").replace("\"token\"", "\"pipe\"");
    for (config, command) in [
        (rules.as_str(), &["run"][..]),
        (&rules, &["rules", "check"]),
        (&token, &["run"]),
        (&token, &["doctor"]),
        ("", &["--config", "pipe", "status"]),
        ("", &["catalog", "import", "pipe"]),
        ("", &["stock", "map", "pipe"]),
    ] {
        if !config.is_empty() {
            desk.write("qabyl.toml", config);
        }
        let mut started = desk.command(command);
        started.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = started.stderr(Stdio::piped()).spawn().unwrap();
        let status = ended(&mut child, Duration::from_secs(20)).await;
        let code = status.and_then(|status| status.code());
        assert!(code.is_some_and(|code| code != 0), "{command:?}: {code:?}");
        let output = child.wait_with_output().unwrap();
        let said = [output.stderr, output.stdout].concat();
        // A table breaks its lines.
        let said = String::from_utf8_lossy(&said).replace('│', " ");
        let said: Vec<&str> = said.split_whitespace().collect();
        let said = said.join(" ");
        assert!(said.contains("it is not a file"), "{command:?}: {said}");
    }
}
