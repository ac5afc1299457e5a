//! Nobody is left in the dark: every open hold reaches every channel once, and a message is true when it leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use qabyl::config::Mode as ShopMode;
use qabyl::domain::notice::Kind;
use qabyl::domain::verdict::Verdict;
use qabyl::notify::{Channel, Target};
use qabyl::pipeline::notify::Notifier;
use qabyl::pipeline::{alert, notify};
use qabyl::store::Worker;
use qabyl_sandbox::{IncludeSupport, OrderSeed, Part, Settings, State, Status};

use super::queue::{BOUNDS, channel, hook, notifier, received, run_notify, until_told};
use super::receiver::{Mode, Receiver, SECRET};
use crate::world::{TOKEN, TestWorld, world};

fn second(receiver: &Receiver) -> Channel {
    let target = Target::Webhook {
        url: receiver.url(),
    };
    channel("second", Vec::new(), target, SECRET)
}

fn held(receiver: &Receiver) -> BTreeMap<String, usize> {
    let received = received(receiver).into_iter();
    let held = received.filter(|((kind, _), _)| kind == "order.held");
    held.map(|((_, code), times)| (code, times)).collect()
}

fn texts(receiver: &Receiver, kind: &str) -> Vec<String> {
    let seen = receiver.seen();
    let of_kind = seen.taken.iter().filter(|body| body["type"] == kind);
    of_kind
        .map(|body| body["data"]["text"].as_str().unwrap().to_owned())
        .collect()
}

