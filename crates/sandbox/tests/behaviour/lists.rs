//! Lists, single reads, entries.

use qabyl_sandbox::{
    EndpointKind, IncludeSupport, LineSeed, ListOrder, OfferForm, OrderSeed, Request, Settings,
    Wire, World,
};
use serde_json::{Value, json};

use super::{
    CODE, ID, ORDERS, TOKEN, accept, after, body, get, list, now, title, world, world_with,
};

#[test]
fn requests_need_token_user_agent_and_content_type() {
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
fn a_list_needs_page_and_window() {
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
fn filters_and_windows_select_orders() {
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
fn single_reads_take_ids_not_codes() {
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
fn entries_are_included_as_the_settings_say() {
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
