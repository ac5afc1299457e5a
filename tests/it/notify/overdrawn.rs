//! More of an SKU promised than there is: people hear of it while its orders can still be helped.

use std::time::Duration;

use qabyl::ledger::StockSettings;
use qabyl_sandbox::Settings;

use super::queue::{BOUNDS, hook, notifier, received, until_told};
use super::receiver::Receiver;
use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);

/// People accept these orders in the cabinet.
async fn accepted_in_the_cabinet(world: &TestWorld, codes: &[&str]) {
    for code in codes {
        world.place_plain(&[(code, "A", 1)]);
        let now = world.now();
        assert!(world.kaspi().cabinet_accepts(code, now));
    }
    world.later(MINUTE).await;
    world.later(MINUTE).await;
}

#[tokio::test]
async fn an_oversell_in_the_cabinet_is_reported_once() {
    let mut world = world(Settings::default()).begin().await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.stock(&[("A", 1), ("B", 1)]).await;
    world.time.advance(MINUTE);
    let times = || {
        let received = received(&receiver).into_iter();
        let of_kind = received.filter(|((kind, _), _)| kind == "stock.overdrawn");
        of_kind.map(|(_, times)| times).sum::<usize>()
    };
    accepted_in_the_cabinet(&world, &["980000301"]).await;
    until_told(&world, &notifier).await;
    assert_eq!(times(), 0, "the one unit is there");
    accepted_in_the_cabinet(&world, &["980000302"]).await;
    for _ in 0..3 {
        until_told(&world, &notifier).await;
    }
    assert_eq!(times(), 1);
    let text = receiver
        .seen()
        .taken
        .iter()
        .map(ToString::to_string)
        .collect::<String>();
    for word in ["2 promised", "1 on hand", "980000301", "980000302"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let found = world
        .store
        .overdrawn(&StockSettings::default())
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].orders, ["980000301", "980000302"]);
    // It ends with another count, and begins again with the next order.
    world.stock(&[("A", 5)]).await;
    until_told(&world, &notifier).await;
    assert_eq!(
        world
            .store
            .overdrawn(&StockSettings::default())
            .await
            .unwrap(),
        []
    );
    world.time.advance(MINUTE);
    world.stock(&[("A", 0)]).await;
    world.time.advance(MINUTE);
    accepted_in_the_cabinet(&world, &["980000303"]).await;
    until_told(&world, &notifier).await;
    assert_eq!(times(), 2);
}

/// It was placed before the count, and a person accepts it after: its goods have hardly left before they were promised.
#[tokio::test]
async fn an_order_placed_before_the_count_and_accepted_since_is_an_oversell_too() {
    let mut world = world(Settings::default()).begin().await;
    world.place_plain(&[("980000311", "A", 3)]);
    world.time.advance(MINUTE);
    world.stock(&[("A", 2)]).await;
    world.time.advance(MINUTE);
    let now = world.now();
    assert!(world.kaspi().cabinet_accepts("980000311", now));
    world.later(MINUTE).await;
    let found = world
        .store
        .overdrawn(&StockSettings::default())
        .await
        .unwrap();
    assert_eq!(found.len(), 1, "{:?}", world.levels().await);
    assert_eq!((found[0].promised, found[0].on_hand), (3, 2));
    // The sweep that found it has written the notice: nobody waits for the next look at the stock.
    let noted = world.store.overdrawn_since("", ("A", "")).await.unwrap();
    assert!(noted.is_some());
    // A count after that does not show how many left: it is a doubt like any other.
    world.time.advance(MINUTE);
    world.stock(&[("A", 2)]).await;
    world.later(MINUTE).await;
    assert_eq!(
        world
            .store
            .overdrawn(&StockSettings::default())
            .await
            .unwrap(),
        []
    );
}
