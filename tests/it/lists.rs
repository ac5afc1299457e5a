//! What lists may do to a client: shift, lie, leave things out, name unknown things.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::ids::OrderId;
use qabyl::ledger::Reading;
use qabyl::pipeline::{decide, poll, sweep};
use qabyl_sandbox::{
    EndpointKind, EntriesForm, IncludeSupport, LineSeed, ListOrder, OfferForm, OrderSeed, Replicas,
    Settings, State, Status, UnitType,
};
use rstest::rstest;

use crate::world::{start, world};

const DAY: Duration = Duration::from_hours(24);

#[rstest]
#[case(IncludeSupport::Yes, EntriesForm::LinksOnly)]
#[case(IncludeSupport::Partial, EntriesForm::Data)]
#[case(IncludeSupport::Ignored, EntriesForm::Mixed)]
#[tokio::test]
async fn lines_are_found_in_whatever_form(
    #[case] include_support: IncludeSupport,
    #[case] entries_form: EntriesForm,
) {
    let settings = Settings {
        include_support,
        entries_form,
        list_order: ListOrder::Scattered,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    world.stock(&[("A", 200), ("B", 200)]).await;
    for number in 0..130_u32 {
        let at = start() - Duration::from_secs(u64::from(number) + 1);
        let order = OrderSeed::new(&format!("92{number:07}"), at)
            .line("A", 1)
            .line("B", 1);
        world.place(order);
    }
    world.once().await;
    assert_eq!(world.kaspi().ledger().accepted_codes().len(), 130);
    world.finish().await;
}

#[tokio::test]
async fn a_line_without_an_offer_is_asked_for_by_its_product() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("OLD", 5)]).await;
    let line = |offer| LineSeed {
        offer,
        ..LineSeed::new("OLD", 1)
    };
    world.place(OrderSeed::new("930000001", start()).with_line(line(OfferForm::Old)));
    world.once().await;
    assert_eq!(
        world.at_kaspi("930000001"),
        "KASPI_DELIVERY+ACCEPTED_BY_MERCHANT"
    );
    assert!(
        world
            .kaspi()
            .ledger()
            .requests_of(EndpointKind::MerchantProduct)
            > 0
    );
    world.finish().await;
}

#[rstest]
#[case::no_offer(OfferForm::Unlinked, UnitType::Pieces, "unknown stock")]
#[case::weighed(OfferForm::Offer, UnitType::Measurable, "weigh")]
#[case::weighed_pieces(OfferForm::Offer, UnitType::MeasurablePieces, "weigh")]
#[tokio::test]
async fn an_order_with_uncountable_lines_is_held(
    #[case] offer: OfferForm,
    #[case] unit_type: UnitType,
    #[case] why: &str,
) {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 0)]).await;
    let line = LineSeed {
        offer,
        unit_type,
        ..LineSeed::new("A", 1)
    };
    world.place(OrderSeed::new("930000002", start()).with_line(line));
    world.once().await;
    world.later(Duration::from_mins(15)).await;
    let reason = world.why("930000002").await;
    assert!(
        reason.starts_with("hold") && reason.contains(why),
        "{reason}"
    );
    assert_eq!(world.posts("930000002"), [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn goods_that_get_an_offer_later_are_asked_about_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let line = |offer| LineSeed {
        offer,
        ..LineSeed::new("A", 1)
    };
    world.place(OrderSeed::new("930000003", start()).with_line(line(OfferForm::Unlinked)));
    world.once().await;
    assert!(world.why("930000003").await.contains("unknown stock"));
    // A person links the goods in the cabinet: another order shows it.
    let linked = OrderSeed::new("930000004", world.now()).with_line(line(OfferForm::Offer));
    world.place(linked);
    world.later(Duration::from_mins(16)).await;
    assert_eq!(world.posts("930000003"), ["accept"]);
    let units = world.kaspi().units_promised_by_sku()["A"];
    assert_eq!(units, 2);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_waits_longer_than_the_lookback_is_still_sent_at_once() {
    let mut world = world(Settings::default())
        .config("poll", "lookback", "\"1h\"")
        .begin()
        .await;
    world.stock(&[("A", 0)]).await;
    // So many that no one reads them singly.
    let codes = ["930000005", "930000006", "930000007", "930000008"];
    world.place_plain(&codes.map(|code| (code, "UNKNOWN", 1)));
    // The last list that goes deep by itself is ten minutes old.
    world.later(Duration::from_mins(90)).await;
    world.later(Duration::from_mins(10)).await;
    assert_eq!(world.kaspi().ledger().accepted_codes().len(), 0);
    world.stock(&[("A", 0), ("UNKNOWN", 4)]).await;
    let counted = world.now();
    world.once().await;
    for code in codes {
        let posts = world.kaspi().ledger().posts_for(code);
        let waited = posts[0].at.duration_since(counted).as_secs();
        assert!(waited < 60, "{waited} s");
    }
    world.finish().await;
}

#[tokio::test]
async fn unknown_stock_is_never_zero() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 1)]).await;
    world.place_plain(&[("940000001", "NOT-IN-STOCK-LIST", 1)]);
    world.once().await;
    world.later(Duration::from_mins(30)).await;
    let reason = world.why("940000001").await;
    assert!(
        reason.starts_with("hold") && reason.contains("unknown stock"),
        "{reason}"
    );
    assert_eq!(world.posts("940000001"), [""; 0]);
    world.finish().await;
}

