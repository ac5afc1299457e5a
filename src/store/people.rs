//! The tables `users`, `tokens` and `roles`: people, what programs show to come in, and what each may do where.

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::ids::ShopName;
use crate::domain::people::{Grant, Grants, Role};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its row.
    pub id: i64,
    /// As the command line names them.
    pub name: String,
    /// Their number at Telegram.
    pub telegram: Option<i64>,
    /// What they may do where.
    pub grants: Grants,
    /// Since when.
    pub added_at: Timestamp,
    /// Since when they may do nothing any more.
    pub disabled_at: Option<Timestamp>,
}

/// What a program shows to come in: its secret is stored as a digest alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The part of it that everybody may see.
    pub id: String,
    /// The program; two may have the same name while one replaces the other.
    pub name: String,
    /// What it may do where.
    pub grants: Grants,
    /// SHA-256 of the whole token, in hex.
    pub digest: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// From when on it is no longer good.
    pub expires_at: Option<Timestamp>,
    /// When it was last shown; up to a minute earlier than it really was.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it still lets in.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// Whose roles.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'a> {
    User(i64),
    Token(&'a str),
}

impl Holder<'_> {
    const fn user(&self) -> Option<i64> {
        match self {
            Self::User(id) => Some(*id),
            Self::Token(_) => None,
        }
    }

    const fn token(&self) -> Option<&str> {
        match self {
            Self::User(_) => None,
            Self::Token(id) => Some(id),
        }
    }
}

#[derive(FromRow)]
struct UserRow {
    id: i64,
    name: String,
    telegram: Option<i64>,
    added_at: i64,
    disabled_at: Option<i64>,
}

#[derive(FromRow)]
struct TokenRow {
    id: String,
    name: String,
    digest: String,
    made_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

async fn grants(
    connection: &mut SqliteConnection,
    holder: Holder<'_>,
) -> Result<Grants, StoreError> {
    let rows: Vec<(Option<String>, String)> = sqlx::query_as(
        "SELECT shop, role FROM roles WHERE user_id IS ?1 AND token_id IS ?2 ORDER BY shop",
    )
    .bind(holder.user())
    .bind(holder.token())
    .fetch_all(connection)
    .await?;
    let grant = |(shop, role): (Option<String>, String)| {
        let role = Role::parse(&role).ok_or_else(|| StoreError::corrupt("a role", &role))?;
        let name =
            |shop: String| ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", &shop));
        let shop = shop.map(name).transpose()?;
        Ok(Grant { shop, role })
    };
    let grants: Result<Vec<Grant>, StoreError> = rows.into_iter().map(grant).collect();
    Ok(Grants(grants?))
}

async fn user(connection: &mut SqliteConnection, row: UserRow) -> Result<User, StoreError> {
    Ok(User {
        grants: grants(connection, Holder::User(row.id)).await?,
        id: row.id,
        name: row.name,
        telegram: row.telegram,
        added_at: at(row.added_at)?,
        disabled_at: row.disabled_at.map(at).transpose()?,
    })
}

async fn token(connection: &mut SqliteConnection, row: TokenRow) -> Result<Token, StoreError> {
    Ok(Token {
        grants: grants(connection, Holder::Token(&row.id)).await?,
        id: row.id,
        name: row.name,
        digest: row.digest,
        made_at: at(row.made_at)?,
        expires_at: row.expires_at.map(at).transpose()?,
        last_used_at: row.last_used_at.map(at).transpose()?,
        revoked_at: row.revoked_at.map(at).transpose()?,
    })
}

/// The user with this number.
pub(crate) async fn user_of(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<User, StoreError> {
    let row: UserRow =
        sqlx::query_as("SELECT id, name, telegram, added_at, disabled_at FROM users WHERE id = ?")
            .bind(id)
            .fetch_one(&mut *connection)
            .await?;
    user(connection, row).await
}

/// The user of this name.
pub(crate) async fn user_named(
    tx: &mut WriteTx<'_>,
    name: &str,
) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT id, name, telegram, added_at, disabled_at FROM users WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(tx.conn()?)
    .await?;
    match row {
        Some(row) => Ok(Some(user(tx.conn()?, row).await?)),
        None => Ok(None),
    }
}

/// The user with this row.
pub(crate) async fn user_by_id(tx: &mut WriteTx<'_>, id: i64) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> =
        sqlx::query_as("SELECT id, name, telegram, added_at, disabled_at FROM users WHERE id = ?")
            .bind(id)
            .fetch_optional(tx.conn()?)
            .await?;
    match row {
        Some(row) => Ok(Some(user(tx.conn()?, row).await?)),
        None => Ok(None),
    }
}

/// The user with this number at Telegram.
pub(crate) async fn user_at_telegram(
    connection: &mut SqliteConnection,
    telegram: i64,
) -> Result<Option<User>, StoreError> {
    let row: Option<UserRow> = sqlx::query_as(
        "SELECT id, name, telegram, added_at, disabled_at FROM users WHERE telegram = ?",
    )
    .bind(telegram)
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => Ok(Some(user(connection, row).await?)),
        None => Ok(None),
    }
}

/// The name of the user with this number at Telegram.
pub(crate) async fn named_at_telegram(
    tx: &mut WriteTx<'_>,
    telegram: i64,
) -> Result<Option<String>, StoreError> {
    let name = sqlx::query_scalar("SELECT name FROM users WHERE telegram = ?").bind(telegram);
    Ok(name.fetch_optional(tx.conn()?).await?)
}

