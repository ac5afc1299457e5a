//! Messages about held orders: they are sent with buttons, follow what becomes of their order, and end with it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::shown::{goods, titled, version};
use crate::clock::Clock;
use crate::domain::action::State as ActionState;
use crate::domain::buttons::{Button, Panel};
use crate::domain::ids::{OrderId, ShopName};
use crate::ledger::ButtonSecret;
use crate::mutant::mutant;
use crate::net;
use crate::notify::telegram::{Bot, Key, Place};
use crate::notify::{HeldOrder, MessageWriter, SendError};
use crate::pipeline::Ctx;
use crate::store::{
    ButtonMessage, NewButton, NewButtonMessage, OrderFilter, OrderView, Store, StoreError,
};

/// How long messages are remembered, so that a late press on them is understood.
pub(in crate::pipeline) const KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Where messages are sent and changed.
pub(in crate::pipeline) struct Chat<'a> {
    pub(in crate::pipeline) store: &'a Store,
    pub(in crate::pipeline) clock: &'a Clock,
    pub(in crate::pipeline) shops: &'a [Arc<Ctx>],
    /// The channel.
    pub(in crate::pipeline) channel: &'a str,
    pub(in crate::pipeline) bot: &'a Bot,
    pub(in crate::pipeline) writer: &'a MessageWriter,
}

/// An order as a message shows it.
struct Shown {
    text: String,
    version: String,
    ends_at: Timestamp,
    order: HeldOrder,
}

