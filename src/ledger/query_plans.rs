//! Speed: how SQLite finds the rows of the statements that run every second. None walks through everything
//! a shop ever sold.

use super::{candidates, departures, due_actions, known_orders};
use crate::store::{
    Access, Store, actions, attempts, counters, deadline, namesakes, new_orders, order_lists,
    orders, overview, promises, reservations, reverted, stock, today, unaccounted, view,
};

/// Tables that grow with every order or SKU, and how the statements call them.
const GROWING: [&str; 10] = [
    "orders",
    "lines",
    "decisions",
    "reservations",
    "actions",
    "attempts",
    "audit",
    "stock",
    "o",
    "d",
];

/// Indexes of unfinished work only, which stay small.
const FEW: [&str; 7] = [
    "sqlite_autoindex_reverted_statuses_1",
    "orders_on_their_way",
    "orders_unknown_status",
    "actions_due",
    "reservations_active",
    "attempts_open",
    "sqlite_autoindex_restores_1",
];

/// Read from its newest end, as far as is asked for.
const READ_FROM_THE_END: (&str, &str) = ("archived from", "orders_archived");

/// Scanned in full every five seconds: no smaller index has these counts.
const COUNTED: [&str; 2] = ["SCAN orders USING COVERING INDEX", "SCAN actions"];

const STATEMENTS: [(&str, &str); 42] = [
    ("reverted", reverted::OF_SHOP),
    ("totals", view::TOTALS),
    ("today", today::TODAY),
    ("orders counted", counters::ORDERS),
    ("waiting counted", counters::WAITING),
    ("out of stock", counters::OUT_OF_STOCK),
    ("cancels", counters::CANCELS),
    ("last hour", counters::LAST_HOUR),
    ("waiting orders", candidates::WAITING),
    ("candidates", candidates::CANDIDATES),
    ("sent", candidates::SENT),
    ("same number", namesakes::SAME_NUMBER),
    ("namesakes", namesakes::NAMESAKES),
    ("without lines", unaccounted::WITHOUT_LINES),
    ("oldest followed", order_lists::OLDEST_FOLLOWED),
    ("oldest waiting", order_lists::OLDEST_WAITING),
    ("not in accepted list", unaccounted::NOT_IN_ACCEPTED_LIST),
    ("not in new list", unaccounted::NOT_IN_LIST),
    ("archived from", order_lists::ARCHIVED_FROM),
    ("due", due_actions::DUE),
    ("next due", due_actions::NEXT_DUE),
    ("unconfirmed", due_actions::UNCONFIRMED),
    ("open attempts", attempts::OPEN_ATTEMPTS),
    ("levels", stock::LEVELS_OF),
    ("SKUs that look", stock::SKUS_THAT_LOOK),
    ("promises", promises::PROMISES),
    ("recent_demand", promises::RECENT_DEMAND),
    ("lines", candidates::LINES),
    ("lines wanted", order_lists::LINES_WANTED),
    ("known", known_orders::KNOWN),
    ("update orders", orders::UPDATE_ORDERS),
    ("write actions", actions::WRITE),
    ("reservations in a state", reservations::IN_STATE),
    ("write reservations", reservations::WRITE),
    ("touch", orders::TOUCH),
    ("mark listed", orders::MARK_LISTED),
    ("waiting", deadline::WAITING),
    ("new orders", new_orders::NEW_ORDERS),
    ("new order", new_orders::NEW_ORDER),
    ("decided", overview::DECIDED),
    ("day", overview::DAY),
    ("known before", departures::KNOWN_BEFORE),
];

#[tokio::test]
async fn no_frequent_statement_scans_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let store = Store::open(&folder.path().join("plans.db"), Access::Tool, now)
        .await
        .unwrap();
    let mut reader = store.read().await.unwrap();
    for (name, statement) in STATEMENTS {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
            .fetch_all(&mut *reader)
            .await
            .unwrap();
        assert!(!steps.is_empty());
        for (_, _, _, step) in steps {
            let is_few = FEW.iter().any(|few| step.contains(few));
            let (reading, index) = READ_FROM_THE_END;
            let is_few = is_few || name == reading && step.contains(index);
            let walks = GROWING.iter().any(|table| {
                step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "))
            });
            // An index searched by shop alone is the whole shop.
            let walks = walks || step.ends_with("(shop=?)");
            let allowed = name == "totals" && COUNTED.iter().any(|may| step.starts_with(may));
            assert!(!walks || is_few || allowed, "{name}: {step}");
        }
    }
}
