//! What people press.

use super::messages::Chat;
use super::{Listener, ListeningBot, not_delivered, refused};
use crate::domain::buttons::Panel;
use crate::domain::ids::ShopName;
use crate::events::log_event;
use crate::ledger::{PressDid, PressEnd, Pressed, ShopTerms, WhyNothing};
use crate::notify::MessageWriter;
use crate::notify::telegram::Press;
use crate::store::StoreError;

/// Does what a press asks for, and answers it.
pub(super) async fn handle(
    listener: &Listener,
    of: &ListeningBot,
    (number, press, is_late): ((i64, i64), &Press, bool),
) -> Result<(), StoreError> {
    let now = listener.clock.now();
    let pressed = Pressed {
        update: number,
        telegram: press.from,
        place: (press.chat, press.message),
        data: &press.data,
        is_late,
    };
    let terms = |shop: &ShopName| listener.terms(shop);
    let end = listener.store.press(&pressed, &terms, now).await?;
    log(of, press.from, &end);
    let writer = of.writer_for(press.chat);
    let (text, is_alert) = answer(listener, of, &writer, &end).await?;
    // Where the answer does not arrive, the message shows what came of the press.
    let answered = of.bot.answer(&press.id, (&text, is_alert), now).await;
    if let Err(error) = answered {
        not_delivered(of, &error);
    }
    Ok(())
}

/// What a press did, in one word.
fn word(did: &PressDid) -> &'static str {
    match did {
        PressDid::Decided(asked) => match asked.verdict().word() {
            "accept" => "press-accepts",
            _ => "press-cancels",
        },
        PressDid::Kept => "press-keeps",
        PressDid::Asks(Panel::Decide { again: true }) => "press-asks_again",
        PressDid::Asks(Panel::Reason(_)) => "press-asks_reason",
        PressDid::Asks(Panel::Override { .. }) => "press-objected",
        PressDid::Asks(_) => "press-back",
        PressDid::Explains => "press-why",
        PressDid::Nothing(why) => why.word(),
    }
}

fn log(of: &ListeningBot, telegram: i64, end: &PressEnd) {
    let word = word(&end.did);
    if let PressDid::Nothing(_) = &end.did {
        refused(of, telegram, word);
        return;
    }
    let (Some(message), Some(user)) = (&end.message, end.user) else {
        return;
    };
    log_event!(
        TELEGRAM_PRESSED,
        channel = of.channel,
        shop = %message.shop,
        order.id = message.order.as_str(),
        user,
        outcome = word,
        "somebody pressed a button"
    );
}

/// What the person reads who pressed, and whether they have to close it.
async fn answer(
    listener: &Listener,
    of: &ListeningBot,
    writer: &MessageWriter,
    end: &PressEnd,
) -> Result<(String, bool), StoreError> {
    if let (PressDid::Explains, Some(message)) = (&end.did, &end.message) {
        let chat = Chat {
            store: &listener.store,
            clock: &listener.clock,
            shops: &listener.shops,
            channel: &message.channel,
            bot: &of.bot,
            writer,
        };
        let why = chat.why((&message.shop, &message.order)).await?;
        let why = why.unwrap_or_else(|| writer.words(WhyNothing::NotHeld.word(), &[]));
        return Ok((why, true));
    }
    let is_alert = matches!(
        end.did,
        PressDid::Nothing(_)
            | PressDid::Asks(Panel::Override { .. } | Panel::Decide { again: true })
    );
    Ok((writer.words(word(&end.did), &[]), is_alert))
}

impl Listener {
    /// How a shop is decided for; `None` for one that is not configured.
    fn terms(&self, shop: &ShopName) -> Option<ShopTerms> {
        let ctx = self.shops.iter().find(|ctx| ctx.shop == *shop)?;
        Some(ShopTerms {
            input: ctx.deciding_input(),
            limits: ctx.policy().limits.clone(),
            sends_nothing: ctx.mode.sends_nothing(),
            cancels_per_person_max: self.cancels_per_person_max,
        })
    }
}
