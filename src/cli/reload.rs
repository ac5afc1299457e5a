//! SIGHUP: reads rules and limits again. If they have a mistake, those in force stay and the log says why.

use std::sync::Arc;

use super::signals::Signals;
use super::{Failure, complain, shops};
use crate::config::{Config, Loaded};
use crate::domain::policy::Policy;
use crate::events::log_event;
use crate::pipeline::Ctx;
use crate::rules_file::default_rules;
use crate::runtime::build;

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
                apply(
                    &shops,
                    &policy,
                    &waiting_for_restart(&loaded.config, &reloaded.config),
                );
                note(&shops, None).await;
                if let Some(ctx) = shops.first() {
                    // If this fails, the next start records it.
                    let _ = shops::record_rules_in_force(&reloaded.config, &ctx.store).await;
                }
            }
            Err(failure) => {
                let why = format!("{:#}", failure.error);
                log_event!(
                    RELOAD_REFUSED,
                    code = "C001",
                    hint = "fix the file named here and send SIGHUP again; nothing has changed",
                    "the previous rules and limits stay in force: {why}"
                );
                note(&shops, Some(&why)).await;
            }
        }
    }
}

/// Notes for `qabyl status` whether the last reload was refused.
async fn note(shops: &[Arc<Ctx>], problem: Option<&str>) {
    let Some(ctx) = shops.first() else { return };
    if let Err(error) = ctx.store.note_reload(problem, ctx.clock.now()).await {
        complain(&format!(
            "whether the reload was refused was not stored: {}",
            error.words()
        ));
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
    let rules = shops::rules(&reloaded.config)?;
    let limits = build::limits(&in_force_after(&loaded.config, &reloaded.config));
    Ok((Arc::new(build::policy(rules, limits)), reloaded))
}

/// The configuration after a reload: each section as it was at the start, or whole as it is now.
fn in_force_after(started: &Config, reloaded: &Config) -> Config {
    Config {
        rules: reloaded.rules.clone(),
        interlocks: reloaded.interlocks.clone(),
        schedule: reloaded.schedule.clone(),
        ..started.clone()
    }
}

/// The settings that differ from those in force until the next start, as `section.key`.
fn waiting_for_restart(started: &Config, reloaded: &Config) -> Vec<String> {
    let in_force = in_force_after(started, reloaded);
    let table = |config: &Config| toml::Table::try_from(config).unwrap_or_default();
    let (old, new) = (table(&in_force), table(reloaded));
    let mut differ = Vec::new();
    for (section, values) in &new {
        match (values.as_table(), old.get(section)) {
            (Some(values), Some(toml::Value::Table(old))) => {
                let changed = values
                    .iter()
                    .filter(|(key, value)| old.get(*key) != Some(*value));
                let removed = old.keys().filter(|key| !values.contains_key(*key));
                let keys = changed.map(|(key, _)| key).chain(removed);
                differ.extend(keys.map(|key| format!("{section}.{key}")));
            }
            (_, old) if old != Some(values) => differ.push(section.clone()),
            _ => {}
        }
    }
    let gone = old.keys().filter(|section| !new.contains_key(*section));
    differ.extend(gone.cloned());
    differ
}

fn apply(shops: &[Arc<Ctx>], policy: &Arc<Policy>, needs_restart: &[String]) {
    for ctx in shops {
        let before = ctx.policy();
        ctx.set_policy(Arc::clone(policy));
        log_event!(
            RELOAD_DONE, shop = %ctx.shop, before = before.digest(), policy = policy.digest(),
            differs = before.digest() != policy.digest(),
            "the rules and the sections [interlocks] and [schedule] were read again"
        );
    }
    if !needs_restart.is_empty() {
        log_event!(
            RELOAD_PARTIAL,
            keys = needs_restart.join(", "),
            "the configuration changed where only a restart applies it: until then the settings of the start stay in force"
        );
    }
}
