//! Sources that stock comes from by itself.

use std::time::Duration;

use qabyl_sandbox::{AlStyle, Settings};
use serde_json::{Value, json};

use super::daemon::{Daemon, until};
use super::{Desk, Said};

const SUPPLIER_TOKEN: &str = "supplier-token-of-the-test";

impl Desk {
    pub(super) fn with_sources(settings: Settings, sources: &str) -> Self {
        let desk = Self::new(settings);
        desk.write("qabyl.toml", &desk.config("act", sources));
        desk
    }

    pub(super) async fn sync(&self) -> Said {
        let args = ["stock", "sources", "--sync", "--format", "json"];
        let mut command = self.command(&args);
        command.env("AL_STYLE_TOKEN", SUPPLIER_TOKEN);
        let output = tokio::task::spawn_blocking(move || command.output());
        super::said(&output.await.unwrap().unwrap())
    }

    /// One pass, with the events it logged.
    pub(super) async fn pass(&self) -> Vec<Value> {
        let mut command = self.command(&["once", "--timeout", "20s"]);
        command.env("AL_STYLE_TOKEN", SUPPLIER_TOKEN);
        let output = tokio::task::spawn_blocking(move || command.output());
        let said = super::said(&output.await.unwrap().unwrap()).ok();
        assert!(!said.err.contains(SUPPLIER_TOKEN), "{}", said.err);
        let lines = said.err.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// What an order came to.
    pub(super) async fn verdict(&self, code: &str) -> String {
        let shown = self
            .qabyl(&["orders", "list", "--format", "json"])
            .await
            .ok();
        let rows = shown.json();
        let rows = rows.as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["code"] == json!(code));
        row.map_or_else(String::new, Value::to_string)
    }
}

#[track_caller]
fn logged<'a>(events: &'a [Value], event: &str) -> &'a Value {
    let found: Vec<&Value> = events
        .iter()
        .filter(|e| e["event"] == json!(event))
        .collect();
    assert_eq!(found.len(), 1, "{event} once in {events:#?}");
    found[0]
}

const SHELF: &str = "[[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.csv\"\n";

