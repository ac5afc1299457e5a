//! The channel's part of messages with buttons: held orders are sent with them, and messages follow their orders, as
//! fast as their chat may be written to.

use std::time::Duration;

use super::messages::Chat;
use crate::domain::ids::ShopName;
use crate::domain::notice::Kind;
use crate::notify::{Channel, MessageWriter, SendError};
use crate::pipeline::notify::Notifier;
use crate::store::{Delivery, StoreError};

/// After an error without a pause of its own, a chat's messages are not changed for so long.
const PAUSE: Duration = Duration::from_secs(10);

fn chat<'a>(
    notifier: &'a Notifier,
    channel: &'a Channel,
    writer: &'a MessageWriter,
) -> Option<(Chat<'a>, &'a str)> {
    let (bot, name) = channel.telegram()?;
    let chat = Chat {
        store: &notifier.store,
        clock: &notifier.clock,
        shops: notifier.shops(),
        channel: &channel.name,
        bot,
        writer,
    };
    channel.decides().then_some((chat, name))
}

/// Brings the messages of a channel up to date that have to show something else.
pub(in crate::pipeline) async fn follow(
    notifier: &Notifier,
    channel: &Channel,
) -> Result<(), StoreError> {
    let Some((chat, configured)) = chat(notifier, channel, channel.writer()) else {
        return Ok(());
    };
    let (store, now) = (&notifier.store, notifier.clock.now());
    let (newest, is_due) = store.button_messages_due(&channel.name, now).await?;
    if !is_due && notifier.followed(&channel.name) == Some(newest) {
        return Ok(());
    }
    let mut is_done = true;
    for message in store.open_button_messages(&channel.name).await? {
        let place = message.place.map(|(chat, _)| chat.to_string());
        let place = place.as_deref().unwrap_or(configured).to_owned();
        if !notifier.may_write(&place) {
            is_done = false;
            continue;
        }
        match chat.follow(message).await? {
            Ok(true) => notifier.note_written(&place),
            Ok(false) => {}
            Err(error) => {
                let asked = match error {
                    SendError::Later { after, .. } => after,
                    _ => None,
                };
                notifier.pause_chat(&place, asked.unwrap_or(PAUSE));
                is_done = false;
            }
        }
    }
    if is_done {
        notifier.note_followed(&channel.name, newest);
    }
    Ok(())
}

/// Sends the held order that a message is about with buttons. `None` where it has none.
pub(in crate::pipeline) async fn send_held(
    notifier: &Notifier,
    channel: &Channel,
    delivery: &Delivery,
) -> Result<Option<Result<(), SendError>>, StoreError> {
    let Some((chat, place)) = chat(notifier, channel, channel.writer()) else {
        return Ok(None);
    };
    let [notice] = &delivery.notices[..] else {
        return Ok(None);
    };
    let is_plain = delivery.is_summary || delivery.rejections > 0;
    if notice.kind != Kind::OrderHeld || is_plain {
        return Ok(None);
    }
    if notifier.store.is_delivery_sent(delivery.id).await? {
        return Ok(Some(Ok(())));
    }
    let shop = notice.shop.as_deref();
    let shop = shop.and_then(|shop| ShopName::new(shop).ok());
    let (Some(shop), Some(code)) = (shop, notice.facts["order"].as_str()) else {
        return Ok(None);
    };
    let found = notifier.store.find_order(code, Some(shop.as_str())).await;
    let id = match found {
        Ok((_, id)) => id,
        // Not known yet, or several of that number: the plain message says so.
        Err(StoreError::NoOrder(_) | StoreError::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    chat.send(place, (&shop, &id), Some(delivery.id)).await
}
