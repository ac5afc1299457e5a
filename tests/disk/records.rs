//! What a database holds, and what was acknowledged: it must hold all of it.

use std::collections::BTreeMap;
use std::path::Path;

use qabyl_sandbox::{World, WriteKind};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

/// A request of one kind about one order.
type Asked = (String, String);

/// How a request ended: order, kind, number, outcome.
type End = (String, String, i64, String);

/// What is on disk.
#[derive(Debug, Default)]
pub(super) struct Book {
    attempts: BTreeMap<Asked, u64>,
    ends: BTreeMap<End, u64>,
    decisions: BTreeMap<i64, Asked>,
}

/// What others learned: by a request, or by the log.
#[derive(Debug, Default, Clone)]
pub(super) struct Reported {
    posts: BTreeMap<Asked, u64>,
    ends: BTreeMap<End, u64>,
    decisions: BTreeMap<i64, Asked>,
}

impl Book {
    /// Reads a database nobody works on, or one beside its daemon.
    pub(super) async fn read(database: &Path) -> Result<Self, String> {
        let options = SqliteConnectOptions::new()
            .filename(database)
            .read_only(true)
            .disable_statement_logging();
        let text = |error: sqlx::Error| format!("{}: {error}", database.display());
        let mut connection = options.connect().await.map_err(text)?;
        let book = Self::from(&mut connection).await.map_err(text)?;
        connection.close().await.map_err(text)?;
        Ok(book)
    }

    async fn from(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut book = Self::default();
        let attempts: Vec<(String, String, i64, Option<String>)> = sqlx::query_as(
            "SELECT o.code, a.kind, t.n, t.outcome FROM attempts t
             JOIN actions a ON a.id = t.action_id
             JOIN orders o ON o.shop = a.shop AND o.id = a.order_id",
        )
        .fetch_all(&mut *connection)
        .await?;
        for (code, kind, n, outcome) in attempts {
            *book
                .attempts
                .entry((code.clone(), kind.clone()))
                .or_default() += 1;
            if let Some(outcome) = outcome {
                *book.ends.entry((code, kind, n, outcome)).or_default() += 1;
            }
        }
        let decisions: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT d.id, o.code, d.verdict FROM decisions d
             JOIN orders o ON o.shop = d.shop AND o.id = d.order_id",
        )
        .fetch_all(connection)
        .await?;
        for (id, code, verdict) in decisions {
            book.decisions.insert(id, (code, verdict));
        }
        Ok(book)
    }

    /// POSTs with a row.
    pub(super) fn attempts(&self) -> u64 {
        self.attempts.values().sum()
    }
}

impl Reported {
    /// What the sandbox has seen and the log says by now.
    pub(super) fn by_now(world: &World, log: &str) -> Self {
        let mut reported = Self::default();
        for row in world.ledger().requests() {
            let kind = match row.write {
                Some(WriteKind::Accept) => "accept",
                Some(WriteKind::Cancel) => "cancel",
                Some(WriteKind::Other) | None => continue,
            };
            let code = row.code.clone().unwrap_or_default();
            *reported.posts.entry((code, kind.to_owned())).or_default() += 1;
        }
        // A line cut in two by a kill says nothing.
        let lines = log.lines().filter(|line| line.contains("\"event\":\""));
        for line in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            reported.hear(&line);
        }
        reported
    }

    fn hear(&mut self, line: &Value) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        match line["event"].as_str() {
            Some("order.decided") => {
                let id = line["decision.id"].as_i64().unwrap();
                self.decisions
                    .insert(id, (text("order.code"), text("verdict")));
            }
            Some("attempt.ended") => {
                let n = line["attempt.n"].as_i64().unwrap();
                let end = (text("order.code"), text("action"), n, text("outcome"));
                *self.ends.entry(end).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Everything that was acknowledged and counted here.
    pub(super) fn count(&self) -> u64 {
        let decisions = u64::try_from(self.decisions.len()).unwrap();
        self.posts.values().sum::<u64>() + self.ends.values().sum::<u64>() + decisions
    }

    /// What was reported and is not on disk.
    pub(super) fn missing_from(&self, book: &Book) -> Vec<String> {
        let mut missing = Vec::new();
        for (asked, posts) in &self.posts {
            let rows = book.attempts.get(asked).copied().unwrap_or_default();
            if rows < *posts {
                missing.push(format!("{posts} POSTs of {asked:?} have {rows} rows"));
            }
        }
        for (end, times) in &self.ends {
            if book.ends.get(end).copied().unwrap_or_default() < *times {
                missing.push(format!("the log says {end:?}, the database does not"));
            }
        }
        for (id, decided) in &self.decisions {
            if book.decisions.get(id) != Some(decided) {
                let found = book.decisions.get(id);
                missing.push(format!("decision {id} of {decided:?} is {found:?} on disk"));
            }
        }
        missing
    }
}

/// What SQLite finds wrong with a file.
pub(super) async fn damage(database: &Path) -> Result<Vec<String>, String> {
    let text = |error: sqlx::Error| format!("{}: {error}", database.display());
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = options.connect().await.map_err(text)?;
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut connection)
        .await
        .map_err(text)?;
    let orphans = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut connection)
        .await
        .map_err(text)?;
    connection.close().await.map_err(text)?;
    let mut found: Vec<String> = said.into_iter().filter(|said| said != "ok").collect();
    if !orphans.is_empty() {
        found.push(format!("{} rows without their parents", orphans.len()));
    }
    Ok(found)
}