#[tokio::test]
async fn an_order_in_an_unknown_state_is_stored_and_left_alone() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("940000002", "A", 1)]);
    let now = world.now();
    let invented = Status::Other("WAITING_FOR_THE_MOON".to_owned());
    world.kaspi().force("940000002", State::New, invented, now);
    world.place_plain(&[("940000003", "A", 1)]);
    world.once().await;
    assert_eq!(world.posts("940000002"), [""; 0]);
    assert_eq!(world.posts("940000003"), ["accept"]);
}

#[tokio::test]
async fn a_late_approval_is_found_days_after_its_creation() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let seen = start() + Duration::from_hours(1);
    world.place(
        OrderSeed::new("950000001", start() - 2 * DAY)
            .visible_at(seen)
            .line("A", 1),
    );
    // Older than the lookback of three days: only the hourly deep scan reaches it.
    world.place(
        OrderSeed::new("950000002", start() - 10 * DAY)
            .visible_at(seen)
            .line("A", 1),
    );
    world.once().await;
    assert_eq!(world.views().await.len(), 0);
    world.later(Duration::from_mins(61)).await;
    world.later(Duration::from_mins(61)).await;
    assert_eq!(world.posts("950000001"), ["accept"]);
    assert_eq!(world.posts("950000002"), ["accept"]);
    world.finish().await;
}

#[tokio::test]
async fn pages_that_shift_while_they_are_read_lose_no_order() {
    let settings = Settings {
        list_order: ListOrder::CreatedAsc,
        ..Settings::default()
    };
    let mut world = world(settings)
        .config("kaspi", "max_in_flight", "1")
        .begin()
        .await;
    world.stock(&[("A", 1_000)]).await;
    for number in 0..350_u32 {
        let at = start() - Duration::from_secs(u64::from(1_000 - number));
        world.place(OrderSeed::new(&format!("96{number:07}"), at).line("A", 1));
    }
    // Buyers change their minds between two pages.
    for number in 0..50_u32 {
        let happening = qabyl_sandbox::ExternalEvent::BuyerCancels(format!("96{:07}", number * 3));
        world.kaspi().at(
            start() + Duration::from_millis(u64::from(number)),
            happening,
        );
    }
    world.time.advance(Duration::from_millis(20));
    world.once().await;
    world.quiet().await;
    let awaiting = world
        .kaspi()
        .orders()
        .iter()
        .filter(|o| o.status == Status::ApprovedByBank)
        .count();
    assert_eq!(awaiting, 0);
    world.finish().await;
}

/// A replica counts an order that it does not show yet: what a list leaves out may hold the last units. A count that stays
/// wrong does not stop the shop.
#[tokio::test]
async fn a_list_of_fewer_orders_than_kaspi_counts_waits_and_then_is_believed() {
    let world = world(Settings::default()).begin_with(&[("A", 5)]).await;
    world.once().await;
    world.time.advance(Duration::from_mins(1));
    world.kaspi().set_replicas(Replicas {
        overcount: 1,
        ..Replicas::default()
    });
    world.place_plain(&[("930000025", "A", 1)]);
    let pass = async || {
        poll::run_once(&world.shop.ctx).await.unwrap();
        sweep::run_once(&world.shop.ctx, true).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
        world.time.advance(Duration::from_secs(30));
    };
    for _ in 0..4 {
        assert_eq!(world.posts("930000025"), [""; 0]);
        pass().await;
    }
    for _ in 0..4 {
        pass().await;
    }
    assert_eq!(world.posts("930000025"), ["accept"]);
}

