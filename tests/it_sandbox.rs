//! The sandbox judged by what its world holds and by its exact answers.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use qabyl::sandbox::{
    Cause, DeliveryMode, EndpointKind, Fault, FaultParseError, FaultRate, Faults, Happening,
    IncludeSupport, LineSeed, ListOrder, Method, OfferForm, OrderSeed, Reply, Request, Script,
    Server, Settings, State, Status, SuccessForm, Wire, World, WriteKind, seed_orders, stock_csv,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TOKEN: &str = "sandbox-token";
const ORDERS: &str = "/shop/api/v2/orders";
const ID: &str = "OTAwMDAwMDAx";
const CODE: &str = "900000001";

fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

fn order() -> OrderSeed {
    OrderSeed::new(CODE, now()).line("A", 2).line("B", 1)
}

fn world_with(settings: Settings, order: OrderSeed) -> World {
    let mut world = World::new(settings);
    assert!(world.place(order));
    world
}

fn world() -> World {
    world_with(Settings::default(), order())
}

fn get(world: &mut World, path: &str) -> Reply {
    world.handle(after(60), &Request::get(path, TOKEN))
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn title(reply: &Reply) -> String {
    body(reply)["errors"][0]["title"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn list() -> Request {
    Request::get(ORDERS, TOKEN)
        .with_query("page[number]", "0")
        .with_query("page[size]", "100")
        .with_query(
            "filter[orders][creationDate][$ge]",
            now().as_millisecond().to_string(),
        )
}

fn write(status: &str) -> Request {
    let attributes = match status {
        "CANCELLED" => json!({"code": CODE, "status": status,
            "cancellationReason": "MERCHANT_OUT_OF_STOCK", "cancellationComment": "Нет в наличии"}),
        _ => json!({"code": CODE, "status": status}),
    };
    Request::post(
        ORDERS,
        TOKEN,
        &json!({"data": {"type": "orders", "id": ID, "attributes": attributes}}),
    )
}

fn accept() -> Request {
    write("ACCEPTED_BY_MERCHANT")
}

fn cancel() -> Request {
    write("CANCELLED")
}

fn at(world: &World) -> (State, Status) {
    let order = world.order(CODE).unwrap();
    (order.state.clone(), order.status.clone())
}

fn is_new(world: &World) -> bool {
    at(world) == (State::New, Status::ApprovedByBank)
}

#[test]
fn the_gate_wants_token_agent_and_content_type() {
    let mut world = world();
    let strip = |name: &str| {
        let mut request = list();
        request.headers.retain(|(header, _)| header != name);
        request
    };
    let unknown = world.handle(
        after(1),
        &Request {
            headers: Request::get("", "no").headers,
            ..list()
        },
    );
    assert_eq!((unknown.status, title(&unknown).is_empty()), (401, false));
    assert_eq!(world.handle(after(1), &strip("x-auth-token")).status, 401);
    assert_eq!(
        world.handle(after(1), &strip("user-agent")).wire,
        Wire::Hang
    );
    assert_eq!(world.handle(after(1), &strip("content-type")).status, 400);
    assert_eq!(world.handle(after(1), &list()).status, 200);
    world.set_tokens(["new"]);
    assert_eq!(world.handle(after(1), &list()).status, 401);
}

#[test]
fn a_list_demands_page_and_window() {
    let mut world = world();
    let mut without = |name: &str| {
        let mut request = list();
        request.query.retain(|(parameter, _)| parameter != name);
        world.handle(after(60), &request)
    };
    assert_eq!(without("page[number]").status, 400);
    assert_eq!(without("page[size]").status, 400);
    let dateless = without("filter[orders][creationDate][$ge]");
    assert_eq!(dateless.status, 400);
    assert_eq!(
        title(&dateless),
        "Required filter [orders][creationDate][$ge] is empty."
    );
    let size = |size: &str| {
        let mut request = list();
        request.query[1].1 = size.to_owned();
        request
    };
    for wrong in ["0", "101", "-1", "x"] {
        assert_eq!(world.handle(after(60), &size(wrong)).status, 400, "{wrong}");
    }
    let days = |days: i64| {
        let to = now().as_millisecond() + days * 24 * 3600 * 1000;
        list().with_query("filter[orders][creationDate][$le]", to.to_string())
    };
    assert_eq!(world.handle(after(60), &days(14)).status, 200);
    let mut wide = days(14);
    wide.query[2].1 = (now().as_millisecond() - 1).to_string();
    assert_eq!(world.handle(after(60), &wide).status, 400);
}

#[test]
fn filters_and_windows_choose() {
    let mut world = world();
    let total = |world: &mut World, name: &str, value: &str| {
        let reply = world.handle(after(60), &list().with_query(name, value));
        assert_eq!(reply.status, 200);
        body(&reply)["meta"]["totalCount"].as_u64().unwrap()
    };
    assert_eq!(total(&mut world, "filter[orders][state]", "NEW"), 1);
    assert_eq!(total(&mut world, "filter[orders][state]", "ARCHIVE"), 0);
    assert_eq!(total(&mut world, "filter[orders][state]", "NO_SUCH"), 0);
    assert_eq!(
        total(&mut world, "filter[orders][status]", "APPROVED_BY_BANK"),
        1
    );
    assert_eq!(
        total(&mut world, "filter[orders][signatureRequired]", "true"),
        0
    );
    let edge = now().as_millisecond();
    assert_eq!(
        total(
            &mut world,
            "filter[orders][creationDate][$le]",
            &edge.to_string()
        ),
        1
    );
    let mut later = list();
    later.query[2].1 = (edge + 1).to_string();
    assert_eq!(body(&world.handle(after(60), &later))["data"], json!([]));
    let by_code = |code: &str| Request::get(ORDERS, TOKEN).with_query("filter[orders][code]", code);
    let found = body(&world.handle(after(60), &by_code(CODE)));
    assert_eq!(
        (&found["data"][0]["id"], &found["meta"]["totalCount"]),
        (&json!(ID), &json!(1))
    );
    let unknown = world.handle(after(60), &by_code("1"));
    assert_eq!((unknown.status, &body(&unknown)["data"]), (200, &json!([])));
    assert_eq!(world.ledger().requests_of(EndpointKind::ByCode), 2);
}

#[test]
fn accepting_shifts_the_pages_of_a_filtered_list() {
    let mut world = World::new(Settings {
        list_order: ListOrder::CreatedAsc,
        ..Settings::default()
    });
    for number in 1..=5_u64 {
        world.place(OrderSeed::new(&format!("90000000{number}"), after(number)).line("A", 1));
    }
    let page = |world: &mut World, number: &str| {
        let mut request = list().with_query("filter[orders][state]", "NEW");
        request.query[0].1 = number.to_owned();
        request.query[1].1 = "2".to_owned();
        let reply = body(&world.handle(after(60), &request));
        let codes: Vec<_> = reply["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["attributes"]["code"].clone())
            .collect();
        (codes, reply["meta"].clone())
    };
    let first = page(&mut world, "0");
    assert_eq!(
        first,
        (
            vec![json!("900000001"), json!("900000002")],
            json!({"pageCount": 3, "totalCount": 5})
        )
    );
    assert_eq!(world.handle(after(60), &accept()).status, 200);
    let second = page(&mut world, "1");
    assert_eq!(
        second,
        (
            vec![json!("900000004"), json!("900000005")],
            json!({"pageCount": 2, "totalCount": 4})
        )
    );
    assert_eq!(page(&mut world, "9").0, Vec::<Value>::new());
}

#[test]
fn single_reads_know_ids_only() {
    let mut world = world();
    assert_eq!(
        body(&get(&mut world, &format!("{ORDERS}/{ID}")))["data"]["attributes"]["code"],
        CODE
    );
    assert_eq!(get(&mut world, &format!("{ORDERS}/{CODE}")).status, 404);
    assert_eq!(get(&mut world, "/shop/api/v2/orders/bm8=").status, 404);
    assert_eq!(get(&mut world, "/v2/orders").status, 404);
    let entries = body(&get(&mut world, &format!("{ORDERS}/{ID}/entries")));
    assert_eq!(entries["data"][0]["id"], "OTAwMDAwMDAxIyMw");
    assert_eq!(entries["data"][0]["attributes"]["offer"]["code"], "A");
    assert_eq!(entries["data"][0]["attributes"]["quantity"], 2);
    assert_eq!(
        entries["data"][0]["attributes"]["totalPrice"].as_f64(),
        Some(2000.0)
    );
    assert_eq!(entries["data"].as_array().unwrap().len(), 2);
    let product = body(&get(
        &mut world,
        "/shop/api/v2/orderentries/OTAwMDAwMDAxIyMw/product",
    ));
    let code = product["data"]["attributes"]["code"].as_str().unwrap();
    assert_ne!(code, "A", "Kaspi's code of the card is not the SKU");
    assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
}

#[test]
fn a_line_without_an_offer_is_found_by_its_master_product() {
    let line = |sku: &str, offer| LineSeed {
        offer,
        ..LineSeed::new(sku, 1)
    };
    let seed = OrderSeed::new(CODE, now())
        .with_line(line("OLD", OfferForm::Old))
        .with_line(line("LOST", OfferForm::Unlinked));
    let mut world = world_with(Settings::default(), seed);
    let entries = body(&get(&mut world, &format!("{ORDERS}/{ID}/entries")));
    let merchant_product = |world: &mut World, line: usize| {
        assert_eq!(entries["data"][line]["attributes"].get("offer"), None);
        let id = entries["data"][line]["relationships"]["product"]["data"]["id"]
            .as_str()
            .unwrap();
        body(&get(
            world,
            &format!("/shop/api/v2/masterproducts/{id}/merchantProduct"),
        ))["data"]
            .clone()
    };
    assert_eq!(merchant_product(&mut world, 0)["attributes"]["code"], "OLD");
    assert_eq!(merchant_product(&mut world, 1), Value::Null);
}

#[test]
fn entries_are_included_as_far_as_supported() {
    let included = |include_support| {
        let mut world = World::new(Settings {
            include_support,
            ..Settings::default()
        });
        for number in 0..30 {
            world.place(OrderSeed::new(&(900_000_001 + number).to_string(), now()).line("A", 1));
        }
        let reply =
            body(&world.handle(after(60), &list().with_query("include[orders]", "entries")));
        assert_eq!(reply["data"].as_array().unwrap().len(), 30);
        reply["included"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["attributes"]["offer"]["code"] == "A")
            .count()
    };
    assert_eq!(included(IncludeSupport::Yes), 30);
    assert_eq!(included(IncludeSupport::Ignored), 0);
    assert!((5..=28).contains(&included(IncludeSupport::Partial)));
}

#[test]
fn an_accept_goes_where_the_delivery_says() {
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
fn repeats_and_flips_are_refused_and_remembered() {
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
fn a_malformed_write_does_nothing() {
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
fn success_has_three_forms_and_may_mean_nothing() {
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
fn the_deadline_cancels_what_nobody_decided() {
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
fn others_act_too() {
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
    world.at(after(30), Happening::BuyerCancels(CODE.to_owned()));
    world.at(after(40), Happening::CabinetAccepts(CODE.to_owned()));
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
fn a_late_approval_is_invisible_until_then() {
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

#[test]
fn a_waybill_is_signed_anew_at_every_read() {
    let mut world = world();
    world.handle(after(1), &accept());
    let waybill = |world: &mut World| {
        let shown = body(&get(world, &format!("{ORDERS}/{ID}")));
        shown["data"]["attributes"]["kaspiDelivery"]["waybill"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (waybill(&mut world), waybill(&mut world));
    assert_ne!(first, second);
    assert_eq!(first.split('?').next(), second.split('?').next());
}

#[test]
fn scripted_faults_do_what_they_say() {
    // fault, status, wire, whether the order is accepted at once
    let cases = [
        (Fault::DropBefore, 0, Wire::DropBefore, false),
        (Fault::DropAfter, 200, Wire::DropAfter, true),
        (Fault::Hang, 0, Wire::Hang, false),
        (Fault::Http403, 403, Wire::Whole, false),
        (Fault::Http429, 429, Wire::Whole, false),
        (Fault::Http500, 500, Wire::Whole, false),
        (Fault::Http500After, 500, Wire::Whole, true),
        (Fault::Http502Html, 502, Wire::Whole, false),
        (Fault::Http503, 503, Wire::Whole, false),
        (Fault::Html200, 200, Wire::Whole, false),
        (Fault::Truncated, 200, Wire::Truncate, true),
        (Fault::NoEffect, 200, Wire::Whole, false),
        (Fault::Slow, 200, Wire::Whole, true),
    ];
    for (fault, status, wire, accepted) in cases {
        let mut world = world();
        world.script(Script::once(fault).on(Method::Post).order(CODE));
        assert_eq!(world.handle(after(1), &list()).status, 200);
        let reply = world.handle(after(1), &accept());
        assert_eq!(
            (reply.status, reply.wire, !is_new(&world)),
            (status, wire, accepted),
            "{fault}"
        );
        assert_eq!(world.scripts_left(), 0);
        assert_eq!(world.ledger().requests()[1].fault, Some(fault));
        assert_eq!(reply.delay.is_zero(), fault != Fault::Slow);
        assert_eq!(world.handle(after(2), &list()).status, 200);
        assert_eq!(world.ledger().posts_for(CODE)[0].had_effect, accepted);
    }
}

#[test]
fn a_late_effect_comes_later_and_only_if_it_still_may() {
    let mut world = world();
    world.script(Script::once(Fault::LateEffect));
    let reply = world.handle(after(10), &accept());
    assert!(reply.wire == Wire::Hang || reply.status == 200);
    world.advance(after(39));
    assert!(is_new(&world));
    world.advance(after(40));
    assert_eq!(at(&world).1, Status::AcceptedByMerchant);
    let effect = &world.ledger().effects()[0];
    assert_eq!(
        (effect.cause, effect.request, effect.at),
        (Cause::Late, Some(1), after(40))
    );
    assert!(world.ledger().posts_for(CODE)[0].had_effect);

    let mut world = self::world();
    world.script(Script::once(Fault::LateEffect));
    world.handle(after(10), &accept());
    assert!(world.buyer_cancels(CODE, after(20)));
    world.advance(after(60));
    assert_eq!(at(&world).1, Status::Cancelled);
    assert_eq!(world.ledger().effects().len(), 1);
}

#[test]
fn rates_are_read_with_care() {
    let rate: FaultRate = "post:drop_after=0.1".parse().unwrap();
    assert_eq!(
        (rate.fault, rate.probability.to_string().as_str()),
        (Fault::DropAfter, "0.1")
    );
    let error = "drop_aftr=0.1".parse::<FaultRate>().unwrap_err();
    assert!(error.to_string().contains("`drop_after`"), "{error}");
    assert_eq!(
        "get:no_effect=1".parse::<FaultRate>(),
        Err(FaultParseError::WritesOnly("no_effect"))
    );
    assert!("hang=1.5".parse::<FaultRate>().is_err());
    assert!("put:hang=1".parse::<FaultRate>().is_err());
    assert!("hang".parse::<FaultRate>().is_err());

    let mut world = world();
    world.set_faults("get:http_500=1, post:no_effect=1".parse().unwrap());
    assert_eq!(world.handle(after(1), &list()).status, 500);
    assert_eq!(world.handle(after(1), &accept()).status, 200);
    assert!(is_new(&world));
    world.set_faults("no_effect=1".parse().unwrap());
    assert_eq!(
        world.handle(after(1), &list()).status,
        200,
        "reads have no effect to lose"
    );
    world.set_faults(Faults::default());
    world.set_down(true);
    assert_eq!(world.handle(after(1), &list()).wire, Wire::DropBefore);
}

#[test]
fn a_429_names_its_wait_in_seconds_or_as_a_date() {
    let mut world = world();
    world.script(Script::once(Fault::Http429).times(20));
    let mut seen: Vec<String> = (0..20)
        .map(|_| world.handle(now(), &list()).headers)
        .filter_map(|headers| headers.into_iter().find(|(name, _)| name == "Retry-After"))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(seen.len(), 20);
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["2", "Mon, 02 Mar 2026 12:00:02 GMT"]);
    assert_eq!(world.handle(now(), &list()).status, 200);
}

#[test]
fn a_scattered_list_of_thousands_is_whole() {
    let mut world = World::new(Settings {
        list_order: ListOrder::Scattered,
        ..Settings::default()
    });
    for order in seed_orders(1, 3_000, now()).orders {
        world.place(order);
    }
    let mut codes = std::collections::BTreeSet::new();
    for page in 0..30 {
        let mut request = list().with_query(
            "filter[orders][creationDate][$le]",
            now().as_millisecond().to_string(),
        );
        request.query[0].1 = page.to_string();
        request.query[2].1 = (now().as_millisecond() - 7_200_000).to_string();
        let reply = body(&world.handle(now(), &request));
        assert_eq!(reply["meta"], json!({"pageCount": 30, "totalCount": 3_000}));
        for order in reply["data"].as_array().unwrap() {
            codes.insert(order["attributes"]["code"].to_string());
        }
    }
    assert_eq!(codes.len(), 3_000);
}

#[test]
fn extreme_parameters_are_answered() {
    let mut world = world();
    let extreme = [i64::MIN, -1, 0, i64::MAX].map(|number| number.to_string());
    for from in &extreme {
        for to in &extreme {
            let mut request = list().with_query("filter[orders][creationDate][$le]", to.clone());
            request.query[0].1 = usize::MAX.to_string();
            request.query[2].1.clone_from(from);
            let status = world.handle(after(60), &request).status;
            assert!(status == 200 || status == 400, "{from}..{to}: {status}");
        }
    }
}

#[test]
fn the_same_seed_replays_to_the_byte() {
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
fn the_seeded_shop_covers_every_kind() {
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
fn the_canary_sits_in_all_personal_data() {
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

async fn exchange(server: &Server, sent: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8(received).unwrap()
}

fn serve(settings: Settings) -> Server {
    Server::start(
        ([127, 0, 0, 1], 0).into(),
        world_with(settings, order()),
        Arc::new(|| after(60)),
    )
    .unwrap()
}

fn raw(line: &str, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\nX-Auth-Token: {TOKEN}\r\n\
         Content-Type: application/vnd.api+json\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn the_port_speaks_http() {
    let server = serve(Settings::default());
    let query = format!(
        "page%5Bnumber%5D=0&page%5Bsize%5D=10&filter%5Borders%5D%5BcreationDate%5D%5B%24ge%5D={}",
        now().as_millisecond()
    );
    // Two requests on one connection, the second asking to close.
    let list = raw(&format!("GET {ORDERS}?{query}"), "");
    let sent = accept().body;
    let sent = String::from_utf8(sent).unwrap();
    let post = raw(
        &format!("POST {ORDERS}"),
        &format!("Connection: close\r\nContent-Length: {}\r\n", sent.len()),
    );
    let received = exchange(&server, &format!("{list}{post}{sent}")).await;
    assert_eq!(
        received.matches("HTTP/1.1 200 OK\r\n").count(),
        2,
        "{received}"
    );
    assert!(
        received.contains("Date: Mon, 02 Mar 2026 12:01:00 GMT\r\n"),
        "{received}"
    );
    assert!(received.contains("\"totalCount\":1"));
    assert_eq!(at(&server.world()).1, Status::AcceptedByMerchant);
    assert_eq!(server.world().ledger().requests_total(), 2);
    let bad = exchange(&server, "PUT / HTTP/1.1\r\n\r\n").await;
    assert!(bad.starts_with("HTTP/1.1 405 "), "{bad}");
    server.shutdown().await;
}

#[tokio::test]
async fn the_port_misbehaves_on_demand() {
    let server = serve(Settings::default());
    let one = raw(&format!("GET {ORDERS}/{ID}"), "");
    server.world().script(Script::once(Fault::Truncated));
    let cut = exchange(&server, &one).await;
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .unwrap();
    assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2);
    server
        .world()
        .script(Script::once(Fault::DropAfter).path("/orders/"));
    assert_eq!(exchange(&server, &one).await, "");
    server.world().script(Script::once(Fault::Hang));
    let hung = tokio::time::timeout(Duration::from_millis(100), exchange(&server, &one)).await;
    assert!(hung.is_err());
    server.shutdown().await;
}

#[tokio::test]
async fn many_connections_wait_side_by_side() {
    let server = serve(Settings {
        latency: Duration::from_millis(200),
        ..Settings::default()
    });
    let one = raw(&format!("GET {ORDERS}/{ID}"), "Connection: close\r\n");
    let started = std::time::Instant::now();
    let all = futures_util::future::join_all((0..100).map(|_| exchange(&server, &one))).await;
    assert!(all.iter().all(|reply| reply.starts_with("HTTP/1.1 200 OK")));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        server.world().ledger().requests_of(EndpointKind::Order),
        100
    );
    let addr = server.addr();
    drop(server);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(addr).await.is_err());
}
