//! The seeded shop.

use std::time::Duration;

use qabyl_sandbox::{LineSeed, OfferForm, OrderSeed, Settings, World, seed_orders, stock_csv};

use super::{accept, after, cancel, list, now};

#[test]
fn the_same_seed_gives_identical_answers() {
    let run = |seed| {
        let faults = "hang=0.1,truncated=0.1,http_429=0.2,post:late_effect=0.3"
            .parse()
            .unwrap();
        let mut world = World::new(Settings {
            seed,
            faults,
            ..Settings::default()
        });
        for order in seed_orders(seed, 40, now()).orders {
            world.place(order);
        }
        let mut list = list();
        list.query[2].1 = (now().as_millisecond() - 7_200_000).to_string();
        let requests = [list, accept(), cancel()];
        let replies = (0..60).zip(requests.iter().cycle());
        replies
            .map(|(n, request)| world.handle(after(n), request))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn the_sample_shop_covers_every_kind_of_order() {
    let shop = seed_orders(3, 40, now());
    assert_eq!(shop, seed_orders(3, 40, now()));
    assert_eq!((shop.orders.len(), shop.stock.len()), (40, 37));
    let first = &shop.orders[..20];
    let on_hand = |sku: &str| {
        shop.stock
            .iter()
            .find(|row| row.sku == sku)
            .map(|row| row.on_hand)
    };
    let any = |is: &dyn Fn(&OrderSeed) -> bool| first.iter().any(is);
    let any_line =
        |is: &dyn Fn(&LineSeed) -> bool| first.iter().flat_map(|order| &order.lines).any(is);
    assert!(any(&|order| order.express) && any(&|order| order.pre_order));
    assert!(any(&|order| order.signature_required) && any(&|order| order.lines.len() > 1));
    assert!(any_line(&|line| line.offer == OfferForm::Old));
    assert!(any_line(&|line| line.offer == OfferForm::Unlinked));
    assert!(any_line(&|line| line
        .unit_type
        .as_str()
        .starts_with("MEASURABLE")));
    assert!(any_line(&|line| on_hand(&line.sku).is_none()));
    assert!(any_line(
        &|line| on_hand(&line.sku).is_some_and(|units| units < line.quantity)
    ));
    for order in &shop.orders {
        assert!(order.created_at < now() && order.created_at > now() - Duration::from_hours(2));
    }
    let csv = stock_csv(&shop.stock);
    assert!(csv.starts_with("sku,on_hand\nCHR-20W,"), "{csv}");
    assert_eq!(csv.lines().count(), 38);

    let big = seed_orders(3, 1000, now());
    let stocked = |line: &LineSeed| {
        line.quantity <= 5
            && big
                .stock
                .iter()
                .any(|row| row.sku == line.sku && row.on_hand > 50)
    };
    let plain = |order: &&OrderSeed| {
        !order.express
            && !order.pre_order
            && !order.signature_required
            && order.lines.iter().all(stocked)
    };
    assert!(big.orders.iter().filter(plain).count() > 850);
}

#[test]
fn the_canary_is_in_all_personal_data() {
    let settings = Settings {
        canary: Some("CANARY7".to_owned()),
        ..Settings::default()
    };
    let mut world = World::new(settings);
    for order in seed_orders(1, 100, after(30)).orders {
        world.place(OrderSeed {
            created_at: after(1),
            approved_at: None,
            ..order
        });
    }
    let text = String::from_utf8(world.handle(after(60), &list()).body).unwrap();
    for name in ["firstName", "cellPhone", "formattedAddress", "streetName"] {
        let field = format!("\"{name}\":\"");
        let shown = text.split(&field).skip(1);
        assert!(shown.clone().count() > 5);
        for value in shown {
            let value = value.split('"').next().unwrap();
            assert!(
                value.contains("CANARY7") || value == "+0(000)-000-00-00",
                "{name}: {value}"
            );
        }
    }
    assert!(text.contains("\"id\":null") && text.contains("\"deliveryAddress\":null"));
    assert!(text.contains("PREPAID") && text.contains("PAY_WITH_CREDIT"));
}
