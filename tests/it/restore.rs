//! A database put back from an old copy: whatever was done since the copy was made, nothing wrong is
//! done after. Kaspi's own ledger is the judge.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::runtime::build;
use qabyl::store::{Scan, ScanKind};
use qabyl_sandbox::{DeliveryMode, Fault, Method, OrderSeed, Script, Settings};

use crate::world::{Described, TestWorld, start, world};

const MINUTE: Duration = Duration::from_mins(1);
/// `actions.settle`, in which a request of before may still have its effect.
const SETTLE: Duration = Duration::from_mins(3);

fn shop() -> Described {
    world(Settings::default())
}

async fn copy(world: &TestWorld) -> PathBuf {
    let to = world.folder().join("copy.db");
    world.store.backup(&to).await.unwrap();
    to
}

fn posts(world: &TestWorld) -> usize {
    let kaspi = world.kaspi();
    let rows = kaspi.ledger().requests().iter();
    rows.filter(|row| row.write.is_some()).count()
}

#[tokio::test]
async fn orders_accepted_since_keep_their_units_and_are_not_asked_again() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 3)]).await;
    world.place_plain(&[("100000001", "A", 1)]);
    world.once().await;
    let copy = copy(&world).await;
    world.place_plain(&[("100000002", "A", 1), ("100000003", "A", 1)]);
    world.once().await;
    world.put_back(&copy).await;
    world.place_plain(&[("100000004", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("100000002"), ["accept"]);
    assert_eq!(world.posts("100000003"), ["accept"]);
    assert_eq!(
        world.posts("100000004"),
        ["cancel"],
        "no unit is left for it"
    );
    world.finish().await;
}

/// Handed over at the counter, without a courier's date: Kaspi says only that they are archived.
#[tokio::test]
async fn units_that_left_with_orders_the_copy_never_knew_are_gone() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 3)]).await;
    let copy = copy(&world).await;
    let codes = ["110000001", "110000002", "110000003"];
    for code in codes {
        world.time.advance(MINUTE);
        let order = OrderSeed::new(code, world.now()).line("A", 1);
        world.place(order.delivered(DeliveryMode::Pickup, false));
    }
    world.once().await;
    let now = world.now();
    for code in codes {
        assert!(world.kaspi().complete(code, now), "{code}");
    }
    world.put_back(&copy).await;
    world.place_plain(&[("110000004", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("110000004"), ["cancel"], "the shelf is empty");
    world.finish().await;
}

/// Known to the copy as waiting; taken by people, and over, before it was put back.
#[tokio::test]
async fn units_that_left_with_orders_the_copy_knew_as_new_are_gone() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 2)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("120000001", "A", 1), ("120000002", "A", 1)]);
    let (ctx, now) = (&world.shop.ctx, world.now());
    qabyl::pipeline::poll::run_once(ctx).await.unwrap();
    let copy = copy(&world).await;
    for code in ["120000001", "120000002"] {
        assert!(world.kaspi().cabinet_accepts(code, now));
    }
    let later = now + SignedDuration::from_mins(1);
    assert!(world.kaspi().complete("120000001", later));
    assert!(world.kaspi().hand_over("120000002", later));
    assert!(world.kaspi().complete("120000002", later));
    world.time.advance(2 * MINUTE);
    world.put_back(&copy).await;
    world.place_plain(&[("120000003", "A", 1)]);
    world.later(MINUTE).await;
    assert_eq!(world.posts("120000003"), ["cancel"]);
    assert!(world.posts("120000001").is_empty());
    world.finish().await;
}

#[tokio::test]
async fn units_given_back_since_save_an_order() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 2)]).await;
    world.place_plain(&[("130000001", "A", 1), ("130000002", "A", 1)]);
    world.once().await;
    let copy = copy(&world).await;
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().buyer_cancels("130000001", now));
    world.put_back(&copy).await;
    world.place_plain(&[("130000003", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("130000003"), ["accept"]);
    world.finish().await;
}

/// Placed ten days ago and approved late, after the copy: past every lookback, and one of them over.
#[tokio::test]
async fn orders_older_than_the_lookback_are_found() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 3)]).await;
    world.once().await;
    let copy = copy(&world).await;
    world.time.advance(MINUTE);
    let old = start() - SignedDuration::from_hours(10 * 24);
    for code in ["140000001", "140000002", "140000003"] {
        let order = OrderSeed::new(code, old)
            .line("A", 1)
            .visible_at(world.now());
        world.place(order.delivered(DeliveryMode::Pickup, false));
    }
    // An hour on, a deep list finds them.
    world.later(Duration::from_hours(1)).await;
    world.once().await;
    for code in ["140000001", "140000002"] {
        assert_eq!(world.posts(code), ["accept"], "{code}");
    }
    let now = world.now();
    assert!(world.kaspi().complete("140000001", now));
    world.put_back(&copy).await;
    world.place_plain(&[("140000004", "A", 1)]);
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("140000002"), ["accept"], "not again");
    assert_eq!(world.posts("140000004"), ["cancel"]);
    world.finish().await;
}

