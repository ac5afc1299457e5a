//! A clock that ran ahead for days and was put right: nothing that is stored waits for the days to pass.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::store::{Repair, STORED_TIMES};
use qabyl_sandbox::{OrderSeed, Settings};
use sqlx::{Connection as _, SqliteConnection};

use crate::migrations::look_into;
use crate::notify::queue::{BOUNDS, hook, notifier, run_notify};
use crate::notify::receiver::{Mode, Receiver};
use crate::world::{TestWorld, world};

/// Columns of whole numbers that hold no time.
const NO_TIMES: [&str; 44] = [
    "absent",
    "action_id",
    "archive_read",
    "at_least",
    "attempts",
    "begun",
    "clock_skew_s",
    "complete",
    "configured",
    "decision_id",
    "delivery",
    "ends_lines",
    "epoch",
    "failures",
    "fell",
    "fell_in",
    "first_import",
    "had",
    "id",
    "import_id",
    "is_summary",
    "last_import",
    "lines_failures",
    "listed_scan",
    "n",
    "needs_person",
    "notice",
    "number",
    "older",
    "on_hand",
    "one",
    "order_lag_max",
    "orders",
    "packed_to",
    "pid",
    "posting_lag",
    "priority",
    "quantity",
    "refused",
    "rejections",
    "rows",
    "shortage_scan",
    "shortage_scans",
    "standing",
];
const MORE_NO_TIMES: [&str; 17] = [
    "chat",
    "message",
    "message_row",
    "panel_user",
    "revision",
    "shown",
    "bot",
    "next_update",
    "user_id",
    "telegram",
    "counts_as_cancel",
    "doubted",
    "lists",
    "lists_against",
    "times",
    "unknown_status",
    "unread_fields",
];

async fn columns(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND c.type = 'INTEGER' AND t.name NOT LIKE 'sqlite%'",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn every_stored_time_is_listed() {
    let world = world(Settings::default()).begin().await;
    let mut connection = look_into(&world.config().database.path).await;
    let known = |name: &str| NO_TIMES.contains(&name) || MORE_NO_TIMES.contains(&name);
    let in_schema: BTreeSet<(String, String)> = columns(&mut connection)
        .await
        .into_iter()
        .filter(|(_, column)| !known(column))
        .collect();
    let listed: BTreeSet<(String, String)> = STORED_TIMES
        .iter()
        .map(|(table, column, _)| ((*table).to_owned(), (*column).to_owned()))
        .collect();
    let missing: Vec<_> = in_schema.symmetric_difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "times that STORED_TIMES does not list, or that the schema does not have: {missing:?}"
    );
}

/// The columns with a value after `latest`.
async fn ahead(connection: &mut SqliteConnection, latest: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    for (table, column, repair) in STORED_TIMES {
        if matches!(repair, Repair::Kept(_)) {
            continue;
        }
        let text = format!("SELECT COUNT(*) FROM {table} WHERE {column} > ?");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
            .bind(latest.as_millisecond())
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if rows > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

const DAYS: i64 = 3 * 24 * 3600;

/// An order of now by Kaspi's clock, which nobody set.
fn place(world: &TestWorld, code: &str, sku: &str) {
    let at_kaspi = world.now() - SignedDuration::from_secs(DAYS);
    world.place(OrderSeed::new(code, at_kaspi).line(sku, 1));
}

/// While the clock is ahead orders are accepted and held, an answer is lost, a channel fails.
#[tokio::test]
async fn after_a_clock_was_put_right_nothing_waits_for_the_time_it_showed() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 50)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.once().await;
    world.set_clock(DAYS);
    receiver.behaves(Mode::Says(503, "", ""));
    world.stock(&[("A", 40), ("B", 2)]).await;
    place(&world, "930000401", "A");
    place(&world, "930000402", "UNKNOWN");
    world.brief().await;
    for _ in 0..4 {
        world.time.advance(Duration::from_secs(61));
        run_notify(&notifier).await;
    }
    place(&world, "930000403", "B");
    world.poll_and_decide().await;
    let mut connection = look_into(&world.config().database.path).await;
    let latest = world.now() - SignedDuration::from_secs(DAYS) + SignedDuration::from_hours(1);
    let before = ahead(&mut connection, latest).await;
    for column in [
        "channels.retry_at",
        "actions.due_at",
        "orders.seen_at",
        "lease.worked_at",
    ] {
        assert!(before.iter().any(|found| found == column), "{before:?}");
    }

    world.set_clock(-DAYS);
    receiver.behaves(Mode::Well);
    world.time.advance(Duration::from_secs(5));
    world.act().await;
    assert_eq!(ahead(&mut connection, latest).await, [""; 0]);
    run_notify(&notifier).await;
    assert!(
        !receiver.seen().items().is_empty(),
        "the hold was notified at once"
    );
    // What was counted ahead of the clock says nothing: the next count does.
    world.time.advance(Duration::from_secs(70));
    world.stock(&[("A", 40), ("B", 2)]).await;
    world.once().await;
    assert_eq!(world.posts("930000403"), ["accept"]);
    connection.close().await.unwrap();
}

/// A channel alone failed while the clock was ahead: no order came, and no list was read.
#[tokio::test]
async fn a_channel_that_failed_ahead_of_the_clock_is_tried_once_it_is_right() {
    let mut world = world(Settings::default()).begin().await;
    world.stock(&[("A", 5)]).await;
    let receiver = Receiver::start().await;
    let notifier = notifier(&world, vec![hook(&receiver)], BOUNDS).await;
    world.place_plain(&[("930000411", "UNKNOWN", 1)]);
    world.once().await;
    receiver.behaves(Mode::Says(503, "", ""));
    world.set_clock(DAYS);
    qabyl::pipeline::notify::run_channel(&notifier, "hook")
        .await
        .unwrap();
    world.set_clock(-DAYS);
    receiver.behaves(Mode::Well);
    world.act().await;
    run_notify(&notifier).await;
    let held = receiver.seen().items();
    assert!(
        held.iter().any(|item| item["type"] == "order.held"),
        "{held:?}"
    );
}
