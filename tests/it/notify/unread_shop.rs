//! A shop that is not read any more keeps the others of its stock waiting: people hear of it, with what to do.

use std::time::Duration;

use qabyl::pipeline::sweep;
use qabyl_sandbox::Settings;

use super::queue::{BOUNDS, hook, notifier, received, until_told};
use super::receiver::Receiver;
use crate::world::world;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_shop_that_keeps_others_waiting_is_reported_once_until_it_is_waived() {
    let world = world(Settings::default()).begin().await;
    let (_kaspi, second) = world.neighbour().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    sweep::run_once(&second.ctx, true).await.unwrap();
    let minutes = async |minutes: u32| {
        for _ in 0..minutes {
            world.time.advance(MINUTE);
            sweep::run_once(&world.shop.ctx, true).await.unwrap();
            until_told(&world, &notifier).await;
        }
    };
    let times = || {
        let received = received(&receiver).into_iter();
        let of_kind = received.filter(|((kind, _), _)| kind == "shop.unread");
        of_kind.map(|(_, times)| times).sum::<usize>()
    };
    minutes(6).await;
    assert_eq!(times(), 0, "short outages need nobody");
    minutes(30).await;
    assert_eq!(times(), 1);
    let taken = receiver.seen().taken;
    let text: String = taken.iter().map(ToString::to_string).collect();
    for word in ["second", "(main)", "qabyl shops waive second"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    sweep::run_once(&second.ctx, true).await.unwrap();
    let now = world.now();
    let waived = world.store.waive_shop(&second.ctx.shop, true, "Aigul", now);
    waived.await.unwrap();
    minutes(40).await;
    assert_eq!(times(), 1, "a person has decided");
    let state = world.store.shop_state(&second.ctx.shop).await.unwrap();
    assert!(state.waived.is_some());
}
