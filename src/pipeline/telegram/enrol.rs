//! A user links their account by a code.

use super::{Listener, ListeningBot, refused, reply};
use crate::events::log_event;
use crate::ledger::Enrolled;
use crate::notify::telegram::Words;
use crate::store::StoreError;

/// Links the account that sent a code, and says so.
pub(super) async fn enrol(
    listener: &Listener,
    of: &ListeningBot,
    (number, words, code): ((i64, i64), &Words, &str),
) -> Result<(), StoreError> {
    let (store, now) = (&listener.store, listener.clock.now());
    let writer = of.writer_for(words.chat);
    let text = match store.enrol(number, (words.from, code), now).await? {
        Enrolled::Linked(user) => {
            log_event!(
                TELEGRAM_LINKED,
                channel = of.channel,
                user = user.id,
                telegram = words.from,
                "a Telegram account is that of a user from now on"
            );
            writer.words("telegram-linked", &[("name", user.name)])
        }
        Enrolled::Wrong => {
            refused(of, words.from, "a wrong enrolment code");
            writer.words("telegram-wrong_code", &[])
        }
        Enrolled::Taken(name) => {
            refused(of, words.from, "the account is that of a user already");
            writer.words("telegram-linked_already", &[("name", name)])
        }
        Enrolled::TooMany => {
            refused(of, words.from, "too many wrong enrolment codes");
            return Ok(());
        }
        Enrolled::Repeated => return Ok(()),
    };
    reply(listener, of, words.chat, &text).await;
    Ok(())
}
