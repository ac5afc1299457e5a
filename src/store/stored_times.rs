//! Every stored time, and what becomes of it after the clock was set back. A clock that ran ahead leaves times in the
//! future behind, and what waits for one of them would wait until the clock reaches it. This is the one place that
//! writes tables other files write: what is repaired must not depend on which file owns a table.

use jiff::Timestamp;

use super::{StoreError, WriteTx, ms};

/// What becomes of a stored time ahead of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// It becomes the present moment: what is due then is due now, what happened then has just happened.
    Present,
    /// It becomes the moment when a POST sent just now has settled.
    Settled,
    /// It becomes unknown.
    Unknown,
    /// Other columns change with it: the assignments.
    Together(&'static str),
    /// Its row is deleted.
    Delete,
    /// It stays as it was written: the reason.
    Kept(&'static str),
}

use Repair::{Delete, Kept, Present, Settled, Together, Unknown};

const BY_KASPI: &str = "by Kaspi's clock, or a date that Kaspi stated";
const RECORD: &str = "a record that is never changed; nothing waits for it";
/// It is unknown whether such a reading is old or new: it is no evidence, and its source is read again.
const UNREAD: Repair = Together("read_at = NULL, made_at = NULL, as_of = NULL, hash = NULL");
/// The next scan may get the number of a deleted one.
const UNLISTED: Repair = Together("listed_at = NULL, listed_scan = NULL");
const NOT_SHORT: Repair =
    Together("shortage_since = NULL, shortage_scans = 0, shortage_scan = NULL");
/// Lists are counted again.
const UNCOUNTED: Repair = Together("counted_at = NULL, lists = 0, lists_against = 0");

/// Table, column, repair; in the order in which they are repaired. A new column that holds a time is added here:
/// `every_stored_time_is_listed` finds it.
pub const STORED_TIMES: &[(&str, &str, Repair)] = &[
    ("scans", "started_at", Delete),
    ("scans", "finished_at", Delete),
    ("scans", "kaspi_at", Kept(BY_KASPI)),
    ("scans", "window_from", Kept(BY_KASPI)),
    ("scans", "window_to", Kept(BY_KASPI)),
    ("orders", "listed_at", UNLISTED),
    ("orders", "first_seen_at", Present),
    ("orders", "seen_at", Present),
    ("orders", "status_since", Present),
    ("orders", "lines_due_at", Present),
    ("orders", "doubted_at", Present),
    ("orders", "shortage_since", NOT_SHORT),
    ("orders", "created_at", Kept(BY_KASPI)),
    ("orders_not_found", "ask_at", Delete),
    ("orders_not_found", "since", Present),
    ("orders_not_found", "last_at", Present),
    ("orders", "handed_over_at", Present),
    ("reverted_statuses", "counted_at", UNCOUNTED),
    ("reverted_statuses", "shown_at", Present),
    ("reverted_statuses", "since", Present),
    ("manual_keys", "at", Present),
    ("manual_cancels", "at", Present),
    ("users", "added_at", Present),
    ("users", "disabled_at", Present),
    ("enrolment_codes", "ends_at", Delete),
    ("enrolment_tries", "at", Present),
    ("telegram_bots", "updated_at", Present),
    ("telegram_bots", "polled_at", Unknown),
    ("telegram_messages", "made_at", Present),
    ("telegram_messages", "ends_at", Kept(BY_KASPI)),
    (
        "telegram_messages",
        "panel_ends_at",
        Kept("only delays the end of a second press by the same user"),
    ),
    ("telegram_messages", "closed_at", Present),
    ("telegram_buttons", "used_at", Kept(RECORD)),
    ("tokens", "made_at", Present),
    ("tokens", "last_used_at", Present),
    ("tokens", "revoked_at", Present),
    ("tokens", "expires_at", Kept("a moment that a person chose")),
    ("sign_in_links", "made_at", Delete),
    (
        "sign_in_links",
        "expires_at",
        Kept("its link is deleted by when it was made"),
    ),
    ("sign_in_links", "used_at", Delete),
    ("sessions", "made_at", Present),
    ("sessions", "last_used_at", Present),
    ("sessions", "ended_at", Present),
    ("actions", "due_at", Settled),
    ("actions", "made_at", Present),
    ("actions", "closed_at", Present),
    ("attempts", "begun_at", Present),
    ("attempts", "ended_at", Present),
    ("stock", "as_of", Unknown),
    ("stock_past", "as_of", Delete),
    ("stock_overdrawn", "since", Present),
    ("stock_imports", "at", Present),
    ("stock_imports", "as_of", Present),
    ("stock_sources", "read_at", UNREAD),
    ("stock_sources", "made_at", UNREAD),
    ("stock_sources", "as_of", UNREAD),
    ("stock_sources", "tried_at", Present),
    ("stock_sources", "failing_since", Present),
    ("reservations", "left_after", Present),
    ("reservations", "closed_at", Present),
    ("reservations", "confirmed_at", Present),
    ("reservations", "made_at", Present),
    ("reservations", "changed_at", Present),
    ("channels", "retry_at", Unknown),
    ("channels", "failing_since", Present),
    ("deliveries", "made_at", Present),
    ("deliveries", "closed_at", Present),
    ("shops", "waived_at", Present),
    ("shops", "paused_at", Present),
    ("shops", "denied_at", Present),
    ("shops", "sums_agree_at", Present),
    ("shops", "added_at", Present),
    ("shops", "removed_at", Present),
    ("shops", "forgotten_at", Present),
    ("shops", "mismatch_at", Present),
    ("shops", "orders_deleted_before", Kept(BY_KASPI)),
    ("lease", "started_at", Present),
    ("lease", "checked_at", Unknown),
    ("lease", "worked_at", Present),
    ("lease", "backup_failing_since", Present),
    ("lease", "reload_refused_at", Present),
    ("restores", "at", Present),
    ("restores", "known_until", Unknown),
    ("present_reasons", "at", Present),
    ("product_imports", "begun_at", Present),
    ("decisions", "at", Kept(RECORD)),
    (
        "decisions",
        "wait_until",
        Kept("shown to people; every pass decides a waiting order again"),
    ),
    (
        "counts_by_hour",
        "hour",
        Kept("triggers count again what is repaired"),
    ),
    ("notices", "at", Kept(RECORD)),
    ("audit", "at", Kept(RECORD)),
    (
        "audit_retention",
        "deleted_before",
        Kept("by Kaspi's dates of the newest orders; it never moves back"),
    ),
];

/// Repairs the times ahead of `now`; a POST sent just now has settled at `settled`.
pub(crate) async fn repair(
    tx: &mut WriteTx<'_>,
    settled: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (table, column, repair) in STORED_TIMES {
        let (change, latest) = match repair {
            Kept(_) => continue,
            Present => (format!("UPDATE {table} SET {column} = ?1"), now),
            Settled => (format!("UPDATE {table} SET {column} = ?1"), settled),
            Unknown => (format!("UPDATE {table} SET {column} = NULL"), now),
            Together(columns) => (format!("UPDATE {table} SET {columns}"), now),
            Delete => (format!("DELETE FROM {table}"), now),
        };
        // Names and assignments are the list's own.
        let statement = sqlx::AssertSqlSafe(format!("{change} WHERE {column} > ?1"));
        sqlx::query(statement)
            .bind(ms(latest))
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}
