//! Commands of a running sandbox.

use qabyl_sandbox::{Method, Request, State, Status, Wire, World};
use serde_json::json;

use super::{CODE, ID, ORDERS, TOKEN, accept, after, at, body, is_new, list, title, world};

fn tell(world: &mut World, seconds: u64, commands: &str) {
    world.carry_out_commands(commands, after(seconds)).unwrap();
}

fn read(world: &mut World, seconds: u64) -> qabyl_sandbox::Reply {
    world.handle(
        after(seconds),
        &Request::get(&format!("{ORDERS}/{ID}"), TOKEN),
    )
}

#[test]
fn a_hidden_limit_lets_a_burst_of_a_second_pass() {
    for (over, seen) in [("", Some(429)), (":silent", None)] {
        let mut world = world();
        tell(&mut world, 0, &format!("limit 3{over}"));
        let mut answers = |seconds, times| {
            let replies = (0..times).map(|_| world.handle(after(seconds), &list()).seen_status());
            replies.collect::<Vec<_>>()
        };
        assert_eq!(answers(10, 4), [Some(200), Some(200), Some(200), seen]);
        assert_eq!(answers(11, 4), [Some(200), Some(200), Some(200), seen]);
        tell(&mut world, 11, "in 10s limit 1");
        assert_eq!(world.handle(after(21), &list()).seen_status(), Some(200));
        assert_eq!(world.handle(after(21), &accept()).seen_status(), Some(429));
        assert!(is_new(&world), "a refused write has no effect");
        tell(&mut world, 21, "limit off");
        assert!((0..50).all(|_| world.handle(after(21), &list()).seen_status() == Some(200)));
    }
    let mut world = world();
    tell(&mut world, 0, "limit 1\nretry-after 0s");
    world.handle(after(1), &list());
    let refused = world.handle(after(1), &list());
    assert!(
        refused
            .headers
            .iter()
            .all(|(name, _)| name != "Retry-After")
    );
}

#[test]
fn a_reading_may_lag_behind_or_leave_orders_out() {
    let mut world = world();
    tell(&mut world, 0, "behind 30s");
    assert_eq!(world.handle(after(100), &accept()).status, 200);
    let status = |world: &mut World, seconds| {
        body(&read(world, seconds))["data"]["attributes"]["status"].clone()
    };
    assert_eq!(status(&mut world, 120), "APPROVED_BY_BANK");
    assert_eq!(status(&mut world, 130), "ACCEPTED_BY_MERCHANT");
    let refused = world.handle(after(131), &accept());
    assert_eq!(
        title(&refused),
        "The current order status does not allow this action"
    );
    tell(&mut world, 131, "behind 0s\nforgetful 0.5");
    let seen = (0..200).filter(|_| read(&mut world, 131).status == 200);
    let seen = seen.count();
    assert!((60..140).contains(&seen), "{seen}");
    tell(&mut world, 131, "forgetful 0\nforget all");
    assert_eq!(read(&mut world, 132).status, 404);
    tell(&mut world, 132, &format!("recall {CODE}"));
    assert_eq!(read(&mut world, 132).status, 200);
}

#[test]
fn fields_are_shown_as_they_are_set() {
    let mut world = world();
    tell(
        &mut world,
        1,
        &format!(
            "set order {CODE} {{\"attributes\":{{\"totalPrice\":null,\"kaspiDelivery\":{{\"express\":\"yes\"}}}}}}\n\
             set order {CODE} /attributes/creationDate \"soon\"\n\
             unset order {CODE} /attributes/state\n\
             set entry {CODE} 0 /attributes/quantity 3.5"
        ),
    );
    let shown = body(&read(&mut world, 2))["data"]["attributes"].clone();
    assert!(shown["totalPrice"].is_null() && shown.get("totalPrice").is_some());
    assert_eq!(shown["kaspiDelivery"]["express"], "yes");
    assert!(
        shown["kaspiDelivery"].get("waybill").is_some(),
        "what is not named stays"
    );
    assert_eq!(shown["creationDate"], "soon");
    assert!(shown.get("state").is_none());
    let entries = Request::get(&format!("{ORDERS}/{ID}/entries"), TOKEN);
    let shown = body(&world.handle(after(2), &entries));
    assert_eq!(shown["data"][0]["attributes"]["quantity"], json!(3.5));
    tell(&mut world, 3, &format!("set entries {CODE} []"));
    assert_eq!(body(&world.handle(after(3), &entries))["data"], json!([]));
    tell(&mut world, 4, &format!("reset {CODE}"));
    let shown = body(&read(&mut world, 4))["data"]["attributes"].clone();
    assert_eq!(shown["totalPrice"].as_f64(), Some(3000.0));
}

#[test]
fn orders_change_as_people_change_them() {
    let mut world = world();
    tell(
        &mut world,
        1,
        &format!("accept {CODE}\nunits {CODE} A=1\nunits {CODE} B=0"),
    );
    let entries = Request::get(&format!("{ORDERS}/{ID}/entries"), TOKEN);
    let shown = body(&world.handle(after(2), &entries));
    assert_eq!(shown["data"].as_array().unwrap().len(), 1);
    assert_eq!(shown["data"][0]["attributes"]["quantity"], 1);
    let shown = body(&read(&mut world, 2))["data"]["attributes"].clone();
    assert_eq!(shown["totalPrice"].as_f64(), Some(1000.0));
    tell(&mut world, 3, &format!("move {CODE} 10000001_PP2"));
    let shown = body(&read(&mut world, 3))["data"]["attributes"].clone();
    assert_eq!(shown["pickupPointId"], "10000001_PP2");
    tell(&mut world, 4, &format!("reopen {CODE}"));
    assert!(is_new(&world));
    tell(&mut world, 5, &format!("state {CODE} PICKUP SUSPENDED"));
    assert_eq!(
        at(&world),
        (State::Pickup, Status::Other("SUSPENDED".to_owned()))
    );
    tell(&mut world, 6, "place 900000002 X=1,Y=2 10000001_PP3");
    assert_eq!(world.order("900000002").unwrap().lines().len(), 2);
    tell(&mut world, 7, "down");
    assert_eq!(read(&mut world, 7).wire, Wire::DropBefore);
}

#[test]
fn a_command_that_cannot_be_carried_out_is_refused_in_words() {
    let mut world = world();
    for (command, why) in [
        ("limit fast", "RATE"),
        ("explode", "no such command"),
        ("accept 1", "no such order"),
        (&format!("complete {CODE}"), "NEW APPROVED_BY_BANK"),
        (&format!("set order {CODE} nul"), "not JSON"),
        ("place 2 A", "SKU=UNITS"),
        ("behind soon", "such as 50ms"),
    ] {
        let error = world.carry_out_commands(command, after(1)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("`{command}`")) && error.contains(why),
            "{error}"
        );
    }
    assert_eq!(world.ledger().requests_total(), 0);
}

#[test]
fn a_list_may_need_a_state() {
    let mut world = world();
    assert_eq!(world.handle(after(1), &list()).status, 200);
    tell(&mut world, 1, "lists one-state");
    assert_eq!(world.handle(after(1), &list()).status, 400);
    let of_state = list().with_query("filter[orders][state]", "NEW");
    assert_eq!(of_state.method, Method::Get);
    assert_eq!(world.handle(after(1), &of_state).status, 200);
}
