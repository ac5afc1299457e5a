//! Adding and disabling users, making and revoking tokens: each one transaction with its audit row.

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::domain::people::{Actor, Grants};
use crate::domain::session::EndedBy;
use crate::mutant::mutant;
use crate::store::people::{self, Holder};
use crate::store::sessions::{self, Which};
use crate::store::{Store, StoreError, Token, enrolment};
use crate::text::{hex, is_same_secret};

/// Tokens of one name that may be live at once: one that is used, and the one that replaces it.
const LIVE_MAX: usize = 2;

/// How every token begins, so that it is recognised where it was left by mistake.
const PREFIX: &str = "qab_";

/// A token as its holder shows it.
pub struct NewToken {
    /// The part of it that everybody may see.
    pub id: String,
    /// All of it.
    pub text: String,
}

impl NewToken {
    /// From random bytes: four for the id, and 256 bits of secret.
    pub fn of(id: [u8; 4], secret: &[u8; 32]) -> Self {
        let id = hex(&id);
        let text = format!("{PREFIX}{id}_{}", hex(secret));
        Self { id, text }
    }

    /// The id of a token that is shown; `None` where it is none of ours.
    pub fn id_of(text: &str) -> Option<&str> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (id.len() == 8 && secret.len() == 64 && is_hex(id) && is_hex(secret)).then_some(id)
    }

    /// What is stored of it.
    pub fn digest(text: &str) -> String {
        hex(&Sha256::digest(text.as_bytes()))
    }
}

/// What was done about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserChange {
    /// A new one.
    Added,
    /// One that was there has another role, or number.
    Changed,
    /// One that was disabled is back, with this role alone.
    Enabled,
}

