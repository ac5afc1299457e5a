//! Faults, scripted and random.

use qabyl_sandbox::{
    Cause, Fault, FaultParseError, FaultRate, Faults, ListOrder, Method, Script, Settings, Status,
    Wire, World, seed_orders,
};
use serde_json::json;

use super::{CODE, ID, ORDERS, accept, after, at, body, get, is_new, list, now, world};

#[test]
fn a_waybill_has_a_new_signature_in_every_read() {
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
fn scripted_faults_behave_as_named() {
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
fn a_late_effect_happens_only_if_still_allowed() {
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
fn invalid_rates_are_refused() {
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
fn a_429_gives_retry_after_in_seconds_or_as_a_date() {
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
fn a_shuffled_list_of_thousands_is_complete() {
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
