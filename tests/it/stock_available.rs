//! Feeds whose numbers have accepted orders already taken off (`stock.semantics = "available"`): when
//! it is not known whether a feed knew of an order, its unit is neither sold again nor missed.

use std::time::Duration;

use qabyl::pipeline::sweep;
use qabyl_sandbox::{Fault, Method, OrderSeed, Script, Settings};

use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

async fn available() -> TestWorld {
    let described = world(Settings::default()).config("stock", "semantics", "\"available\"");
    described.begin().await
}

#[tokio::test]
async fn an_order_accepted_before_the_count_and_found_after_it_is_subtracted_once() {
    let mut world = available().await;
    // Two lie there. One is accepted in the cabinet, unseen here; the feed has it taken off.
    world.stock(&[("A", 2)]).await;
    let mut other = OrderSeed::new("910000001", world.now()).line("A", 1);
    other.auto_accepted = true;
    world.place(other);
    world.time.advance(MINUTE);
    world.feed(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    world.place_plain(&[("910000002", "A", 1)]);
    world.brief().await;
    world.later(20 * MINUTE).await;
    assert_eq!(world.posts("910000002"), [""; 0], "not sure is not short");
    let why = world.why("910000002").await;
    assert!(why.contains("may have taken it off"), "{why}");
    // A feed made since leaves no doubt.
    world.feed(&[("A", 1)]).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("910000002"), ["accept"]);
    world.finish().await;
}

#[tokio::test]
async fn a_unit_released_after_the_count_is_not_subtracted() {
    let mut world = available().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("910000003", "A", 1)]);
    world.once().await;
    world.time.advance(MINUTE);
    world.feed(&[("A", 0)]).await;
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().buyer_cancels("910000003", now));
    world.place_plain(&[("910000004", "A", 1)]);
    world.brief().await;
    world.later(20 * MINUTE).await;
    assert_eq!(world.posts("910000004"), [""; 0], "one was given back");
    world.feed(&[("A", 1)]).await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("910000004"), ["accept"]);
    world.finish().await;
}

#[tokio::test]
async fn a_unit_with_an_accept_in_flight_is_kept_whatever_a_feed_says() {
    let mut world = available().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("910000005", "A", 1)]);
    let lost = Script::once(Fault::DropBefore).on(Method::Post);
    world.kaspi().script(lost.order("910000005"));
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("910000005"), ["accept"]);
    // Kaspi never got it, so the feed still counts the unit.
    world.time.advance(MINUTE);
    world.feed(&[("A", 1)]).await;
    world.place_plain(&[("910000006", "A", 1)]);
    world.poll_and_decide().await;
    world.act().await;
    assert_eq!(world.posts("910000006"), [""; 0], "the unit is promised");
    world.later(5 * MINUTE).await;
    assert_eq!(world.posts("910000005"), ["accept", "accept"]);
    // It was accepted after the feed, which showed it as new: the unit is taken for certain.
    assert_eq!(world.posts("910000006"), ["cancel"]);
    world.finish().await;
}

#[tokio::test]
async fn a_certain_shortage_is_cancelled() {
    let mut world = available().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(MINUTE);
    world.place_plain(&[("910000007", "A", 1)]);
    world.once().await;
    // Accepted after the count, without any doubt; then a count that left it out, without any either.
    world.place_plain(&[("910000008", "A", 1)]);
    world.quiet().await;
    assert_eq!(world.posts("910000008"), ["cancel"]);
    world.time.advance(MINUTE);
    world.feed(&[("A", 0)]).await;
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.place_plain(&[("910000009", "A", 1)]);
    world.quiet().await;
    assert_eq!(world.posts("910000009"), ["cancel"]);
    world.finish().await;
}
