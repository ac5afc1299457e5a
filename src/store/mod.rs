//! Tables and read models. One writer, a few readers, one database file.
//!
//! A write is a `WriteTx`: `BEGIN IMMEDIATE` … `COMMIT` issued explicitly on one connection. A write
//! that does not end in a clean commit discards that connection, so that no open transaction can
//! include a later write, and the next write starts from what is on disk.

pub(crate) mod actions;
pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod batch;
pub(crate) mod counters;
pub(crate) mod day;
pub(crate) mod deadline;
pub(crate) mod decisions;
pub(crate) mod enrolment;
pub(crate) mod error;
pub(crate) mod existing;
pub(crate) mod feeds;
pub(crate) mod lease;
pub(crate) mod lines;
pub(crate) mod listed;
pub(crate) mod lock;
pub(crate) mod manual_cancels;
pub(crate) mod manual_keys;
pub(crate) mod namesakes;
pub(crate) mod new_orders;
pub(crate) mod not_found;
pub(crate) mod notice_views;
pub(crate) mod notices;
pub(crate) mod open;
pub(crate) mod order_lists;
pub(crate) mod orders;
pub(crate) mod overdrawn;
pub(crate) mod overview;
pub(crate) mod paces;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod present_reasons;
pub(crate) mod product_imports;
pub(crate) mod promises;
pub(crate) mod replay;
pub(crate) mod reservations;
pub(crate) mod reverted;
pub(crate) mod scans;
pub(crate) mod sessions;
pub(crate) mod shop_identity;
pub(crate) mod shops;
pub(crate) mod stock;
pub(crate) mod stock_export;
pub(crate) mod stock_history;
pub(crate) mod stock_parts;
pub(crate) mod stored_times;
pub(crate) mod telegram_bots;
pub(crate) mod telegram_messages;
pub(crate) mod telegram_rows;
pub(crate) mod today;
pub(crate) mod turn;
pub(crate) mod unaccounted;
pub(crate) mod upkeep;
pub(crate) mod view;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::domain::ids::ShopName;
use crate::mutant::mutant;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, MutexGuard};

pub use audit::AuditRow;
pub use backup::PARTIAL;
pub use day::{DaySums, HourSums};
pub use deadline::{DeadlineEvent, Waiting};
pub use error::StoreError;
pub use feeds::{Configured, LastRead, SourceRead, SourceState, Trouble};
pub use lease::Worker;
pub use listed::OrderFilter;
pub use lock::Holder;
pub use manual_keys::KeyedRequest;
pub use notice_views::{ChannelState, Delivery, StoredNotice};
pub use notices::{Bounds, NotTaken};
pub use order_lists::LinesWanted;
pub use overview::{DaySeen, HeldNow};
pub use page::Page;
pub use people::{Token, User};
pub use product_imports::{ImportClaim, ImportEnd, ProductsOf};
pub use replay::{Past, PastFilter};
pub use scans::{Scan, ScanKind};
pub use sessions::Session;
pub use shops::ShopState;
pub use stock::Fallen;
pub use stock_export::Sold;
pub use stock_history::PastReading;
pub use stock_parts::PartRow;
pub use stored_times::{Repair, STORED_TIMES};
pub use telegram_bots::BotState;
pub use telegram_messages::{ButtonMessage, NewButton, NewButtonMessage};
pub use today::Today;
pub use view::{ActionView, AttemptView, DecisionView, OrderView, Totals};

/// Who opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The one process that polls and acts; takes the lock and a new epoch.
    Daemon,
    /// A command that reads, or writes a manual decision, beside a running daemon.
    Tool,
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    pub(crate) path: PathBuf,
    writer: Mutex<Option<SqliteConnection>>,
    pub(crate) readers: SqlitePool,
    pub(crate) epoch: i64,
    /// Whether this process has checked the whole file.
    checked: AtomicBool,
    _lock: Option<lock::Lock>,
}

