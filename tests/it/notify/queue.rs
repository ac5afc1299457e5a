//! The queue of messages under one clock: dead receivers, floods, every kind of notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use qabyl::domain::notice::Kind;
use qabyl::domain::schedule::Schedule;
use qabyl::lang::Lang;
use qabyl::notify::{Channel, Target};
use qabyl::pipeline::notify::{self, Notifier, Report, WatchSettings};
use qabyl::pipeline::{alert, housekeep};
use qabyl::store::Bounds;
use qabyl_sandbox::{OrderSeed, Settings, State, Status};
use secrecy::SecretString;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::receiver::{Mode, Receiver, SECRET};
use crate::world::{TestWorld, world};

pub(crate) const BOUNDS: Bounds = Bounds {
    queue_max: 200,
    summarise_after: SignedDuration::from_hours(6),
};

pub(super) fn channel(
    name: &str,
    kinds: Vec<Kind>,
    target: Target,
    secret: &'static str,
) -> Channel {
    let settings = (kinds, Lang::En, Schedule::default());
    Channel::new(
        name,
        settings,
        target,
        Box::new(move || Ok(SecretString::from(secret))),
    )
    .unwrap()
}

pub(crate) fn hook(receiver: &Receiver) -> Channel {
    let target = Target::Webhook {
        url: receiver.url(),
    };
    channel("hook", Vec::new(), target, SECRET)
}

pub(crate) async fn notifier(
    world: &TestWorld,
    channels: Vec<Channel>,
    bounds: Bounds,
) -> Notifier {
    let parts = (Arc::clone(&world.store), world.clock());
    let shops = vec![Arc::clone(&world.shop.ctx)];
    // 20:00 in Almaty is 15:00Z: the worlds begin at 06:00Z.
    let watch = WatchSettings {
        digest_at: Some(20 * 60),
        outage_after: SignedDuration::from_mins(5),
        group_patience: SignedDuration::from_mins(30),
        cancel_share_max: 0.5,
    };
    let notifier = Notifier::new(parts, channels, (bounds, watch), shops, 7);
    notifier.begin().await.unwrap();
    notifier
}

pub(crate) async fn run_notify(notifier: &Notifier) -> Report {
    notify::run_once(notifier).await.unwrap()
}

/// Lets time pass until nothing waits any more.
pub(super) async fn until_told(world: &TestWorld, notifier: &Notifier) {
    for _ in 0..60 {
        world.time.advance(Duration::from_secs(10));
        run_notify(notifier).await;
        let states = world.store.channels().await.unwrap();
        if states.iter().all(|state| state.due == 0) {
            return;
        }
    }
    panic!("messages still wait: {:?}", world.store.channels().await);
}

/// How often each happening was received, by its type and order.
pub(super) fn received(receiver: &Receiver) -> BTreeMap<(String, String), usize> {
    let mut received = BTreeMap::new();
    for item in receiver.seen().items() {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (word(&item["type"]), word(&item["facts"]["order"]));
        *received.entry(key).or_default() += 1;
    }
    received
}

const MINUTES: i64 = 60;

/// An hour of orders, every other one held, with a receiver that is healthy or in every kind of trouble. Gives
/// how long each accept took.
async fn an_hour(is_dead: bool) -> (Vec<i128>, BTreeMap<(String, String), usize>) {
    let settings = Settings {
        canary: Some("canary-7f3a".to_owned()),
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1_000)]).await;
    let mut receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    let mut accepted = Vec::new();
    for minute in (0..MINUTES).step_by(2) {
        if is_dead {
            match minute / 4 % 5 {
                0 => receiver.behaves(Mode::Says(503, "", "")),
                1 => receiver.behaves(Mode::Says(429, "retry-after: 40\r\n", "")),
                2 => receiver.behaves(Mode::LosesReply),
                3 => receiver.stop_listening().await,
                _ if minute % 4 == 0 => receiver.listen().await,
                _ => {}
            }
        }
        for n in 0..2 {
            let code = format!("9{minute:05}{n:03}");
            let order = OrderSeed::new(&code, world.now()).line("A", 1);
            let express = n == 1;
            world.place(OrderSeed { express, ..order });
            if !express {
                accepted.push(code);
            }
            world.time.advance(Duration::from_secs(15));
            world.poll_and_decide().await;
            world.act().await;
            alert::run_once(&world.shop.ctx).await.unwrap();
            run_notify(&notifier).await;
        }
        let until = crate::world::start() + SignedDuration::from_secs((minute + 2) * 60);
        let rest = until.duration_since(world.now());
        world
            .time
            .advance(Duration::try_from(rest).unwrap_or_default());
    }
    let mut latencies = Vec::new();
    for code in &accepted {
        let kaspi = world.kaspi();
        let order = kaspi.order(code).unwrap();
        let took = order.accepted_at.unwrap().duration_since(order.visible_at);
        latencies.push(took.as_millis());
    }
    if is_dead {
        receiver.behaves(Mode::Well);
    }
    until_told(&world, &notifier).await;
    let seen = receiver.seen();
    assert_eq!(seen.wrong, Vec::<String>::new(), "every signature holds");
    assert!(
        !is_dead || seen.repeats > 0,
        "a lost answer is followed by a repeat"
    );
    let all = serde_json::to_string(&seen.taken).unwrap();
    assert!(!all.contains("canary-7f3a"), "nothing personal leaves");
    let received = received(&receiver);
    world.finish().await;
    (latencies, received)
}

