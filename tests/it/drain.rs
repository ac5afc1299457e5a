//! How a backlog drains: what accepts wait for, and what they need not wait for.

use std::cell::Cell;
use std::time::Duration;

use qabyl::pipeline::{decide, poll, sweep};
use qabyl_sandbox::{EndpointKind, Fault, Method, OrderSeed, Replicas, Script, Settings};

use crate::cli::daemon::until;
use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// A shop that has just been swept, and has plenty.
async fn swept() -> TestWorld {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 100)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    world
}

/// Polls, decides and acts, without another sweep.
async fn without_a_sweep(world: &TestWorld) {
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
}

/// The next list shows no order that was accepted just now: its units are reserved, and nothing else about it is open.
#[tokio::test]
async fn an_accept_does_not_wait_for_orders_accepted_just_before() {
    let world = swept().await;
    world.place_plain(&[("980000001", "A", 1), ("980000002", "A", 1)]);
    world.poll_and_decide().await;
    world.act().await;
    world.place_plain(&[("980000003", "A", 1)]);
    without_a_sweep(&world).await;
    assert_eq!(world.posts("980000003"), ["accept"]);
    world.quiet().await;
    world.finish().await;
}

/// The reply to its accept was lost, and it left the list: whoever took it, it is read before the next accept.
#[tokio::test]
async fn an_accept_waits_for_an_order_that_left_the_list_after_a_lost_reply() {
    let world = swept().await;
    world.place_plain(&[("980000004", "A", 1)]);
    let lost = Script::once(Fault::DropAfter).on(Method::Post);
    world.kaspi().script(lost.order("980000004"));
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("980000004"), ["accept"]);
    world.place_plain(&[("980000005", "A", 1)]);
    without_a_sweep(&world).await;
    assert_eq!(world.posts("980000005"), [""; 0]);
    world.quiet().await;
    assert_eq!(world.posts("980000005"), ["accept"]);
    world.finish().await;
}

