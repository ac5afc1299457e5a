//! Manual decisions: `qabyl accept|cancel|hold|release CODE` and `qabyl pause|resume`

use std::process::ExitCode;

use super::args::{Cancel, Hold, OneOrder, Pause, Resolve, Resume};
use super::{Done, Failure, open, person, say};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Mode};
use crate::domain::ids::ShopName;
use crate::domain::verdict::{COMMENT_CHARS_MAX, Verdict};
use crate::ledger::Resolution;
use crate::runtime::build;
use crate::store::{Store, StoreError};

pub(super) async fn accept(loaded: &Loaded, args: &OneOrder) -> Done {
    decide(&loaded.config, args, Verdict::Accept).await
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
    decide(&loaded.config, &args.order, verdict).await
}

async fn decide(config: &Config, args: &OneOrder, verdict: Verdict) -> Done {
    let store = open(config).await?;
    let (shop, id) = store.find_order(&args.code, args.shop.as_deref()).await?;
    check_mode(config, &shop)?;
    let actor = person(args.actor.as_deref());
    let input = build::deciding_input(config);
    store
        .order_by_person(&shop, &id, &verdict, &input, &actor, Clock::System.now())
        .await?;
    say(&format!(
        "order {} will be {} by the daemon or the next `qabyl once`",
        args.code,
        match verdict {
            Verdict::Accept => "accepted",
            _ => "cancelled",
        }
    ));
    Ok(ExitCode::SUCCESS)
}

/// An accept or a cancel in a shop that sends nothing would be recorded and never carried out.
fn check_mode(config: &Config, shop: &ShopName) -> Result<(), Failure> {
    let mode = config
        .shops
        .iter()
        .find(|known| known.name == shop.as_str());
    let mode = mode.map(|known| known.mode);
    if mode == Some(Mode::Act) {
        return Ok(());
    }
    let state = mode.map_or_else(
        || "not in the configuration".to_owned(),
        |mode| format!("in mode {}", format!("{mode:?}").to_lowercase()),
    );
    Err(StoreError::Refused(format!(
        "shop {shop} is {state}, and nothing is sent for it: set mode = \"act\" for it, or decide the order in the cabinet"
    ))
    .into())
}

pub(super) async fn hold(loaded: &Loaded, args: &Hold) -> Done {
    let store = open(&loaded.config).await?;
    let (shop, id) = store
        .find_order(&args.order.code, args.order.shop.as_deref())
        .await?;
    let actor = person(args.order.actor.as_deref());
    store
        .hold_order(&shop, &id, &args.why, &actor, Clock::System.now())
        .await?;
    say(&format!(
        "order {} is held until `qabyl release {0}`",
        args.order.code
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn release(loaded: &Loaded, args: &OneOrder) -> Done {
    let store = open(&loaded.config).await?;
    let (shop, id) = store.find_order(&args.code, args.shop.as_deref()).await?;
    let actor = person(args.actor.as_deref());
    store
        .release_order(&shop, &id, &actor, Clock::System.now())
        .await?;
    say(&format!(
        "order {} will be decided by the rules again",
        args.code
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resolve(loaded: &Loaded, args: &Resolve) -> Done {
    let store = open(&loaded.config).await?;
    let of = &args.order;
    let (shop, id) = store.find_order(&of.code, of.shop.as_deref()).await?;
    let resolution = if args.holds_nothing {
        Resolution::HoldsNothing
    } else {
        Resolution::Lines(args.lines.clone())
    };
    let actor = person(of.actor.as_deref());
    store
        .resolve_order(&shop, &id, &resolution, &actor, Clock::System.now())
        .await?;
    let held = match &resolution {
        Resolution::HoldsNothing => "nothing".to_owned(),
        Resolution::Lines(lines) => {
            let lines: Vec<String> = lines
                .iter()
                .map(|(sku, units)| format!("{units} of {sku}"))
                .collect();
            lines.join(", ")
        }
    };
    say(&format!(
        "order {} holds {held}, until Kaspi shows its lines",
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
    actor: Option<&str>,
) -> Done {
    let store: Store = open(config).await?;
    let mut done = Vec::new();
    for configured in &config.shops {
        if shop.is_none_or(|shop| shop == configured.name) {
            let name = ShopName::new(&configured.name)?;
            store
                .set_paused(&name, why, &person(actor), Clock::System.now())
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
    say(&format!("{}: {state}", done.join(", ")));
    Ok(ExitCode::SUCCESS)
}
