//! What people say of accepted orders: `qabyl orders resolve|handed-over CODE`

use std::process::ExitCode;

use jiff::Timestamp;

use super::args::OneOrder;
use super::{Done, Failure, open, orders, person, say_translated};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::calendar;
use crate::domain::ids::Sku;
use crate::ledger::Resolution;

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
    say_translated(&format!(
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
    say_translated(&format!(
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