#[tokio::test]
async fn with_the_receiver_dead_for_an_hour_accepts_take_as_long_and_every_alert_arrives_once() {
    let (well, received_ok) = an_hour(false).await;
    let (dead, received_late) = an_hour(true).await;
    assert_eq!(well, dead, "time to accept, order by order, in ms");
    assert_eq!(well.len(), 30);
    let held: Vec<String> = (0..MINUTES)
        .step_by(2)
        .map(|minute| format!("9{minute:05}001"))
        .collect();
    for received in [received_ok, received_late] {
        for code in &held {
            for kind in ["order.held", "order.deadline_near"] {
                let times = received.get(&(kind.to_owned(), code.clone()));
                assert_eq!(times, Some(&1), "{kind} of {code}");
            }
        }
        assert_eq!(received.len(), held.len() * 2, "and nothing else");
    }
}

#[tokio::test]
async fn many_at_once_become_one_message() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    for n in 0..50 {
        world.place_plain(&[(&format!("9000001{n:02}"), "UNKNOWN", 1)]);
    }
    world.brief().await;
    until_told(&world, &notifier).await;
    let seen = receiver.seen();
    assert_eq!((seen.taken.len(), seen.items().len()), (1, 50));
    let text = seen.taken[0]["data"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Orders waiting for your decision: 50\n"),
        "{text}"
    );
    assert!(text.contains("rule 'unknown stock'"), "{text}");
    world.finish().await;
}

#[tokio::test]
async fn what_piles_up_is_bounded_and_still_told_once() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 100)]).await;
    let mut receiver = Receiver::start().await;
    let bounds = Bounds {
        queue_max: 10,
        ..BOUNDS
    };
    let notifier = notifier(&world, vec![hook(&receiver)], bounds).await;
    receiver.stop_listening().await;
    for n in 0..40 {
        let order = OrderSeed::new(&format!("9000002{n:02}"), world.now()).line("A", 1);
        world.place(OrderSeed {
            express: true,
            ..order
        });
        world.brief().await;
        run_notify(&notifier).await;
        world.time.advance(Duration::from_mins(1));
        let state = &world.store.channels().await.unwrap()[0];
        assert!(state.due <= 10, "{state:?}");
    }
    receiver.listen().await;
    until_told(&world, &notifier).await;
    let received = received(&receiver);
    assert!(
        received.values().all(|times| *times == 1) && received.len() == 40,
        "{received:?}"
    );
    let seen = receiver.seen();
    let summary: Vec<_> = seen
        .taken
        .iter()
        .filter(|body| body["type"] == "summary")
        .collect();
    assert_eq!(summary.len(), 1);
    let text = summary[0]["data"]["text"].as_str().unwrap();
    assert!(
        text.starts_with(
            "Messages could not be delivered for a while. Events since 02.03 11:00: 31"
        ),
        "{text}"
    );
    world.finish().await;
}

