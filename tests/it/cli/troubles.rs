//! `--check` never lies: each trouble is named by `status` and `doctor`, with exit code 4 and 1.

use std::os::unix::fs::PermissionsExt as _;

use qabyl_sandbox::Settings;
use rstest::rstest;

use super::Desk;
use super::daemon::{Daemon, until};
use crate::migrations::look_into;
use crate::notify::receiver::{Receiver, SECRET};

/// A desk that is in order, with one order accepted.
async fn desk() -> Desk {
    let desk = Desk::new(Settings::default());
    desk.stock("sku,on_hand\nA,5\n").await;
    desk.place("900000001", "A", 1);
    desk.qabyl(&["once", "--check"]).await.ok();
    desk.qabyl(&["status", "--check"]).await.ok();
    desk.qabyl(&["doctor"]).await.ok();
    desk
}

async fn change(desk: &Desk, statement: &str) {
    let mut database = look_into(&desk.path("qabyl.db")).await;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
    done.execute(&mut database).await.unwrap();
}

async fn is_named(desk: &Desk, words: &[&str]) {
    desk.qabyl(&["status", "--check"]).await.fails(4, words);
    desk.qabyl(&["doctor"]).await.fails(1, &words[..1]);
    desk.qabyl(&["orders", "list", "--held", "--check"])
        .await
        .fails(4, &words[..1]);
    desk.qabyl(&["once", "--check"]).await;
}

/// The code of a trouble leads to docs/OPERATIONS.md, and programs look for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_denied_or_has_the_wrong_token_is_named_with_the_code() {
    let desk = desk().await;
    desk.server.world().set_tokens(["another"]);
    desk.qabyl(&["once"]).await.fails(3, &["HTTP 401"]);
    let status = desk.qabyl(&["status", "--check"]).await;
    status.fails(4, &["K401: ", "HTTP 401"]);
    desk.server.world().set_tokens([crate::cli::TOKEN]);
    desk.qabyl(&["once"]).await.ok();
    desk.qabyl(&["status", "--check"]).await.ok();
    let wrong =
        "UPDATE shops SET mismatch_at = 1774000000000, mismatch_why = 'the token of another',
      mismatch_by = 'token'";
    change(&desk, wrong).await;
    let status = desk.qabyl(&["status", "--check"]).await;
    status.fails(4, &["K008: the token of another"]);
}

