//! Stock files of every kind, read by the real binary.

use qabyl_sandbox::Settings;
use serde_json::{Value, json};

use super::{Desk, Said};
use crate::workbook::{bomb, far_cell, workbook};

impl Desk {
    pub(crate) async fn import(&self, name: &str, bytes: impl AsRef<[u8]>) -> Said {
        std::fs::write(self.path(name), bytes).unwrap();
        self.qabyl(&["stock", "import", name]).await
    }

    /// What is known, as `SKU@warehouse=units`.
    pub(crate) async fn levels(&self) -> Vec<String> {
        let shown = self.qabyl(&["stock", "show", "--format", "json"]).await;
        let levels = shown.ok().json();
        let levels = levels.as_array().unwrap().iter();
        let level = |row: &Value| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            format!("{}@{}={}", text("sku"), text("warehouse"), row["on_hand"])
        };
        levels.map(level).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_is_read_as_it_is_seen() {
    let desk = Desk::new(Settings::default());
    let book = workbook([
        vec!["Артикул", "Наименование", "Остаток", "Склад"],
        vec!["A & B", "Чайник", "5", "PP1"],
        vec!["10234", "Утюг", "0", "PP1"],
    ]);
    // By what it holds, not by what it is called.
    desk.import("остатки.dat", book).await.ok();
    assert_eq!(desk.levels().await, ["10234@PP1=0", "A & B@PP1=5"]);
    // Kaspi's own form: a column for each pickup point.
    let form = workbook([
        vec!["SKU", "model", "brand", "price", "PP1", "PP2", "preorder"],
        vec!["K-1", "Чайник", "-", "9990", "7", "yes"],
        vec!["K-2", "Утюг", "-", "4990", "no"],
    ]);
    desk.import("kaspi.xlsx", form).await.ok();
    let levels = desk.levels().await;
    let expected = ["K-1@PP1=7", "K-1@PP2=null", "K-2@PP1=0"];
    assert!(
        expected
            .iter()
            .all(|level| levels.contains(&(*level).to_owned())),
        "{levels:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_with_doubtful_rows_says_which_and_one_that_is_none_changes_nothing() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nOLD,7\n").await;
    let book = workbook([
        vec!["sku", "stok", "on_hand"],
        vec!["A", "1", "2.5"],
        vec!["B", "1", "1"],
        vec!["C", "1", "много"],
        vec!["B", "1", "3"],
    ]);
    desk.import("bad.xlsx", book).await.ok().fails(
        0,
        &[
            "line 2: the quantity of 'A' is '2.5'",
            "line 4: the quantity of 'C'",
            "line 5: SKU 'B' is listed with another quantity on line 3",
            "ignored columns: 'stok'",
        ],
    );
    let unknown = ["A@=null", "B@=null", "C@=null", "OLD@=7"];
    assert_eq!(desk.levels().await, unknown);
    desk.import("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1")
        .await
        .fails(1, &["old format"]);
    desk.import("cut.xlsx", &workbook([vec!["sku", "on_hand"]])[..200])
        .await
        .fails(1, &["cut.xlsx"]);
    assert_eq!(desk.levels().await, unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_asks_for_all_memory_is_refused() {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nOLD,7\n").await;
    let far = far_cell();
    assert!(far.len() < 3_000, "{}", far.len());
    desk.import("far.xlsx", far).await.fails(1, &["far.xlsx:1"]);
    let bomb = bomb();
    assert!(bomb.len() < 4 << 20, "{}", bomb.len());
    desk.import("bomb.xlsx", bomb)
        .await
        .fails(1, &["more than 96 MiB of memory", "CSV"]);
    assert_eq!(desk.levels().await, ["OLD@=7"]);
}

fn catalogue(date: &str, offers: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<kaspi_catalog date=\"{date}\" xmlns=\"kaspiShopping\">\n\
         <company>C</company><merchantid>1</merchantid>\n<offers>\n{offers}</offers>\n</kaspi_catalog>\n"
    )
}

const DATE: &str = "2026-03-02T12:00:00";

fn offer(sku: &str, availabilities: &str) -> String {
    format!(
        "<offer sku=\"{sku}\"><model>М</model><availabilities>{availabilities}</availabilities>\
         <price>100</price></offer>\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_list_is_read_with_its_own_date() {
    let desk = Desk::new(Settings::default());
    let there = r#"<availability available="yes" storeId="PP1" preOrder="3" stockCount="7"/>"#;
    let absent = r#"<availability available="no" storeId="PP2" stockCount="0"></availability>"#;
    let some = r#"<availability storeId="PP1" available="yes"/>"#;
    let offers = offer("A&amp;&#66;", &format!("{there}{absent}")) + &offer("C", some);
    desk.import("list", catalogue(DATE, &offers)).await.ok();
    assert_eq!(
        desk.levels().await,
        ["A&B@PP1=7", "A&B@PP2=0", "C@PP1=null"]
    );
    let shown = desk
        .qabyl(&["stock", "show", "A&B", "--format", "json"])
        .await
        .json();
    assert_eq!(shown[0]["as_of"], json!("2026-03-02T07:00:00Z"));
    assert_eq!(shown[0]["source"], json!("kaspi-xml:list"));
}

#[rstest::rstest]
#[case::cut("<kaspi_catalog><offers><offer sku=\"A\"><availabilities>", &["the file ends inside <availabilities>"])]
#[case::other("<html></html>", &["a web page (HTML)"])]
#[case::of_another("<yml_catalog/>", &["expected kaspi_catalog, found 'yml_catalog'"])]
#[case::not_closed("<kaspi_catalog><offers></kaspi_catalog>", &["not readable as XML"])]
#[case::doctype("<!DOCTYPE x [<!ENTITY a \"b\">]><kaspi_catalog/>", &["document type"])]
#[case::empty("<kaspi_catalog></kaspi_catalog>", &["not taken for zero"])]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_price_list_changes_nothing(#[case] text: &str, #[case] naming: &[&str]) {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nOLD,7\n").await;
    desk.import("bad.xml", text).await.fails(1, naming);
    assert_eq!(desk.levels().await, ["OLD@=7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_a_price_list_are_told_by_line() {
    let desk = Desk::new(Settings::default());
    let good = r#"<availability available="yes" storeId="PP1" stockCount="7"/>"#;
    let offers = [
        offer("A", good),
        offer("", good),
        offer("B", r#"<availability available="perhaps" storeId="PP1"/>"#),
        offer(
            "C",
            r#"<availability available="yes" storeId="PP1" stockCount="-1"/>"#,
        ),
        offer("A", good),
        offer("D", r#"<availability available="&boom;" storeId="PP1"/>"#),
    ];
    let list = catalogue(DATE, &offers.concat());
    desk.import("bad.xml", list).await.ok().fails(
        0,
        &[
            "skipped without an SKU: 1 row, line 6",
            "line 7: available of 'B' is 'perhaps'; expected yes or no",
            "line 10: ",
        ],
    );
    let expected = ["A@PP1=7", "B@PP1=null", "C@PP1=null", "D@=null"];
    assert_eq!(desk.levels().await, expected);
    let ahead = catalogue("2126-03-02T12:00:00", &offer("A", good));
    desk.import("bad.xml", ahead)
        .await
        .fails(1, &["in the future"]);
    assert_eq!(desk.levels().await, expected);
}
