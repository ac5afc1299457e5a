//! What people write to a bot.

use super::{Listener, ListeningBot, refused, reply};
use crate::events::log_event;
use crate::ledger::Enrolled;
use crate::notify::telegram::Words;
use crate::store::StoreError;

/// A command and what stands behind it; `None` where it is none.
fn command(text: &str) -> Option<(&str, &str)> {
    let text = text.trim().strip_prefix('/')?;
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // In a group: /held@the_bot
    let word = word.split('@').next().unwrap_or_default();
    Some((word, rest.trim()))
}

/// Does what somebody asks for.
pub(super) async fn handle(
    listener: &Listener,
    of: &ListeningBot,
    (number, words): ((i64, i64), &Words),
) -> Result<(), StoreError> {
    match command(&words.text) {
        Some(("start", code)) if words.is_private && !code.is_empty() => {
            enrol(listener, of, (number, words, code)).await
        }
        _ => {
            listener
                .store
                .pass_update(number, listener.clock.now())
                .await?;
            Ok(())
        }
    }
}

async fn enrol(
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

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_is_read_with_or_without_the_name_of_the_bot() {
        assert_eq!(command("/start ABC-DE"), Some(("start", "ABC-DE")));
        assert_eq!(command(" /held@qabyl_bot "), Some(("held", "")));
        assert_eq!(command("/order   900 "), Some(("order", "900")));
        assert_eq!(command("hello /held"), None);
    }
}
