//! What a cancel rests on: a person's decision about the order as it is, and stock that every shop has read.

use std::time::Duration;

use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::pipeline::sweep;
use qabyl_sandbox::{Fault, Method, OrderSeed, Script, Settings, State, Status};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// A person orders a cancel; nothing is sent yet.
async fn cancelled_by_hand(world: &TestWorld, code: &str, reason: CancelReason) {
    let (shop, id) = world.store.find_order(code, None).await.unwrap();
    let cancel = Verdict::Cancel {
        reason,
        comment: String::new(),
    };
    let (store, input) = (&world.store, world.shop.ctx.deciding_input());
    let word = store.order_by_person(&shop, &id, &cancel, &input, "person:a", world.now());
    word.await.unwrap();
}

/// Kaspi refuses an order's accept and then a person's cancel: the engine asks for neither again by itself,
/// and decides the others.
#[tokio::test]
async fn an_order_that_refused_accept_and_cancel_blocks_no_other() {
    const CODE: &str = "970000016";
    let settings = Settings {
        slow_by: Duration::from_millis(300),
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.place_plain(&[(CODE, "A", 1)]);
    let in_review = |status: Status| {
        let now = world.now();
        assert!(world.kaspi().force(CODE, State::New, status, now));
    };
    // The order is looked at, and goes under review before the request about it arrives.
    let refused = async || {
        world.time.advance(MINUTE);
        world
            .kaspi()
            .script(Script::once(Fault::Slow).on(Method::Get).order(CODE));
        let in_between = async {
            while world.kaspi().scripts_left() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            in_review(Status::Other("UNDER_REVIEW".to_owned()));
        };
        tokio::join!(world.act(), in_between);
        in_review(Status::ApprovedByBank);
        for _ in 0..5 {
            world.later(MINUTE).await;
        }
    };
    world.poll_and_decide().await;
    refused().await;
    cancelled_by_hand(&world, CODE, CancelReason::MerchantOutOfStock).await;
    refused().await;
    assert_eq!(world.posts(CODE), ["accept", "cancel"]);
    let (shop, id) = world.store.find_order(CODE, None).await.unwrap();
    let now = world.now();
    let released = world.store.release_order(&shop, &id, "person:a", now);
    released.await.unwrap();
    world.feed(&[("A", 0)]).await;
    world.place_plain(&[("970000017", "B", 1)]);
    for _ in 0..5 {
        world.later(MINUTE).await;
    }
    assert_eq!(world.posts("970000017"), ["accept"]);
    assert_eq!(world.posts(CODE), ["accept", "cancel"]);
}

/// A person cancels an order, the request is lost, and a colleague accepts it in the meantime: the first decision was
/// not about an accepted order.
#[tokio::test]
async fn a_cancel_of_a_waiting_order_is_not_sent_again_once_it_is_accepted() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 0)]).await;
    world.place_plain(&[("970000018", "A", 1)]);
    world.poll_and_decide().await;
    cancelled_by_hand(&world, "970000018", CancelReason::BuyerNotReachable).await;
    world
        .kaspi()
        .script(Script::once(Fault::DropBefore).on(Method::Post));
    world.act().await;
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("970000018", now));
    for _ in 0..6 {
        world.later(MINUTE).await;
    }
    assert_eq!(world.posts("970000018"), ["cancel"]);
    assert_eq!(
        world.at_kaspi("970000018"),
        "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT"
    );
    assert!(
        world.view("970000018").await.held.is_some(),
        "a person is notified"
    );
}

/// Two shops sell from one shelf. While one cannot be read, what it promised may have come free: nothing is
/// cancelled for it.
#[tokio::test]
async fn promises_of_a_shop_that_is_not_read_cancel_nothing() {
    let mut world = world(Settings::default()).begin().await;
    let (kaspi, other) = world.neighbour().await;
    world.stock(&[("A", 1)]).await;
    let mut order = OrderSeed::new("970000019", world.now()).line("A", 1);
    order.pickup_point = Some("20000002_PP1".to_owned());
    assert!(kaspi.world().place(order));
    assert!(kaspi.world().cabinet_accepts("970000019", world.now()));
    sweep::run_once(&other.ctx, true).await.unwrap();
    world.place_plain(&[("970000020", "A", 1)]);
    world.time.advance(MINUTE);
    kaspi.world().set_tokens(["another"]);
    assert!(kaspi.world().buyer_cancels("970000019", world.now()));
    let both = async || {
        world.time.advance(MINUTE);
        let _ = sweep::run_once(&other.ctx, true).await;
        world.later(MINUTE).await;
    };
    for _ in 0..10 {
        both().await;
    }
    assert_eq!(
        world.posts("970000020"),
        [""; 0],
        "{}",
        world.why("970000020").await
    );
    kaspi.world().set_tokens(["world-token-of-second"]);
    both().await;
    world.neighbours.push(other);
    world.quiet().await;
    assert_eq!(world.posts("970000020"), ["accept"]);
}

/// A shop whose single orders are answered slowly cancels all the same.
#[tokio::test]
async fn slow_answers_do_not_keep_a_cancel_back() {
    let settings = Settings {
        slow_by: Duration::from_millis(50),
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 0)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000018", "A", 1)]);
    for _ in 0..2 {
        world.time.advance(11 * MINUTE);
        world.poll_and_decide().await;
    }
    let slow = Script::once(Fault::Slow).on(Method::Get);
    world.kaspi().script(slow.order("970000018"));
    let in_between = async {
        while world.kaspi().scripts_left() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.time.advance(Duration::from_secs(7));
    };
    tokio::join!(world.act(), in_between);
    assert_eq!(world.posts("970000018"), ["cancel"]);
}
