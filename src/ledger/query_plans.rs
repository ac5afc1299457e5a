//! Speed: how SQLite finds the rows of the statements that run every second. None walks through everything
//! a shop ever sold.

use super::{candidates, departures, due_actions, known_orders, manual_decisions};
use crate::store::{
    Access, Store, actions, attempts, counters, day, deadline, listed, namesakes, new_orders,
    order_lists, orders, overview, promises, reservations, reverted, stock, today, unaccounted,
    view,
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
const FEW: [&str; 8] = [
    "orders_waiting",
    "sqlite_autoindex_reverted_statuses_1",
    "orders_on_their_way",
    "orders_unknown_status",
    "actions_due",
    "reservations_active",
    "attempts_open",
    "sqlite_autoindex_restores_1",
];

/// Read from one end, as far as is asked for.
const READ_FROM_THE_END: [(&str, &str); 2] = [
    ("archived from", "orders_archived"),
    ("newest listed", "COVERING INDEX orders_open"),
];

const STATEMENTS: [(&str, &str); 53] = [
    ("reverted", reverted::OF_SHOP),
    ("totals", view::TOTALS),
    ("viewed", view::VIEWED),
    ("newest listed", listed::NEWEST),
    ("open listed", listed::OPEN),
    ("today", today::TODAY),
    ("kinds of a day", day::KINDS),
    ("counts of hours", day::HOURS),
    ("times of accepts", day::ACCEPT_TIMES),
    ("whole hours", counters::WHOLE_HOURS),
    ("seen", counters::SEEN),
    ("waiting counted", counters::WAITING),
    ("cancelled", counters::CANCELLED),
    ("recounted", counters::RECOUNTED),
    ("last hour", counters::LAST_HOUR),
    ("waiting orders", candidates::WAITING),
    ("candidates", candidates::CANDIDATES),
    ("sent", candidates::SENT),
    ("found", manual_decisions::FOUND),
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
    ("shops due", due_actions::SHOPS_DUE),
    ("shops waiting", due_actions::SHOPS_WAITING),
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
    ("mark listed since", orders::MARK_LISTED_SINCE),
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
            let from_the_end = READ_FROM_THE_END.iter();
            let mut from_the_end = from_the_end.filter(|(reading, _)| *reading == name);
            let is_few = is_few || from_the_end.any(|(_, index)| step.contains(index));
            let walks = GROWING.iter().any(|table| {
                step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} "))
            });
            // An index searched by shop alone is the whole shop.
            let walks = walks || step.ends_with("(shop=?)");
            assert!(!walks || is_few, "{name}: {step}");
        }
    }
}
