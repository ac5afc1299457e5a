//! Linking a user with their Telegram account: a code that is shown on the server, and sent to the bot within minutes.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::domain::people::{Actor, Grants};
use crate::mutant::mutant;
use crate::store::people::{self, User};
use crate::store::telegram_bots::take_update;
use crate::store::{Store, StoreError, enrolment};
use crate::text::hex;

/// How long a code is good.
pub const CODE_GOOD_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Wrong codes that one account may send within that time.
const TRIES_MAX: u64 = 5;
/// Digits and letters that are not mistaken for one another: no I, L, O and U.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKMNPQRSTVWXYZ0123456789";

/// A code that links a user with the account that sends it.
pub struct EnrolmentCode(String);

impl EnrolmentCode {
    /// From random bytes, of which 50 bits are used.
    pub fn of(random: &[u8; 10]) -> Self {
        let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
        let mut text: String = random.iter().map(letter).collect();
        text.insert(5, '-');
        Self(text)
    }

    /// What is stored of one that somebody sends, however they write it.
    fn digest(text: &str) -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        let letters: String = letters.map(|c| c.to_ascii_uppercase()).collect();
        hex(&Sha256::digest(letters.as_bytes()))
    }
}

impl fmt::Display for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a code did that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// They are this user from now on.
    Linked(User),
    /// There is no such code, or its time is over.
    Wrong,
    /// They sent too many wrong codes: nothing of theirs is looked at for a while.
    TooMany,
    /// Their account is that of another user.
    Taken(String),
    /// The same message was handled before.
    Repeated,
}

impl Store {
    /// A code for a user who has no Telegram account yet. `None` where they have one, or are disabled.
    pub async fn offer_enrolment(
        &self,
        (name, code): (&str, &EnrolmentCode),
        by: &Actor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        tx.by(by, None);
        let user = people::user_named(&mut tx, name).await?;
        let is_open = |user: &User| user.telegram.is_none() && user.disabled_at.is_none();
        let Some(user) = user.filter(is_open) else {
            return Ok(false);
        };
        let ends_at = now.saturating_add(CODE_GOOD_FOR).unwrap_or(now);
        let digest = EnrolmentCode::digest(&code.0);
        enrolment::put_code(&mut tx, (user.id, &digest), ends_at).await?;
        let detail = json!({ "user": user.id, "name": name, "ends_at": ends_at });
        tx.audit_row(now, by.name(), (None, None), "user.code_made", detail);
        tx.commit().await?;
        Ok(true)
    }

    /// Links the account that sent a code with the user whose code it is.
    pub async fn enrol(
        &self,
        update: (i64, i64),
        (telegram, code): (i64, &str),
        now: Timestamp,
    ) -> Result<Enrolled, StoreError> {
        let mut tx = self.write().await?;
        if !take_update(&mut tx, update, now).await? {
            return Ok(Enrolled::Repeated);
        }
        let wrong = enrolment::wrong_tries(&mut tx, (telegram, CODE_GOOD_FOR), now).await?;
        if wrong >= TRIES_MAX && !mutant("r17_codes_without_end") {
            tx.commit().await?;
            return Ok(Enrolled::TooMany);
        }
        if let Some(other) = people::named_at_telegram(&mut tx, telegram).await? {
            tx.commit().await?;
            return Ok(Enrolled::Taken(other));
        }
        let user = enrolment::use_code(&mut tx, &EnrolmentCode::digest(code), now).await?;
        let user = match user {
            Some(id) => people::user_by_id(&mut tx, id).await?,
            None => None,
        };
        let Some(user) = user.filter(|user| user.disabled_at.is_none()) else {
            enrolment::note_wrong(&mut tx, telegram, now).await?;
            tx.commit().await?;
            return Ok(Enrolled::Wrong);
        };
        people::set_telegram(&mut tx, user.id, telegram).await?;
        let by = Actor::telegram((user.id, &user.name), telegram, Grants::default());
        tx.by(&by, None);
        let detail = json!({ "user": user.id, "name": user.name, "telegram": telegram });
        tx.audit_row(now, by.name(), (None, None), "user.linked", detail);
        tx.commit().await?;
        Ok(Enrolled::Linked(user))
    }
}

#[cfg(test)]
mod tests {
    use super::EnrolmentCode;

    #[test]
    fn a_code_is_recognised_however_it_is_written() {
        let code = EnrolmentCode::of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 255]);
        assert_eq!(code.to_string(), "ABCDE-FGHJ9");
        let digest = EnrolmentCode::digest("ABCDE-FGHJ9");
        assert_eq!(EnrolmentCode::digest(" abcde fghj9 "), digest);
        assert_ne!(EnrolmentCode::digest("ABCDE-FGHJ8"), digest);
    }
}