impl Store {
    /// This process's epoch: 0 for a tool.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The database's path.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Starts a write. The database is locked for other writers until it ends.
    pub(crate) async fn write(&self) -> Result<WriteTx<'_>, StoreError> {
        let mut slot = self.writer.lock().await;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => open::writer(&self.path).await?,
        };
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await?;
        if self.epoch > 0 && !mutant("r14_lease_not_checked") {
            let (epoch, pid): (i64, i64) =
                sqlx::query_as("SELECT epoch, pid FROM lease WHERE one = 1")
                    .fetch_one(&mut connection)
                    .await?;
            if epoch != self.epoch {
                return Err(StoreError::LeaseLost { pid });
            }
        }
        Ok(WriteTx {
            slot,
            connection: Some(connection),
            epoch: self.epoch,
            origin: None,
            audit: Vec::new(),
            notices: Vec::new(),
            recount: counters::Recount::default(),
        })
    }

    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Whether the database answers a read, for health checks.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut reader = self.read().await?;
        sqlx::query("SELECT epoch FROM lease")
            .execute(&mut *reader)
            .await?;
        Ok(())
    }

    /// Closes all connections, writing the log back into the file.
    pub async fn close(self) {
        self.readers.close().await;
        if let Some(connection) = self.writer.into_inner() {
            // A failure here loses nothing: what was committed is in the log.
            let _ = connection.close().await;
        }
    }
}

/// One write. Dropped without [`WriteTx::commit`], it leaves nothing behind.
pub(crate) struct WriteTx<'s> {
    slot: MutexGuard<'s, Option<SqliteConnection>>,
    connection: Option<SqliteConnection>,
    pub(crate) epoch: i64,
    /// How the person came who is behind this write, where it is known.
    origin: Option<String>,
    /// Rows of the audit log with their details, written together just before the commit.
    audit: Vec<(serde_json::Value, serde_json::Value)>,
    /// Notices with their facts, written there too.
    notices: Vec<(serde_json::Value, serde_json::Value)>,
    /// What is counted again just before the commit.
    pub(crate) recount: counters::Recount,
}

impl<'s> WriteTx<'s> {
    /// A write on a connection of its own, to a file that no process works on yet. `slot` takes the connection back.
    pub(crate) async fn alone(
        slot: &'s Mutex<Option<SqliteConnection>>,
        mut connection: SqliteConnection,
    ) -> Result<Self, StoreError> {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await?;
        let epoch = sqlx::query_scalar("SELECT epoch FROM lease WHERE one = 1")
            .fetch_one(&mut connection)
            .await?;
        Ok(Self {
            slot: slot.lock().await,
            connection: Some(connection),
            epoch,
            origin: None,
            audit: Vec::new(),
            notices: Vec::new(),
            recount: counters::Recount::default(),
        })
    }
}

impl WriteTx<'_> {
    /// Executes statements that have one moment as their only parameter.
    pub(crate) async fn execute_at(
        &mut self,
        statements: &[&'static str],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for statement in statements {
            sqlx::query(*statement)
                .bind(ms(at))
                .execute(self.conn()?)
                .await?;
        }
        Ok(())
    }

    /// Executes a statement about some orders (JSON) of a shop.
    pub(crate) async fn execute_for(
        &mut self,
        statement: &'static str,
        shop: &ShopName,
        orders: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(statement)
            .bind(shop.as_str())
            .bind(orders)
            .execute(self.conn()?)
            .await?;
        Ok(())
    }

    pub(crate) fn conn(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    /// Commits the write. After an error it is unknown whether it was committed: read the row again (R13).
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.write_counts().await?;
        self.write_audit().await?;
        self.write_notices().await?;
        let mut connection = self.connection.take().ok_or(StoreError::Closed)?;
        sqlx::query("COMMIT")
            .execute(&mut connection)
            .await
            .map_err(StoreError::Commit)?;
        *self.slot = Some(connection);
        Ok(())
    }
}

/// Epoch milliseconds, as stored.
pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// From stored epoch milliseconds.
pub(crate) fn at(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| StoreError::corrupt("a time", ms.to_string()))
}