#[tokio::test]
async fn every_kind_is_told_when_its_time_has_come() {
    let mut world = world(Settings::default())
        .config("interlocks", "stock_collapse_share", "0.5")
        .config("interlocks", "cancel_budget_share", "0.5")
        .config("interlocks", "cancel_budget_from", "1")
        .config("interlocks", "stock_max_age", "\"12h\"")
        .begin()
        .await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world
        .stock(&[("A", 5), ("B", 0), ("C", 1), ("D", 1), ("E", 1)])
        .await;
    world.place_plain(&[("900000301", "A", 1), ("900000302", "B", 1)]);
    world.once().await;
    // A shop that is let in again, a feed that breaks, a folder for copies that cannot be made.
    world.kaspi().set_faults("http_403=1".parse().unwrap());
    world.later(Duration::from_mins(1)).await;
    run_notify(&notifier).await;
    world.kaspi().set_faults("".parse().unwrap());
    world.later(Duration::from_mins(1)).await;
    world.feed(&[("A", 0), ("C", 0), ("D", 0), ("E", 0)]).await;
    let keeper = world.keeper(|config| config.backup.directory = Some("/proc/none".into()));
    for _ in 0..3 {
        let stop = CancellationToken::new();
        housekeep::run_once(&keeper, &stop).await.unwrap();
    }
    // Kaspi says no to an accept, as it does in some state of its own.
    world.stock(&[("G", 1)]).await;
    world.place_plain(&[("900000304", "G", 1)]);
    world.poll_and_decide().await;
    let now = world.now();
    let closed = Status::Other("UNDER_REVIEW".to_owned());
    world.kaspi().force("900000304", State::New, closed, now);
    world.act().await;
    let now = world.now();
    let open = Status::ApprovedByBank;
    world.kaspi().force("900000304", State::New, open, now);
    world.later(Duration::from_mins(5)).await;
    // No accept has an effect.
    world.stock(&[("F", 5)]).await;
    world.place_plain(&[("900000303", "F", 1)]);
    world
        .kaspi()
        .set_faults("post:no_effect=1".parse().unwrap());
    world.once().await;
    for _ in 0..15 {
        world.time.advance(Duration::from_hours(1));
        run_notify(&notifier).await;
    }
    world.time.advance(Duration::from_hours(1));
    until_told(&world, &notifier).await;
    let times = |kind: &str| {
        let received = received(&receiver);
        let of_kind = received.iter().filter(|((word, _), _)| word == kind);
        of_kind.map(|(_, times)| *times).sum::<usize>()
    };
    for kind in [
        "shop.denied",
        "shop.admitted",
        "stock.collapsed",
        "backup.failed",
        "action.refused",
        "action.stuck",
        "cancels.near",
        "stock.stale",
        "digest",
    ] {
        assert_eq!(times(kind), 1, "{kind}: {:?}", received(&receiver));
    }
    let seen = receiver.seen();
    let text = |kind: &str| {
        let body = seen.taken.iter().find(|body| body["type"] == kind).unwrap();
        body["data"]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        text("digest"),
        "Shop main, 01.03 20:22 to 02.03 20:22: new orders 4, accepted 1, cancelled 1. Waiting for you now: 2; \
         waiting for a later check: 0. Cancelled share: 33.3 %."
    );
    assert!(
        text("stock.collapsed").contains("4 of 4 SKUs fell to zero at once (test)"),
        "{}",
        text("stock.collapsed")
    );
    drop(receiver);
}

#[tokio::test]
async fn telegram_is_left_alone_as_it_asks_and_its_token_is_nowhere() {
    const TOKEN: &str = "123456:hidden-Bot_token";
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let receiver = Receiver::start().await;
    let target = Target::Telegram {
        api: format!("http://{}", receiver.address),
        chat: "-100500".to_owned(),
    };
    let kinds = vec![Kind::OrderHeld];
    let phone = channel("phone", kinds, target, TOKEN);
    let notifier = notifier(&world, vec![phone], BOUNDS).await;
    let order = OrderSeed::new("900000401", world.now()).line("A", 1);
    world.place(OrderSeed {
        express: true,
        ..order
    });
    world.brief().await;
    alert::run_once(&world.shop.ctx).await.unwrap();

    let asks = r#"{"ok":false,"error_code":429,"parameters":{"retry_after":120}}"#;
    receiver.behaves(Mode::Says(429, "", asks));
    run_notify(&notifier).await;
    let asked = receiver.seen().requests;
    world.time.advance(Duration::from_secs(119));
    run_notify(&notifier).await;
    assert_eq!(receiver.seen().requests, asked, "it asked for 120 s");

    world.time.advance(Duration::from_secs(2));
    let echo = r#"{"ok":false,"description":"no such bot 123456:hidden-Bot_token"}"#;
    receiver.behaves(Mode::Says(401, "", echo));
    let report = run_notify(&notifier).await;
    let state = &world.store.channels().await.unwrap()[0];
    let words = format!(
        "{report:?} {state:?} {notifier:?}",
        notifier = report.trouble
    );
    assert!(
        words.contains("HTTP 401") && !words.contains("hidden"),
        "{words}"
    );

    receiver.behaves(Mode::Well);
    until_told(&world, &notifier).await;
    let seen = receiver.seen();
    assert_eq!(
        seen.taken.len(),
        1,
        "and not of the deadline: it is not asked for"
    );
    assert_eq!(seen.taken[0]["chat_id"], "-100500");
    let text = seen.taken[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Shop main: order 900000401 is waiting"),
        "{text}"
    );
    assert_eq!(seen.paths, [format!("/bot{TOKEN}/sendMessage")]);
    world.finish().await;
}