/// Adds a user without a role yet; returns its row.
pub(crate) async fn insert_user(
    tx: &mut WriteTx<'_>,
    name: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let done = sqlx::query("INSERT INTO users (name, added_at) VALUES (?, ?)")
        .bind(name)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
    Ok(done.last_insert_rowid())
}

/// Sets a user's number at Telegram.
pub(crate) async fn set_telegram(
    tx: &mut WriteTx<'_>,
    user: i64,
    telegram: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET telegram = ?2 WHERE id = ?1")
        .bind(user)
        .bind(telegram)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Disables a user, or lets them in again.
pub(crate) async fn set_disabled(
    tx: &mut WriteTx<'_>,
    user: i64,
    since: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET disabled_at = ?2 WHERE id = ?1")
        .bind(user)
        .bind(since.map(ms))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Adds roles; the one that the holder had in the same shop is replaced.
pub(crate) async fn grant(
    tx: &mut WriteTx<'_>,
    holder: Holder<'_>,
    grants: &Grants,
) -> Result<(), StoreError> {
    for grant in &grants.0 {
        let shop = grant.shop.as_ref().map(ShopName::as_str);
        sqlx::query("DELETE FROM roles WHERE user_id IS ?1 AND token_id IS ?2 AND shop IS ?3")
            .bind(holder.user())
            .bind(holder.token())
            .bind(shop)
            .execute(tx.conn()?)
            .await?;
        sqlx::query("INSERT INTO roles (user_id, token_id, shop, role) VALUES (?, ?, ?, ?)")
            .bind(holder.user())
            .bind(holder.token())
            .bind(shop)
            .bind(grant.role.as_str())
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}

/// Takes a holder's roles away.
pub(crate) async fn take_roles(tx: &mut WriteTx<'_>, holder: Holder<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM roles WHERE user_id IS ?1 AND token_id IS ?2")
        .bind(holder.user())
        .bind(holder.token())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Roles in a shop follow its new name. One that names the new name already stays.
pub(crate) async fn move_to_shop(
    tx: &mut WriteTx<'_>,
    (from, to): (&ShopName, &ShopName),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE OR IGNORE roles SET shop = ?2 WHERE shop = ?1")
        .bind(from.as_str())
        .bind(to.as_str())
        .execute(tx.conn()?)
        .await?;
    sqlx::query("DELETE FROM roles WHERE shop = ?")
        .bind(from.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

const TOKENS: &str =
    "SELECT id, name, digest, made_at, expires_at, last_used_at, revoked_at FROM tokens";

/// Adds a token with its roles.
pub(crate) async fn insert_token(tx: &mut WriteTx<'_>, token: &Token) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tokens (id, name, digest, made_at, expires_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&token.id)
    .bind(&token.name)
    .bind(&token.digest)
    .bind(ms(token.made_at))
    .bind(token.expires_at.map(ms))
    .execute(tx.conn()?)
    .await?;
    grant(tx, Holder::Token(&token.id), &token.grants).await
}

/// The tokens of this name that were not revoked, and the one with this id.
pub(crate) async fn tokens_of(
    tx: &mut WriteTx<'_>,
    name_or_id: &str,
) -> Result<Vec<Token>, StoreError> {
    let statement = format!(
        "{TOKENS} WHERE (name = ?1 OR id = ?1) AND revoked_at IS NULL ORDER BY made_at, id"
    );
    // The columns are the list's own.
    let rows: Vec<TokenRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(name_or_id)
        .fetch_all(tx.conn()?)
        .await?;
    let mut tokens = Vec::new();
    for row in rows {
        tokens.push(token(tx.conn()?, row).await?);
    }
    Ok(tokens)
}

/// Revokes a token.
pub(crate) async fn revoke(
    tx: &mut WriteTx<'_>,
    id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")
        .bind(id)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

impl Store {
    /// Every user, in the order of their names.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<UserRow> = sqlx::query_as(
            "SELECT id, name, telegram, added_at, disabled_at FROM users ORDER BY name",
        )
        .fetch_all(&mut *reader)
        .await?;
        let mut users = Vec::new();
        for row in rows {
            users.push(user(&mut reader, row).await?);
        }
        Ok(users)
    }

    /// The user with this number at Telegram, disabled or not.
    pub async fn user_at_telegram(&self, telegram: i64) -> Result<Option<User>, StoreError> {
        let mut reader = self.read().await?;
        user_at_telegram(&mut reader, telegram).await
    }

    /// Every token, revoked ones too, in the order of their names.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!("{TOKENS} ORDER BY name, made_at, id");
        let rows: Vec<TokenRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .fetch_all(&mut *reader)
            .await?;
        let mut tokens = Vec::new();
        for row in rows {
            tokens.push(token(&mut reader, row).await?);
        }
        Ok(tokens)
    }

    /// The token with this id.
    pub async fn token(&self, id: &str) -> Result<Option<Token>, StoreError> {
        let mut reader = self.read().await?;
        let statement = format!("{TOKENS} WHERE id = ?");
        let row: Option<TokenRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(id)
            .fetch_optional(&mut *reader)
            .await?;
        match row {
            Some(row) => Ok(Some(token(&mut reader, row).await?)),
            None => Ok(None),
        }
    }

    /// Notes that a token was shown.
    pub async fn note_token_used(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE tokens SET last_used_at = ?2 WHERE id = ?1")
            .bind(id)
            .bind(ms(now))
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }
}