/// The types of the messages received, in order.
fn types(receiver: &Receiver) -> Vec<String> {
    let seen = receiver.seen();
    let types = seen.taken.iter().map(|body| body["type"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

async fn unknown_goods(world: &TestWorld, codes: std::ops::Range<u32>) {
    for n in codes {
        world.place_plain(&[(&format!("9000006{n:02}"), "UNKNOWN", 1)]);
    }
    world.poll_and_decide().await;
}

#[tokio::test]
async fn every_hold_reaches_every_channel_once_whenever_it_was_made() {
    let mut world = world(Settings::default()).begin().await;
    let (first, later) = (Receiver::start().await, Receiver::start().await);
    // Made while the shop only proposes, without and with a channel.
    world.restart_in(ShopMode::Propose).await;
    unknown_goods(&world, 0..10).await;
    let proposing = notifier(&world, vec![hook(&first)], BOUNDS).await;
    unknown_goods(&world, 10..20).await;
    run_notify(&proposing).await;
    assert_eq!(held(&first).len(), 0, "a proposal asks nobody for anything");
    // The shop starts to act: before its first pass, and after a restart.
    world.restart_in(ShopMode::Act).await;
    let acting = notifier(&world, vec![hook(&first)], BOUNDS).await;
    until_told(&world, &acting).await;
    world.poll_and_decide().await;
    unknown_goods(&world, 20..30).await;
    until_told(&world, &acting).await;
    let again = notifier(&world, vec![hook(&first)], BOUNDS).await;
    unknown_goods(&world, 30..40).await;
    until_told(&world, &again).await;
    // A channel is added.
    let both = notifier(&world, vec![hook(&first), second(&later)], BOUNDS).await;
    until_told(&world, &both).await;
    let once_more = notifier(&world, vec![hook(&first), second(&later)], BOUNDS).await;
    until_told(&world, &once_more).await;
    for receiver in [&first, &later] {
        let held = held(receiver);
        assert_eq!(held.len(), 40, "{held:?}");
        assert!(held.values().all(|times| *times == 1), "{held:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_message_is_true_when_it_leaves() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    let mut receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    receiver.stop_listening().await;
    unknown_goods(&world, 0..2).await;
    run_notify(&notifier).await;
    // One of them is accepted by a person in the meantime.
    let (shop, id) = world.store.find_order("900000600", None).await.unwrap();
    let input = world.shop.ctx.deciding_input();
    let accept = Verdict::Accept;
    let by_person = world
        .store
        .order_by_person(&shop, &id, &accept, &input, "person", world.now());
    by_person.await.unwrap();
    receiver.listen().await;
    until_told(&world, &notifier).await;
    let held = held(&receiver);
    assert_eq!(held.keys().collect::<Vec<_>>(), ["900000601"], "{held:?}");
    drop(receiver);
}

#[tokio::test]
async fn an_order_held_again_for_another_reason_is_reported_again() {
    let world = world(Settings::default())
        .config("interlocks", "stock_max_age", "\"1h\"")
        .begin()
        .await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    unknown_goods(&world, 0..1).await;
    until_told(&world, &notifier).await;
    // Its stock becomes known, and is too old before the order can be accepted.
    let two_hours_ago = world.now() - jiff::SignedDuration::from_hours(2);
    world.feed_of(&[("UNKNOWN", 5)], two_hours_ago).await;
    world.poll_and_decide().await;
    until_told(&world, &notifier).await;
    world.poll_and_decide().await;
    until_told(&world, &notifier).await;
    let texts = texts(&receiver, "order.held");
    assert_eq!(texts.len(), 2, "{texts:?} {}", world.why("900000600").await);
    assert!(texts[1].contains("out of date"), "{texts:?}");
    drop((receiver, world));
}

#[tokio::test]
async fn the_last_message_states_whether_the_shop_is_let_in() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    for (token, faults) in [("another", ""), (TOKEN, ""), (TOKEN, "http_403=1")] {
        world.kaspi().set_tokens([token]);
        world.kaspi().set_faults(faults.parse().unwrap());
        world.later(Duration::from_mins(2)).await;
        run_notify(&notifier).await;
    }
    let types = types(&receiver);
    assert_eq!(types, ["shop.denied", "shop.admitted", "shop.denied"]);
    let texts = texts(&receiver, "shop.denied");
    assert!(texts[0].contains("does not accept the token"), "{texts:?}");
    assert!(texts[1].contains("2323"), "{texts:?}");
    assert!(!texts[1].contains("Make a new one"), "{texts:?}");
    drop(receiver);
}

#[tokio::test]
async fn a_shop_that_flaps_sends_a_few_messages_and_the_last_one_is_true() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    for n in 0..21 {
        let faults = if n % 2 == 0 { "http_403=1" } else { "" };
        world.kaspi().set_faults(faults.parse().unwrap());
        world.later(Duration::from_secs(20)).await;
        run_notify(&notifier).await;
    }
    assert!(types(&receiver).len() <= 4, "{:?}", types(&receiver));
    // Soon after the last change the channel hears how it ended: a minute, as nothing changed in it.
    for _ in 0..2 {
        world.time.advance(Duration::from_secs(40));
        run_notify(&notifier).await;
    }
    let types = types(&receiver);
    assert_eq!(types.last().unwrap(), "shop.denied", "{types:?}");
    drop(receiver);
}

/// An accepted order that cannot be read keeps accepts back: people hear of it while it lasts, in their language, and
/// not for an order that the next request reads.
#[tokio::test]
async fn an_order_that_keeps_accepts_back_is_a_notification() {
    let settings = Settings {
        include_support: IncludeSupport::Ignored,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 9)]).await;
    world.brief().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    let mut order = OrderSeed::new("900000650", world.now()).line("A", 3);
    order.auto_accepted = true;
    world.place(order);
    let quantity = "/attributes/quantity";
    assert!(
        world
            .kaspi()
            .put_value("900000650", Part::Entry(0), quantity, None)
    );
    world.time.advance(Duration::from_secs(5));
    world.brief().await;
    run_notify(&notifier).await;
    assert_eq!(types(&receiver), [""; 0], "the next request may read it");
    for _ in 0..4 {
        world.time.advance(Duration::from_secs(15));
        world.brief().await;
        run_notify(&notifier).await;
    }
    let told = texts(&receiver, "order.unread");
    let [told] = told.as_slice() else {
        panic!("{told:?}");
    };
    for words in [
        "900000650",
        "no orders of A are accepted",
        "qabyl orders resolve",
    ] {
        assert!(told.contains(words), "{told}");
    }
    drop(receiver);
}

#[tokio::test]
async fn an_outage_is_a_notification_and_so_is_its_end() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.brief().await;
    let minutes = async |minutes: u32| {
        for _ in 0..minutes {
            world.time.advance(Duration::from_mins(1));
            world.brief().await;
            run_notify(&notifier).await;
        }
    };
    world.kaspi().set_faults("http_500=1".parse().unwrap());
    minutes(3).await;
    assert_eq!(types(&receiver), [""; 0], "short outages need nobody");
    minutes(5).await;
    assert_eq!(types(&receiver), ["kaspi.down"]);
    world.kaspi().set_faults("".parse().unwrap());
    minutes(3).await;
    assert_eq!(types(&receiver), ["kaspi.down", "kaspi.up"]);
    drop(receiver);
}