/// The orders that are being acted on are unknown to Kaspi from one moment to the next: orders of the same goods that
/// come later do not wait for them, and they are not asked about over and over.
#[tokio::test]
async fn orders_that_kaspi_forgets_stop_no_other_order() {
    let world = swept().await;
    let forgotten: Vec<String> = (0..40).map(|n| format!("98100{n:04}")).collect();
    for code in &forgotten {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.poll_and_decide().await;
    for code in &forgotten {
        assert!(world.kaspi().lose(code));
    }
    // Each is sent, and then read.
    world.act().await;
    world.act().await;
    world.place_plain(&[("980000006", "A", 1)]);
    without_a_sweep(&world).await;
    assert_eq!(world.posts("980000006"), ["accept"]);
    let asked = || world.kaspi().ledger().requests_of(EndpointKind::Order);
    let before = asked();
    let begun = world.clock().ticks();
    while world.clock().ticks() < begun + 5 * MINUTE {
        world.time.advance(Duration::from_secs(10));
        sweep::run_once(&world.shop.ctx, false).await.unwrap();
        without_a_sweep(&world).await;
    }
    assert!(asked() - before <= 4 * 40, "{}", asked() - before);
    for code in &forgotten {
        assert_eq!(world.posts(code), ["accept"], "sent once, and read since");
    }
}

/// One answer that it does not know an order may come from a reader that lags behind. Where nothing is reserved for the
/// order, two answers are waited for.
#[tokio::test]
async fn one_answer_404_does_not_free_an_order_without_a_reservation() {
    let mut world = world(Settings::default())
        .rules("[[rule]]\nname = \"dear\"\nwhen = { lines = { over = 1 } }\nthen = \"hold\"\n[[rule]]\nname = \"rest\"\nthen = \"accept\"\n")
        .begin()
        .await;
    world.stock(&[("A", 100)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    world.place(
        OrderSeed::new("980000007", world.now())
            .line("A", 1)
            .line("A", 2),
    );
    world.poll_and_decide().await;
    assert!(world.kaspi().lose("980000007"));
    world.place_plain(&[("980000008", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    without_a_sweep(&world).await;
    assert_eq!(world.posts("980000008"), [""; 0]);
    world.time.advance(Duration::from_secs(30));
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    without_a_sweep(&world).await;
    assert_eq!(world.posts("980000008"), ["accept"]);
}

/// Kaspi asks to wait: what may not be sent now is no attempt.
#[tokio::test]
async fn answers_of_429_write_no_more_attempts_than_requests() {
    let world = swept().await;
    for n in 0..60 {
        world.place_plain(&[(&format!("98200{n:04}"), "A", 1)]);
    }
    world.poll_and_decide().await;
    let busy = Script::once(Fault::Http429).on(Method::Post);
    world.kaspi().script(busy.times(9));
    for _ in 0..30 {
        world.act().await;
    }
    world.quiet().await;
    let views = world.views().await;
    let attempts = views
        .iter()
        .flat_map(|view| &view.actions)
        .map(|a| a.attempts.len());
    let posts: usize = views
        .iter()
        .map(|view| world.posts(view.order.code.as_str()).len())
        .sum();
    assert_eq!(attempts.sum::<usize>(), posts, "attempts are POSTs");
    assert_eq!(posts, 60 + 9);
    world.finish().await;
}

/// Kaspi forgot orders while they were acted on, and shows them again half an hour later: what it answered in the meantime
/// is no refusal, and they do not wait for as long as they were last put off.
#[tokio::test]
async fn orders_that_come_back_are_accepted_at_once() {
    let world = swept().await;
    let forgotten: Vec<String> = (0..40).map(|n| format!("98300{n:04}")).collect();
    for code in &forgotten {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.poll_and_decide().await;
    for code in &forgotten {
        assert!(world.kaspi().lose(code));
    }
    let begun = world.clock().ticks();
    while world.clock().ticks() < begun + 20 * MINUTE {
        world.act().await;
        world.time.advance(Duration::from_secs(20));
    }
    let now = world.now();
    for code in &forgotten {
        assert!(world.kaspi().find(code, now));
    }
    // Before a repeat the accepted orders are read.
    poll::run_once(&world.shop.ctx).await.unwrap();
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    without_a_sweep(&world).await;
    for code in &forgotten {
        let posts = world.posts(code);
        assert_eq!(
            posts,
            ["accept", "accept"],
            "{code}: {}",
            world.why(code).await
        );
    }
}

/// Accepts shorten the list of new orders while its pages are read. In the end it is read whole all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_read_whole_while_its_orders_are_accepted() {
    let world = world(Settings {
        latency: Duration::from_millis(5),
        ..Settings::default()
    });
    let world = world.begin_with(&[("A", 10_000)]).await;
    world.once().await;
    world.time.advance(MINUTE);
    for n in 0..450 {
        world.place_plain(&[(&format!("98400{n:04}"), "A", 1)]);
    }
    world.poll_and_decide().await;
    let (polled, ()) = tokio::join!(poll::run_once(&world.shop.ctx), world.act());
    let polled = polled.unwrap();
    assert_eq!(polled.problem, None);
}

/// An accept shortens the list of new orders between its pages: a list that was not read whole is read again
/// once the accepts on their way have ended, and none is sent in the meantime.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_again_while_no_accept_is_on_its_way() {
    let world = world(Settings {
        replicas: Replicas {
            forget: 0.5,
            ..Replicas::default()
        },
        ..Settings::default()
    })
    .begin()
    .await;
    for n in 0..450 {
        world.place_plain(&[(&format!("98500{n:04}"), "A", 1)]);
    }
    let ctx = &world.shop.ctx;
    let accept = ctx.sending.begin().await;
    let is_read = Cell::new(false);
    let (polled, waited) = tokio::join!(
        async {
            let polled = poll::run_once(ctx).await;
            is_read.set(true);
            polled
        },
        async {
            let waits = || ctx.sending.is_held_up();
            until("the list is read or waits", || is_read.get() || waits()).await;
            drop(accept);
            !is_read.get()
        }
    );
    polled.unwrap();
    assert!(waited, "it was read again beside an accept");
}
