//! Levels that a program pushes: read as a file of the same content is, and orders are decided from them.

use serde_json::json;

use super::{Api, Ask};

const SHELF: &str = "[[stock.sources]]\nname = \"shelf\"\nkind = \"push\"\n";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn pushed_levels_accept_an_order_and_only_stock_and_admin_push() {
    let api = Api::start(SHELF).await;
    let stock = api.token("1c", "stock").await;
    let operator = api.token("crm", "operator").await;
    let levels =
        json!({ "levels": [{ "sku": "A", "on_hand": 5 }, { "sku": "B", "on_hand": null }] });
    let body = levels.to_string();
    let refused = api
        .ask(&Ask::put("stock/shelf", &operator, JSON, &body))
        .await
        .is(403);
    assert_eq!(refused.problem(), "forbidden");
    api.ask(&Ask::put("stock/nowhere", &stock, JSON, &body))
        .await
        .is(404);
    let listed = api.ask(&Ask::get("stock", &operator)).await.is(200);
    assert_eq!(listed.body["levels"], json!([]), "nothing was taken");
    let taken = api
        .ask(&Ask::put("stock/shelf", &stock, JSON, &body))
        .await
        .is(200);
    assert_eq!(taken.body["rows"], 2);
    let listed = api.ask(&Ask::get("stock", &operator)).await.is(200);
    let levels = listed.body["levels"].as_array().unwrap();
    assert_eq!(
        (&levels[0]["sku"], &levels[0]["on_hand"]),
        (&json!("A"), &json!(5))
    );
    assert_eq!(
        (&levels[1]["sku"], &levels[1]["on_hand"]),
        (&json!("B"), &json!(null)),
        "unknown, never zero"
    );
    assert_eq!(levels[0]["source"], "shelf");
    api.desk.place("900000501", "A", 2);
    api.accepted("900000501").await;
    let audit = api
        .desk
        .qabyl(&["audit", "--format", "json"])
        .await
        .ok()
        .out;
    assert!(
        audit.contains("token:1c") && audit.contains("stock.imported"),
        "{audit}"
    );
    // A page ends, and the next one begins behind it.
    let first = api.ask(&Ask::get("stock?limit=1", &operator)).await.is(200);
    assert_eq!(first.body["next"], "A");
    let rest = api
        .ask(&Ask::get("stock?limit=1&cursor=A", &operator))
        .await
        .is(200);
    assert_eq!(rest.body["levels"][0]["sku"], "B");
    assert_eq!(rest.body["next"], json!(null));
    api.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_file_is_read_whole_or_not_at_all() {
    let more = format!("{SHELF}columns = {{ sku = \"Код\", on_hand = \"Итого\" }}\n");
    let api = Api::start(&more).await;
    let token = api.token("1c", "stock").await;
    let viewer = api.token("crm", "viewer").await;
    let csv = "Код;Итого\nA;7\nB;2\n";
    let put = |kind: &str, body: &str| Ask::put("stock/shelf", &token, kind, body);
    api.ask(&put("text/csv; charset=utf-8", csv)).await.is(200);
    // JSON has its own names, whatever the columns of the file are called.
    api.ask(&put(
        JSON,
        "{\"levels\": [{\"sku\": \"A\", \"on_hand\": 6}, {\"sku\": \"B\", \"on_hand\": 2}]}",
    ))
    .await
    .is(200);
    for (kind, body, status) in [
        ("text/csv", "no;header\nat;all\n", 422),
        ("text/plain", csv, 415),
        (JSON, "{\"levels\": [{\"sku\": \"A\"}]}", 400),
        (
            JSON,
            "{\"levels\": [{\"sku\": \"A\", \"on_hand\": 1.5}]}",
            400,
        ),
        (
            JSON,
            "{\"levels\": [{\"sku\": \"A\", \"on_hand\": 1, \"stok\": 2}]}",
            400,
        ),
    ] {
        let said = api.ask(&put(kind, body)).await;
        assert_eq!(said.status, status, "{body}: {}", said.body);
    }
    let listed = api.ask(&Ask::get("stock?sku=A", &viewer)).await.is(200);
    assert_eq!(listed.body["levels"][0]["on_hand"], 6);
    // The same levels again are counted again: their age is that of the push.
    let as_of = listed.body["levels"][0]["as_of"].clone();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let body = "{\"levels\": [{\"sku\": \"A\", \"on_hand\": 6}, {\"sku\": \"B\", \"on_hand\": 2}]}";
    api.ask(&put(JSON, body)).await.is(200);
    let again = api.ask(&Ask::get("stock?sku=A", &viewer)).await.is(200);
    assert_ne!(again.body["levels"][0]["as_of"], as_of);
    let large = format!("sku,on_hand\n{}", "A,1\n".repeat(5_000_000));
    api.ask(&put("text/csv", &large)).await.is(413);
    api.stop();
}