#[tokio::test]
async fn no_alarm_for_an_accept_on_its_way_and_one_of_its_own_after_the_deadline() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.place_plain(&[("900000701", "A", 1), ("900000702", "UNKNOWN", 1)]);
    world.time.advance(Duration::from_mins(130));
    world.poll_and_decide().await;
    alert::run_once(&world.shop.ctx).await.unwrap();
    until_told(&world, &notifier).await;
    let of_kind = |receiver: &Receiver, kind: &str| {
        let received = received(receiver).into_iter();
        let of_kind = received.filter(|((word, _), _)| word == kind);
        of_kind.map(|((_, code), _)| code).collect::<Vec<_>>()
    };
    assert_eq!(of_kind(&receiver, "order.deadline_near"), ["900000702"]);
    // Both are still new when the deadline has passed: the accept has had no effect for too long.
    world.time.advance(Duration::from_mins(70));
    alert::run_once(&world.shop.ctx).await.unwrap();
    alert::run_once(&world.shop.ctx).await.unwrap();
    until_told(&world, &notifier).await;
    assert_eq!(
        of_kind(&receiver, "order.deadline_past"),
        ["900000701", "900000702"]
    );
    assert_eq!(received(&receiver).values().max(), Some(&1));
    drop(receiver);
}

#[tokio::test]
async fn refused_is_said_only_where_kaspi_refused() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.place_plain(&[("900000703", "A", 1)]);
    world.poll_and_decide().await;
    // The accept has no effect, and before it is sent again its goods are gone.
    world
        .kaspi()
        .set_faults("post:no_effect=1".parse().unwrap());
    world.act().await;
    world.stock(&[("A", 0)]).await;
    world.later(Duration::from_mins(5)).await;
    let view = world.view("900000703").await;
    assert!(view.held.is_some(), "{view:?}");
    until_told(&world, &notifier).await;
    let text = texts(&receiver, "order.held").join("");
    assert!(text.contains("its outcome is unknown"), "{text}");
    assert!(!text.contains("refused"), "{text}");
    assert_eq!(texts(&receiver, "action.refused"), [""; 0]);
    drop(receiver);
}

#[tokio::test]
async fn one_rejection_after_outages_drops_nothing() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    unknown_goods(&world, 0..1).await;
    for status in [503, 503, 400] {
        receiver.behaves(Mode::Says(status, "", ""));
        run_notify(&notifier).await;
        world.time.advance(Duration::from_mins(2));
    }
    receiver.behaves(Mode::Well);
    until_told(&world, &notifier).await;
    assert_eq!(
        held(&receiver),
        BTreeMap::from([("900000600".to_owned(), 1)])
    );
    let text = receiver.seen().taken[0]["data"]["text"].to_string();
    assert!(
        text.contains("shortened") && text.contains("900000600"),
        "{text}"
    );
    drop(receiver);
}

#[tokio::test]
async fn a_message_that_is_given_up_is_a_message_to_the_others() {
    let world = world(Settings::default()).begin().await;
    let (rejecting, other) = (Receiver::start().await, Receiver::start().await);
    let channels = vec![hook(&rejecting), second(&other)];
    let notifier = notifier(&world, channels, BOUNDS).await;
    unknown_goods(&world, 0..1).await;
    rejecting.behaves(Mode::Says(400, "", ""));
    for _ in 0..10 {
        run_notify(&notifier).await;
        world.time.advance(Duration::from_mins(2));
    }
    let text = texts(&other, "message.dropped").join("");
    assert!(
        text.contains("hook") && text.contains("900000600"),
        "{text}"
    );
    let state = world.store.channels().await.unwrap();
    assert!(state[0].last_dropped_at.is_some(), "{state:?}");
    drop((rejecting, other));
}

fn phone(receiver: &Receiver) -> Channel {
    let target = Target::Telegram {
        api: format!("http://{}", receiver.address),
        chat: "-100500".to_owned(),
    };
    channel("phone", vec![Kind::OrderHeld], target, "123456:token")
}

