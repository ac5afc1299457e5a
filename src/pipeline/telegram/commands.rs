//! What people write to a bot.

use jiff::Timestamp;

use super::messages::Chat;
use super::shown::titled;
use super::{Listener, ListeningBot, enrol, not_delivered, refused, reply};
use crate::domain::calendar;
use crate::domain::ids::ShopName;
use crate::domain::people::{Actor, Verb};
use crate::ledger::Secret;
use crate::mutant::mutant;
use crate::net;
use crate::notify::MessageWriter;
use crate::notify::telegram::Words;
use crate::pipeline::Ctx;
use crate::store::{StoreError, User};

/// Held orders listed in one message.
const LISTED_MAX: usize = 20;
/// What may be written.
const COMMANDS: &str = "/today, /held, /order 900000001, /pause, /resume, /login";

/// A command and what stands behind it; `None` where it is none.
fn command(text: &str) -> Option<(&str, &str)> {
    let text = text.trim().strip_prefix('/')?;
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    // In a group: /held@the_bot
    let word = word.split('@').next().unwrap_or_default();
    // A command that people can tap has no blanks: /order_900000001
    match word.split_once('_') {
        Some((word, code)) if rest.trim().is_empty() => Some((word, code)),
        _ => Some((word, rest.trim())),
    }
}

/// What somebody wrote, and who they are.
struct Asked<'a> {
    listener: &'a Listener,
    of: &'a ListeningBot,
    number: (i64, i64),
    words: &'a Words,
    writer: MessageWriter,
    actor: Actor,
    /// Their name.
    user: String,
}

