//! From the configuration to channels, and the stage that sends to them.

use std::sync::Arc;

use jiff::SignedDuration;

use super::build::BuildError;
use crate::clock::Clock;
use crate::config::{self, ChannelKind, Loaded};
use crate::notify::{Channel, Target};
use crate::pipeline::Ctx;
use crate::pipeline::notify::{Notifier, WatchSettings};
use crate::store::{Bounds, Store};

/// Telegram's own address.
const TELEGRAM: &str = "https://api.telegram.org";

/// One channel.
///
/// # Errors
/// HTTPS that cannot be set up.
pub fn channel(loaded: &Loaded, channel: &config::Channel) -> Result<Channel, BuildError> {
    let url = channel.url.as_deref().map(|url| url.trim_end_matches('/'));
    let target = match channel.kind {
        ChannelKind::Webhook => Target::Webhook {
            url: channel.url.clone().unwrap_or_default(),
        },
        ChannelKind::Telegram => Target::Telegram {
            api: url.unwrap_or(TELEGRAM).to_owned(),
            chat: channel.chat_id.clone().unwrap_or_default(),
        },
    };
    let source = loaded.secret_source(channel);
    source.warn_if_readable();
    Channel::new(
        &channel.name,
        (
            channel.kinds(),
            channel.language,
            super::build::schedule(&loaded.config),
        ),
        target,
        Box::new(move || source.load_secret()),
    )
    .map_err(BuildError::Channel)
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
    };
    let limits = (bounds, watch);
    let notifier = Notifier::new((store, clock), channels, limits, shops, seed);
    notifier.begin().await?;
    Ok(notifier)
}
