//! As a service manager sees it: ready, status, watchdog, reload, stop.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::sandbox::Settings;

use super::Desk;

const RULES: &str = "[[rule]]\nname = \"hold all\"\nthen = \"hold\"\n";

struct Service {
    child: Child,
    socket: UnixDatagram,
}

impl Service {
    fn start(desk: &Desk) -> Self {
        let path = desk.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut command = desk.command(&["run"]);
        let log = std::fs::File::create(desk.path("log")).unwrap();
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000000");
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Self { child, socket }
    }

    /// The next message that holds this text.
    fn hears(&self, text: &str) -> String {
        let mut buffer = [0_u8; 4096];
        loop {
            let length = self
                .socket
                .recv(&mut buffer)
                .expect("the manager hears of it in time");
            let told = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if told.contains(text) {
                return told;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn log_says(desk: &Desk, text: &str) -> String {
    for _ in 0..400 {
        let log = std::fs::read_to_string(desk.path("log")).unwrap();
        if log.contains(text) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("20 s passed, and the log does not say {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_fed_reloaded_and_stopped() {
    let desk = Desk::new(Settings::default());
    desk.write("rules.toml", RULES);
    desk.write(
        "qabyl.toml",
        &desk.config("act", "[rules]\nfile = \"rules.toml\"\n"),
    );
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.place("900000001", "A", 1);
    let mut service = Service::start(&desk);
    service.hears("READY=1");
    let polled = desk.server.world().ledger().requests_total();
    assert!(polled > 0, "ready only after the first list");
    service.hears("WATCHDOG=1");
    let status = service.hears("; 1 held for a person; last good list ");
    assert!(
        status.contains("today 1 orders, 0 accepted, 0 cancelled;"),
        "{status}"
    );
    assert!(!status.contains("never"), "{status}");

    // A mistake changes nothing.
    desk.write("rules.toml", "[[rule]]\nname = \"all\"\nthn = \"accept\"\n");
    service.signal("-HUP");
    let log = log_says(&desk, "reload.refused").await;
    assert!(log.contains("rules.toml:3:"), "{log}");
    assert_eq!(desk.posts("900000001"), 0);

    desk.write(
        "rules.toml",
        "[[rule]]\nname = \"all\"\nthen = \"accept\"\n",
    );
    service.signal("-HUP");
    log_says(&desk, "reload.done").await;
    log_says(&desk, "\"verdict\":\"accept\"").await;
    service.hears("1 accepted");

    service.signal("-TERM");
    service.hears("STOPPING=1");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
    assert_eq!(desk.status("900000001"), "ACCEPTED_BY_MERCHANT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_signal_waits_for_the_request_in_hand_and_a_second_does_not() {
    let faults = "post:hang=1".parse().unwrap();
    let desk = Desk::new(Settings {
        faults,
        ..Settings::default()
    });
    let config = desk.config("act", "");
    // The request would be out for a minute.
    let patient = config.replace("request_timeout = \"2s\"", "request_timeout = \"60s\"");
    desk.write("qabyl.toml", &patient);
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.place("900000001", "A", 1);
    let mut service = Service::start(&desk);
    for _ in 0..600 {
        if desk.posts("900000001") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(desk.posts("900000001"), 1, "a request is out");
    service.signal("-TERM");
    service.hears("STOPPING=1");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(service.child.try_wait().unwrap().is_none(), "it drains");
    service.signal("-TERM");
    let begun = Clock::System.ticks();
    assert_eq!(service.child.wait().unwrap().code(), Some(1));
    let took = Clock::System.ticks().saturating_sub(begun);
    assert!(took < Duration::from_secs(20), "it did not wait: {took:?}");
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(log.contains("read back at the next start"), "{log}");
}