/// What is known of Kaspi's clock is wrong by days once ours was set: a list asked with it is of another
/// week, and nothing rests on it.
#[tokio::test]
async fn a_sweep_of_another_week_is_no_evidence() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 500)]).await;
    // An SKU that was not ordered lately could be ordered as a whole, and every unit of it would count as the last.
    world.place_plain(&[("930000019", "A", 1)]);
    world.once().await;
    world.later(Duration::from_mins(1)).await;
    world.time.advance(Duration::from_mins(10));
    let two_days_s = 2 * 24 * 60 * 60;
    world.set_clock(two_days_s);
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    world.set_clock(-two_days_s);
    world.stock(&[("A", 500)]).await;
    let mut other = OrderSeed::new("930000020", world.now()).line("A", 499);
    other.auto_accepted = true;
    world.place(other);
    world.time.advance(Duration::from_secs(1));
    sweep::run_once(&world.shop.ctx, true).await.unwrap();
    // Not of the last units: for those another sweep would be made anyway.
    world.place_plain(&[("930000021", "A", 5)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    decide::run_once(&world.shop.ctx).await.unwrap();
    world.act().await;
    assert_eq!(world.posts("930000021"), [""; 0], "the units are taken");
    world.later(DAY / 288).await;
    world.quiet().await;
    assert_eq!(world.posts("930000021"), ["cancel"]);
}

/// The clock ran ahead when orders were listed last, and is right again: the next list reaches back as if it
/// had never been wrong, for orders that came before and were approved just after.
#[rstest]
#[case::by_less_than_the_deep_scans_period(20, 30)]
#[case::by_more(120, 130)]
#[tokio::test]
async fn a_clock_put_right_hides_no_order(#[case] ahead: i64, #[case] wait: u64) {
    let settings = world(Settings::default()).config("poll", "lookback", "\"1h\"");
    let mut world = settings.begin().await;
    world.stock(&[("A", 5)]).await;
    world.once().await;
    world.time.advance(Duration::from_mins(2));
    let late = OrderSeed::new("930000023", world.now() - SignedDuration::from_mins(50));
    world.set_clock(60 * ahead);
    for _ in 0..2 {
        poll::run_once(&world.shop.ctx).await.unwrap();
    }
    world.time.advance(Duration::from_secs(10));
    let approved = world.now() - SignedDuration::from_mins(ahead);
    world.place(late.line("A", 1).visible_at(approved));
    world.time.advance(Duration::from_mins(wait));
    world.set_clock(-60 * ahead);
    world.later(Duration::from_secs(1)).await;
    assert_eq!(world.posts("930000023"), ["accept"]);
}

/// A replica that lags shows an order as it was: what is known of it does not go back.
#[tokio::test]
async fn an_order_shown_as_it_was_is_not_accepted_again() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    world.place_plain(&[("930000022", "A", 1)]);
    world.once().await;
    world.quiet().await;
    let now = world.now();
    let before = (State::New, Status::ApprovedByBank);
    assert!(world.kaspi().force("930000022", before.0, before.1, now));
    for _ in 0..2 {
        world.time.advance(DAY / 288);
        poll::run_once(&world.shop.ctx).await.unwrap();
        decide::run_once(&world.shop.ctx).await.unwrap();
        world.act().await;
    }
    assert_eq!(world.posts("930000022"), ["accept"]);
    let known = world.view("930000022").await.order.status;
    assert_eq!(known.as_str(), "ACCEPTED_BY_MERCHANT");
}

/// Lines of a new order are due at once, whatever a clock that is being adjusted says.
#[tokio::test]
async fn a_clock_set_back_by_seconds_delays_no_lines() {
    let world = world(Settings::default()).begin().await;
    world.place_plain(&[("930000024", "A", 1)]);
    poll::run_once(&world.shop.ctx).await.unwrap();
    let mut order = world.view("930000024").await.order;
    order.id = OrderId::new("found-without-lines").unwrap();
    let (shop, now) = (&world.shop.ctx.shop, world.now());
    let reading = Reading {
        order,
        lines: None,
        asked_at: now,
        skew: None,
    };
    world
        .store
        .record_listed(shop, &[reading], now)
        .await
        .unwrap();
    let set_back = now - SignedDuration::from_secs(45);
    let new = (
        &qabyl::domain::order::Status::ApprovedByBank,
        Timestamp::MIN,
    );
    let wanted = world
        .store
        .lines_wanted(shop, new, set_back, 10)
        .await
        .unwrap();
    assert_eq!(wanted.len(), 1);
}
