//! SIGHUP: rules and limits are read again, or the last good ones stay and the log says why.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, shops};
use crate::config::{Config, Loaded};
use crate::domain::policy::Policy;
use crate::pipeline::Ctx;
use crate::rules_file::default_rules;

/// Reloads at every SIGHUP until `stop`.
pub(super) async fn watch(
    loaded: &Loaded,
    shops: Vec<Arc<Ctx>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hangup.recv() => {}
        }
        let in_force = shops.first().map(|ctx| ctx.policy());
        match read_again(loaded, in_force.as_deref()) {
            Ok((policy, again)) => {
                put_in_force(&shops, &policy, again.dump() != loaded.dump());
                if let Some(ctx) = shops.first() {
                    // A database that cannot be written now learns it at the next start.
                    let _ = shops::note_rules(&again.config, &ctx.store).await;
                }
            }
            Err(failure) => tracing::error!(
                event = "reload.refused",
                code = "C001",
                hint = "mend the file named here and send SIGHUP again; nothing has changed",
                "the last good rules and limits stay in force: {:#}",
                failure.error
            ),
        }
    }
}

/// The policy the files ask for now, and the configuration it is of.
fn read_again(
    loaded: &Loaded,
    in_force: Option<&Policy>,
) -> Result<(Arc<Policy>, Loaded), Failure> {
    let again = Config::load(loaded.sources()?)?;
    let is_own = in_force.is_some_and(|policy| policy.rules != default_rules());
    if let (true, Some(file)) = (is_own, shops::absent_rules(&again.config)) {
        return Err(Failure::usage(anyhow::anyhow!(
            "the rules file {} is gone",
            file.display()
        )));
    }
    let policy = shops::policy(&again.config)?;
    Ok((policy, again))
}

fn put_in_force(shops: &[Arc<Ctx>], policy: &Arc<Policy>, needs_restart: bool) {
    for ctx in shops {
        let before = ctx.policy();
        ctx.set_policy(Arc::clone(policy));
        tracing::info!(
            event = "reload.done", shop = %ctx.shop, before = before.digest(), policy = policy.digest(),
            differs = before.digest() != policy.digest(), "rules and limits were read again"
        );
    }
    if needs_restart {
        tracing::warn!(
            event = "reload.partly",
            "the configuration changed: rules and interlocks are in force, the rest waits for a restart"
        );
    }
}
