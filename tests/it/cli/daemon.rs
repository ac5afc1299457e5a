//! The daemon as a process: one per database, killed at any moment, its token changed under it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::Settings;

use super::{Desk, TOKEN, said};
use crate::migrations::look_into;

const SIGTERM: &str = "-TERM";

pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(desk: &Desk) -> Self {
        Self::start_as(desk, &["run"])
    }

    fn start_as(desk: &Desk, args: &[&str]) -> Self {
        let mut command = desk.command(args);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(desk.path("log"));
        let log = log.unwrap();
        command.stderr(log.try_clone().unwrap()).stdout(log);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to stop and gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal(SIGTERM);
        let status = self.0.wait().unwrap();
        status.code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended is no longer there.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something another process does; its time is not ours to turn.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("30 s passed, and not yet: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_names_the_first() {
    let desk = Desk::new(Settings::default());
    let first = Daemon::start(&desk);
    let seen = || desk.server.world().ledger().requests_total() > 0;
    until("the first polls", seen).await;
    let pid = first.0.id().to_string();
    for command in [&["run"][..], &["once"]] {
        let mut command = desk.command(command);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap();
        said(&output.unwrap()).fails(1, &[&pid, "started 20"]);
    }
    assert_eq!(first.stop(), Some(0));
}

/// Another database is another lock: only the claim on the shop keeps both from promising one unit.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_shop_another_one_acts_for_sends_nothing_and_notifies() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let first = Daemon::start(&desk);
    desk.place("900000001", "A", 1);
    until("the first acts", || {
        desk.status("900000001") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"", free.local_addr().unwrap());
    drop(free);
    let other = desk.config("act", "").replace("qabyl.db", "other.db");
    desk.write("other.toml", &other.replace("listen = \"\"", &listen));
    let second = Daemon::start_as(&desk, &["--config", "other.toml", "run"]);
    until("it reports the first", || {
        let log = std::fs::read_to_string(desk.path("log")).unwrap();
        log.contains("D009")
    })
    .await;
    let mut noticed = 0_i64;
    for _ in 0..200 {
        let mut database = look_into(&desk.path("other.db")).await;
        let count = "SELECT COUNT(*) FROM notices WHERE kind = 'shop.elsewhere' AND shop = 'main'";
        noticed = sqlx::query_scalar(count)
            .fetch_one(&mut database)
            .await
            .unwrap();
        if noticed > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(noticed, 1, "people are notified once");
    let health = desk.qabyl(&["--config", "other.toml", "healthcheck"]);
    health.await.fails(1, &["another process on this machine"]);
    assert_eq!(second.stop(), Some(0));
    assert_eq!(first.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_handled_and_a_stop_is_clean() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\nB,0\n").await;
    let daemon = Daemon::start(&desk);
    desk.place("900000001", "A", 1);
    desk.place("900000002", "B", 1);
    until("both are handled", || {
        desk.status("900000001") == "ACCEPTED_BY_MERCHANT"
            && desk.status("900000002") == "CANCELLED"
    })
    .await;
    assert_eq!(daemon.stop(), Some(0));
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(log.contains("\"daemon.stopped\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_ends_right() {
    let faults = "post:drop_after=0.1,post:drop_before=0.1,http_500=0.05"
        .parse()
        .unwrap();
    let desk = Desk::new(Settings {
        latency: Duration::from_millis(20),
        faults,
        ..Settings::default()
    });
    desk.stock("sku,on_hand\nA,12\nB,6\n").await;
    let codes: Vec<String> = (0..30).map(|n| format!("9100000{n:02}")).collect();
    for (number, code) in codes.iter().enumerate() {
        desk.place(code, if number % 2 == 0 { "A" } else { "B" }, 1);
    }
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..12 {
        let daemon = Daemon::start(&desk);
        tokio::time::sleep(Duration::from_millis(rng.u64(60..900))).await;
        daemon.kill();
    }
    desk.server
        .world()
        .set_faults(qabyl_sandbox::Faults::default());
    let daemon = Daemon::start(&desk);
    let before = desk.server.world().ledger().requests_total();
    until("it polls", || {
        desk.server.world().ledger().requests_total() > before
    })
    .await;
    until("no order waits", || {
        codes
            .iter()
            .all(|code| desk.status(code) != "APPROVED_BY_BANK")
    })
    .await;
    assert_eq!(daemon.stop(), Some(0));
    let world = desk.server.world();
    let ledger = world.ledger();
    assert!(ledger.both_actions_sent().is_empty());
    assert!(
        ledger.blind_repeats().is_empty(),
        "{:#?}",
        ledger.blind_repeats()
    );
    let sold = world.units_promised_by_sku();
    assert_eq!((sold["A"], sold["B"]), (12, 6), "every unit once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_in_the_file_is_taken_up() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    let daemon = Daemon::start(&desk);
    until("it polls", || {
        desk.server.world().ledger().requests_total() > 0
    })
    .await;
    desk.server.world().set_tokens(["the-new-one"]);
    desk.place("900000001", "A", 1);
    until("it is refused", || {
        std::fs::read_to_string(desk.path("log"))
            .unwrap()
            .contains("shop.denied")
    })
    .await;
    let before = Clock::System.ticks();
    desk.write("token", "the-new-one");
    until("the order is accepted", || {
        desk.status("900000001") == "ACCEPTED_BY_MERCHANT"
    })
    .await;
    let took = Clock::System.ticks().saturating_sub(before);
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(daemon.stop(), Some(0));
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert!(!log.contains(TOKEN) && !log.contains("the-new-one"));
}
