//! The daemon dies twelve times beside a slow channel and one that flaps.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::clock::Clock;
use qabyl_sandbox::Settings;

use super::receiver::{Mode, Receiver, SECRET};
use crate::cli::Desk;
use crate::cli::daemon::Daemon;

/// A list a second, a start, and a request on its way, on a very busy machine: what changed before that is known when a
/// message leaves.
const KNOWN_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// How often each order was reported as held, and when last.
fn reported(receiver: &Receiver) -> BTreeMap<String, (usize, Timestamp)> {
    let seen = receiver.seen();
    let mut orders = BTreeMap::new();
    for (body, at) in seen.taken.iter().zip(&seen.arrived) {
        let items = body["data"]["items"].as_array().unwrap();
        for item in items.iter().filter(|item| item["type"] == "order.held") {
            let code = item["facts"]["order"].as_str().unwrap().to_owned();
            let (times, last) = orders.entry(code).or_insert((0, *at));
            (*times, *last) = (*times + 1, *at);
        }
    }
    orders
}

async fn desk(slow: &Receiver, flapping: &Receiver) -> Desk {
    let desk = Desk::new(Settings::default());
    let channel = |name: &str, receiver: &Receiver| {
        format!(
            "[[channels]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"hook-secret\"\n",
            receiver.url()
        )
    };
    let channels = channel("slow", slow) + &channel("flapping", flapping);
    desk.write("hook-secret", SECRET);
    desk.write("qabyl.toml", &desk.config("act", &channels));
    desk.stock("sku,on_hand\nA,500\n").await;
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn after_twelve_kills_every_notification_arrived_once_and_was_true_when_it_left() {
    let (slow, flapping) = (Receiver::start().await, Receiver::start().await);
    slow.behaves(Mode::Slow(Duration::from_millis(700)));
    let desk = desk(&slow, &flapping).await;
    let mut random = fastrand::Rng::with_seed(3);
    let (mut placed, mut resolved) = (Vec::new(), BTreeMap::new());
    for kill in 0..12 {
        let daemon = Daemon::start(&desk);
        flapping.behaves(match kill % 4 {
            0 => Mode::Well,
            1 => Mode::LosesReply,
            2 => Mode::Says(503, "", ""),
            _ => Mode::Says(429, "retry-after: 1\r\n", ""),
        });
        for n in 0..3 {
            let code = format!("9500{kill:02}{n:03}");
            desk.place(&code, "UNKNOWN", 1);
            placed.push(code);
            desk.place(&format!("9600{kill:02}{n:03}"), "A", 1);
        }
        tokio::time::sleep(Duration::from_millis(random.u64(100..2_500))).await;
        if kill % 2 == 1 {
            // Somebody decides one in the cabinet, before or after it was reported.
            let code = placed[random.usize(..placed.len())].clone();
            let now = Clock::System.now();
            if desk.server.world().cabinet_cancels(&code, now) {
                resolved.insert(code, now);
            }
        }
        daemon.kill();
    }
    flapping.behaves(Mode::Well);
    let daemon = Daemon::start(&desk);
    let is_complete = |receiver: &Receiver| {
        let reported = reported(receiver);
        let open = placed.iter().filter(|code| !resolved.contains_key(*code));
        open.clone().all(|code| reported.contains_key(code))
    };
    // The pause of a channel that failed often is a minute; a busy machine takes some of them.
    for _ in 0..6_000 {
        if is_complete(&slow) && is_complete(&flapping) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(daemon.stop(), Some(0));
    for (name, receiver) in [("slow", &slow), ("flapping", &flapping)] {
        assert!(is_complete(receiver), "{name}: {:#?}", reported(receiver));
        for (code, (times, last)) in reported(receiver) {
            assert_eq!(times, 1, "{name}: {code}");
            let late = resolved.get(&code).map(|at| last.duration_since(*at));
            let is_true = late.is_none_or(|late| late <= KNOWN_WITHIN);
            assert!(
                is_true,
                "{name}: {code} was reported {late:?} after it was cancelled"
            );
        }
        assert_eq!(receiver.seen().wrong, Vec::<String>::new(), "{name}");
    }
    assert!(resolved.len() > 2, "{resolved:?}");
}
