//! The database as anybody may read it: by SQL, beside the product.

use std::collections::BTreeSet;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, FromRow, SqliteConnection};
use tokio::runtime::Handle;

pub(crate) struct Database {
    connection: Option<SqliteConnection>,
    handle: Handle,
}

/// An order, and all that was done about it.
#[derive(FromRow, Debug)]
pub(crate) struct OrderRow {
    pub(crate) code: String,
    pub(crate) state: String,
    pub(crate) status: String,
    pub(crate) held: bool,
    pub(crate) verdict: Option<String>,
    /// The whole of the newest decision, for whoever reads of a violation.
    #[expect(dead_code, reason = "it is shown, as a part of the row")]
    pub(crate) decision: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) open_actions: i64,
    /// Of the open ones, those that wait for a person.
    pub(crate) stuck_actions: i64,
}

const ORDERS: &str = "
SELECT o.code, o.state, o.status, o.held_by IS NOT NULL AS held,
  (SELECT verdict FROM decisions d WHERE d.shop = o.shop AND d.order_id = o.id ORDER BY d.id DESC LIMIT 1) AS verdict,
  (SELECT body FROM decisions d WHERE d.shop = o.shop AND d.order_id = o.id ORDER BY d.id DESC LIMIT 1) AS decision,
  (SELECT COUNT(*) FROM attempts t JOIN actions a ON a.id = t.action_id
   WHERE a.shop = o.shop AND a.order_id = o.id) AS attempts,
  (SELECT COUNT(*) FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id AND a.closed_at IS NULL) AS open_actions,
  (SELECT COUNT(*) FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id AND a.closed_at IS NULL
     AND a.needs_person = 1) AS stuck_actions
FROM orders o ORDER BY o.code";

/// Units promised to an order.
#[derive(FromRow, Debug)]
pub(crate) struct PromiseRow {
    pub(crate) code: String,
    pub(crate) sku: String,
    pub(crate) state: String,
    pub(crate) units: i64,
}

const PROMISES: &str = "
SELECT o.code, r.sku, r.state, SUM(r.quantity) AS units FROM reservations r
JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
WHERE r.state <> 'released' GROUP BY o.code, r.sku, r.state";

impl Database {
    pub(crate) fn open(path: &Path, handle: &Handle) -> Self {
        let options = SqliteConnectOptions::new().filename(path);
        let connection = handle.block_on(options.connect()).unwrap();
        Self {
            connection: Some(connection),
            handle: handle.clone(),
        }
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().unwrap()
    }

    pub(crate) fn orders(&mut self) -> Vec<OrderRow> {
        let handle = self.handle.clone();
        let rows = sqlx::query_as(ORDERS).fetch_all(self.connection());
        handle.block_on(rows).unwrap()
    }

    pub(crate) fn promises(&mut self) -> Vec<PromiseRow> {
        let handle = self.handle.clone();
        let rows = sqlx::query_as(PROMISES).fetch_all(self.connection());
        handle.block_on(rows).unwrap()
    }

    pub(crate) fn number(&mut self, question: &'static str) -> i64 {
        let handle = self.handle.clone();
        let number = sqlx::query_scalar(question).fetch_one(self.connection());
        handle.block_on(number).unwrap()
    }

    pub(crate) fn texts(&mut self, question: &'static str) -> Vec<String> {
        let handle = self.handle.clone();
        let texts = sqlx::query_scalar(question).fetch_all(self.connection());
        handle.block_on(texts).unwrap()
    }

    pub(crate) fn change(&mut self, statement: &'static str) -> u64 {
        let handle = self.handle.clone();
        let done = sqlx::query(statement).execute(self.connection());
        handle.block_on(done).unwrap().rows_affected()
    }

    /// Orders that are decided, or held by somebody.
    pub(crate) fn spoken_for(&mut self) -> BTreeSet<String> {
        let codes = self.texts(
            "SELECT code FROM orders o WHERE held_by IS NOT NULL OR EXISTS (
               SELECT 1 FROM decisions d WHERE d.shop = o.shop AND d.order_id = o.id)",
        );
        codes.into_iter().collect()
    }

    /// Whether the file is whole, by SQLite's own examination.
    pub(crate) fn is_whole(&mut self) -> Result<(), String> {
        let said = self.texts("PRAGMA integrity_check");
        if said != ["ok"] {
            return Err(format!("the database is not whole: {said:?}"));
        }
        match self.number("SELECT COUNT(*) FROM pragma_foreign_key_check") {
            0 => Ok(()),
            rows => Err(format!("{rows} rows refer to nothing")),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self.handle.block_on(connection.close());
        }
    }
}
