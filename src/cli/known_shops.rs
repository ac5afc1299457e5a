//! `qabyl shops`: the shops of the database, among them those that left the configuration.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::args::{Format, ShopsCommand};
use super::{Done, open, orders, person, say, say_translated, table};
use crate::clock::Clock;
use crate::config::Loaded;
use crate::domain::ids::{Account, ShopName};

#[derive(Debug, clap::Args)]
pub(super) struct WaiveShop {
    /// Its name in the configuration
    name: String,
    /// Wait for it again
    #[arg(long)]
    end: bool,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    actor: Option<String>,
}

async fn waive(loaded: &Loaded, args: &WaiveShop) -> Done {
    let store = open(&loaded.config).await?;
    let shop = ShopName::new(&args.name)?;
    let actor = person(args.actor.as_deref());
    store
        .waive_shop(&shop, !args.end, &actor, Clock::System.now())
        .await?;
    say(&if args.end {
        format!("the other shops of its stock wait for shop {shop} again")
    } else {
        format!(
            "the other shops of its stock sell without knowing the orders of shop {shop}, until it is read again"
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// `qabyl shops list|forget|waive`
pub(super) async fn run(loaded: &Loaded, command: &ShopsCommand) -> Done {
    match command {
        ShopsCommand::List(shown) => list(loaded, shown.format).await,
        ShopsCommand::Waive(args) => waive(loaded, args).await,
        ShopsCommand::Forget(forget) => {
            let store = open(&loaded.config).await?;
            let shop = ShopName::new(&forget.name)?;
            let actor = person(forget.actor.as_deref());
            let orders = store
                .forget_shop(&shop, &actor, Clock::System.now())
                .await?;
            say_translated(&format!(
                "shop {shop} is forgotten: the promises of {} are released",
                table::counted(usize::try_from(orders).unwrap_or(usize::MAX), "order")
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// That the others of a shop's stock go on without it.
pub(super) fn waived_words(since: Timestamp) -> String {
    format!(
        "waived since {}: the others of its stock go on without it",
        orders::local(since)
    )
}

async fn list(loaded: &Loaded, format: Format) -> Done {
    let store = open(&loaded.config).await?;
    let (shops, at_stake) = store.known_shops().await?;
    let mut out = table::table(&["shop", "merchant account", "stock", "state"]);
    let mut rows = Vec::new();
    for shop in shops {
        let state = store.shop_state(&shop.name).await?;
        let removed = || match (shop.is_configured(), at_stake.contains(&shop.name)) {
            (true, _) => "configured",
            (false, true) => "removed, still holds stock or waits",
            (false, false) => "removed",
        };
        rows.push(json!({
            "shop": shop.name, "account": shop.account, "configured": shop.is_configured(),
            "at_stake": at_stake.contains(&shop.name), "mismatch": state.mismatch,
            "stock": state.stock, "waived_since": state.waived,
        }));
        let account = shop.account.as_ref().map_or("unknown", Account::as_str);
        let words = state.mismatch.or_else(|| state.waived.map(waived_words));
        let words = words.unwrap_or_else(|| removed().to_owned());
        out.add_row(vec![
            shop.name.as_str(),
            account,
            state.stock.as_str(),
            words.as_str(),
        ]);
    }
    match format {
        Format::Json => say(&json!(rows).to_string()),
        Format::Table => say(&out.to_string()),
    }
    Ok(ExitCode::SUCCESS)
}
