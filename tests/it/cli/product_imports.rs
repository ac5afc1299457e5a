//! Imports of products: the same products are sent once, whoever sends them and however the file is laid out.

use std::time::Duration;

use qabyl_sandbox::{EndpointKind, Fault, Method, Script, Settings};
use serde_json::{Value, json};

use super::{Desk, Said};

fn desk() -> Desk {
    let desk = Desk::new(Settings {
        import_takes: Duration::from_millis(200),
        latency: Duration::from_millis(150),
        ..Settings::default()
    });
    desk.write("p.json", &file(&["K-1", "K-2"], ""));
    desk
}

fn file(skus: &[&str], title: &str) -> String {
    let product = |sku: &&str| {
        json!({"sku": sku, "title": format!("Чайник {title}"), "brand": "Т", "category": "Master - Kettles",
            "attributes": [{"code": "color", "value": "black"}], "images": [{"url": "https://e.kz/1.jpg"}]})
    };
    let products: Value = skus.iter().map(product).collect();
    products.to_string()
}

fn sent(desk: &Desk) -> usize {
    let world = desk.server.world();
    world.ledger().requests_of(EndpointKind::Import)
}

async fn import(desk: &Desk, more: &[&str]) -> Said {
    desk.qabyl(&[&["catalog", "import", "p.json"], more].concat())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_shells_that_import_the_same_file_send_it_once() {
    let desk = desk();
    let shells = (0..8).map(|_| import(&desk, &[]));
    for said in futures_util::future::join_all(shells).await {
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        assert!(said.out.contains("IMPORT-1: FINISHED"), "{}", said.out);
    }
    assert_eq!(sent(&desk), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_products_are_recognised_in_another_layout() {
    let desk = desk();
    import(&desk, &[]).await.ok();
    let products: Value = serde_json::from_str(&file(&["K-2", "K-1"], "")).unwrap();
    let pretty = serde_json::to_string_pretty(&products).unwrap();
    desk.write("p.json", &format!("\u{feff}{pretty}\n\n"));
    let said = import(&desk, &[]).await.ok();
    assert!(
        said.err.contains("IMPORT-1") && said.err.contains("--again"),
        "{}",
        said.err
    );
    assert_eq!(sent(&desk), 1, "it was not sent again");
    import(&desk, &["--again"]).await.ok();
    assert_eq!(sent(&desk), 2, "but it is when a person says so");
    // What was sent in between is what Kaspi has: the first products are news again.
    desk.write("p.json", &file(&["K-1", "K-2"], "со свистком"));
    import(&desk, &[]).await.ok();
    desk.write("p.json", &file(&["K-1", "K-2"], ""));
    import(&desk, &[]).await.ok();
    assert_eq!(sent(&desk), 4);
}

/// Whoever was killed while sending leaves its claim behind.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_during_the_request_it_is_unknown() {
    let desk = desk();
    let slow = desk
        .config("act", "")
        .replace("request_timeout = \"2s\"", "request_timeout = \"1s\"");
    desk.write("qabyl.toml", &slow);
    desk.server
        .world()
        .script(Script::once(Fault::Hang).on(Method::Post));
    let mut killed = desk
        .command(&["catalog", "import", "p.json"])
        .spawn()
        .unwrap();
    super::daemon::until("it is being sent", || sent(&desk) > 0).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    import(&desk, &[])
        .await
        .fails(1, &["P002", "nothing was sent now", "K-1"]);
    assert_eq!(sent(&desk), 1);
    import(&desk, &["--again"]).await.ok();
}

#[rstest::rstest]
#[case::with_errors("FINISHED_WITH_ERRORS", "ERROR", true)]
#[case::declined("DECLINED", "DECLINED", true)]
#[case::product_declined("FINISHED", "DECLINED", true)]
#[case::not_created("FINISHED", "NOT_CREATED", true)]
#[case::with_warnings("FINISHED_WITH_WARNINGS", "UPDATED", false)]
#[tokio::test(flavor = "multi_thread")]
async fn what_kaspi_did_not_take_is_shown_and_fails(
    #[case] status: &str,
    #[case] state: &str,
    #[case] fails: bool,
) {
    let desk = desk();
    desk.server.world().set_import_words(status, state);
    let said = import(&desk, &["--timeout", "10s"]).await;
    assert_eq!(said.code, i32::from(fails), "{}{}", said.out, said.err);
    for shown in [status, state, "K-1", "K-2"] {
        assert!(said.out.contains(shown), "{shown}: {}", said.out);
    }
    assert_eq!(said.err.contains("P003"), fails, "{}", said.err);
    if fails {
        import(&desk, &["--timeout", "10s"]).await;
        assert_eq!(
            sent(&desk),
            2,
            "what was not taken may be sent again as it is"
        );
    }
}
