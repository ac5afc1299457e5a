//! Held orders decided by a program: once, by its role, about the version it saw.

use serde_json::json;

use super::{Api, Ask, Said};
use crate::migrations::look_into;

const CODE: &str = "900000401";

/// Accepts, and overrides the interlocks that object by name.
async fn accept(api: &Api, code: &str, (token, key): (&str, &str)) -> (Said, String) {
    let path = format!("orders/{code}/accept");
    let refused = api.ask(&Ask::post(&path, token, "")).await;
    let names = refused.body["interlocks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names: Vec<_> = names.iter().map(|o| o["interlock"].clone()).collect();
    let body = json!({ "override": names }).to_string();
    let ask = Ask::post(&path, token, &body).header("Idempotency-Key", key);
    (api.ask(&ask).await, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_order_is_accepted_once_also_when_the_request_is_repeated() {
    let mut api = Api::start("").await;
    let token = api.token("crm", "operator").await;
    api.held(CODE).await;
    let listed = api
        .ask(&Ask::get("orders?state=held", &token))
        .await
        .is(200);
    assert_eq!(listed.body["orders"][0]["code"], CODE);
    assert_eq!(listed.body["next"], json!(null));
    // An interlock objects, and is named: nothing was sent.
    let plain = Ask::post(&format!("orders/{CODE}/accept"), &token, "");
    let refused = api.ask(&plain).await.is(409);
    assert_eq!(refused.problem(), "interlock");
    assert!(
        refused.body.to_string().contains("unknown_stock"),
        "{}",
        refused.body
    );
    assert_eq!(api.desk.posts(CODE), 0);
    let (taken, body) = accept(&api, CODE, (&token, "press-1")).await;
    let taken = taken.is(200);
    assert_eq!(taken.body["decision"], "accept");
    api.accepted(CODE).await;
    let again = Ask::post(&format!("orders/{CODE}/accept"), &token, &body)
        .header("Idempotency-Key", "press-1");
    let repeated = api.ask(&again).await.is(200);
    assert_eq!(repeated.body, taken.body);
    // The same key with another body, or another path, is another request.
    for other in [
        Ask::post(&format!("orders/{CODE}/accept"), &token, "{}"),
        Ask::post(&format!("orders/{CODE}/hold"), &token, &body),
    ] {
        let said = api
            .ask(&other.header("Idempotency-Key", "press-1"))
            .await
            .is(422);
        assert_eq!(said.problem(), "key-used");
    }
    api.kill();
    api.run().await;
    assert_eq!(api.ask(&again).await.is(200).body, taken.body);
    // Without the key it is a new request, and the order is no longer one to accept.
    assert_eq!(api.ask(&plain).await.is(409).problem(), "state");
    assert_eq!(api.desk.posts(CODE), 1);
    let audit = ["audit", "--order", CODE, "--format", "json"];
    let audit = api.desk.qabyl(&audit).await.ok().out;
    for who in ["\"actor\":\"token:crm\"", "operator in", "from 127.0.0.1"] {
        let who = who.replace("operator in", "operator");
        assert!(audit.contains(&who), "{who}: {audit}");
    }
    assert!(!audit.contains(token.rsplit('_').next().unwrap()));
    api.stop();
}

/// Killed at any moment after the answer, the accept is not lost and not doubled.
#[tokio::test(flavor = "multi_thread")]
async fn an_accept_that_was_answered_survives_a_kill() {
    let mut api = Api::start("").await;
    let token = api.token("crm", "operator").await;
    api.held(CODE).await;
    let (taken, body) = accept(&api, CODE, (&token, "k")).await;
    taken.is(200);
    api.kill();
    api.run().await;
    let again =
        Ask::post(&format!("orders/{CODE}/accept"), &token, &body).header("Idempotency-Key", "k");
    api.ask(&again).await.is(200);
    api.accepted(CODE).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(api.desk.posts(CODE), 1);
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_at_the_api_what_it_allows_and_nothing_else() {
    let api = Api::start("").await;
    let statuses = |role: &str, verb: &str| match (role, verb) {
        ("admin", _) | ("operator", "accept" | "hold" | "release") => 200,
        _ => 403,
    };
    let mut number = 0;
    for role in ["viewer", "operator", "admin", "stock"] {
        let token = api.token(role, role).await;
        for verb in ["hold", "release", "accept", "cancel"] {
            number += 1;
            let code = format!("90000042{number:02}");
            api.held(&code).await;
            if verb == "release" {
                api.desk.qabyl(&["hold", &code]).await.ok();
            }
            let expected = statuses(role, verb);
            let of = format!("{role} {verb}");
            let path = format!("orders/{code}/{verb}");
            let body = match verb {
                "accept" | "cancel" => {
                    let all = json!([
                        "unknown_stock",
                        "accepted_orders_fresh",
                        "cancel_evidence",
                        "shortage_certain",
                        "shortage_confirmed",
                        "stock_available"
                    ]);
                    let mut body = json!({ "override": all });
                    if verb == "cancel" {
                        body["reason"] = json!("BUYER_NOT_REACHABLE");
                    }
                    body.to_string()
                }
                _ => "{}".to_owned(),
            };
            let key = format!("key-{number}");
            let ask = Ask::post(&path, &token, &body).header("Idempotency-Key", &key);
            let said = api.ask(&ask).await;
            assert_eq!(said.status, expected, "{of}: {}", said.body);
            if expected == 403 {
                // It left no key: with a token of the same name that may, the same key is a new request.
                let mut inside = look_into(&api.desk.path("qabyl.db")).await;
                let keys: i64 =
                    sqlx::query_scalar("SELECT COUNT(*) FROM manual_keys WHERE key = ?")
                        .bind(&key)
                        .fetch_one(&mut inside)
                        .await
                        .unwrap();
                assert_eq!(keys, 0, "{of}");
                assert_eq!(api.desk.posts(&code), 0, "{of}");
            }
        }
        let reads = if role == "stock" { 403 } else { 200 };
        for path in ["orders", "orders?state=held", "stock", "summary"] {
            api.ask(&Ask::get(path, &token)).await.is(reads);
        }
    }
    api.stop();
}

/// What a reading of the other shop would store.
const OF_ANOTHER_SHOP: &str = "
INSERT INTO orders (shop, id, code, state, status, created_at, body, first_seen_at, seen_at)
SELECT 'second', 'b3RoZXI', '900000499', state, status, created_at,
  json_set(body, '$.code', '900000499', '$.id', 'b3RoZXI'), first_seen_at, seen_at FROM orders WHERE code = '900000401'";

/// Another shop's order is not there, not forbidden: its numbers are its own.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_another_shop_is_not_found() {
    let second = "[[shops]]\nname = \"second\"\ntoken_file = \"token2\"\nmode = \"act\"\n";
    let api = Api::start(second).await;
    let own = api.token_for("own", "admin", &["--shop", "main"]).await;
    let other = api.token_for("other", "admin", &["--shop", "second"]).await;
    let all = api.token("all", "viewer").await;
    api.held(CODE).await;
    let mut inside = look_into(&api.desk.path("qabyl.db")).await;
    sqlx::query(OF_ANOTHER_SHOP)
        .execute(&mut inside)
        .await
        .unwrap();
    for (token, visible) in [
        (&own, [true, false]),
        (&other, [false, true]),
        (&all, [true, true]),
    ] {
        let listed = api.ask(&Ask::get("orders", token)).await.is(200);
        for (code, is_visible) in [CODE, "900000499"].into_iter().zip(visible) {
            let status = if is_visible { 200 } else { 404 };
            api.ask(&Ask::get(&format!("orders/{code}"), token))
                .await
                .is(status);
            assert_eq!(
                listed.body.to_string().contains(code),
                is_visible,
                "{}",
                listed.body
            );
            if !is_visible {
                for verb in ["accept", "hold"] {
                    let path = format!("orders/{code}/{verb}");
                    api.ask(&Ask::post(&path, token, "{}")).await.is(404);
                }
            }
        }
        let summary = api.ask(&Ask::get("summary", token)).await.is(200);
        let shops = summary.body["shops"].as_array().unwrap().len();
        assert_eq!(shops, visible.iter().filter(|visible| **visible).count());
    }
    assert_eq!(api.desk.posts(CODE), 0);
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_version_is_refused_and_the_present_one_is_taken() {
    let api = Api::start("").await;
    let token = api.token("crm", "operator").await;
    api.held(CODE).await;
    let path = format!("orders/{CODE}");
    let shown = api.ask(&Ask::get(&path, &token)).await.is(200);
    let version = shown.header("etag").unwrap().to_owned();
    assert_eq!(
        version,
        format!("\"{}\"", shown.body["version"].as_str().unwrap())
    );
    let hold = |version: &str| {
        Ask::post(&format!("{path}/hold"), &token, "{}").header("If-Match", version)
    };
    let stale = api.ask(&hold("\"12345678\"")).await.is(412);
    assert!(
        stale.body["detail"]
            .as_str()
            .unwrap()
            .contains("has changed"),
        "{}",
        stale.body
    );
    assert_eq!(
        api.ask(&Ask::get(&path, &token)).await.body["held"],
        json!(null)
    );
    api.ask(&hold(&version)).await.is(200);
    let held = api.ask(&Ask::get(&path, &token)).await.is(200);
    assert_eq!(held.body["held"]["by"], "token:crm");
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_sent_an_accept_is_refused_and_the_mode_is_named() {
    let api = Api::start_in("propose", "", "").await;
    let token = api.token("crm", "admin").await;
    api.held(CODE).await;
    let said = api
        .ask(&Ask::post(&format!("orders/{CODE}/accept"), &token, "{}"))
        .await
        .is(409);
    assert_eq!(said.problem(), "sends-nothing");
    let detail = said.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("propose") && detail.contains("act"),
        "{detail}"
    );
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_by_programs_are_limited_too() {
    let api = Api::start("").await;
    let config = std::fs::read_to_string(api.desk.path("qabyl.toml")).unwrap();
    let config = config.replace(
        "[interlocks]\n",
        "[interlocks]\ncancels_per_person_max = 1\n",
    );
    api.desk.write("qabyl.toml", &config);
    let mut api = api;
    api.kill();
    api.run().await;
    let token = api.token("crm", "admin").await;
    let body = json!({ "reason": "BUYER_NOT_REACHABLE", "override": ["unknown_stock", "cancel_evidence"] });
    for (code, status) in [("900000461", 200), ("900000462", 429)] {
        api.held(code).await;
        let said = api
            .ask(&Ask::post(
                &format!("orders/{code}/cancel"),
                &token,
                &body.to_string(),
            ))
            .await;
        assert_eq!(said.status, status, "{}", said.body);
    }
    api.stop();
}

/// A list goes on where the page before ended, and leaves none out.
#[tokio::test(flavor = "multi_thread")]
async fn held_orders_come_in_pages() {
    let api = Api::start("").await;
    let token = api.token("crm", "viewer").await;
    let codes: Vec<String> = (0..5).map(|n| format!("90000047{n}")).collect();
    for code in &codes[..4] {
        api.desk.place(code, "NOWHERE", 1);
    }
    for code in &codes[4..] {
        api.held(code).await;
    }
    for state in ["held", "NEW"] {
        let mut seen = Vec::new();
        let mut path = format!("orders?state={state}&limit=2");
        loop {
            let page = api.ask(&Ask::get(&path, &token)).await.is(200);
            let orders = page.body["orders"].as_array().unwrap();
            assert!(orders.len() <= 2);
            seen.extend(
                orders
                    .iter()
                    .map(|order| order["code"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page.body["next"].as_str() else {
                break;
            };
            path = format!("orders?state={state}&limit=2&cursor={next}");
        }
        seen.sort();
        assert_eq!(seen, codes, "{state}");
    }
    api.stop();
}
