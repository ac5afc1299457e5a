//! What a reading of a source does to the levels, as Kaspi and people see it.

use qabyl::clock::Clock;
use qabyl_sandbox::{OrderSeed, Settings};
use serde_json::json;

use super::Desk;

const NEW: &str = "APPROVED_BY_BANK";
const ACCEPTED: &str = "ACCEPTED_BY_MERCHANT";
const CANCELLED: &str = "CANCELLED";

fn source(name: &str, more: &str) -> String {
    format!("[[stock.sources]]\nname = \"{name}\"\nfile = \"{name}.csv\"\n{more}\n")
}

impl Desk {
    fn with(sources: &str) -> Self {
        Self::with_sources(Settings::default(), sources)
    }

    /// Configures other sources and settings of `[stock]`.
    fn configure(&self, sources: &str, stock: &str) {
        let text = self.config("act", sources);
        self.write("qabyl.toml", &format!("{text}\n[stock]\n{stock}\n"));
    }

    fn place_from(&self, point: &str, code: &str, sku: &str, quantity: u32) {
        let mut order = OrderSeed::new(code, Clock::System.now()).line(sku, quantity);
        order.pickup_point = Some(format!("10000001_{point}"));
        assert!(self.server.world().place(order));
    }

    #[track_caller]
    fn is(&self, code: &str, status: &str) {
        assert_eq!(self.status(code), status, "{code}");
    }