#[tokio::test]
async fn nothing_is_sent_before_everything_was_read() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("150000001", "A", 1)]);
    let mut advance = OrderSeed::new("150000002", world.now()).line("A", 1);
    advance.pre_order = true;
    world.place(advance);
    world.poll_and_decide().await;
    let copy = copy(&world).await;
    world.time.advance(MINUTE);
    world.put_back(&copy).await;
    let put_back = world.now();
    for _ in 0..5 {
        world.brief().await;
        assert!(world.now() < put_back + SETTLE, "still within settle");
        assert_eq!(
            posts(&world),
            0,
            "a request of before may still be on its way"
        );
        assert!(world.why("150000001").await.contains("Restored"));
    }
    world.time.advance(SETTLE);
    // Kaspi is away: what it would say is not made up.
    world.kaspi().set_down(true);
    for _ in 0..3 {
        world.brief().await;
        world.time.advance(MINUTE);
    }
    assert_eq!(posts(&world), 0);
    world.kaspi().set_down(false);
    world.later(5 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("150000001"), ["accept"]);
    let rows = world.store.audit_rows(None, 1000).await.unwrap();
    let events: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
    assert!(events.contains(&"database.restored") && events.contains(&"shop.caught_up"));
    world.finish().await;
}

/// The lost database had just sent a cancel that takes effect late. By what the copy knows, and what
/// is on the shelf by now, the order would be accepted.
#[tokio::test]
async fn a_request_of_before_has_its_effect_first() {
    let mut world = world(Settings {
        late_by: Duration::from_secs(100),
        ..Settings::default()
    })
    .begin()
    .await;
    world.stock(&[("A", 0)]).await;
    world.place_plain(&[("160000001", "A", 1)]);
    let copy = copy(&world).await;
    let late = Script::once(Fault::LateEffect).on(Method::Post);
    world.kaspi().script(late);
    for _ in 0..4 {
        world.poll_and_decide().await;
        world.act().await;
        world.time.advance(MINUTE / 2);
    }
    assert_eq!(world.posts("160000001"), ["cancel"]);
    world.put_back(&copy).await;
    world.stock(&[("A", 5)]).await;
    world.later(MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("160000001"), ["cancel"], "never both");
    assert_eq!(world.at_kaspi("160000001"), "ARCHIVE+CANCELLED");
}

/// What the copy was about to send was decided by what was known then.
#[tokio::test]
async fn what_was_not_sent_is_decided_anew_and_a_persons_word_is_asked_again() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 1), ("B", 5)]).await;
    world.place_plain(&[("170000001", "A", 1), ("170000002", "B", 1)]);
    world.poll_and_decide().await;
    let (shop, id) = world.store.find_order("170000002", None).await.unwrap();
    let verdict = Verdict::Cancel {
        reason: CancelReason::BuyerNotReachable,
        comment: "no answer".to_owned(),
    };
    let input = world.shop.ctx.deciding_input();
    let said = world
        .store
        .order_by_person(&shop, &id, &verdict, &input, "person:a", world.now());
    said.await.unwrap();
    let copy = copy(&world).await;
    // Since then the person took it back, and the other order's unit went to somebody else.
    world.time.advance(MINUTE);
    world.put_back(&copy).await;
    world.stock(&[("A", 0), ("B", 5)]).await;
    world.later(5 * MINUTE).await;
    world.quiet().await;
    assert_eq!(
        world.posts("170000001"),
        ["cancel"],
        "decided by today's shelf"
    );
    assert_eq!(world.posts("170000002"), [""; 0]);
    let held = world.view("170000002").await.held.expect("asked again");
    assert!(held.1.contains("had not been sent"), "{held:?}");
    let level = world.levels().await;
    assert!(level.iter().all(|l| l.promised.in_doubt == 0), "{level:?}");
    world.finish().await;
}

