//! A mistyped `database.path` makes no database beside the right one. The first stock makes the first one.

use qabyl_sandbox::Settings;

use super::Desk;
use super::daemon::{Daemon, until};

const COMMANDS: &[&[&str]] = &[
    &["once"],
    &["status"],
    &["status", "--check"],
    &["doctor"],
    &["orders", "list"],
    &["orders", "list", "--held", "--check"],
    &["explain", "900000001"],
    &["accept", "900000001"],
    &["hold", "900000001"],
    &["release", "900000001"],
    &["pause"],
    &["resume"],
    &["stock", "import", "stock.csv"],
    &["stock", "set", "A", "5"],
    &["stock", "show"],
    &["stock", "map"],
    &["stock", "audit"],
    &["stock", "sources"],
    &["stock", "reservations"],
    &["audit"],
    &["backup", "copy.db"],
    &["notify", "list"],
    &["shops", "list"],
    &["rules", "replay", "--since", "1d"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_path_makes_no_database() {
    let desk = Desk::new(Settings::default());
    desk.write("stock.csv", "sku,on_hand\nA,5\n");
    let mistyped = desk.config("act", "").replace("qabyl.db", "qabil.db");
    desk.write("qabyl.toml", &mistyped);
    for command in COMMANDS {
        let said = desk.qabyl(command).await;
        said.fails(1, &["qabil.db", "qabyl init"]);
        for entry in std::fs::read_dir(desk.folder()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(
                !name.to_string_lossy().starts_with("qabil.db"),
                "{command:?} made {name:?}"
            );
        }
    }
    // An empty file is no database either.
    desk.write("qabil.db", "");
    desk.qabyl(&["status"])
        .await
        .fails(1, &["D011", "qabil.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_and_run_say_that_they_made_a_database() {
    let desk = Desk::bare(Settings::default());
    let said = desk.qabyl(&["init"]).await.ok();
    assert!(said.out.contains("qabyl.db is made"), "{}", said.out);
    let said = desk.qabyl(&["init"]).await.ok();
    assert!(said.out.contains("there already"), "{}", said.out);
    std::fs::remove_file(desk.path("qabyl.db")).unwrap();
    let log = || std::fs::read_to_string(desk.path("log")).unwrap_or_default();
    for (starts, times) in [(1, 1), (2, 1)] {
        let daemon = Daemon::start(&desk);
        until("it runs", || {
            log().matches("\"daemon.started\"").count() == starts
        })
        .await;
        assert_eq!(daemon.stop(), Some(0));
        assert_eq!(
            log().matches("\"database.created\"").count(),
            times,
            "{}",
            log()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_stock_makes_the_first_database_of_a_folder() {
    for command in [
        &["stock", "import", "stock.csv"] as &[&str],
        &["stock", "set", "A", "5"],
        &["once"],
    ] {
        let desk = Desk::bare(Settings::default());
        desk.write("stock.csv", "sku,on_hand\nA,5\n");
        desk.qabyl(&["stock", "show"]).await.fails(1, &["D011"]);
        desk.qabyl(command).await.ok();
        desk.qabyl(&["stock", "show"]).await.ok();
    }
    let desk = Desk::bare(Settings::default());
    let elsewhere = desk
        .config("act", "")
        .replace("qabyl.db", "missing/qabyl.db");
    desk.write("qabyl.toml", &elsewhere);
    desk.qabyl(&["once"]).await.fails(1, &["D011", "missing"]);
}