/// Does what somebody asks for.
pub(super) async fn handle(
    listener: &Listener,
    of: &ListeningBot,
    (number, words): ((i64, i64), &Words),
) -> Result<(), StoreError> {
    let (store, now) = (&listener.store, listener.clock.now());
    let Some((word, rest)) = command(&words.text) else {
        // Not for the bot: in a group people talk to each other.
        return store.pass_update(number, now).await.map(|_| ());
    };
    if word == "start" && words.is_private && !rest.is_empty() {
        return enrol::enrol(listener, of, (number, words, rest)).await;
    }
    let writer = of.writer_for(words.chat);
    let user = store.user_at_telegram(words.from).await?;
    let Some(user) = user.filter(|user: &User| user.disabled_at.is_none()) else {
        if store.pass_update(number, now).await? {
            refused(of, words.from, "a command of somebody who is no user");
            if words.is_private {
                reply(
                    listener,
                    of,
                    words.chat,
                    &writer.words("press-no_user", &[]),
                )
                .await;
            }
        }
        return Ok(());
    };
    let asked = Asked {
        actor: Actor::telegram((user.id, &user.name), words.from, user.grants),
        user: user.name,
        listener,
        of,
        number,
        words,
        writer,
    };
    match word {
        "pause" => asked.pause((rest, true), now).await,
        "resume" => asked.pause((rest, false), now).await,
        _ => {
            if !store.pass_update(number, now).await? {
                return Ok(());
            }
            match word {
                "today" => asked.today(now).await,
                "held" => asked.held().await,
                "order" => asked.order(rest).await,
                // A link lets in whoever has it: nobody else reads a private chat.
                "login" if words.is_private || mutant("r17_link_in_a_group") => {
                    asked.login(now).await
                }
                _ if words.is_private => {
                    let values = [("commands", COMMANDS.to_owned())];
                    asked
                        .say(&asked.writer.words("telegram-help", &values))
                        .await;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    }
}

impl Asked<'_> {
    async fn say(&self, text: &str) {
        reply(self.listener, self.of, self.words.chat, text).await;
    }

    /// The shops where they may do this.
    fn shops(&self, verb: Verb) -> impl Iterator<Item = &Ctx> {
        let shops = self.listener.shops.iter().map(AsRef::as_ref);
        shops.filter(move |ctx: &&Ctx| self.actor.may(verb, &ctx.shop))
    }

    /// Sends a link by which they sign in at the web app.
    async fn login(&self, now: Timestamp) -> Result<(), StoreError> {
        let Some(base) = &self.listener.web_address else {
            self.say(&self.writer.words("telegram-login_off", &[]))
                .await;
            return Ok(());
        };
        let Ok(random) = net::random_bytes() else {
            self.say(&self.writer.words("press-refused", &[])).await;
            return Ok(());
        };
        let secret = Secret::of(&random);
        let store = &self.listener.store;
        let made = store.make_link(&self.user, &secret, &self.actor, now).await;
        let text = match made {
            Ok(_) => {
                let link = format!("{base}/sign-in/{}", secret.text());
                self.writer.words("telegram-login", &[("link", link)])
            }
            Err(StoreError::Refused(_)) => self.writer.words("press-not_allowed", &[]),
            Err(error) => return Err(error),
        };
        self.say(&text).await;
        Ok(())
    }

    async fn today(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &self.listener.store;
        let midnight = calendar::moment(calendar::local(now).start_of_day()).unwrap_or(now);
        let mut lines = Vec::new();
        for ctx in self.shops(Verb::View) {
            let seen = store.day(&ctx.shop, midnight).await?;
            let totals = store.totals(Some(&ctx.shop)).await?;
            let state = store.shop_state(&ctx.shop).await?;
            let values = [
                ("shop", ctx.shop.to_string()),
                ("new", seen.new.to_string()),
                ("accepted", seen.accepted.to_string()),
                ("cancelled", seen.cancelled.to_string()),
                ("held", totals.held.to_string()),
                ("waiting", totals.waiting.to_string()),
            ];
            lines.push(self.writer.words("telegram-today", &values));
            if state.paused.is_some() {
                let values = [("command", "/resume".to_owned())];
                lines.push(self.writer.words("telegram-today_paused", &values));
            }
            if state.denied.is_some() {
                lines.push(self.writer.words("telegram-today_denied", &[]));
            }
        }
        if lines.is_empty() {
            lines.push(self.writer.words("press-not_allowed", &[]));
        }
        self.say(&lines.join("\n")).await;
        Ok(())
    }

    async fn held(&self) -> Result<(), StoreError> {
        let mut held = Vec::new();
        for ctx in self.shops(Verb::View) {
            let schedule = ctx.policy().limits.schedule.clone();
            for order in self.listener.store.held_now(&ctx.shop).await? {
                let since = (order.waiting_since, order.express);
                let because = titled(Some(ctx), order.because, self.writer.language);
                held.push((schedule.deadline_since(since), order.code, because));
            }
        }
        held.sort_by(|(a, one, _), (b, other, _)| (a, one.as_str()).cmp(&(b, other.as_str())));
        let count = held.len();
        let listed = held
            .iter()
            .take(LISTED_MAX)
            .map(|(deadline, code, because)| {
                let values = [
                    ("order", format!("/order_{code}")),
                    ("time", self.writer.clock(*deadline)),
                    ("why", self.writer.reasons(because)),
                ];
                self.writer.words("telegram-held_line", &values)
            });
        let mut lines = vec![match count {
            0 => self.writer.words("telegram-held_none", &[]),
            _ => self
                .writer
                .words("telegram-held", &[("count", count.to_string())]),
        }];
        lines.extend(listed);
        if count > LISTED_MAX {
            let more = (count - LISTED_MAX).to_string();
            lines.push(self.writer.words("telegram-held_more", &[("count", more)]));
        }
        self.say(&lines.join("\n")).await;
        Ok(())
    }

    async fn order(&self, code: &str) -> Result<(), StoreError> {
        let (listener, of) = (self.listener, self.of);
        let may_see = |shop: &ShopName| {
            let is_configured = listener.shops.iter().any(|ctx| ctx.shop == *shop);
            is_configured && self.actor.may(Verb::View, shop)
        };
        let found = listener.store.find_order_among(code, may_see).await;
        let (shop, id) = match found {
            Ok(found) => found,
            Err(StoreError::NoOrder(_) | StoreError::Refused(_)) => {
                let values = [("command", "/order 900000001".to_owned())];
                self.say(&self.writer.words("telegram-order_unknown", &values))
                    .await;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let chat = Chat {
            store: &listener.store,
            clock: &listener.clock,
            shops: &listener.shops,
            channel: &of.channel,
            bot: &of.bot,
            writer: &self.writer,
        };
        let place = self.words.chat.to_string();
        let Some(sent) = chat.send(&place, (&shop, &id), None).await? else {
            let text = chat.standing((&shop, &id)).await?;
            self.say(&text).await;
            return Ok(());
        };
        if let Err(error) = sent {
            not_delivered(self.of, &error);
        }
        Ok(())
    }

    async fn pause(&self, (name, pauses): (&str, bool), now: Timestamp) -> Result<(), StoreError> {
        let is_named = |ctx: &&Ctx| name.is_empty() || ctx.shop.as_str() == name;
        let shops: Vec<ShopName> = self
            .shops(Verb::Pause)
            .filter(is_named)
            .map(|ctx| ctx.shop.clone())
            .collect();
        let store = &self.listener.store;
        if shops.is_empty() {
            if store.pass_update(self.number, now).await? {
                refused(self.of, self.words.from, "may not pause");
                self.say(&self.writer.words("press-not_allowed", &[])).await;
            }
            return Ok(());
        }
        let why = pauses.then_some("paused in Telegram");
        let is_new = store.pause_by_update(self.number, (&shops, why), &self.actor, now);
        if is_new.await? {
            let names: Vec<&str> = shops.iter().map(ShopName::as_str).collect();
            let key = if pauses {
                "telegram-paused"
            } else {
                "telegram-resumed"
            };
            let command = if pauses { "/resume" } else { "/pause" };
            let values = [("shops", names.join(", ")), ("command", command.to_owned())];
            let text = self.writer.words(key, &values);
            self.say(&text).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_is_read_with_or_without_the_name_of_the_bot() {
        assert_eq!(command("/start ABC-DE"), Some(("start", "ABC-DE")));
        assert_eq!(command(" /held@qabyl_bot "), Some(("held", "")));
        assert_eq!(command("/order   900 "), Some(("order", "900")));
        assert_eq!(command("/order_900"), Some(("order", "900")));
        assert_eq!(command("hello /held"), None);
    }
}
