//! Signing in at the web app, and what ends it: each one transaction with its audit row. No password exists: a link of
//! `qabyl user link` lets in once.

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::domain::people::{Actor, Verb};
use crate::domain::session::{EndedBy, LINK_LIFE};
use crate::mutant::mutant;
use crate::store::sessions::{self, Which};
use crate::store::{Session, Store, StoreError, User, people};
use crate::text::hex;

/// 256 random bits, as a link or a cookie carries them.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// From random bytes.
    pub fn of(bytes: &[u8; 32]) -> Self {
        Self(hex(bytes))
    }

    /// One that somebody shows; `None` where it is none of ours.
    pub fn shown(text: &str) -> Option<Self> {
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// What the forms of its session carry: it cannot be guessed, and says nothing of the secret.
    pub fn form_token(&self) -> String {
        hex(&Sha256::digest(format!("form {}", self.0)))
    }
}

impl Store {
    /// Makes a link that lets a user sign in once.
    pub async fn make_link(
        &self,
        name: &str,
        secret: &Secret,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        let user = people::user_named(&mut tx, name).await?;
        let user = user.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else {
            return Err(StoreError::Refused(format!(
                "there is no user {name} who is enabled: `qabyl user list` names them, `qabyl user add` adds one"
            )));
        };
        if !user.grants.0.iter().any(|grant| grant.role.may(Verb::View)) {
            return Err(StoreError::Refused(format!(
                "user {name} may not {}: {}",
                Verb::View.words(),
                user.grants.words()
            )));
        }
        let ends = now.saturating_add(LINK_LIFE).unwrap_or(Timestamp::MAX);
        sessions::insert_link(&mut tx, (&secret.digest(), user.id), (now, ends)).await?;
        let detail = json!({ "user": user.id, "name": name, "expires_at": ends });
        tx.audit_row(now, by.name(), (None, None), "link.made", detail);
        tx.commit().await?;
        Ok(ends)
    }

    /// Whose link this is, where it still lets in. Nothing is used up: previews of messages look at links.
    pub async fn link_shown(
        &self,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.link_of(&secret.digest(), now).await
    }

    /// Signs in with a link, which is used up. `None` where it does not let in.
    pub async fn sign_in(
        &self,
        link: &Secret,
        new: &Secret,
        peer: std::net::IpAddr,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.write().await?;
        let digest = link.digest();
        let Some(user) = sessions::link(tx.conn()?, &digest, now).await? else {
            return Ok(None);
        };
        if !mutant("r17_link_lets_in_twice") {
            sessions::use_link(&mut tx, &digest, now).await?;
        }
        let session = sessions::insert_session(&mut tx, (&new.digest(), user.id), now).await?;
        let by = Actor::user((user.id, &user.name), session, user.grants.clone(), peer);
        tx.by(&by, None);
        let detail = json!({ "user": user.id, "name": user.name, "session": session });
        tx.audit_row(now, by.name(), (None, None), "session.begun", detail);
        tx.commit().await?;
        Ok(Some(session))
    }

    /// The session that is shown, where it is one and lets in.
    pub async fn session_shown(
        &self,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let session = self.session(&secret.digest()).await?;
        let lets_in =
            |session: &Session| session.is_live(now) || mutant("r17_ended_session_lets_in");
        Ok(session.filter(lets_in))
    }

    /// Ends a session: one's own, or any of who manages people. Says whose it was.
    pub async fn end_session(
        &self,
        id: i64,
        ended_by: EndedBy,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        let Some(session) = sessions::session_of(&mut tx, id).await? else {
            return Ok(None);
        };
        if !by.is_user(session.user.id) {
            by.check_manages_people()?;
        }
        if sessions::end(&mut tx, Which::One(id), (ended_by, now)).await? == 0 {
            return Ok(None);
        }
        let detail = json!({
            "session": id, "user": session.user.id, "name": session.user.name, "why": ended_by.as_str(),
        });
        tx.audit_row(now, by.name(), (None, None), "session.ended", detail);
        tx.commit().await?;
        Ok(Some(session.user))
    }
}
