//! The process is stopped for a while, as by a suspended machine, and goes on: what it was about to
//! send may be wrong by then.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::clock::Clock;
use qabyl_sandbox::{EndpointKind, Status};

use super::asked;
use super::daemon::Daemon;
use super::desk::{Desk, Limits, QUICK, until};
use super::judge::{none, violations};
use super::records::Book;
use super::shim::Plan;

const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes written before the stop have arrived after so long.
const ON_THE_WIRE: Duration = Duration::from_millis(300);

/// Between a last look at the clock in one process and the arrival in another on a busy machine.
const SLACK: SignedDuration = SignedDuration::from_millis(1_500);

/// How long to stop, under which limits, and how old a sighting may be.
fn sizes() -> (Duration, Limits, SignedDuration) {
    let stop = Duration::from_secs(asked("QABYL_STOP_S", 8));
    if stop >= Duration::from_mins(1) {
        let limits = Limits {
            rate_per_second: 4,
            actions: "",
        };
        return (stop, limits, SignedDuration::from_secs(30));
    }
    let limits = Limits {
        rate_per_second: 8,
        actions: "settle = \"4s\"\nsighting_age_max = \"3s\"\n",
    };
    (stop, limits, SignedDuration::from_secs(3))
}

/// People in the cabinet take orders that wait: accept one, cancel one, leave one.
fn people_act(desk: &Desk) -> BTreeSet<String> {
    let mut world = desk.server.world();
    let waits = |order: &&qabyl_sandbox::Order| order.status == Status::ApprovedByBank;
    let waiting: Vec<String> = world
        .orders()
        .iter()
        .filter(waits)
        .map(|order| order.code().to_owned())
        .collect();
    let now = Clock::System.now();
    let mut touched = BTreeSet::new();
    for (number, code) in waiting.into_iter().enumerate() {
        let done = match number % 3 {
            0 => world.cabinet_cancels(&code, now),
            1 => world.cabinet_accepts(&code, now),
            _ => continue,
        };
        assert!(done, "{code} was still waiting");
        touched.insert(code);
    }
    touched
}

/// POSTs after `since` about orders in `touched`, or without a reading young enough.
fn stale_posts(
    desk: &Desk,
    since: Timestamp,
    touched: &BTreeSet<String>,
    limit: SignedDuration,
) -> Vec<String> {
    let world = desk.server.world();
    let requests = world.ledger().requests();
    let mut found = Vec::new();
    let posts = requests
        .iter()
        .filter(|row| row.write.is_some() && row.at >= since);
    for post in posts {
        let code = post.code.clone().unwrap_or_default();
        if touched.contains(&code) {
            found.push(format!("{code} was handled by a person, and a POST came"));
        }
        let shows = |kind| match kind {
            EndpointKind::List => true,
            EndpointKind::Order | EndpointKind::ByCode => post.code.is_some(),
            _ => false,
        };
        let newest = requests
            .iter()
            .take_while(|row| row.n < post.n)
            .filter(|row| shows(row.kind) && (row.code.is_none() || row.code == post.code))
            .last();
        let age = newest.map(|row| post.at.duration_since(row.at));
        if age.is_none_or(|age| age > limit + SLACK) {
            found.push(format!("{code}: the last reading is {age:?} old"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_in_mid_work_sends_nothing_stale() {
    let (stop, limits, sighting) = sizes();
    let desk = Desk::new("stopped", None, &limits);
    desk.import().await;
    let daemon = Daemon::start(&desk);
    (0..40).for_each(|_| drop(desk.place_plenty()));
    // Requests queue for their turn, their rows already on disk.
    let busy = || desk.posts() >= 5;
    until("requests leave", PATIENCE, busy).await.unwrap();

    daemon.freeze();
    tokio::time::sleep(ON_THE_WIRE).await;
    let touched = people_act(&desk);
    let before = desk.posts();
    tokio::time::sleep(stop).await;
    assert_eq!(desk.posts(), before, "it was not stopped");
    let resumed = Clock::System.now();
    daemon.thaw();

    let ticks = Clock::System.ticks();
    let handled = until("work resumes", PATIENCE, || desk.waiting() == 0).await;
    let took = Clock::System.ticks().saturating_sub(ticks);
    let stale = stale_posts(&desk, resumed, &touched, sighting);
    println!(
        "stopped: {} s, {} orders handled by people in that time, {} POSTs after it, {} of them stale, all done \
         after {:.1} s",
        stop.as_secs(),
        touched.len(),
        desk.posts() - before,
        stale.len(),
        took.as_secs_f64()
    );
    none(&stale);
    handled.unwrap();
    assert!(touched.len() > 5 && desk.posts() > before, "there was work");
    daemon.kill();
    none(&violations(&desk).await);
}

/// Stops exactly where a request has its row and its connection, and not yet its first byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a C compiler for the shim"]
async fn a_stop_while_connecting_sends_nothing_stale() {
    let sighting = SignedDuration::from_secs(3);
    let limits = Limits {
        actions: "settle = \"4s\"\nsighting_age_max = \"3s\"\n",
        ..QUICK
    };
    let desk = Desk::new("stopped-connecting", None, &limits);
    desk.import().await;
    let plan = Plan::new(&desk.path("plan"));
    let mut command = desk.command(&["run"]);
    plan.load(&mut command, "no file");
    let daemon = Daemon::spawn(&desk, command);
    until("it polls", PATIENCE, || desk.requests() > 3)
        .await
        .unwrap();
    // Reads use their open connection again; a write makes its own.
    for _ in 0..5 {
        plan.stop_at_connect();
        let code = desk.place_plenty();
        let stands = || plan.stopped_at_connect() && daemon.stands();
        until("it stops", PATIENCE, stands).await.unwrap();
        let book = Book::read(desk.database()).await.unwrap();
        if book.attempts() > u64::try_from(desk.posts()).unwrap() {
            let touched = BTreeSet::from([code]);
            assert!(
                desk.server
                    .world()
                    .cabinet_cancels(touched.first().unwrap(), Clock::System.now())
            );
            // Too long for the sighting, not for the request.
            tokio::time::sleep(Duration::from_secs(4)).await;
            let resumed = Clock::System.now();
            daemon.thaw();
            (0..4).for_each(|_| drop(desk.place_plenty()));
            let handled = until("work resumes", PATIENCE, || desk.waiting() == 0).await;
            none(&stale_posts(&desk, resumed, &touched, sighting));
            handled.unwrap();
            daemon.kill();
            none(&violations(&desk).await);
            return;
        }
        daemon.thaw();
        let handled = || desk.waiting() == 0;
        until("the order is handled", PATIENCE, handled)
            .await
            .unwrap();
    }
    panic!("it never stopped at a write");
}
