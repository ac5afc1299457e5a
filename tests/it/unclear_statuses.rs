//! Statuses that leave open where the goods are: cancelled in transit, or unknown.

use std::time::Duration;

use qabyl_sandbox::{IncludeSupport, Settings, State, Status};
use rstest::rstest;

use crate::world::world;

const MINUTE: Duration = Duration::from_mins(1);

/// What is cancelled on its way, without a courier's date, may lie on the shelf again or not: until the next count
/// it is neither promised nor missed.
#[rstest]
#[case::while_it_comes_back(false)]
#[case::when_it_is_over(true)]
#[tokio::test]
async fn units_of_an_order_cancelled_in_transit_are_uncertain(#[case] is_over: bool) {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000012", "A", 1)]);
    world.once().await;
    assert_eq!(world.posts("970000012"), ["accept"]);
    world.later(10 * MINUTE).await;
    let becomes = |state: State, status: Status| {
        let now = world.now();
        assert!(world.kaspi().force("970000012", state, status, now));
    };
    becomes(State::KaspiDelivery, Status::Cancelling);
    world.later(MINUTE).await;
    if is_over {
        becomes(State::Archive, Status::Cancelled);
        world.later(MINUTE).await;
    }
    world.place_plain(&[("970000013", "A", 1)]);
    for _ in 0..5 {
        world.later(2 * MINUTE).await;
    }
    assert_eq!(world.posts("970000013"), [""; 0]);
    becomes(State::Archive, Status::Cancelled);
    world.later(MINUTE).await;
    world.feed(&[("A", 1)]).await;
    world.quiet().await;
    assert_eq!(world.posts("970000013"), ["accept"]);
}

/// A feed that means "available" may be without the unit too.
#[tokio::test]
async fn units_cancelled_in_transit_may_be_back_although_the_feed_omits_them() {
    let mut world = world(Settings::default())
        .config("stock", "semantics", "\"available\"")
        .begin()
        .await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000019", "A", 1)]);
    world.once().await;
    world.later(10 * MINUTE).await;
    world.feed(&[("A", 0)]).await;
    for (state, status) in [
        (State::KaspiDelivery, Status::Cancelling),
        (State::Archive, Status::Cancelled),
    ] {
        world.time.advance(MINUTE);
        let now = world.now();
        assert!(world.kaspi().force("970000019", state, status, now));
        world.later(MINUTE).await;
    }
    world.place_plain(&[("970000020", "A", 1)]);
    for _ in 0..5 {
        world.later(2 * MINUTE).await;
    }
    assert_eq!(world.posts("970000020"), [""; 0]);
    world.feed(&[("A", 1)]).await;
    world.quiet().await;
    assert_eq!(world.posts("970000020"), ["accept"]);
}

/// An order that lies where accepted ones do is one of them, whatever its status is called: its units are not
/// promised, and nothing is cancelled for them. Where they are when it is archived is known only where it was completed.
#[rstest]
#[case::lines_come_with_the_list(IncludeSupport::Yes, Status::Cancelled, &[])]
#[case::lines_are_asked_for(IncludeSupport::Ignored, Status::Cancelled, &[])]
#[case::it_is_completed(IncludeSupport::Ignored, Status::Completed, &["cancel"])]
#[case::it_ends_by_no_known_word(IncludeSupport::Yes, Status::Other("LOST".to_owned()), &[])]
#[tokio::test]
async fn an_accepted_order_with_an_unknown_status_holds_its_units(
    #[case] include_support: IncludeSupport,
    #[case] end: Status,
    #[case] posts: &[&str],
) {
    let settings = Settings {
        include_support,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 1)]).await;
    world.time.advance(2 * MINUTE);
    world.place_plain(&[("970000016", "A", 1)]);
    let becomes = |state: State, status: Status| {
        let now = world.now();
        assert!(world.kaspi().force("970000016", state, status, now));
    };
    becomes(State::Delivery, Status::Other("ON_ITS_WAY".to_owned()));
    world.place_plain(&[("970000017", "A", 1)]);
    for _ in 0..5 {
        world.later(2 * MINUTE).await;
    }
    assert_eq!(world.posts("970000017"), [""; 0]);
    becomes(State::Archive, end);
    for _ in 0..5 {
        world.later(2 * MINUTE).await;
    }
    assert_eq!(world.posts("970000017"), posts);
    if posts.is_empty() {
        world.feed(&[("A", 1)]).await;
        world.quiet().await;
        assert_eq!(world.posts("970000017"), ["accept"]);
    }
}

/// An order that waited with an unknown status and is approved later is decided like any other.
#[tokio::test]
async fn an_order_approved_late_is_decided() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 9), ("B", 9)]).await;
    world.place_plain(&[("970000021", "A", 1)]);
    let becomes = |state: State, status: Status| {
        let now = world.now();
        assert!(world.kaspi().force("970000021", state, status, now));
    };
    becomes(State::SignRequired, Status::Other("IN_REVIEW".to_owned()));
    world.later(2 * MINUTE).await;
    becomes(State::New, Status::ApprovedByBank);
    world.place_plain(&[("970000022", "B", 1)]);
    world.later(2 * MINUTE).await;
    world.quiet().await;
    assert_eq!(world.posts("970000021"), ["accept"]);
    assert_eq!(world.posts("970000022"), ["accept"]);
    world.finish().await;
}
