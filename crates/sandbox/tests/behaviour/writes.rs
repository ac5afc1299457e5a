//! Writes, and what others do.

use qabyl_sandbox::{
    Cause, DeliveryMode, ExternalEvent, OrderSeed, Request, Settings, State, Status, SuccessForm,
    WriteKind,
};
use serde_json::{Value, json};

use super::{
    CODE, ID, ORDERS, TOKEN, accept, after, at, body, cancel, get, is_new, list, now, order, title,
    world, world_with,
};

#[test]
fn the_state_after_an_accept_depends_on_the_delivery() {
    let cases = [
        (DeliveryMode::Local, true, false, State::KaspiDelivery),
        (DeliveryMode::Pickup, true, false, State::KaspiDelivery),
        (DeliveryMode::Pickup, false, false, State::Pickup),
        (DeliveryMode::Local, false, false, State::Delivery),
        (DeliveryMode::Local, true, true, State::SignRequired),
    ];
    for (mode, kaspi, signature_required, state) in cases {
        let seed = OrderSeed {
            signature_required,
            ..order()
        }
        .delivered(mode, kaspi);
        let mut world = world_with(Settings::default(), seed);
        let reply = world.handle(after(60), &accept());
        assert_eq!(reply.status, 200);
        let echo = json!({"data": {"type": "orders", "id": ID,
            "attributes": {"code": CODE, "status": "ACCEPTED_BY_MERCHANT"}}});
        assert_eq!(body(&reply), echo);
        assert_eq!(at(&world), (state, Status::AcceptedByMerchant));
        assert_eq!(world.order(CODE).unwrap().accepted_at, Some(after(60)));
    }
}

#[test]
fn repeats_and_reversals_are_refused_and_recorded() {
    let mut world = world();
    assert_eq!(world.handle(after(1), &accept()).status, 200);
    let repeat = world.handle(after(2), &accept());
    assert_eq!((repeat.status, title(&repeat).is_empty()), (400, false));
    assert_eq!(world.handle(after(3), &cancel()).status, 200);
    assert_eq!(at(&world), (State::Archive, Status::Cancelled));
    assert_eq!(world.handle(after(4), &accept()).status, 400);
    assert_eq!(world.handle(after(5), &cancel()).status, 400);
    let order = world.order(CODE).unwrap();
    assert_eq!(
        order.cancellation_reason.as_deref(),
        Some("MERCHANT_OUT_OF_STOCK")
    );
    assert_eq!(order.cancellation_comment.as_deref(), Some("Нет в наличии"));
    let ledger = world.ledger();
    let posts: Vec<_> = ledger
        .posts_for(CODE)
        .iter()
        .map(|post| (post.kind, post.had_effect, post.blind_repeat))
        .collect();
    assert_eq!(
        posts,
        [
            (WriteKind::Accept, true, false),
            (WriteKind::Accept, false, true),
            (WriteKind::Cancel, true, false),
            (WriteKind::Accept, false, true),
            (WriteKind::Cancel, false, true),
        ]
    );
    assert!(ledger.both_actions_sent().contains(CODE));
    assert!(ledger.accepted_codes().contains(CODE));
    assert!(ledger.cancelled_codes_by_api().contains(CODE));
    let units = ledger.units_accepted_by_sku();
    assert_eq!((units["A"], units["B"]), (2, 1));
    assert!(world.units_promised_by_sku().is_empty());
}

#[test]
fn a_malformed_write_has_no_effect() {
    let mut world = world();
    let with = |pointer: &str, value: Value| {
        let mut sent: Value = serde_json::from_slice(&cancel().body).unwrap();
        *sent.pointer_mut(pointer).unwrap() = value;
        Request::post(ORDERS, TOKEN, &sent)
    };
    let long = "ы".repeat(1001);
    let wrong = [
        with("/data/type", json!("order")),
        with("/data/id", Value::Null),
        with("/data/attributes/code", json!("900000002")),
        with("/data/attributes/status", json!("COMPLETED")),
        with(
            "/data/attributes/cancellationReason",
            json!("TIMEOUT_BUYER_PICKUP"),
        ),
        with("/data/attributes/cancellationReason", Value::Null),
        with("/data/attributes/cancellationComment", json!(long)),
        Request {
            body: b"{".to_vec(),
            ..cancel()
        },
    ];
    for request in &wrong {
        let reply = world.handle(after(60), request);
        assert_eq!(
            reply.status,
            400,
            "{}",
            String::from_utf8_lossy(&request.body)
        );
    }
    assert_eq!(
        world
            .handle(after(60), &with("/data/id", json!("bm8=")))
            .status,
        404
    );
    assert!(is_new(&world));
    assert_eq!(world.ledger().effects(), []);
    let exact = with(
        "/data/attributes/cancellationComment",
        json!("ы".repeat(1000)),
    );
    assert_eq!(world.handle(after(60), &exact).status, 200);
}