impl Chat<'_> {
    async fn view(&self, shop: &ShopName, id: &OrderId) -> Result<Option<OrderView>, StoreError> {
        let filter = OrderFilter {
            shop: Some(shop.to_string()),
            id: Some(id.clone()),
            limit: 1,
            ..OrderFilter::default()
        };
        Ok(self.store.orders(&filter).await?.pop())
    }

    fn shown(&self, view: &OrderView, because: Vec<String>) -> Shown {
        let shop = self.shops.iter().find(|ctx| ctx.shop.as_str() == view.shop);
        let schedule = shop.map_or_else(
            || self.writer.schedule.clone(),
            |ctx| ctx.policy().limits.schedule.clone(),
        );
        let because = titled(shop.map(AsRef::as_ref), because, self.writer.language);
        let (order, ends_at) = (&view.order, schedule.deadline_of(&view.order));
        let held = HeldOrder {
            shop: view.shop.clone(),
            code: order.code.to_string(),
            goods: goods(view),
            total: order.total,
            delivery: order.delivery_mode.as_ref().map(|m| m.as_str().to_owned()),
            express: order.express,
            deadline: ends_at,
            because,
        };
        Shown {
            text: self.writer.held_order(&held),
            version: version(view),
            ends_at,
            order: held,
        }
    }

    /// The order in words, where it waits for a person: goods with their stock, and why.
    pub(in crate::pipeline) async fn why(
        &self,
        (shop, id): (&ShopName, &OrderId),
    ) -> Result<Option<String>, StoreError> {
        let because = self.store.why_held(shop, id).await?;
        let view = self.view(shop, id).await?;
        let (Some(because), Some(view)) = (because, view) else {
            return Ok(None);
        };
        Ok(Some(
            self.writer.why_held(&self.shown(&view, because).order),
        ))
    }

    /// An order that does not wait for a person: its goods, and what became of it.
    pub(in crate::pipeline) async fn standing(
        &self,
        (shop, id): (&ShopName, &OrderId),
    ) -> Result<String, StoreError> {
        let Some(view) = self.view(shop, id).await? else {
            return Ok(self.outcome(None));
        };
        let text = self.writer.order(&self.shown(&view, Vec::new()).order);
        Ok(format!("{text}\n\n{}", self.outcome(Some(&view))))
    }

    /// Sends the order with buttons. `None` where it does not wait for a person.
    pub(in crate::pipeline) async fn send(
        &self,
        chat: &str,
        (shop, id): (&ShopName, &OrderId),
        delivery: Option<i64>,
    ) -> Result<Option<Result<(), SendError>>, StoreError> {
        let because = self.store.why_held(shop, id).await?;
        let view = self.view(shop, id).await?;
        let (Some(because), Some(view)) = (because, view) else {
            return Ok(None);
        };
        let (now, shown) = (self.clock.now(), self.shown(&view, because));
        let new = NewButtonMessage {
            channel: self.channel,
            shop,
            order: id,
            version: &shown.version,
            text: &shown.text,
            ends_at: shown.ends_at,
            delivery,
        };
        let panel = if now < shown.ends_at {
            Panel::Decide { again: false }
        } else {
            Panel::Late
        };
        let (keys, buttons) = match self.keys(&panel) {
            Ok(made) => made,
            Err(error) => return Ok(Some(Err(error))),
        };
        let row = self.store.add_button_message(&new, &buttons, now).await?;
        let sent = self.bot.send(chat, (&shown.text, &keys), now).await;
        Ok(Some(match sent {
            Ok(place) => {
                if let Some(Place { chat, message }) = place {
                    let place = (chat, message);
                    self.store.button_message_sent(row, place).await?;
                }
                Ok(())
            }
            Err(error) => {
                // Where it is unknown whether it arrived, its buttons stay good.
                if matches!(error, SendError::Refused(_) | SendError::Unfit(_)) {
                    self.store.button_message_dropped(row).await?;
                }
                Err(error)
            }
        }))
    }

    /// Buttons with new secrets, as they are sent and as they are stored.
    fn keys(&self, panel: &Panel) -> Result<(Vec<Vec<Key>>, Vec<NewButton>), SendError> {
        let mut stored = Vec::new();
        let mut rows = Vec::new();
        for row in panel.rows() {
            let mut keys = Vec::new();
            for button in row {
                let random = net::random_bytes();
                let random = random.map_err(|error| SendError::Later {
                    why: error.to_string(),
                    after: None,
                })?;
                let secret = ButtonSecret::of(&random);
                stored.push(secret.stored(button));
                keys.push(Key {
                    label: self.label(button, panel),
                    data: secret.text().to_owned(),
                });
            }
            rows.push(keys);
        }
        Ok((rows, stored))
    }

    fn label(&self, button: Button, panel: &Panel) -> String {
        let word = match (button, panel) {
            (Button::Override, Panel::Override { asked, .. }) => {
                format!("override-{}", asked.verdict().word())
            }
            _ => format!("button-{}", button.word()),
        };
        self.writer.words(&word, &[])
    }

    /// Brings a message up to date with its order, and shows what it has to show.
    pub(in crate::pipeline) async fn follow(
        &self,
        mut message: ButtonMessage,
    ) -> Result<Result<bool, SendError>, StoreError> {
        let now = self.clock.now();
        let (shop, id) = (&message.shop, &message.order);
        let because = self.store.why_held(shop, id).await?;
        let view = self.view(shop, id).await?;
        let (panel, changed) = self.due(&message, view.as_ref(), because, now);
        if panel != message.panel || changed.is_some() {
            let of = changed
                .as_ref()
                .map(|shown| (shown.text.as_str(), shown.version.as_str(), shown.ends_at));
            let store = self.store;
            if !store
                .change_button_message(&message, &panel, of, now)
                .await?
            {
                // Somebody pressed in the meantime.
                return Ok(Ok(false));
            }
            message.revision += 1;
            message.panel = panel;
            if let Some(shown) = changed {
                message.text = shown.text;
            }
        }
        if message.revision == message.shown {
            return Ok(Ok(false));
        }
        let Some((chat, number)) = message.place else {
            // It is unknown where it is, if it arrived at all.
            self.store.button_message_shown(&message).await?;
            return Ok(Ok(false));
        };
        let footer = self.footer(&message, view.as_ref());
        let text = match footer {
            Some(footer) => format!("{}\n\n{footer}", message.text),
            None => message.text.clone(),
        };
        let (keys, buttons) = match self.keys(&message.panel) {
            Ok(made) => made,
            Err(error) => return Ok(Err(error)),
        };
        if !self.store.renew_buttons(&message, &buttons).await? {
            return Ok(Ok(false));
        }
        let place = Place {
            chat,
            message: number,
        };
        match self.bot.edit(place, (&text, &keys), now).await {
            // One that somebody deleted cannot show anything.
            Ok(()) | Err(SendError::Unfit(_)) => {
                self.store.button_message_shown(&message).await?;
                Ok(Ok(true))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// What a message has to ask now, and what it has to say of its order where that is something else.
    fn due(
        &self,
        message: &ButtonMessage,
        view: Option<&OrderView>,
        because: Option<Vec<String>>,
        now: Timestamp,
    ) -> (Panel, Option<Shown>) {
        let Some(view) = view else {
            return (Panel::Ended, None);
        };
        let Some(because) = because else {
            let is_open = |state: ActionState| {
                matches!(
                    state,
                    ActionState::Pending | ActionState::Sent | ActionState::Unknown
                )
            };
            let has_action = view.actions.iter().any(|action| is_open(action.state));
            let panel = if has_action || view.order.awaits_merchant() {
                Panel::Decided
            } else {
                Panel::Ended
            };
            return (panel, None);
        };
        let first = Panel::Decide { again: false };
        let is_other = message.version != version(view) && !mutant("r2_message_of_another_version");
        let is_again = matches!(message.panel, Panel::Decided | Panel::Ended);
        let shown = (is_other || is_again).then(|| self.shown(view, because));
        let ends_at = shown
            .as_ref()
            .map_or(message.ends_at, |shown| shown.ends_at);
        if now >= ends_at {
            return (Panel::Late, shown);
        }
        let is_over = message
            .panel
            .second()
            .is_some_and(|second| now >= second.until);
        if shown.is_some() || is_over {
            return (first, shown);
        }
        (message.panel.clone(), None)
    }
}
