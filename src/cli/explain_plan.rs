//! `qabyl explain --plan`: what the next poll, sweep and act would ask Kaspi.

use std::fmt::Write as _;
use std::process::ExitCode;

use jiff::SignedDuration;
use serde_json::json;

use super::args::{Explain, Format};
use super::{Done, Failure, open, say};
use crate::clock::Clock;
use crate::config::{self, Loaded};
use crate::domain::ids::ShopName;
use crate::pipeline::act::{self, Situation};
use crate::pipeline::plan::{PollPlan, Step};
use crate::pipeline::stages::Stage;
use crate::pipeline::sweep::SweepPlan;
use crate::pipeline::{Clocks, Settings};
use crate::runtime::build;
use crate::store::{Store, StoreError};

pub(super) async fn run(loaded: &Loaded, args: &Explain) -> Done {
    let shops = loaded.config.shops.iter();
    let is_asked = |shop: &&config::Shop| args.shop.as_ref().is_none_or(|name| *name == shop.name);
    let shops: Vec<_> = shops.filter(is_asked).collect();
    if let (Some(name), true) = (&args.shop, shops.is_empty()) {
        return Err(Failure::usage(anyhow::anyhow!("there is no shop {name}")));
    }
    let store = open(&loaded.config).await?;
    let (mut text, mut rows) = (String::new(), Vec::new());
    for shop in shops {
        let _ = writeln!(
            text,
            "Shop {}: what is asked next, by this machine's clock",
            shop.name
        );
        for (stage, steps) in plan(loaded, shop, &store).await? {
            let _ = writeln!(text, "  {}", stage.name());
            for Step { class, what } in &steps {
                let _ = writeln!(text, "    {class:<13} {what}");
                rows.push(json!({
                    "shop": shop.name, "stage": stage.name(), "class": class.to_string(), "what": what,
                }));
            }
            if steps.is_empty() {
                let _ = writeln!(text, "    nothing");
            }
        }
    }
    match args.shown.format {
        Format::Json => say(&json!(rows).to_string()),
        Format::Table => say(text.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn plan(
    loaded: &Loaded,
    shop: &config::Shop,
    store: &Store,
) -> Result<Vec<(Stage, Vec<Step>)>, Failure> {
    let config = &loaded.config;
    let name = ShopName::new(&shop.name).map_err(|_| build::BuildError::ShopName)?;
    let settings = build::settings(config);
    // Kaspi's clock is known to the daemon alone.
    let clocks = Clocks::new(Clock::System.now(), None);
    let poll = PollPlan::load(store, &name, (&settings, clocks)).await?;
    let sweep = SweepPlan::load(store, &name, (&settings, clocks), false).await?;
    let mut plans = vec![(Stage::Poll, poll.steps()), (Stage::Sweep, sweep.steps())];
    if shop.mode == config::Mode::Act {
        let max_age = build::limits(config).freshness.cancel_age_max;
        let steps = act_steps(store, &name, (&settings, clocks), max_age).await?;
        plans.push((Stage::Act, steps));
    }
    Ok(plans)
}

async fn act_steps(
    store: &Store,
    shop: &ShopName,
    (settings, clocks): (&Settings, Clocks),
    cancel_sweep_age_max: SignedDuration,
) -> Result<Vec<Step>, StoreError> {
    let now = clocks.ours;
    let due = store.due_actions(shop, now, act::FETCH).await?;
    let situation = Situation {
        now,
        sighting_age_max: settings.sighting_age_max,
        cancel_sweep_age_max,
        swept_at: None,
        newest_list_at: store.newest_list_at(shop).await?,
        free_slots: settings.max_in_flight,
        is_idle: true,
    };
    Ok(act::plan(due, &situation).steps())
}