#[test]
fn success_has_three_forms_and_may_have_no_effect() {
    for (success, status, length) in [
        (SuccessForm::Created201, 201, true),
        (SuccessForm::NoContent204, 204, false),
    ] {
        let mut world = world_with(
            Settings {
                success,
                ..Settings::default()
            },
            order(),
        );
        let reply = world.handle(after(1), &accept());
        assert_eq!((reply.status, !reply.body.is_empty()), (status, length));
    }
    let require_merchant_uid = Some("10000001".to_owned());
    let mut world = world_with(
        Settings {
            require_merchant_uid,
            ..Settings::default()
        },
        order(),
    );
    assert_eq!(world.handle(after(1), &accept()).status, 200);
    assert!(is_new(&world));
    let mut named = accept();
    named
        .headers
        .push(("x-merchant-uid".to_owned(), "10000001".to_owned()));
    assert_eq!(world.handle(after(2), &named).status, 200);
    assert_eq!(at(&world).1, Status::AcceptedByMerchant);
}

#[test]
fn the_deadline_cancels_undecided_orders() {
    let mut world = world();
    world.advance(after(3 * 3600 - 1));
    assert!(is_new(&world));
    world.advance(after(5 * 3600));
    assert_eq!(at(&world), (State::Archive, Status::Cancelled));
    let effect = &world.ledger().effects()[0];
    assert_eq!(
        (effect.cause, effect.at),
        (Cause::Deadline, after(3 * 3600))
    );
    assert!(world.ledger().cancelled_codes_by_api().is_empty());

    let mut accepted = self::world();
    accepted.handle(after(1), &accept());
    accepted.advance(after(5 * 3600));
    assert_eq!(at(&accepted).1, Status::AcceptedByMerchant);
}

#[test]
fn external_events_change_orders() {
    let mut world = world();
    assert!(world.cabinet_accepts(CODE, after(1)));
    assert!(world.hand_over(CODE, after(2)));
    assert!(!world.buyer_cancels(CODE, after(3)), "handed over");
    let shown = body(&get(&mut world, &format!("{ORDERS}/{ID}")));
    let sent = &shown["data"]["attributes"]["kaspiDelivery"]["courierTransmissionDate"];
    assert_eq!(*sent, after(2).as_millisecond());
    assert_eq!(world.handle(after(61), &cancel()).status, 200);
    assert_eq!(at(&world), (State::KaspiDelivery, Status::Cancelling));
    world.advance(after(61 + 24 * 3600));
    assert_eq!(at(&world), (State::Archive, Status::Cancelled));

    let mut world = self::world();
    world.at(after(30), ExternalEvent::BuyerCancels(CODE.to_owned()));
    world.at(after(40), ExternalEvent::CabinetAccepts(CODE.to_owned()));
    assert_eq!(world.next_due(), Some(after(30)));
    assert_eq!(world.handle(after(60), &accept()).status, 400);
    let causes: Vec<_> = world
        .ledger()
        .effects()
        .iter()
        .map(|row| row.cause)
        .collect();
    assert_eq!(causes, [Cause::Buyer]);

    let mut world = world_with(
        Settings::default(),
        OrderSeed {
            auto_accepted: true,
            ..order()
        },
    );
    world.advance(now());
    assert_eq!(at(&world).1, Status::AcceptedByMerchant);
    assert!(world.complete(CODE, after(9)));
    assert_eq!(at(&world), (State::Archive, Status::Completed));
    assert_eq!(world.units_promised_by_sku()["A"], 2);
}

#[test]
fn an_order_is_hidden_until_its_approval() {
    let mut world = world_with(Settings::default(), order().visible_at(after(100)));
    assert_eq!(get(&mut world, &format!("{ORDERS}/{ID}")).status, 404);
    assert_eq!(world.handle(after(99), &accept()).status, 404);
    assert_eq!(
        body(&world.handle(after(99), &list()))["meta"]["totalCount"],
        0
    );
    assert_eq!(
        body(&world.handle(after(100), &list()))["meta"]["totalCount"],
        1
    );
    world.advance(after(3 * 3600 + 99));
    assert!(is_new(&world));
    world.advance(after(3 * 3600 + 100));
    assert_eq!(at(&world).1, Status::Cancelled);
}
