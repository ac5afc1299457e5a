//! The sandbox, tested by its world's state and its exact answers.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop at once, and may measure"
)]

mod bot_api;
mod commands;
mod faults;
mod lists;
mod port;
mod seeded;
mod writes;

use std::time::Duration;

use jiff::Timestamp;
use qabyl_sandbox::{OrderSeed, Reply, Request, Settings, State, Status, World};
use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "sandbox-token";
pub(crate) const ORDERS: &str = "/shop/api/v2/orders";
pub(crate) const ID: &str = "OTAwMDAwMDAx";
pub(crate) const CODE: &str = "900000001";

pub(crate) fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

pub(crate) fn after(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

pub(crate) fn order() -> OrderSeed {
    OrderSeed::new(CODE, now()).line("A", 2).line("B", 1)
}

pub(crate) fn world_with(settings: Settings, order: OrderSeed) -> World {
    let mut world = World::new(settings);
    assert!(world.place(order));
    world
}

pub(crate) fn world() -> World {
    world_with(Settings::default(), order())
}

pub(crate) fn get(world: &mut World, path: &str) -> Reply {
    world.handle(after(60), &Request::get(path, TOKEN))
}

pub(crate) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

pub(crate) fn title(reply: &Reply) -> String {
    body(reply)["errors"][0]["title"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn list() -> Request {
    Request::get(ORDERS, TOKEN)
        .with_query("page[number]", "0")
        .with_query("page[size]", "100")
        .with_query(
            "filter[orders][creationDate][$ge]",
            now().as_millisecond().to_string(),
        )
}

pub(crate) fn write(status: &str) -> Request {
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

pub(crate) fn accept() -> Request {
    write("ACCEPTED_BY_MERCHANT")
}

pub(crate) fn cancel() -> Request {
    write("CANCELLED")
}

pub(crate) fn at(world: &World) -> (State, Status) {
    let order = world.order(CODE).unwrap();
    (order.state.clone(), order.status.clone())
}

pub(crate) fn is_new(world: &World) -> bool {
    at(world) == (State::New, Status::ApprovedByBank)
}
