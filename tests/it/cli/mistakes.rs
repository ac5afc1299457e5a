//! Bad input: the exit code, the file, the line, what was expected, the nearest right name.

use qabyl_sandbox::Settings;
use rstest::rstest;

use super::Desk;

const MULTI: &str = "multi_thread";

#[rstest]
#[case::unknown_key("[polll]\nschedule = \"* * * * * *\"\n", &["qabyl.toml", "polll", "poll"])]
#[case::unknown_inner("[kaspi]\nreqest_timeout = \"20s\"\n", &["qabyl.toml:2", "reqest_timeout", "request_timeout"])]
#[case::wrong_type("[kaspi]\nmax_in_flight = \"two\"\n", &["qabyl.toml:2", "max_in_flight"])]
#[case::bad_duration("[kaspi]\nrequest_timeout = \"20 parsecs\"\n", &["qabyl.toml:2", "request_timeout"])]
#[case::bad_cron("[poll]\nschedule = \"every now and then\"\n", &["qabyl.toml:2", "schedule"])]
#[case::bad_mode("[[shops]]\nname = \"main\"\nmode = \"attack\"\n", &["qabyl.toml:3", "attack", "act"])]
#[case::not_toml("[kaspi\n", &["qabyl.toml:1"])]
#[case::no_token("[[shops]]\nname = \"main\"\ntoken_file = \"nowhere\"\n", &["nowhere"])]
#[case::no_shop("[poll]\nlookback = \"3d\"\n", &["shops"])]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_told_with_its_place(#[case] text: &str, #[case] naming: &[&str]) {
    let desk = Desk::bare(Settings::default());
    desk.write("qabyl.toml", text);
    for command in [&["once"][..], &["run"], &["config", "check"]] {
        desk.qabyl(command).await.fails(2, naming);
    }
    assert!(
        !desk.path("qabyl.db").exists(),
        "nothing is made before the configuration is right"
    );
    assert_eq!(desk.server.world().ledger().requests_total(), 0, "{MULTI}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_rules_are_told_with_line_and_column() {
    let desk = Desk::new(Settings::default());
    desk.write(
        "qabyl.toml",
        &desk.config("act", "[rules]\nfile = \"rules.toml\"\n"),
    );
    desk.write(
        "rules.toml",
        "[[rule]]\nname = \"big\"\nwhen = { totl = { over = 5 } }\nthen = \"hold\"\n",
    );
    let said = desk.qabyl(&["rules", "check"]).await;
    said.fails(2, &["rules.toml:3:", "totl", "total"]);
    desk.qabyl(&["once"]).await.fails(2, &["rules.toml:3:"]);
    desk.qabyl(&["config", "check"])
        .await
        .fails(2, &["rules.toml:3:"]);
}

#[rstest]
#[case::header("article,count\nA,1\n", &["bad.csv", "sku,on_hand"])]
#[case::number("sku,on_hand\nA,1\nB,many\n", &["bad.csv:3", "many"])]
#[case::negative("sku,on_hand\nA,-1\n", &["bad.csv:2", "below zero", "--strict"])]
#[case::twice("sku,on_hand\nA,1\nB,2\nA,3\n", &["bad.csv:4", "A"])]
#[case::no_sku("sku,on_hand\n,1\n", &["bad.csv:2", "no row has an SKU"])]
#[case::short_line("sku,on_hand\nA,1\nB\n", &["bad.csv:3"])]
#[case::empty("", &["bad.csv"])]
#[case::only_header("sku,on_hand\n", &["bad.csv"])]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_stock_file_changes_nothing(#[case] text: &str, #[case] naming: &[&str]) {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nOLD,7\n").await;
    let before = desk
        .qabyl(&["stock", "show", "--format", "json"])
        .await
        .ok()
        .out;
    desk.write("bad.csv", text);
    desk.qabyl(&["stock", "import", "--strict", "bad.csv"])
        .await
        .fails(1, naming);
    let after = desk
        .qabyl(&["stock", "show", "--format", "json"])
        .await
        .ok()
        .out;
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_text_or_not_there() {
    let desk = Desk::new(Settings::default());
    std::fs::write(
        desk.path("bad.csv"),
        b"sku,on_hand\n\xd0\xa7\xd0\xb0\xff,1\n",
    )
    .unwrap();
    desk.qabyl(&["stock", "import", "bad.csv"])
        .await
        .fails(1, &["bad.csv:2", "could not be read", "UTF-8"]);
    desk.qabyl(&["stock", "import", "nowhere.csv"])
        .await
        .fails(1, &["nowhere.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_file_from_a_spreadsheet_is_read() {
    let desk = Desk::new(Settings::default());
    desk.stock("\u{feff}sku,on_hand,warehouse\r\nA,5,PP1\r\n\"B, big\",0,\r\n")
        .await;
    let shown = desk
        .qabyl(&["stock", "show", "--format", "json"])
        .await
        .ok();
    assert_eq!(shown.json().as_array().unwrap().len(), 2, "{}", shown.out);
    assert!(shown.out.contains("B, big"), "{}", shown.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_two_and_an_unknown_order_is_one() {
    let desk = Desk::new(Settings::default());
    desk.qabyl(&["frobnicate"]).await.fails(2, &["frobnicate"]);
    desk.qabyl(&["cancel", "1", "--reason", "BORED"])
        .await
        .fails(2, &["MERCHANT_OUT_OF_STOCK"]);
    desk.qabyl(&["explain", "12345"]).await.fails(1, &["12345"]);
    desk.qabyl(&["--config", "nowhere.toml", "status"])
        .await
        .fails(2, &["nowhere.toml"]);
}
