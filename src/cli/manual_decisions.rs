//! Manual decisions: `qabyl accept|cancel|hold|release CODE` and `qabyl pause|resume`

use std::process::ExitCode;

use super::args::{Cancel, Hold, OneOrder, Pause, Resume};
use super::{Done, Failure, actor, open, say_translated};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Mode};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::Name;
use crate::domain::verdict::{COMMENT_CHARS_MAX, Verdict};
use crate::ledger::{Key, Manual, ManualDecision, Taken, Terms};
use crate::runtime::build;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Carried {
    /// The version of the order that you saw (`qabyl orders show`): refused if it has changed since [default: as it is]
    #[arg(long)]
    version: Option<String>,
    /// Do the same request once, however often it is sent with this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Overrides {
    /// Interlocks to override, such as stock_available; refused if another one objects [default: all]
    #[arg(long = "override", value_name = "NAME,…", value_parser = interlock, value_delimiter = ',')]
    names: Vec<Name>,
}

fn interlock(word: &str) -> Result<Name, String> {
    let found = Name::ALL.into_iter().find(|name| name.as_str() == word);
    found.ok_or_else(|| format!("there is no interlock {word}: docs/RULES.md lists them"))
}

#[derive(Debug, clap::Args)]
pub(super) struct Accept {
    #[command(flatten)]
    order: OneOrder,
    #[command(flatten)]
    carried: Carried,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    order: OneOrder,
    #[command(flatten)]
    carried: Carried,
}

pub(super) async fn accept(loaded: &Loaded, args: &Accept) -> Done {
    let (carried, overrides) = (&args.carried, &args.overrides);
    answer(
        &loaded.config,
        &args.order,
        Verdict::Accept,
        (carried, overrides),
    )
    .await
}

pub(super) async fn cancel(loaded: &Loaded, args: &Cancel) -> Done {
    if args.comment.chars().count() > COMMENT_CHARS_MAX {
        return Err(Failure::usage(anyhow::anyhow!(
            "the comment is longer than the {COMMENT_CHARS_MAX} characters Kaspi accepts"
        )));
    }
    let verdict = Verdict::Cancel {
        reason: args.reason,
        comment: args.comment.clone(),
    };
    let besides = (&args.carried, &args.overrides);
    answer(&loaded.config, &args.order, verdict, besides).await
}

async fn answer(
    config: &Config,
    args: &OneOrder,
    verdict: Verdict,
    (carried, overrides): (&Carried, &Overrides),
) -> Done {
    let store = open(config).await?;
    let (shop, id) = store.find_order(&args.code, args.shop.as_deref()).await?;
    let sends_nothing = sends_nothing(config, &shop);
    let (input, limits) = (build::deciding_input(config), build::limits(config));
    let what = Manual::Answer {
        verdict: &verdict,
        input: &input,
        limits: Some(&limits),
        terms: Terms {
            sends_nothing: sends_nothing.as_deref(),
            cancels_per_person_max: build::cancels_per_person_max(config),
        },
    };
    let named = (!overrides.names.is_empty()).then_some(overrides.names.as_slice());
    let taken = take(&store, (&shop, &id), what, (args, carried, named)).await?;
    let done = match verdict {
        Verdict::Accept => "accepted",
        _ => "cancelled",
    };
    say_translated(&format!(
        "order {} will be {done} by the daemon or the next `qabyl once`",
        args.code
    ));
    for (name, why) in &taken.overridden {
        say_translated(&format!("  although {}: {why}", name.as_str()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes a manual decision, and says so where the same request was taken before.
async fn take(
    store: &Store,
    order: (&ShopName, &OrderId),
    what: Manual<'_>,
    (args, carried, overrides): (&OneOrder, &Carried, Option<&[Name]>),
) -> Result<Taken, Failure> {
    let actor = actor(args.actor.as_deref());
    let decision = ManualDecision {
        what,
        actor: &actor,
        version: carried.version.as_deref(),
        key: carried.key.as_deref().map(Key::plain),
        overrides,
    };
    let taken = store
        .decide_manually(order, &decision, Clock::System.now())
        .await?;
    if taken.repeated.is_some() {
        say_translated("the same request with this key was taken before: nothing is done again");
    }
    Ok(taken)
}

/// Why an accept or a cancel of the shop would be recorded and never carried out.
fn sends_nothing(config: &Config, shop: &ShopName) -> Option<String> {
    let mode = config
        .shops
        .iter()
        .find(|known| known.name == shop.as_str())
        .map(|known| known.mode);
    match mode {
        Some(Mode::Act) => None,
        Some(mode) => Some(format!("in mode {}", format!("{mode:?}").to_lowercase())),
        None => Some("not in the configuration".to_owned()),
    }
}

pub(super) async fn hold(loaded: &Loaded, args: &Hold) -> Done {
    let store = open(&loaded.config).await?;
    let of = &args.order;
    let (shop, id) = store.find_order(&of.code, of.shop.as_deref()).await?;
    let what = Manual::Hold(&args.why);
    take(&store, (&shop, &id), what, (of, &args.carried, None)).await?;
    say_translated(&format!(
        "order {} is held until `qabyl release {0}`",
        of.code
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn release(loaded: &Loaded, args: &Release) -> Done {
    let store = open(&loaded.config).await?;
    let of = &args.order;
    let (shop, id) = store.find_order(&of.code, of.shop.as_deref()).await?;
    take(
        &store,
        (&shop, &id),
        Manual::Release,
        (of, &args.carried, None),
    )
    .await?;
    say_translated(&format!(
        "order {} will be decided by the rules again",
        of.code
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn pause(loaded: &Loaded, args: &Pause) -> Done {
    set_paused(
        &loaded.config,
        args.shop.as_deref(),
        Some(&args.why),
        args.actor.as_deref(),
    )
    .await
}

pub(super) async fn resume(loaded: &Loaded, args: &Resume) -> Done {
    set_paused(
        &loaded.config,
        args.shop.as_deref(),
        None,
        args.actor.as_deref(),
    )
    .await
}

async fn set_paused(
    config: &Config,
    shop: Option<&str>,
    why: Option<&str>,
    by: Option<&str>,
) -> Done {
    let store: Store = open(config).await?;
    let mut done = Vec::new();
    for configured in &config.shops {
        if shop.is_none_or(|shop| shop == configured.name) {
            let name = ShopName::new(&configured.name)?;
            store
                .set_paused(&name, why, &actor(by), Clock::System.now())
                .await?;
            done.push(configured.name.as_str());
        }
    }
    if done.is_empty() {
        let names: Vec<&str> = config.shops.iter().map(|shop| shop.name.as_str()).collect();
        return Err(Failure::usage(anyhow::anyhow!(
            "there is no shop {}; configured: {}",
            shop.unwrap_or_default(),
            names.join(", ")
        )));
    }
    let state = if why.is_some() {
        "paused: nothing is sent"
    } else {
        "resumed"
    };
    say_translated(&format!("{}: {state}", done.join(", ")));
    Ok(ExitCode::SUCCESS)
}
