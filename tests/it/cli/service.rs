//! As a service manager sees it: ready, status, watchdog, reload, stop.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};

use super::Desk;
use crate::notify::receiver as hook;
use crate::notify::receiver::SECRET;

const RULES: &str = "[[rule]]\nname = \"hold all\"\nthen = \"hold\"\n";

/// Rules with a mistake each, and what the running daemon says of them.
const MISTAKES: [(&str, &str); 5] = [
    (
        "[[rule]]\nname = \"all\"\nthn = \"accept\"\n",
        "rules.toml:3:1: rule 'all': unknown key 'thn'; did you mean 'then'?",
    ),
    (
        "[[rule]]\nname = \"r\"\nwhen = { totl = { over = 5 } }\nthen = \"accept\"\n",
        "rules.toml:3:10: rule 'r': unknown condition 'totl'; did you mean 'total'?",
    ),
    (
        "[[rule]]\nname = \"r\"\nwhen = { total = { over = \"much\" } }\nthen = \"accept\"\n",
        "rules.toml:3:27: rule 'r': total.over: expected a whole number of tenge, found a string; write \
         digits without quotes, such as 5000",
    ),
    (
        "[[rule]]\nname = \"r\"\nwhen = { lines = { over = 9, under = 2 } }\nthen = \"accept\"\n",
        "rules.toml:3:18: rule 'r': lines: nothing lies between 'over' and 'under'; 'over' is the lower \
         bound: write { over = 2, under = 9 }",
    ),
    (
        "[[rule]]\nname = \"all\"\nthen = \"accept\"\n[[rule]]\nname = \"late\"\nthen = \"hold\"\n",
        "rules.toml:5:8: rule 'late' can never apply: rule 'all' on line 2 comes first and matches every \
         order; move it up, or remove one of them",
    ),
];

struct Service {
    child: Child,
    /// What the manager hears. It always listens: whoever speaks to a full socket would have to wait.
    heard: Receiver<String>,
}

impl Service {
    fn start(desk: &Desk) -> Self {
        let path = desk.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (speak, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let notified = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if speak.send(notified).is_err() {
                    return;
                }
            }
        });
        let mut command = desk.command(&["run"]);
        let log = std::fs::File::create(desk.path("log")).unwrap();
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000000");
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Self { child, heard }
    }

    /// The next message that holds this text.
    fn hears(&self, text: &str) -> String {
        // It is notified every second.
        for _ in 0..60 {
            let notified = self.heard.recv_timeout(Duration::from_secs(20));
            let notified = notified.expect("the manager hears of it in time");
            if notified.contains(text) {
                return notified;
            }
        }
        panic!("the manager was notified, but never of: {text}");
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
    log_says_often(desk, text, 1).await
}

/// The log, once it says this so many times.
async fn log_says_often(desk: &Desk, text: &str, times: usize) -> String {
    for _ in 0..400 {
        let log = std::fs::read_to_string(desk.path("log")).unwrap();
        if log.matches(text).count() >= times {
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

    // A mistake changes nothing, and is reported with its place and what to write.
    for (number, (rules, said)) in MISTAKES.into_iter().enumerate() {
        desk.write("rules.toml", rules);
        service.signal("-HUP");
        let log = log_says_often(&desk, "\"event\":\"reload.refused\"", number + 1).await;
        let said = said.replace('"', "\\\"");
        assert!(log.contains(&said), "{said}\n{log}");
        assert!(log.contains("the previous rules and limits stay in force"));
    }
    let status = desk.qabyl(&["status", "--check"]).await;
    status.fails(4, &["C001", "the reload at", "rules.toml:"]);
    // The rules of the start are the ones that decide.
    desk.place("900000002", "A", 1);
    log_says_often(&desk, "\"rule\":\"hold all\"", 2).await;
    assert_eq!(desk.posts("900000001") + desk.posts("900000002"), 0);

    desk.write(
        "rules.toml",
        "[[rule]]\nname = \"all\"\nthen = \"accept\"\n",
    );
    service.signal("-HUP");
    log_says(&desk, "reload.done").await;
    log_says(&desk, "\"verdict\":\"accept\"").await;
    service.hears("2 accepted");

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

/// A reload applies a section whole: `[schedule]` and `[interlocks]` with the rules. Of the others it says which keys wait
/// for a restart, and none of them is half in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_applies_sections_whole_and_names_what_waits_for_a_restart() {
    let desk = Desk::new(Settings::default());
    let receiver = hook::Receiver::start().await;
    let channel = format!(
        "[[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"hook-secret\"\nlanguage = \"en\"\n",
        receiver.url()
    );
    desk.write("hook-secret", SECRET);
    desk.write("qabyl.toml", &desk.config("act", &channel));
    desk.stock("sku,on_hand\nA,5\n").await;
    let placed = Clock::System.now() - Duration::from_mins(30);
    let order = OrderSeed::new("900000001", placed).line("UNKNOWN", 1);
    assert!(desk.server.world().place(order));
    let mut service = Service::start(&desk);
    log_says(&desk, "order.decided").await;
    // Two and a half hours are left, and now the alert is due at two hours and three quarters.
    let changed = desk
        .config("act", &channel)
        .replace(
            "[actions]",
            "[schedule]\nalert_before = \"2h45m\"\n[actions]\naccepts_per_hour_max = 0",
        )
        .replace(
            "[interlocks]",
            "[confirm]\nlast_units = 9\n[interlocks]\nstock_max_age = \"2h\"",
        );
    desk.write("qabyl.toml", &changed);
    service.signal("-HUP");
    let log = log_says(&desk, "reload.partial").await;
    let keys = "\"keys\":\"actions.accepts_per_hour_max, confirm.last_units\"";
    assert!(log.contains(keys), "{log}");
    log_says(&desk, "order.deadline_near").await;
    // What waits for a restart is not in force in part.
    desk.place("900000002", "A", 1);
    for _ in 0..400 {
        if desk.status("900000002") == "ACCEPTED_BY_MERCHANT" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(desk.status("900000002"), "ACCEPTED_BY_MERCHANT");
    // The deadline itself, and the time left in a message, follow the reload too.
    let sooner = changed.replace(
        "alert_before = \"2h45m\"",
        "alert_before = \"55m\"\ndeadline = \"1h\"",
    );
    desk.write("qabyl.toml", &sooner);
    service.signal("-HUP");
    log_says_often(&desk, "reload.done", 2).await;
    let late = OrderSeed::new("900000003", placed).line("UNKNOWN", 1);
    assert!(desk.server.world().place(late));
    let left = || {
        let texts = receiver.seen().taken;
        let texts = texts.iter().map(|body| body["data"]["text"].to_string());
        texts
            .filter(|text| text.contains("900000003"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    for _ in 0..600 {
        if left().contains("29 min") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(left().contains("29 min"), "{}", left());
    service.signal("-TERM");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}
