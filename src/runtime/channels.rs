//! From the configuration to channels, and the stage that sends to them.

use std::sync::Arc;

use jiff::SignedDuration;

use super::build::BuildError;
use crate::clock::Clock;
use crate::config::{self, ChannelKind, Loaded};
use crate::notify::telegram::Bot;
use crate::notify::{Channel, MessageWriter, Target};
use crate::pipeline::Ctx;
use crate::pipeline::notify::{Notifier, WatchSettings};
use crate::pipeline::telegram::{Listener, ListeningBot};
use crate::store::{Bounds, Store};

/// Telegram's own address.
pub(crate) const TELEGRAM: &str = "https://api.telegram.org";

/// One channel.
///
/// # Errors
/// HTTPS that cannot be set up.
pub fn channel(loaded: &Loaded, channel: &config::Channel) -> Result<Channel, BuildError> {
    let target = match channel.kind {
        ChannelKind::Webhook => Target::Webhook {
            url: channel.url.clone().unwrap_or_default(),
        },
        ChannelKind::Telegram => Target::Telegram {
            api: telegram_address(channel).to_owned(),
            chat: channel.chat_id.clone().unwrap_or_default(),
        },
    };
    let source = loaded.secret_source(channel);
    source.warn_if_readable();
    let made = Channel::new(
        &channel.name,
        (
            channel.kinds(),
            channel.language,
            super::build::schedule(&loaded.config),
        ),
        target,
        Box::new(move || source.load_secret()),
    )
    .map_err(BuildError::Channel)?;
    Ok(if channel.decide {
        made.deciding()
    } else {
        made
    })
}

/// The bots of channels by which users decide. One that serves several channels is listened to once.
///
/// # Errors
/// HTTPS that cannot be set up.
pub fn listener(
    loaded: &Loaded,
    (store, clock): (Arc<Store>, Clock),
    shops: Vec<Arc<Ctx>>,
) -> Result<Listener, BuildError> {
    let mut bots: Vec<ListeningBot> = Vec::new();
    let mut known: Vec<(String, i64)> = Vec::new();
    let deciding = loaded.config.channels.iter().filter(|one| one.decide);
    for channel in deciding {
        let api = telegram_address(channel).to_owned();
        let source = loaded.secret_source(channel);
        let bot = Bot::new(&api, Box::new(move || source.load_secret()))?;
        let chat = (
            channel.chat_id.clone().unwrap_or_default(),
            channel.language,
        );
        // Without a token yet it is listened to on its own.
        let same = bot.id().ok().map(|id| (api, id));
        let place = same
            .as_ref()
            .and_then(|same| known.iter().position(|known| known == same));
        if let Some(place) = place {
            bots[place].chats.push(chat);
            continue;
        }
        known.push(same.unwrap_or_default());
        bots.push(ListeningBot {
            channel: channel.name.clone(),
            bot,
            writer: MessageWriter {
                language: channel.language,
                schedule: super::build::schedule(&loaded.config),
            },
            chats: vec![chat],
        });
    }
    let seed = clock.now().as_millisecond().unsigned_abs();
    let max = super::build::cancels_per_person_max(&loaded.config);
    let mut listener = Listener::new((store, clock), bots, shops, (seed, max));
    listener.web_address = loaded.config.web.address();
    Ok(listener)
}

/// The address of the Bot API without a slash at its end.
fn telegram_address(channel: &config::Channel) -> &str {
    let url = channel.url.as_deref();
    url.map_or(TELEGRAM, |url| url.trim_end_matches('/'))
}

/// The stage with all channels. They are notified of what happens from now on.
///
/// # Errors
/// HTTPS that cannot be set up, or a database error.
pub async fn notifier(
    loaded: &Loaded,
    (store, clock): (Arc<Store>, Clock),
    shops: Vec<Arc<Ctx>>,
) -> Result<Notifier, BuildError> {
    let config = &loaded.config;
    let channels = config.channels.iter().map(|one| channel(loaded, one));
    let channels: Vec<Channel> = channels.collect::<Result<_, _>>()?;
    let after = SignedDuration::try_from(config.notify.summarise_after);
    let bounds = Bounds {
        queue_max: config.notify.queue_max,
        summarise_after: after.unwrap_or(SignedDuration::MAX),
    };
    let seed = clock.now().as_millisecond().unsigned_abs();
    let outage_after = SignedDuration::try_from(config.notify.outage_after);
    let group_patience = SignedDuration::try_from(config.ledger.group_patience);
    let watch = WatchSettings {
        digest_at: config.notify.digest_minutes(),
        outage_after: outage_after.unwrap_or(SignedDuration::MAX),
        group_patience: group_patience.unwrap_or(SignedDuration::MAX),
        cancel_share_max: config.interlocks.cancel_share_max,
    };
    let limits = (bounds, watch);
    let notifier = Notifier::new((store, clock), channels, limits, shops, seed);
    notifier.begin().await?;
    Ok(notifier)
}