    /// The interlocks' and the ledger's words about an order.
    async fn explained(&self, code: &str) -> String {
        self.qabyl(&["explain", code]).await.ok().out
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_differ_about_an_sku_neither_sell_nor_cancel_it() {
    let both = source("own", "") + &source("supplier", "");
    let desk = Desk::with(&both);
    desk.write("supplier.csv", "sku,on_hand\nA,50\nB,7\n");
    desk.pass().await;
    desk.write("own.csv", "sku,on_hand\nA,0\nB,7\n");
    desk.pass().await;
    desk.place("900000001", "A", 1);
    desk.place("900000002", "B", 1);
    desk.pass().await;
    desk.pass().await;
    desk.is("900000001", NEW);
    desk.is("900000002", ACCEPTED);
    let why = desk.explained("900000001").await;
    assert!(why.contains("own 0, supplier 50"), "{why}");
    // The last one read is no better than the first.
    desk.write("supplier.csv", "sku,on_hand\nA,49\nB,7\n");
    desk.pass().await;
    desk.is("900000001", NEW);

    // The merchant says which one counts.
    desk.write(
        "qabyl.toml",
        &desk.config(
            "act",
            &(source("own", "") + &source("supplier", "priority = 2")),
        ),
    );
    desk.pass().await;
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_by_hand_stands_until_the_source_is_read_again() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "sku,on_hand\nA,0\nB,5\nC,5\n");
    desk.pass().await;
    desk.qabyl(&["stock", "set", "A", "2"]).await.ok();
    desk.place("900000001", "A", 2);
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
    assert_eq!(desk.levels().await, ["A@=2", "B@=5", "C@=5"]);
    desk.write("shelf.csv", "sku,on_hand\nA,1\nB,5\nC,5\n");
    desk.pass().await;
    assert_eq!(desk.levels().await, ["A@=1", "B@=5", "C@=5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sku_that_its_source_no_longer_lists_is_unknown() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "Артикул;Остаток\nA;3\nB;5\n");
    desk.pass().await;
    desk.write("shelf.csv", "Артикул;Остаток\nB;5\n");
    desk.pass().await;
    desk.place("900000001", "A", 2);
    desk.place("900000002", "B", 2);
    desk.pass().await;
    desk.pass().await;
    desk.is("900000001", NEW);
    desk.is("900000002", ACCEPTED);
    assert_eq!(desk.levels().await, ["A@=null", "B@=5"]);
    // Also while most of the list is missing, which is a trouble of its own.
    let many: String = (0..9)
        .map(|sku| format!("S{sku},4\n"))
        .collect::<Vec<_>>()
        .concat();
    desk.write("shelf.csv", &format!("sku,on_hand\nB,5\n{many}"));
    desk.pass().await;
    desk.write("shelf.csv", "sku,on_hand\nB,5\n");
    desk.place("900000003", "S3", 2);
    desk.pass().await;
    desk.pass().await;
    desk.is("900000003", NEW);
    // A person counts it; a list without it says nothing about that.
    desk.qabyl(&["stock", "set", "A", "2"]).await.ok();
    desk.write("shelf.csv", "sku,on_hand\nB,4\n");
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_leave_out_what_it_has_none_of() {
    let rest = "R1,9\nR2,9\nR3,9\nR4,9\n";
    let desk = Desk::with(&source("shelf", "absent = \"zero\""));
    desk.write("shelf.csv", &format!("sku,on_hand\nA,3\n{rest}"));
    desk.pass().await;
    desk.write("shelf.csv", &format!("sku,on_hand\n{rest}"));
    desk.place("900000001", "A", 2);
    desk.pass().await;
    desk.is("900000001", CANCELLED);
    assert_eq!(desk.sync().await.ok().json()[0]["code"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_list_only_a_part_each_time() {
    let desk = Desk::with(&source("shelf", "absent = \"keep\""));
    desk.write("shelf.csv", "sku,on_hand\nA,3\nB,5\n");
    desk.pass().await;
    desk.write("shelf.csv", "sku,on_hand\nB,5\n");
    desk.place("900000001", "A", 2);
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_common_pool_ends_where_its_source_lists_points() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "sku,on_hand\nA,10\n");
    desk.place_from("PP1", "900000001", "A", 1);
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
    desk.write("shelf.csv", "sku,on_hand,warehouse\nA,3,PP1\n");
    desk.place_from("PP2", "900000002", "A", 2);
    desk.place_from("PP1", "900000003", "A", 2);
    desk.place_from("PP1", "900000004", "A", 1);
    desk.pass().await;
    desk.pass().await;
    desk.is("900000002", NEW);
    // What was promised of the pool is taken from the point now.
    let accepted = ["900000003", "900000004"];
    let accepted = accepted.map(|code| desk.status(code) == ACCEPTED);
    assert_eq!(accepted.iter().filter(|is| **is).count(), 1);
    assert_eq!(desk.levels().await, ["A@PP1=3"]);

    // And back again.
    desk.write("shelf.csv", "sku,on_hand\nA,3\n");
    desk.place_from("PP2", "900000005", "A", 3);
    desk.pass().await;
    desk.pass().await;
    assert_eq!(desk.levels().await, ["A@=3"]);
    assert_ne!(desk.status("900000005"), ACCEPTED, "2 of 3 are promised");
    desk.qabyl(&["stock", "audit"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_keeps_the_semantics_it_was_read_with() {
    let desk = Desk::with(&source("shelf", ""));
    desk.configure(&source("shelf", ""), "semantics = \"physical\"");
    desk.write("shelf.csv", "sku,on_hand\nA,5\nB,5\n");
    desk.pass().await;
    desk.place("900000001", "A", 3);
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
    // The goods are still on the shelf when it is counted again.
    desk.write("shelf.csv", "sku,on_hand\nA,5\nB,4\n");
    desk.pass().await;
    desk.configure(&source("shelf", ""), "semantics = \"available\"");
    desk.place("900000002", "A", 4);
    desk.pass().await;
    desk.pass().await;
    assert_ne!(desk.status("900000002"), ACCEPTED, "7 of 5 are promised");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_source_that_falls_to_zero_cancels_nothing() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "sku,on_hand\nA,3\nB,5\n");
    desk.pass().await;
    desk.write("shelf.csv", "sku,on_hand\nA,0\nB,0\n");
    desk.place("900000001", "A", 1);
    desk.pass().await;
    desk.pass().await;
    desk.is("900000001", NEW);
    // It is whole again.
    desk.write("shelf.csv", "sku,on_hand\nA,3\nB,5\n");
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn falls_within_a_day_add_up_until_a_person_confirms() {
    let list = |zeros: u32| {
        let rows = (0..10).map(|n| format!("S{n},{}\n", if n < zeros { 0 } else { 5 }));
        format!("sku,on_hand\n{}", rows.collect::<String>())
    };
    let desk = Desk::with(&source("shelf", ""));
    for zeros in [0, 4, 7] {
        desk.write("shelf.csv", &list(zeros));
        desk.pass().await;
    }
    desk.place("900000001", "S1", 1);
    desk.pass().await;
    // The same again neither confirms nor refutes it.
    desk.write("shelf.csv", &format!("{}S11,5\n", list(7)));
    desk.pass().await;
    desk.pass().await;
    desk.is("900000001", NEW);
    let shown = desk.sync().await.ok().json();
    assert_eq!(shown[0]["code"], json!("S003"), "{shown}");
    let why = desk.explained("900000001").await;
    assert!(
        why.contains("7 of 10 SKUs") && why.contains("--confirm-zeros"),
        "{why}"
    );
    desk.qabyl(&[
        "stock",
        "import",
        "shelf.csv",
        "--source",
        "shelf",
        "--confirm-zeros",
    ])
    .await
    .ok();
    desk.pass().await;
    desk.is("900000001", CANCELLED);
    assert_eq!(desk.sync().await.ok().json()[0]["code"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_what_is_sold_out_are_no_collapse() {
    let desk = Desk::with(&source("shelf", ""));
    let full: String = (0..10)
        .map(|n| format!("S{n},5\n"))
        .collect::<Vec<_>>()
        .concat();
    desk.write("shelf.csv", &format!("sku,on_hand\n{full}"));
    desk.pass().await;
    for (first, second) in [(0, 1), (2, 3)] {
        let list = format!("sku,on_hand\nS{first},0\nS{second},0\n");
        desk.import("soldout.csv", list).await.ok();
    }
    desk.place("900000001", "S3", 1);
    desk.pass().await;
    desk.is("900000001", CANCELLED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_file_changes_nothing_and_is_named() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "sku,on_hand\nA,1\nB,5\n");
    desk.pass().await;
    desk.write("old.csv", "sku,on_hand\nA,9\nB,5\n");
    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a file is the system's"
    )]
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let old = std::fs::File::options()
        .write(true)
        .open(desk.path("old.csv"))
        .unwrap();
    old.set_modified(hour_ago).unwrap();
    std::fs::rename(desk.path("old.csv"), desk.path("shelf.csv")).unwrap();
    let shown = desk.sync().await.ok().json();
    assert_eq!(shown[0]["code"], json!("S007"), "{shown}");
    assert_eq!(desk.levels().await, ["A@=1", "B@=5"]);
    desk.qabyl(&["doctor"])
        .await
        .fails(1, &["S007", "an older file"]);
    desk.write("shelf.csv", "sku,on_hand\nA,1\nB,4\n");
    assert_eq!(desk.sync().await.ok().json()[0]["code"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_an_sku_with_points_names_the_warehouse() {
    let desk = Desk::with(&source("shelf", ""));
    desk.write("shelf.csv", "sku,on_hand,warehouse\nA,0,PP1\n");
    desk.pass().await;
    desk.qabyl(&["stock", "set", "A", "5"])
        .await
        .fails(1, &["A is listed for PP1", "--warehouse"]);
    desk.import("count.csv", "sku,on_hand\nA,5\n")
        .await
        .fails(1, &["A is listed for PP1"]);
    desk.qabyl(&["stock", "set", "A", "5", "--warehouse", "PP1"])
        .await
        .ok();
    desk.place("900000001", "A", 2);
    desk.pass().await;
    desk.is("900000001", ACCEPTED);
    assert_eq!(desk.levels().await, ["A@PP1=5"]);
}