#[rstest]
#[case::daemon_dead(
    "UPDATE lease SET worker = 'daemon', worked_at = worked_at - 600000",
    &["the daemon is not running", "qabyl run"]
)]
#[case::cron_gone(
    "UPDATE lease SET worked_at = worked_at - 7200000",
    &["nothing works on this database", "cron"]
)]
#[case::restore(
    "INSERT INTO restores (shop, at, known_until) VALUES ('main', 1774000000000, NULL)",
    &["restored at", "still reading what happened since the backup"]
)]
#[case::backup(
    "UPDATE lease SET backup_failing_since = 1774000000000, backup_problem = 'no room'",
    &["B001", "no room", "backup.directory"]
)]
#[case::unaccounted(
    "UPDATE orders SET status = 'ACCEPTED_BY_MERCHANT', lines_state = 'unreadable', lines_failures = 2,
       lines_problem = 'a quantity that is no number', lines_skus = '[\"A\"]', status_since = 1774000000000,
       lines_due_at = 4000000000000",
    &["order 900000001", "a quantity that is no number", "accepts of A wait"]
)]
#[case::stock_zero("UPDATE stock SET on_hand = 0", &["not one SKU has units"])]
#[case::overdrawn(
    "UPDATE stock SET on_hand = 0; INSERT INTO stock (sku, warehouse, source, on_hand, as_of, import_id, first_import)
     SELECT 'B', '', source, 1, as_of, import_id, first_import FROM stock",
    &["1 of A are promised, and 0 are on hand", "900000001"]
)]
#[case::past_deadline(
    "UPDATE orders SET state = 'NEW', status = 'APPROVED_BY_BANK', created_at = created_at - 86400000,
       body = json_set(body, '$.state', 'NEW', '$.status', 'APPROVED_BY_BANK',
         '$.created_at', '2026-03-02T06:00:00Z', '$.approved_at', '2026-03-02T06:00:00Z')",
    &["past the deadline", "900000001"]
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_trouble_in_the_database_is_named(#[case] statement: &str, #[case] words: &[&str]) {
    let desk = desk().await;
    change(&desk, statement).await;
    is_named(&desk, words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_kaspi_knows_no_more_are_named_with_their_question() {
    let desk = desk().await;
    for code in ["900000011", "900000012"] {
        desk.place(code, "A", 1);
    }
    desk.qabyl(&["once", "--check"]).await.ok();
    desk.tell("forget all");
    desk.qabyl(&["once"]).await;
    is_named(&desk, &["K405", "none of 3 orders", "right shop's token"]).await;
    desk.tell("recall all");
    desk.qabyl(&["once"]).await;
    desk.qabyl(&["status", "--check"]).await.ok();
}

/// Of a shop, of a channel, of the status pages and of a supplier.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_others_can_read_is_named() {
    let desk = desk().await;
    let url = desk.server.al_style_url();
    let more = format!(
        "[[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nsecret_file = \"hook\"\n\
         [[stock.sources]]\nname = \"supplier\"\nkind = \"al-style\"\nurl = \"{url}\"\ntoken_file = \"supplier\"\n"
    );
    let config = desk.config("act", &more);
    let http = "[http]\ntoken_file = \"reader\"\n";
    desk.write("qabyl.toml", &config.replace("[http]\n", http));
    let files = ["token", "hook", "reader", "supplier"];
    for file in &files[1..] {
        desk.write(file, "a-secret-of-thirty-characters!");
    }
    for readable in files {
        for file in files {
            desk.only_for_owner(file);
        }
        let warning = format!("other users of this machine can read {readable}");
        let before = desk.qabyl(&["status"]).await.ok();
        assert!(!before.out.contains("other users"), "{}", before.out);
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(desk.path(readable), open).unwrap();
        let words = [
            "other users of this machine can read",
            &warning,
            "chmod 600",
        ];
        is_named(&desk, &words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_killed_is_named_once_it_has_been_silent() {
    let desk = desk().await;
    let daemon = Daemon::start(&desk);
    let log = || std::fs::read_to_string(desk.path("log")).unwrap_or_default();
    until("it runs", || log().contains("\"daemon.started\"")).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    desk.qabyl(&["status", "--check"]).await.ok();
    daemon.kill();
    change(&desk, "UPDATE lease SET worked_at = worked_at - 200000").await;
    is_named(&desk, &["the daemon is not running"]).await;
}

/// Its messages wait, and nothing else shows that nobody is notified.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_refuses_messages_is_named() {
    let desk = desk().await;
    let receiver = Receiver::start().await;
    let channel = format!(
        "[[channels]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"hook-secret\"\n",
        receiver.url()
    );
    desk.write("hook-secret", SECRET);
    desk.only_for_owner("hook-secret");
    desk.write("qabyl.toml", &desk.config("act", &channel));
    desk.qabyl(&["once", "--check"]).await.ok();
    desk.qabyl(&["status", "--check"]).await.ok();
    change(
        &desk,
        "UPDATE channels SET failures = 1, failing_since = 1774000000000, last_error = 'it answers HTTP 401', refused = 1",
    )
    .await;
    is_named(&desk, &["N001", "channel hook", "HTTP 401"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_source_that_cannot_be_read_is_named() {
    let desk = desk().await;
    let source = "[[stock.sources]]\nname = \"shelf\"\nfile = \"shelf.csv\"\n";
    desk.write("qabyl.toml", &desk.config("act", source));
    desk.qabyl(&["once"]).await;
    is_named(&desk, &["S002", "shelf.csv"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_reports_deadlines() {
    let desk = Desk::new(Settings::default());
    let now = qabyl::clock::Clock::System.now();
    let placed = now - jiff::SignedDuration::from_mins(150);
    let order = qabyl_sandbox::OrderSeed::new("900000002", placed).line("UNKNOWN", 1);
    assert!(desk.server.world().place(order));
    let said = desk.qabyl(&["once", "--check"]).await;
    said.fails(4, &["order.deadline_near", "900000002"]);
}

/// The token stands in a `.env` that the user's group or everybody can read.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_a_dotenv_that_others_can_read_is_named() {
    let desk = desk().await;
    let config = desk
        .config("act", "")
        .replace("token_file = \"token\"\n", "");
    desk.write("qabyl.toml", &config);
    desk.write(".env", &format!("KASPI_TOKEN={}\n", super::TOKEN));
    desk.only_for_owner(".env");
    desk.qabyl(&["doctor"]).await.ok();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(desk.path(".env"), mode).unwrap();
    is_named(&desk, &[".env", "chmod 600"]).await;
    // What it says of other settings is no secret.
    desk.write("qabyl.toml", &desk.config("act", ""));
    desk.write(".env", "QABYL__POLL__SCHEDULE='0 * * * * *'\n");
    desk.qabyl(&["doctor"]).await.ok();
}
