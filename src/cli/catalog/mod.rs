//! `qabyl catalog categories|attributes|values|import|result`: needs one shop's token and no database.

mod args;
mod browse;
mod claims;
mod client;
mod import;

pub(super) use args::CatalogCommand;

use super::Done;
use crate::config::Loaded;

pub(super) async fn run(loaded: &Loaded, command: &CatalogCommand) -> Done {
    match command {
        CatalogCommand::Categories(args) => browse::categories(loaded, args).await,
        CatalogCommand::Attributes(args) => browse::attributes(loaded, args).await,
        CatalogCommand::Values(args) => browse::values(loaded, args).await,
        CatalogCommand::Import(args) => import::import(loaded, args).await,
        CatalogCommand::Result(args) => import::result(loaded, args).await,
    }
}