/// Sent by the time of the copy, without an answer: it stays what it was, and is not sent again before
/// it was read.
#[tokio::test]
async fn what_was_sent_stays_what_it_was() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("180000001", "A", 1), ("180000002", "A", 1)]);
    let lost = |fault, code: &str| Script::once(fault).on(Method::Post).order(code);
    world.kaspi().script(lost(Fault::DropAfter, "180000001"));
    world.kaspi().script(lost(Fault::DropBefore, "180000002"));
    world.poll_and_decide().await;
    world.act().await;
    let copy = copy(&world).await;
    world.time.advance(10 * MINUTE);
    world.put_back(&copy).await;
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("180000001"), ["accept"], "it had its effect");
    assert_eq!(
        world.posts("180000002"),
        ["accept", "accept"],
        "it had none"
    );
    world.finish().await;
}

/// Stories with a copy made at any moment of them and put back at their end. `QABYL_RESTORES=N` runs
/// so many.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "it says how much it did")]
async fn a_copy_of_any_moment_does_no_harm() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the environment says what a test runs"
    )]
    let asked = std::env::var("QABYL_RESTORES").ok();
    let stories = asked.map_or(4, |asked| asked.parse().unwrap());
    for seed in 0..stories {
        any_moment(seed).await;
    }
    println!("restores: {stories} copies put back, 0 violations");
}

async fn any_moment(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = world(Settings {
        seed,
        ..Settings::default()
    })
    .begin()
    .await;
    world.stock(&[("A", 6), ("B", 4), ("C", 0)]).await;
    let copied_at = rng.u32(0..24);
    let mut kept = None;
    for n in 0..24 {
        if n == copied_at {
            kept = Some(copy(&world).await);
        }
        let code = format!("1{seed:04}00{n:02}");
        let sku = *rng.choice(&["A", "B", "C"]).unwrap();
        let order = OrderSeed::new(&code, world.now()).line(sku, rng.u32(1..3));
        world.place(order.delivered(DeliveryMode::Pickup, rng.bool()));
        world.time.advance(Duration::from_secs(rng.u64(1..240)));
        match rng.u8(..3) {
            0 => world.poll_and_decide().await,
            _ => drop(world.brief().await),
        }
        let of = format!("1{seed:04}00{:02}", rng.u32(0..=n));
        let now = world.now();
        match rng.u8(..5) {
            0 => world.kaspi().buyer_cancels(&of, now),
            1 => world.kaspi().hand_over(&of, now),
            2 => world.kaspi().complete(&of, now),
            _ => false,
        };
    }
    world.put_back(&kept.unwrap()).await;
    world.later(SETTLE).await;
    world.quiet().await;
    world.finish().await;
}

/// Nothing rests on a list of a few days.
#[tokio::test]
async fn only_a_deep_list_tells_of_the_new_orders() {
    let world = shop().begin().await;
    let (name, now) = (&world.shop.ctx.shop, world.now());
    let listed = async |days: i64| {
        let scan = Scan {
            kind: ScanKind::New,
            started_at: now,
            kaspi_at: now,
            finished_at: now,
            from: now - SignedDuration::from_hours(24 * days),
            to: now,
            problem: None,
            archive_read: false,
        };
        world
            .store
            .record_scan(name, &scan, (&[], 0), now)
            .await
            .unwrap();
        let fortnight = SignedDuration::from_hours(24 * 13);
        let since = world.store.listed_since(name, now, fortnight).await;
        since.unwrap()
    };
    assert!(!listed(3).await);
    assert!(listed(14).await);
}

/// A restored clock may be wrong: nobody waits for a year.
#[tokio::test]
async fn a_clock_set_back_since_holds_nothing_up() {
    let mut world = shop().begin().await;
    world.stock(&[("A", 5)]).await;
    let copy = copy(&world).await;
    world.place_plain(&[("200000001", "A", 1)]);
    let (right, to) = (world.now(), world.folder().join("ahead.db"));
    let ahead = right + SignedDuration::from_hours(400 * 24);
    let settle = build::settle(world.config());
    qabyl::ledger::restore(&copy, &to, settle, ahead)
        .await
        .unwrap();
    world.work_on(&to).await;
    world.once().await;
    world.quiet().await;
    assert_eq!(world.posts("200000001"), ["accept"]);
    world.finish().await;
}
