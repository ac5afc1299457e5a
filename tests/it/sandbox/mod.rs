//! The sandbox judged by what its world holds and by its exact answers.

mod faults;
mod lists;
mod port;
mod seeded;
mod writes;

use std::time::Duration;

use jiff::Timestamp;
use qabyl::sandbox::{OrderSeed, Reply, Request, Settings, State, Status, World};
use serde_json::{Value, json};

pub(super) const TOKEN: &str = "sandbox-token";
pub(super) const ORDERS: &str = "/shop/api/v2/orders";
pub(super) const ID: &str = "OTAwMDAwMDAx";
pub(super) const CODE: &str = "900000001";

pub(super) fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

pub(super) fn after(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

pub(super) fn order() -> OrderSeed {
    OrderSeed::new(CODE, now()).line("A", 2).line("B", 1)
}

pub(super) fn world_with(settings: Settings, order: OrderSeed) -> World {
    let mut world = World::new(settings);
    assert!(world.place(order));
    world
}

pub(super) fn world() -> World {
    world_with(Settings::default(), order())
}

pub(super) fn get(world: &mut World, path: &str) -> Reply {
    world.handle(after(60), &Request::get(path, TOKEN))
}

pub(super) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

pub(super) fn title(reply: &Reply) -> String {
    body(reply)["errors"][0]["title"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(super) fn list() -> Request {
    Request::get(ORDERS, TOKEN)
        .with_query("page[number]", "0")
        .with_query("page[size]", "100")
        .with_query(
            "filter[orders][creationDate][$ge]",
            now().as_millisecond().to_string(),
        )
}

pub(super) fn write(status: &str) -> Request {
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

pub(super) fn accept() -> Request {
    write("ACCEPTED_BY_MERCHANT")
}

pub(super) fn cancel() -> Request {
    write("CANCELLED")
}

pub(super) fn at(world: &World) -> (State, Status) {
    let order = world.order(CODE).unwrap();
    (order.state.clone(), order.status.clone())
}

pub(super) fn is_new(world: &World) -> bool {
    at(world) == (State::New, Status::ApprovedByBank)
}