#[tokio::test]
async fn a_telegram_message_is_never_too_long_and_names_every_order() {
    let name = "😀".repeat(120);
    let world = world(Settings::default())
        .rules(&format!("[[rule]]\nname = \"{name}\"\nthen = \"hold\"\n"))
        .begin()
        .await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![phone(&receiver)], BOUNDS).await;
    unknown_goods(&world, 0..60).await;
    until_told(&world, &notifier).await;
    let seen = receiver.seen();
    let mut text = String::new();
    for body in &seen.taken {
        let part = body["text"].as_str().unwrap();
        assert!(part.encode_utf16().count() <= 4096, "{part}");
        text.push_str(part);
    }
    for n in 0..60 {
        let code = format!("9000006{n:02}");
        assert_eq!(text.matches(&code).count(), 1, "{code} in {text}");
    }
    drop(receiver);
}

#[tokio::test]
async fn each_action_is_in_exactly_one_digest() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 50)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.once().await;
    // 19:59 in Almaty: sent before the digest's hour, confirmed after it.
    world.time.advance(Duration::from_mins(9 * 60 - 1));
    world.place_plain(&[("900000801", "A", 1)]);
    world.poll_and_decide().await;
    world.act().await;
    world.time.advance(Duration::from_mins(3));
    run_notify(&notifier).await;
    for _ in 0..50 {
        world.later(Duration::from_hours(1)).await;
        run_notify(&notifier).await;
    }
    let accepted: Vec<i64> = receiver
        .seen()
        .items()
        .iter()
        .filter(|item| item["type"] == "digest")
        .map(|item| item["facts"]["accepted"].as_i64().unwrap())
        .collect();
    assert!(accepted.len() >= 2, "{accepted:?}");
    assert_eq!(accepted.iter().sum::<i64>(), 1, "{accepted:?}");
    drop(receiver);
}

/// Runs a channel as its own loop does.
async fn run_channel(notifier: &Notifier, name: &str) {
    notify::run_channel(notifier, name).await.unwrap();
}

#[tokio::test]
async fn a_channel_that_hangs_delays_neither_the_others_nor_the_watch() {
    let world = world(Settings::default()).begin().await;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    let channels = vec![hook(&slow), second(&quick)];
    let notifier = Arc::new(notifier(&world, channels, BOUNDS).await);
    slow.behaves(Mode::Hangs);
    unknown_goods(&world, 0..1).await;
    let hanging = run_channel(&notifier, "hook");
    let others = async {
        notify::watch(&notifier, Worker::Daemon).await.unwrap();
        run_channel(&notifier, "second").await;
        assert_eq!(held(&quick).len(), 1);
    };
    tokio::select! {
        biased;
        () = hanging => panic!("it does not hang"),
        () = others => {}
    }
    drop((slow, quick));
}

#[tokio::test]
async fn a_buyers_cancel_is_not_a_refusal() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.place_plain(&[("900000704", "A", 1)]);
    world.poll_and_decide().await;
    world
        .kaspi()
        .set_faults("post:no_effect=1".parse().unwrap());
    world.act().await;
    world.kaspi().set_faults("".parse().unwrap());
    let now = world.now();
    world
        .kaspi()
        .force("900000704", State::Archive, Status::Cancelled, now);
    world.later(Duration::from_mins(5)).await;
    until_told(&world, &notifier).await;
    assert_eq!(texts(&receiver, "action.refused"), [""; 0]);
    assert_eq!(held(&receiver), BTreeMap::new());
    drop(receiver);
}

/// The daemon was down, and a person accepted the order in the meantime: its message, not sent before, is not sent at the start.
#[tokio::test]
async fn a_message_from_before_a_start_waits_for_the_first_list() {
    let world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let before = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.place_plain(&[("985000001", "NONE", 1), ("985000002", "NONE", 1)]);
    world.brief().await;
    drop(before);
    world.time.advance(Duration::from_mins(5));
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("985000001", now));
    let after = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    run_notify(&after).await;
    assert!(receiver.seen().taken.is_empty(), "nothing was listed yet");
    world.time.advance(Duration::from_secs(1));
    world.brief().await;
    run_notify(&after).await;
    let taken = receiver.seen().taken;
    let text: String = taken.iter().map(ToString::to_string).collect();
    assert!(text.contains("985000002"), "{text}");
    assert!(!text.contains("985000001"), "{text}");
}
