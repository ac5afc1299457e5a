//! A shop with a long history: what is counted as it happens is what was stored, and lists show what is open.

use std::time::Duration;

use qabyl::domain::ids::OrderId;
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::pipeline::housekeep;
use qabyl::store::{OrderFilter, Store};
use qabyl_sandbox::{OrderSeed, Settings};
use tokio_util::sync::CancellationToken;

use crate::migrations::look_into;
use crate::world::{TestWorld, world};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn decided_and_cancelled(world: &TestWorld) -> (u64, u64) {
    let (shop, window) = (
        &world.shop.ctx.shop,
        world.shop.ctx.policy().limits.cancel_budget_window,
    );
    let counters = world.store.counters(shop, window, world.now()).await;
    let counters = counters.unwrap();
    (counters.decided, counters.cancelled)
}

async fn is_counted_right(store: &Store) {
    assert_eq!(store.miscounted().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_counts_are_what_orders_and_actions_say() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    let codes = ["330000001", "330000002", "330000003", "330000004"];
    for code in codes {
        world.place_plain(&[(code, "A", 1)]);
        world.once().await;
        world.later(MINUTE * 50).await;
    }
    assert_eq!(decided_and_cancelled(&world).await, (4, 0));
    world.place(OrderSeed::new("330000005", world.now()).line("UNKNOWN", 1));
    world.once().await;
    assert_eq!(decided_and_cancelled(&world).await, (4, 0), "it is held");
    let (shop, id) = world.store.find_order("330000005", None).await.unwrap();
    let cancel = Verdict::Cancel {
        reason: CancelReason::BuyerNotReachable,
        comment: String::new(),
    };
    let input = world.shop.ctx.deciding_input();
    let decided = world
        .store
        .order_by_person(&shop, &id, &cancel, &input, "person:a", world.now());
    decided.await.unwrap();
    assert_eq!(decided_and_cancelled(&world).await, (5, 1), "decided");
    is_counted_right(&world.store).await;
    world.once().await;
    world.later(MINUTE).await;
    assert_eq!(world.posts("330000005"), ["cancel"]);
    assert_eq!(decided_and_cancelled(&world).await, (5, 1), "confirmed");
    // Those older than the window are counted no more: to the moment, though whole hours are summed.
    let first = world.view(codes[0]).await.order.created_at;
    let into_window = first
        .saturating_add(DAY * 30)
        .unwrap()
        .duration_since(world.now());
    let into_window = Duration::try_from(into_window).unwrap();
    world
        .time
        .advance(into_window.checked_sub(Duration::from_secs(1)).unwrap());
    assert_eq!(decided_and_cancelled(&world).await, (5, 1));
    world.time.advance(MINUTE);
    assert_eq!(decided_and_cancelled(&world).await, (4, 1));
    is_counted_right(&world.store).await;
}

#[tokio::test]
async fn deleted_orders_are_counted_no_more_and_a_restore_counts_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    for code in ["340000001", "340000002"] {
        world.place_plain(&[(code, "A", 1)]);
        world.once().await;
        let now = world.now();
        assert!(world.kaspi().hand_over(code, now) && world.kaspi().complete(code, now));
        world.later(MINUTE).await;
    }
    world.time.advance(DAY * 70);
    world.stock(&[("A", 18)]).await;
    world.place_plain(&[("340000003", "A", 1)]);
    world.once().await;
    world.later(MINUTE).await;
    let keeper = world.keeper(|config| config.retention.orders = DAY * 61);
    let kept = housekeep::run_once(&keeper, &CancellationToken::new()).await;
    assert_eq!(kept.unwrap().orders, 2);
    let totals = world.store.totals(None).await.unwrap();
    assert_eq!((totals.orders, totals.accepted), (1, 1));
    is_counted_right(&world.store).await;
    let copy = world.folder().join("copy.db");
    world.store.backup(&copy).await.unwrap();
    let mut inside = look_into(&copy).await;
    let edited = "UPDATE counts_by_hour SET n = n + 7; UPDATE orders SET counts_as_cancel = 1";
    sqlx::raw_sql(edited).execute(&mut inside).await.unwrap();
    drop(inside);
    world.put_back(&copy).await;
    is_counted_right(&world.store).await;
    let totals = world.store.totals(None).await.unwrap();
    assert_eq!((totals.orders, totals.accepted), (1, 1));
    world.once().await;
    world.finish().await;
}

async fn listed(store: &Store, filter: &OrderFilter) -> Vec<String> {
    let views = store.orders(filter).await.unwrap();
    views
        .iter()
        .map(|view| view.order.code.to_string())
        .collect()
}

/// A person works from this list: what waits must not hide behind what is finished.
#[tokio::test]
async fn a_list_shows_what_is_open_and_the_newest_page_by_page() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 20)]).await;
    world.place_plain(&[("350000000", "UNKNOWN", 1)]);
    let codes: Vec<String> = (1..=6).map(|n| format!("35000000{n}")).collect();
    for code in &codes {
        world.place_plain(&[(code, "A", 1)]);
    }
    world.once().await;
    world.later(MINUTE).await;
    let newest = OrderFilter {
        limit: 2,
        ..OrderFilter::default()
    };
    assert_eq!(
        listed(&world.store, &newest).await,
        ["350000006", "350000005"]
    );
    let with_open = OrderFilter {
        all_open: true,
        ..newest.clone()
    };
    assert_eq!(
        listed(&world.store, &with_open).await,
        ["350000006", "350000005", "350000000"]
    );
    let mut pages = Vec::new();
    let mut filter = newest;
    loop {
        let views = world.store.orders(&filter).await.unwrap();
        let Some(last) = views.last() else { break };
        let stored = OrderId::new(last.order.id.as_str().trim_end_matches('=')).unwrap();
        filter.after = Some((last.order.created_at.as_millisecond(), stored));
        pages.extend(views.iter().map(|view| view.order.code.to_string()));
    }
    let mut expected: Vec<String> = codes.clone();
    expected.insert(0, "350000000".to_owned());
    expected.reverse();
    assert_eq!(pages, expected, "each once, newest first");
    let waiting = OrderFilter {
        status: Some("APPROVED_BY_BANK".to_owned()),
        limit: 1,
        ..OrderFilter::default()
    };
    assert_eq!(listed(&world.store, &waiting).await, ["350000000"]);
    world.finish().await;
}