impl Store {
    /// Adds a user. One that is there already keeps the roles in other shops.
    pub async fn add_user(
        &self,
        (name, telegram): (&str, Option<i64>),
        grants: &Grants,
        by: &Actor,
        now: Timestamp,
    ) -> Result<UserChange, StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        if let Some(number) = telegram
            && let Some(other) = people::named_at_telegram(&mut tx, number).await?
            && other != name
        {
            return Err(StoreError::Refused(format!(
                "the Telegram number {number} is that of {other}: one number is one person"
            )));
        }
        let known = people::user_named(&mut tx, name).await?;
        let (id, change) = match known {
            None => {
                let id = people::insert_user(&mut tx, name, now).await?;
                (id, UserChange::Added)
            }
            Some(user) if user.disabled_at.is_some() => {
                people::set_disabled(&mut tx, user.id, None).await?;
                people::take_roles(&mut tx, Holder::User(user.id)).await?;
                (user.id, UserChange::Enabled)
            }
            Some(user) => (user.id, UserChange::Changed),
        };
        people::grant(&mut tx, Holder::User(id), grants).await?;
        if let Some(number) = telegram {
            people::set_telegram(&mut tx, id, number).await?;
        }
        let event = match change {
            UserChange::Added => "user.added",
            UserChange::Changed => "user.changed",
            UserChange::Enabled => "user.enabled",
        };
        let detail =
            json!({ "user": id, "name": name, "roles": grants.words(), "telegram": telegram });
        tx.audit_row(now, by.name(), (None, None), event, detail);
        tx.commit().await?;
        Ok(change)
    }

    /// Disables a user, and revokes the tokens of the same name. Returns the number of these.
    pub async fn disable_user(
        &self,
        name: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        let Some(user) = people::user_named(&mut tx, name).await? else {
            return Err(StoreError::Refused(format!(
                "there is no user {name}: `qabyl user list` names them"
            )));
        };
        if user.disabled_at.is_some() {
            return Err(StoreError::Refused(format!(
                "user {name} is disabled already"
            )));
        }
        people::set_disabled(&mut tx, user.id, Some(now)).await?;
        enrolment::drop_code(&mut tx, user.id).await?;
        let ended = (EndedBy::Disabled, now);
        let sessions = sessions::end(&mut tx, Which::Of(user.id), ended).await?;
        let tokens = people::tokens_of(&mut tx, name).await?;
        let tokens: Vec<&Token> = tokens.iter().filter(|token| token.name == name).collect();
        for token in &tokens {
            people::revoke(&mut tx, &token.id, now).await?;
        }
        let ids: Vec<&str> = tokens.iter().map(|token| token.id.as_str()).collect();
        let detail = json!({
            "user": user.id, "name": name, "tokens_revoked": ids, "sessions_ended": sessions,
        });
        tx.audit_row(now, by.name(), (None, None), "user.disabled", detail);
        tx.commit().await?;
        Ok(ids.len())
    }

    /// Makes a token. Two of one name may be live at once, so that the one can replace the other without a gap.
    pub async fn create_token(
        &self,
        new: &NewToken,
        (name, grants, expires_at): (&str, &Grants, Option<Timestamp>),
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        let others = people::tokens_of(&mut tx, name).await?;
        let live = others
            .iter()
            .filter(|token| token.name == name && token.is_live(now));
        let live: Vec<&str> = live.map(|token| token.id.as_str()).collect();
        if live.len() >= LIVE_MAX {
            return Err(StoreError::Refused(format!(
                "{name} has {LIVE_MAX} live tokens already ({}): revoke the one that is no longer used, with \
                 `qabyl token revoke` and its id",
                live.join(", ")
            )));
        }
        let user = people::user_named(&mut tx, name).await?;
        if user.is_some_and(|user| user.disabled_at.is_some()) {
            return Err(StoreError::Refused(format!(
                "user {name} is disabled: a token of that name would let them in again"
            )));
        }
        let token = Token {
            id: new.id.clone(),
            name: name.to_owned(),
            grants: grants.clone(),
            digest: NewToken::digest(&new.text),
            made_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        people::insert_token(&mut tx, &token).await?;
        let detail = json!({
            "token": token.id, "name": name, "roles": grants.words(), "expires_at": expires_at,
        });
        tx.audit_row(now, by.name(), (None, None), "token.created", detail);
        tx.commit().await
    }

    /// Revokes the tokens of this name, or the one with this id. Returns their ids.
    pub async fn revoke_tokens(
        &self,
        name_or_id: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        by.check_manages_people()?;
        let mut tx = self.write().await?;
        tx.by(by, None);
        let tokens = people::tokens_of(&mut tx, name_or_id).await?;
        if tokens.is_empty() {
            return Err(StoreError::Refused(format!(
                "there is no token {name_or_id} that is not revoked: `qabyl token list` names them"
            )));
        }
        let mut ids = Vec::new();
        for token in tokens {
            people::revoke(&mut tx, &token.id, now).await?;
            let detail = json!({ "token": token.id, "name": token.name });
            tx.audit_row(now, by.name(), (None, None), "token.revoked", detail);
            ids.push(token.id);
        }
        tx.commit().await?;
        Ok(ids)
    }

    /// The token that is shown, where it is one and lets in.
    pub async fn token_shown(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Token>, StoreError> {
        let Some(id) = NewToken::id_of(text) else {
            return Ok(None);
        };
        let token = self.token(id).await?;
        let is_good = |token: &Token| {
            let is_live = token.is_live(now) || mutant("r17_revoked_token_lets_in");
            let digest = NewToken::digest(text);
            is_same_secret(digest.as_bytes(), token.digest.as_bytes()) && is_live
        };
        Ok(token.filter(is_good))
    }
}

#[cfg(test)]
mod tests {
    use super::NewToken;

    #[test]
    fn a_token_is_recognised_by_its_form_and_compared_whole() {
        let token = NewToken::of([0xab, 1, 2, 3], &[7; 32]);
        assert_eq!(NewToken::id_of(&token.text), Some("ab010203"));
        assert_eq!(token.text.len(), 4 + 8 + 1 + 64);
        for wrong in [
            "",
            "qab_",
            "qab_ab010203_",
            "ab010203",
            &token.text[1..],
            &token.text[..76],
        ] {
            assert_eq!(NewToken::id_of(wrong), None, "{wrong}");
        }
        let is_same =
            |one: &str, other: &str| crate::text::is_same_secret(one.as_bytes(), other.as_bytes());
        assert!(is_same("ab", "ab") && !is_same("ab", "abc") && !is_same("ab", "aa"));
    }
}
