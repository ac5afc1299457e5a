//! Manual decisions: `qabyl accept|cancel|hold|release CODE` and `qabyl pause|resume`

use std::process::ExitCode;

use super::args::{Cancel, Hold, OneOrder, Pause, Resume};
use super::{Done, Failure, open, orders, person, say};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::config::{Config, Loaded, Mode};
use crate::domain::calendar;
use crate::domain::ids::{ShopName, Sku};
use crate::domain::verdict::{COMMENT_CHARS_MAX, Verdict};
use crate::ledger::Resolution;
use crate::runtime::build;
use crate::store::{Store, StoreError};

#[derive(Debug, clap::Args)]
pub(super) struct HandedOver {
    #[command(flatten)]
    pub(super) order: OneOrder,
    /// When they left, such as 2026-11-30T14:05+05:00, or 14:05 for that time of the last 24 hours [default: now]
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    pub(super) order: OneOrder,
    /// The units it holds, as the cabinet shows them, such as SKU-1=2,SKU-2=1
    #[arg(long, value_name = "SKU=N,…", value_parser = sku_and_units, value_delimiter = ',', required_unless_present = "holds_nothing", conflicts_with = "holds_nothing")]
    pub(super) lines: Vec<(Sku, u32)>,
    /// It holds nothing that is counted
    #[arg(long)]
    pub(super) holds_nothing: bool,
}

fn sku_and_units(text: &str) -> Result<(Sku, u32), String> {
    let (sku, units) = text
        .rsplit_once('=')
        .ok_or("write SKU=N, such as SKU-1=2")?;
    let units: u32 = units
        .trim()
        .parse()
        .map_err(|_| format!("'{units}' is not a whole number of units"))?;
    if units == 0 {
        return Err(format!("{sku}: leave out what it holds no units of"));
    }
    let sku = Sku::new(sku).map_err(|error| error.to_string())?;
    Ok((sku, units))
}

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

pub(super) async fn hand_over(loaded: &Loaded, args: &HandedOver) -> Done {
    let now = Clock::System.now();
    let at = match &args.at {
        Some(text) => moment(text, now).map_err(Failure::usage)?,
        None => now,
    };
    let store = open(&loaded.config).await?;
    let of = &args.order;
    let (shop, id) = store.find_order(&of.code, of.shop.as_deref()).await?;
    let actor = person(of.actor.as_deref());
    store.hand_over((&shop, &id), at, &actor, now).await?;
    say(&format!(
        "the goods of order {} left the shelf at {}: counts made since do not include them",
        of.code,
        orders::local(at)
    ));
    Ok(ExitCode::SUCCESS)
}

/// A moment as people write it: in full, with or without an offset, or a time of the last 24 hours.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let bad =
        || anyhow::anyhow!("--at {text}: expected a time such as 14:05 or 2026-11-30T14:05+05:00");
    if let Ok(local) = text.parse::<jiff::civil::DateTime>() {
        return calendar::moment(local).ok_or_else(bad);
    }
    let time: jiff::civil::Time = text.parse().map_err(|_| bad())?;
    let today = calendar::local(now).date();
    let at = calendar::moment(today.to_datetime(time)).ok_or_else(bad)?;
    if at <= now {
        return Ok(at);
    }
    calendar::moment(today.yesterday()?.to_datetime(time)).ok_or_else(bad)
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
