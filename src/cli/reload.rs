//! SIGHUP: reads rules and limits again. If they have a mistake, those in force stay and the log says why.

use std::sync::Arc;

use super::signals::Signals;
use super::{Failure, shops};
use crate::config::{Config, Loaded};
use crate::domain::policy::Policy;
use crate::events::log_event;
use crate::pipeline::Ctx;
use crate::rules_file::default_rules;

/// Reloads at every SIGHUP until the stop; one that came during the start counts.
pub(super) async fn watch(loaded: &Loaded, shops: Vec<Arc<Ctx>>, signals: &Signals) {
    loop {
        tokio::select! {
            () = signals.stop.cancelled() => return,
            () = signals.reload.notified() => {}
        }
        let in_force = shops.first().map(|ctx| ctx.policy());
        match reread(loaded, in_force.as_deref()) {
            Ok((policy, reloaded)) => {
                apply(&shops, &policy, reloaded.dump() != loaded.dump());
                if let Some(ctx) = shops.first() {
                    // If this fails, the next start records it.
                    let _ = shops::record_rules_in_force(&reloaded.config, &ctx.store).await;
                }
            }
            Err(failure) => log_event!(
                RELOAD_REFUSED,
                code = "C001",
                hint = "fix the file named here and send SIGHUP again; nothing has changed",
                "the previous rules and limits stay in force: {:#}",
                failure.error
            ),
        }
    }
}

/// The policy of the files as they are now, and their configuration.
fn reread(loaded: &Loaded, in_force: Option<&Policy>) -> Result<(Arc<Policy>, Loaded), Failure> {
    let reloaded = Config::load(loaded.sources()?)?;
    let has_own_rules = in_force.is_some_and(|policy| policy.rules != default_rules());
    if let (true, Some(file)) = (has_own_rules, shops::missing_rules_file(&reloaded.config)) {
        return Err(Failure::usage(anyhow::anyhow!(
            "the rules file {} is missing",
            file.display()
        )));
    }
    let policy = shops::policy(&reloaded.config)?;
    Ok((policy, reloaded))
}

fn apply(shops: &[Arc<Ctx>], policy: &Arc<Policy>, needs_restart: bool) {
    for ctx in shops {
        let before = ctx.policy();
        ctx.set_policy(Arc::clone(policy));
        log_event!(
            RELOAD_DONE, shop = %ctx.shop, before = before.digest(), policy = policy.digest(),
            differs = before.digest() != policy.digest(), "rules and limits were read again"
        );
    }
    if needs_restart {
        log_event!(
            RELOAD_PARTIAL,
            "the configuration changed: rules and interlocks are in force, other settings need a restart"
        );
    }
}
