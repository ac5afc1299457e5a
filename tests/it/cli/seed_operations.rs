//! Everything one can ask of Kaspi, from the command line and in the order of KASPI_API: orders (§2), their
//! lines (§4), accept and cancel (§5), errors and what to do (§6), categories and products (§7).

use std::time::Duration;

use qabyl::clock::Clock;
use qabyl_sandbox::{EndpointKind, Fault, Method, OrderSeed, Script, Settings};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Desk, Said, TOKEN};

const CATEGORY: &str = "Master - Kettles";

fn desk(settings: Settings) -> Desk {
    let desk = Desk::new(settings);
    let config = desk.config("act", "");
    let config = config.replace("rate_start", "retries_max = 0\nrate_start");
    desk.write("qabyl.toml", &config);
    desk
}

/// One whose Kaspi misbehaves; it asks to wait longer than a command does.
fn faulty(faults: &str) -> Desk {
    desk(Settings {
        faults: faults.parse().unwrap(),
        retry_after: Duration::from_mins(1),
        ..Settings::default()
    })
}

/// Codes of the orders listed with these filters.
async fn listed(desk: &Desk, filters: &[&str]) -> Vec<String> {
    let args = [&["orders", "list", "--format", "json"], filters].concat();
    let found = desk.qabyl(&args).await.ok().json();
    let codes = found.as_array().unwrap().iter();
    let mut codes: Vec<_> = codes
        .map(|one| one["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_filtered_accepted_cancelled_and_their_lines_shown() {
    let desk = desk(Settings::default());
    desk.write("qabyl.toml", &desk.config("propose", ""));
    desk.stock("sku,on_hand\nA,50\n").await;
    for code in ["1001", "1002", "1003", "1004"] {
        desk.place(code, "A", 2);
    }
    let now = Clock::System.now();
    let old = OrderSeed::new("1005", now - Duration::from_hours(30)).line("A", 1);
    let old = old.visible_at(now - Duration::from_mins(1));
    assert!(desk.server.world().place(old));
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(listed(&desk, &[]).await.len(), 5);
    assert_eq!(listed(&desk, &["--since", "1d"]).await.len(), 4, "by date");

    desk.write("qabyl.toml", &desk.config("act", ""));
    let reasons = [
        "MERCHANT_OUT_OF_STOCK",
        "BUYER_CANCELLATION_BY_MERCHANT",
        "BUYER_NOT_REACHABLE",
    ];
    desk.qabyl(&["accept", "1001"]).await.ok();
    for (code, reason) in ["1002", "1003", "1004"].into_iter().zip(reasons) {
        desk.qabyl(&["cancel", code, "--reason", reason]).await.ok();
    }
    desk.qabyl(&["hold", "1005"]).await.ok();
    desk.qabyl(&["once"]).await.ok();
    assert_eq!(desk.status("1001"), "ACCEPTED_BY_MERCHANT");
    for (code, reason) in ["1002", "1003", "1004"].into_iter().zip(reasons) {
        let world = desk.server.world();
        let order = world.order(code).unwrap();
        assert_eq!(order.status.to_string(), "CANCELLED", "{code}");
        assert_eq!(order.cancellation_reason.as_deref(), Some(reason));
    }
    for code in ["1001", "1002", "1003", "1004"] {
        assert_eq!(desk.posts(code), 1, "{code}");
    }
    assert_eq!(desk.posts("1005"), 0);

    assert_eq!(listed(&desk, &["--state", "NEW"]).await, ["1005"]);
    assert_eq!(
        listed(&desk, &["--status", "ACCEPTED_BY_MERCHANT"]).await,
        ["1001"]
    );
    let both = ["--state", "ARCHIVE", "--status", "CANCELLED"];
    assert_eq!(listed(&desk, &both).await, ["1002", "1003", "1004"]);

    let shown = desk
        .qabyl(&["orders", "show", "1001", "--format", "json"])
        .await
        .ok()
        .json();
    let lines = shown["lines"].as_array().unwrap();
    assert_eq!(
        (lines.len(), &lines[0]["sku"], &lines[0]["quantity"]),
        (1, &json!("A"), &json!(2))
    );
}

/// §6's table: what a person sees of each answer, asked for by a command.
#[rstest]
#[case::http_400("", None, &["attributes", ""], 1, &["K400", "Required parameter c is empty", "qabyl catalog"])]
#[case::http_401("", Some("another"), &["categories"], 3, &["K401", "Settings, API token, Generate"])]
#[case::http_403("get:http_403=1", None, &["categories"], 3, &["K403", "2323"])]
#[case::http_404("", None, &["attributes", "Master - Nothing"], 1, &["K404", "qabyl catalog categories"])]
#[case::http_429("get:http_429=1", None, &["categories"], 1, &["K429", "ask again after"])]
#[case::http_500("get:http_500=1", None, &["categories"], 1, &["K500", "ask again later"])]
#[case::http_502("get:http_502_html=1", None, &["categories"], 1, &["K500", "502"])]
#[case::http_503("get:http_503=1", None, &["categories"], 1, &["K500", "503"])]
#[case::page("get:html_200=1", None, &["categories"], 1, &["K500", "not JSON"])]
#[case::cut("get:truncated=1", None, &["categories"], 1, &["K500"])]
#[case::timeout("get:hang=1", None, &["categories"], 1, &["K500", "no answer in time", "2323", "kaspi.user_agent"])]
#[case::dropped("get:drop_before=1", None, &["categories"], 1, &["K500", "ask again later"])]
#[tokio::test(flavor = "multi_thread")]
async fn each_error_has_its_code_and_its_advice(
    #[case] faults: &str,
    #[case] token: Option<&str>,
    #[case] command: &[&str],
    #[case] code: i32,
    #[case] naming: &[&str],
) {
    let desk = faulty(faults);
    if let Some(token) = token {
        desk.server.world().set_tokens([token]);
    }
    desk.qabyl(&[&["catalog"], command].concat())
        .await
        .fails(code, naming);
}

/// The orders' own answers to the same, as the shop's doctor prints them.
#[rstest]
#[case("get:http_403=1", 3, &["K403", "2323"])]
#[case("get:http_429=1", 1, &["K429", "by itself"])]
#[case("get:http_500=1", 1, &["K500", "cabinet"])]
#[case("get:hang=1", 1, &["K500", "no answer in time", "kaspi.user_agent"])]
#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_what_kaspi_says_of_orders(
    #[case] faults: &str,
    #[case] code: i32,
    #[case] naming: &[&str],
) {
    let desk = faulty(faults);
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.qabyl(&["doctor", "--format", "json"])
        .await
        .fails(code, naming);
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_attributes_and_values_are_shown_and_categories_kept() {
    let desk = desk(Settings::default());
    let asked = |desk: &Desk| {
        desk.server
            .world()
            .ledger()
            .requests_of(EndpointKind::Categories)
    };
    let found = desk
        .qabyl(&["catalog", "categories", "чайник"])
        .await
        .ok()
        .out;
    assert!(
        found.contains(CATEGORY) && !found.contains("Headphones"),
        "{found}"
    );
    let all = desk
        .qabyl(&["catalog", "categories", "--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(all.as_array().unwrap().len(), 6);
    assert_eq!(asked(&desk), 1, "the second time from what is kept");
    desk.qabyl(&["catalog", "categories", "--refresh"])
        .await
        .ok();
    assert_eq!(asked(&desk), 2);
    let file = desk.path("qabyl-categories.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept["read_at"] = json!(Clock::System.now() - Duration::from_hours(24 * 7 + 1));
    desk.write("qabyl-categories.json", &kept.to_string());
    desk.qabyl(&["catalog", "categories"]).await.ok();
    assert_eq!(asked(&desk), 3, "too old");
    desk.write("qabyl-categories.json", "{\"base");
    desk.qabyl(&["catalog", "categories"]).await.ok();
    assert_eq!(asked(&desk), 4, "not whole");

    let attributes = ["catalog", "attributes", CATEGORY, "--format", "json"];
    let found = desk.qabyl(&attributes).await.ok().json();
    let color = &found[0];
    assert_eq!(
        (&color["code"], &color["type"], &color["mandatory"]),
        (&json!("color"), &json!("enum"), &json!(true))
    );
    let values = desk
        .qabyl(&["catalog", "values", CATEGORY, "color"])
        .await
        .ok()
        .out;
    assert!(
        values.contains("black") && values.contains("чёрный"),
        "{values}"
    );
    desk.qabyl(&["catalog", "values", CATEGORY, "smell"])
        .await
        .fails(1, &["K404"]);
}

fn product(sku: &str, color: &str) -> Value {
    json!({"sku": sku, "title": "Чайник", "brand": "Т", "category": CATEGORY,
        "attributes": [{"code": "color", "value": color}], "images": [{"url": "https://example.kz/1.jpg"}]})
}

fn quick() -> Desk {
    desk(Settings {
        import_takes: Duration::from_millis(1500),
        ..Settings::default()
    })
}

fn imports(desk: &Desk) -> usize {
    desk.server
        .world()
        .ledger()
        .requests_of(EndpointKind::Import)
}

async fn import(desk: &Desk, products: &Value, more: &[&str]) -> Said {
    desk.write(
        "products.json",
        &serde_json::to_string_pretty(products).unwrap(),
    );
    let args = [&["catalog", "import", "products.json"], more].concat();
    desk.qabyl(&args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_imported_and_those_not_taken_are_named() {
    let desk = quick();
    let good = json!([product("K-1", "black"), product("K-2", "white")]);
    let done = import(&desk, &good, &["--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(
        (&done["status"], &done["total"], &done["errors"]),
        (&json!("FINISHED"), &json!(2), &json!(0))
    );
    let known = |desk: &Desk| {
        desk.server
            .world()
            .products()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&desk), ["K-1", "K-2"]);

    let mixed = json!([
        product("K-1", "black"),
        product("K-3", "purple"),
        product("K-4", "red")
    ]);
    let said = import(&desk, &mixed, &[]).await;
    said.fails(
        1,
        &[
            "P003",
            "K-3",
            "purple",
            "ERROR",
            "SKIPPED",
            "3 products: 1 with errors",
        ],
    );
    assert_eq!(known(&desk), ["K-1", "K-2", "K-4"]);

    let sent = import(
        &desk,
        &json!([product("K-5", "red")]),
        &["--no-wait", "--format", "json"],
    )
    .await
    .ok()
    .json();
    assert_eq!(sent["status"], "UPLOADED");
    let code = sent["code"].as_str().unwrap();
    desk.qabyl(&["catalog", "result", code])
        .await
        .fails(1, &["UPLOADED", "not finished yet"]);
    let over = async { while desk.qabyl(&["catalog", "result", code]).await.code != 0 {} };
    tokio::time::timeout(Duration::from_mins(1), over)
        .await
        .unwrap();
    desk.qabyl(&["catalog", "result", "IMPORT-99"])
        .await
        .fails(1, &["K404"]);
    assert_eq!(imports(&desk), 3, "each sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_mistakes_is_not_sent_and_all_are_told() {
    let desk = quick();
    let mut long = product("K-1", "black");
    long["title"] = json!("я".repeat(1025));
    let mut bare = product("K-2", "black");
    bare.as_object_mut().unwrap().remove("images");
    let wrong = json!([long, bare, product("K-1", "red")]);
    let said = import(&desk, &wrong, &[]).await;
    said.fails(
        1,
        &[
            "P001",
            "3 mistakes",
            "products.json:",
            "K-1: title: has 1025",
            "K-2: images: is missing",
            "SKU of product 1",
        ],
    );
    desk.qabyl(&["catalog", "import", "nowhere.json"])
        .await
        .fails(1, &["nowhere.json"]);
    assert_eq!(imports(&desk), 0);
}

#[rstest]
#[case::lost(Fault::DropAfter, true)]
#[case::cut(Fault::Truncated, true)]
#[case::after(Fault::Http500After, true)]
#[case::never(Fault::DropBefore, false)]
#[case::silent(Fault::Hang, false)]
#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_an_answer_is_not_sent_again_by_itself(
    #[case] fault: Fault,
    #[case] taken: bool,
) {
    let desk = quick();
    desk.server
        .world()
        .script(Script::once(fault).on(Method::Post));
    let file = json!([product("K-1", "black")]);
    import(&desk, &file, &[])
        .await
        .fails(1, &["P002", "cabinet", "K-1", "--again"]);
    import(&desk, &file, &[])
        .await
        .fails(1, &["P002", "nothing was sent now"]);
    assert_eq!(imports(&desk), 1, "once, whatever became of it");
    let output = import(&desk, &file, &["--again", "--format", "json"])
        .await
        .ok()
        .json();
    assert_eq!(output["skipped"], json!(u8::from(taken)), "{output}");
    import(&desk, &file, &["--no-wait"]).await.ok();
}

#[rstest]
#[case::refused(Fault::Http403, 3, "K403")]
#[case::wait(Fault::Http429, 1, "K429")]
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_import_may_be_sent_again(
    #[case] fault: Fault,
    #[case] code: i32,
    #[case] output: &str,
) {
    let desk = quick();
    desk.server
        .world()
        .script(Script::once(fault).on(Method::Post));
    let file = json!([product("K-1", "black")]);
    import(&desk, &file, &[]).await.fails(code, &[output]);
    import(&desk, &file, &[]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_shops_is_to_be_named() {
    let desk = desk(Settings::default());
    desk.write("other", "a-token-nobody-knows");
    let second = "[[shops]]\nname = \"second\"\ntoken_file = \"other\"\nmode = \"act\"\n";
    desk.write("qabyl.toml", &desk.config("act", second));
    let ask = |shop: &'static str| ["catalog", "attributes", CATEGORY, "--shop", shop];
    desk.qabyl(&ask("main")[..3])
        .await
        .fails(2, &["--shop", "main, second"]);
    desk.qabyl(&ask("main")).await.ok();
    desk.qabyl(&ask("second")).await.fails(3, &["K401"]);
    let refused = desk.qabyl(&ask("third")).await;
    refused.fails(2, &["third", "main, second"]);
    assert!(!desk.qabyl(&ask("main")).await.out.contains(TOKEN));
}