fn rows(skus: impl Iterator<Item = (u32, u32)>) -> String {
    let rows = skus.map(|(sku, units)| format!("S{sku},{units}\n"));
    format!("sku,on_hand\n{}", rows.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_file_is_taken_once_and_told_of_when_it_is_bad() {
    let desk = Desk::with_sources(Settings::default(), SHELF);
    let missing = desk.sync().await;
    missing.fails(1, &["S002", "shelf.csv"]);
    desk.write("shelf.csv", "sku,on_hand\nA,5\n");
    let taken = desk.sync().await.ok().json();
    assert_eq!(
        (&taken[0]["now"], &taken[0]["rows"]),
        (&json!("imported"), &json!(1))
    );
    assert_eq!(taken[0]["code"], Value::Null);
    assert_eq!(desk.sync().await.ok().json()[0]["now"], json!("unchanged"));
    let imports = desk.qabyl(&["audit", "--format", "json"]).await.ok().out;
    assert_eq!(imports.matches("stock.imported").count(), 1, "{imports}");

    desk.write("shelf.csv", "sku,on_hand\nA,some\n");
    let events = desk.pass().await;
    let bad = logged(&events, "stock.source_failed");
    assert_eq!(
        (&bad["code"], &bad["source"]),
        (&json!("S001"), &json!("shelf"))
    );
    assert!(
        bad["message"]
            .as_str()
            .unwrap()
            .contains("line 2: the quantity of 'A' is 'some'"),
        "{bad}"
    );
    assert!(
        bad["hint"].as_str().unwrap().contains("fix the rows"),
        "{bad}"
    );
    assert_eq!(desk.levels().await, ["A@=5"]);
    // It is logged once.
    let events = desk.pass().await;
    assert!(
        !events
            .iter()
            .any(|e| e["event"] == json!("stock.source_failed")),
        "{events:?}"
    );

    // And to channels: each trouble once.
    let notices = desk.qabyl(&["notify", "list", "--format", "json"]).await;
    let notices = notices.ok().json();
    let notices = notices["notices"].as_array().unwrap();
    let facts: Vec<&Value> = notices
        .iter()
        .filter(|notice| notice["event"] == json!("stock.source_failed"))
        .map(|notice| &notice["facts"])
        .collect();
    assert_eq!(
        facts,
        [
            &json!({ "source": "shelf", "code": "S002" }),
            &json!({ "source": "shelf", "code": "S001" })
        ]
    );

    desk.write("shelf.csv", "sku,on_hand\nA,4\n");
    logged(&desk.pass().await, "stock.source_recovered");
    assert_eq!(desk.levels().await, ["A@=4"]);
}

/// A feed that drops 90 % of SKUs to zero, one cut in the middle, one a day old, one with an SKU twice.
#[tokio::test(flavor = "multi_thread")]
async fn no_broken_feed_cancels_an_order() {
    let desk = Desk::with_sources(Settings::default(), SHELF);
    let full = rows((0..40).map(|sku| (sku, 5)));
    desk.write("shelf.csv", &full);
    desk.pass().await;
    desk.place("900000001", "S1", 6);
    let short_for_real = desk.pass().await;
    assert_eq!(
        desk.posts("900000001"),
        1,
        "what is really short is cancelled: {short_for_real:#?}"
    );

    let zeros = rows((0..40).map(|sku| (sku, if sku < 4 { 5 } else { 0 })));
    let day_old = rows((0..40).map(|sku| (sku, 0)));
    let day_old = day_old.replace(",0\n", ",0,2026-01-01T00:00:00Z\n");
    let day_old = day_old.replace("on_hand", "on_hand,as_of");
    let cut = full[..full.len() / 3].to_owned() + "S";
    // Cut where a line ends, nothing in it shows that.
    let short = rows((0..10).map(|sku| (sku, 5)));
    let doubled = full.clone() + "S7,0\n";
    let cases = [
        ("900000011", "S20", &zeros, "S003", "fell to zero at once"),
        ("900000012", "S21", &cut, "S003", "are no longer listed"),
        (
            "900000013",
            "S22",
            &doubled,
            "S006",
            "'S7' is listed with another quantity",
        ),
        ("900000014", "S23", &day_old, "S004", "ago"),
        ("900000015", "S24", &short, "S003", "are no longer listed"),
    ];
    for (code, sku, feed, expected, words) in cases {
        desk.write("shelf.csv", feed);
        desk.place(code, sku, 2);
        let events = desk.pass().await;
        let alert = logged(&events, "stock.source_failed");
        assert_eq!(alert["code"], json!(expected), "{alert}");
        assert!(
            alert["message"].as_str().unwrap().contains(words),
            "{alert}"
        );
        assert!(
            alert["hint"].as_str().is_some_and(|hint| hint.len() > 20),
            "{alert}"
        );
        let cancelled = desk.status(code);
        assert_ne!(
            cancelled,
            "CANCELLED",
            "{code} after {expected}: {}",
            desk.verdict(code).await
        );
        desk.pass().await;
        assert_ne!(desk.status(code), "CANCELLED", "{code}");
        desk.write("shelf.csv", &full);
        let events = desk.pass().await;
        logged(&events, "stock.source_recovered");
        desk.pass().await;
        assert_eq!(
            desk.status(code),
            "ACCEPTED_BY_MERCHANT",
            "{}",
            desk.verdict(code).await
        );
    }
    assert_eq!(
        desk.server.world().ledger().cancelled_codes_by_api().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_still_being_written_is_not_taken() {
    let desk = Desk::with_sources(Settings::default(), SHELF);
    let full = rows((0..500).map(|sku| (sku, 5)));
    let path = desk.path("shelf.csv");
    let writer = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let mut file = std::fs::File::create(path).unwrap();
        for part in full.as_bytes().chunks(full.len() / 8) {
            file.write_all(part).unwrap();
            file.flush().unwrap();
            std::thread::sleep(Duration::from_millis(400));
        }
    });
    let taken = desk.sync().await.ok().json();
    writer.await.unwrap();
    assert_eq!(taken[0]["rows"], json!(500), "{taken}");
}

/// The daemon takes feeds by itself, each by its own time, and orders are decided from them.
#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_reads_its_sources_and_sells_from_them() {
    let sources = "[[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.csv\"\n\
         [[stock.sources]]\nname = \"list\"\nfile = \"list.xml\"\nschedule = \"* * * * * *\"\n";
    let desk = Desk::with_sources(Settings::default(), sources);
    desk.write("shelf.csv", "sku,on_hand\nA,5\n");
    let daemon = Daemon::start(&desk);
    desk.place("900000001", "A", 1);
    desk.place("900000002", "B", 1);
    let accepted = |code: &'static str| desk.status(code) == "ACCEPTED_BY_MERCHANT";
    until("the watched file is sold from", || accepted("900000001")).await;
    let list = "<kaspi_catalog><offers><offer sku=\"B\"><availabilities><availability available=\"yes\" \
         storeId=\"\" stockCount=\"3\"/></availabilities></offer></offers></kaspi_catalog>";
    desk.write("list.xml", list);
    until("the list is sold from", || accepted("900000002")).await;
    assert_eq!(daemon.stop(), Some(0));
    let log = std::fs::read_to_string(desk.path("log")).unwrap();
    assert_eq!(log.matches("\"stock.imported\"").count(), 2, "{log}");
    // The list was not there at first.
    assert_eq!(log.matches("\"stock.source_failed\"").count(), 1, "{log}");
    assert_eq!(
        log.matches("\"stock.source_recovered\"").count(),
        1,
        "{log}"
    );
}

fn supplier() -> Settings {
    let mut supplier = AlStyle::new(SUPPLIER_TOKEN);
    for (article, quantity) in [
        ("20000", json!(5)),
        ("20001", json!(">50")),
        ("20002", Value::Null),
        ("20003", json!("0")),
    ] {
        supplier.put(article, quantity);
    }
    supplier.pace = Duration::ZERO;
    Settings {
        al_style: Some(supplier),
        ..Settings::default()
    }
}

fn al_style(desk: &Desk, more: &str) -> String {
    let url = desk.server.al_style_url();
    let source =
        format!("[[stock.sources]]\nname = \"al-style\"\nkind = \"al-style\"\nurl = \"{url}\"\n");
    desk.config("act", &format!("{source}{more}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supplier_is_asked_and_what_it_does_not_know_is_unknown() {
    let desk = Desk::new(supplier());
    desk.write("qabyl.toml", &al_style(&desk, "warehouse = \"PP1\"\n"));
    desk.sync().await.ok();
    let expected = [
        "20000@PP1=5",
        "20001@PP1=50",
        "20002@PP1=null",
        "20003@PP1=0",
    ];
    assert_eq!(desk.levels().await, expected);
    desk.server.world().al_style().unwrap().wraps = true;
    desk.server.world().al_style().unwrap().put("20003", 8);
    desk.sync().await.ok();
    assert_eq!(desk.levels().await[3], "20003@PP1=8");
    // By the manufacturer's number, page by page.
    desk.write("qabyl.toml", &al_style(&desk, "sku = \"article_pn\"\n"));
    desk.sync().await.ok();
    assert!(desk.levels().await.contains(&"PN-20001@=50".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_that_fails_changes_nothing_and_is_told() {
    let desk = Desk::new(supplier());
    desk.write(
        "qabyl.toml",
        &al_style(&desk, "every = \"1s\"\n[log]\nfilter = \"trace\"\n"),
    );
    desk.pass().await;
    let before = desk.levels().await;
    assert_eq!(before.len(), 4);
    desk.server.world().al_style().unwrap().fails = true;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let events = desk.pass().await;
    let alert = logged(&events, "stock.source_failed");
    assert_eq!(alert["code"], json!("S002"), "{alert}");
    assert!(
        alert["message"]
            .as_str()
            .unwrap()
            .contains("success: false"),
        "{alert}"
    );
    desk.server.world().al_style().unwrap().fails = false;
    desk.server.world().al_style().unwrap().token = "another".to_owned();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let alert = desk.pass().await;
    assert_eq!(logged(&alert, "stock.source_failed")["code"], json!("S005"));
    desk.server.world().al_style().unwrap().token = SUPPLIER_TOKEN.to_owned();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    logged(&desk.pass().await, "stock.source_recovered");
    assert_eq!(desk.levels().await, before);
    let shown = desk.qabyl(&["stock", "sources"]).await.ok().out;
    let dumped = desk.qabyl(&["config", "dump"]).await.ok().out;
    assert!(!format!("{shown}{dumped}").contains(SUPPLIER_TOKEN));
}
