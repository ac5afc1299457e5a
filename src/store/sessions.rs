//! The tables `sign_in_links` and `sessions`: how users come to the web app. Secrets are stored as digests alone.

use jiff::{SignedDuration, Timestamp};
use sqlx::{FromRow, SqliteConnection};

use super::people::{self, User};
use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::session::{EndedBy, UNUSED_MAX, is_live};

/// How long links and sessions are kept after their end.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A browser in which a user signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its row.
    pub id: i64,
    /// Who signed in.
    pub user: User,
    /// The language that they chose.
    pub language: Option<String>,
    /// When they signed in.
    pub made_at: Timestamp,
    /// When it was last used; up to a minute earlier than it really was.
    pub last_used_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Session {
    /// Whether it still lets in.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.user.disabled_at.is_none() && is_live(self.ended_at, self.last_used_at, now)
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    user_id: i64,
    language: Option<String>,
    made_at: i64,
    last_used_at: i64,
    ended_at: Option<i64>,
}

async fn session(connection: &mut SqliteConnection, row: Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.id,
        user: people::user_of(connection, row.user_id).await?,
        language: row.language,
        made_at: at(row.made_at)?,
        last_used_at: at(row.last_used_at)?,
        ended_at: row.ended_at.map(at).transpose()?,
    })
}

const SESSIONS: &str =
    "SELECT id, user_id, language, made_at, last_used_at, ended_at FROM sessions";

/// Adds a link. Those that ended long ago go.
pub(crate) async fn insert_link(
    tx: &mut WriteTx<'_>,
    (digest, user): (&str, i64),
    (now, expires_at): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let kept = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
    sqlx::query("DELETE FROM sign_in_links WHERE expires_at < ?")
        .bind(ms(kept))
        .execute(tx.conn()?)
        .await?;
    sqlx::query(
        "INSERT INTO sign_in_links (digest, user_id, made_at, expires_at) VALUES (?, ?, ?, ?)",
    )
    .bind(digest)
    .bind(user)
    .bind(ms(now))
    .bind(ms(expires_at))
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Whose link this is, where it still lets in.
pub(crate) async fn link(
    connection: &mut SqliteConnection,
    digest: &str,
    now: Timestamp,
) -> Result<Option<User>, StoreError> {
    let user: Option<i64> = sqlx::query_scalar(
        "SELECT user_id FROM sign_in_links WHERE digest = ? AND used_at IS NULL AND expires_at > ?",
    )
    .bind(digest)
    .bind(ms(now))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(user) = user else { return Ok(None) };
    let user = people::user_of(connection, user).await?;
    Ok(Some(user).filter(|user| user.disabled_at.is_none()))
}

/// Marks a link as used.
pub(crate) async fn use_link(
    tx: &mut WriteTx<'_>,
    digest: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sign_in_links SET used_at = ?2 WHERE digest = ?1")
        .bind(digest)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Adds a session; returns its number. Those that ended long ago go.
pub(crate) async fn insert_session(
    tx: &mut WriteTx<'_>,
    (digest, user): (&str, i64),
    now: Timestamp,
) -> Result<i64, StoreError> {
    let kept = KEPT.saturating_add(UNUSED_MAX);
    let kept = now.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    sqlx::query("DELETE FROM sessions WHERE last_used_at < ?")
        .bind(ms(kept))
        .execute(tx.conn()?)
        .await?;
    let done = sqlx::query(
        "INSERT INTO sessions (digest, user_id, made_at, last_used_at) VALUES (?, ?, ?, ?)",
    )
    .bind(digest)
    .bind(user)
    .bind(ms(now))
    .bind(ms(now))
    .execute(tx.conn()?)
    .await?;
    Ok(done.last_insert_rowid())
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    One(i64),
    Of(i64),
    All,
}

/// Ends sessions; returns how many had not ended. The links of the same users let in no longer.
pub(crate) async fn end(
    tx: &mut WriteTx<'_>,
    which: Which,
    (by, now): (EndedBy, Timestamp),
) -> Result<u64, StoreError> {
    let (one, user) = match which {
        Which::One(id) => (Some(id), None),
        Which::Of(user) => (None, Some(user)),
        Which::All => (None, None),
    };
    let ended = sqlx::query(
        "UPDATE sessions SET ended_at = ?1, why_ended = ?2
         WHERE ended_at IS NULL AND (?3 IS NULL OR id = ?3) AND (?4 IS NULL OR user_id = ?4)",
    )
    .bind(ms(now))
    .bind(by.as_str())
    .bind(one)
    .bind(user)
    .execute(tx.conn()?)
    .await?;
    if one.is_none() {
        sqlx::query("DELETE FROM sign_in_links WHERE ?1 IS NULL OR user_id = ?1")
            .bind(user)
            .execute(tx.conn()?)
            .await?;
    }
    Ok(ended.rows_affected())
}

/// The session with this number.
pub(crate) async fn session_of(
    tx: &mut WriteTx<'_>,
    id: i64,
) -> Result<Option<Session>, StoreError> {
    let statement = format!("{SESSIONS} WHERE id = ?");
    // The columns are the list's own.
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(id)
        .fetch_optional(tx.conn()?)
        .await?;
    match row {
        Some(row) => Ok(Some(session(tx.conn()?, row).await?)),
        None => Ok(None),
    }
}

impl Store {
    /// Whose link this is, where it still lets in. Nothing is used up.
    pub async fn link_of(&self, digest: &str, now: Timestamp) -> Result<Option<User>, StoreError> {
        let mut reader = self.read().await?;
        link(&mut reader, digest, now).await
    }

    /// The session with this digest, ended or not.
    pub async fn session(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!("{SESSIONS} WHERE digest = ?");
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(digest)
            .fetch_optional(&mut *reader)
            .await?;
        match row {
            Some(row) => Ok(Some(session(&mut reader, row).await?)),
            None => Ok(None),
        }
    }

    /// Whether the session with this number still lets in.
    pub async fn session_lets_in(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!("{SESSIONS} WHERE id = ?");
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(id)
            .fetch_optional(&mut *reader)
            .await?;
        match row {
            Some(row) => Ok(session(&mut reader, row).await?.is_live(now)),
            None => Ok(false),
        }
    }

    /// Every session that still lets in, the one used last first.
    pub async fn sessions(&self, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!("{SESSIONS} WHERE ended_at IS NULL ORDER BY last_used_at DESC, id");
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .fetch_all(&mut *reader)
            .await?;
        let mut found = Vec::new();
        for row in rows {
            found.push(session(&mut reader, row).await?);
        }
        found.retain(|session| session.is_live(now));
        Ok(found)
    }

    /// Notes that a session was used.
    pub async fn note_session_used(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE sessions SET last_used_at = ?2 WHERE id = ?1")
            .bind(id)
            .bind(ms(now))
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// Notes the language that its user chose.
    pub async fn set_session_language(&self, id: i64, language: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE sessions SET language = ?2 WHERE id = ?1")
            .bind(id)
            .bind(language)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }
}
