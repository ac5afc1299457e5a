//! The arguments of `qabyl catalog`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::args::{Shown, duration};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CatalogCommand {
    /// List Kaspi's categories, from a cache that lasts a week
    Categories(Categories),
    /// List the attributes of a category's products
    Attributes(Attributes),
    /// List the values an attribute may have
    Values(Values),
    /// Check a file of products, send it to Kaspi and wait for the result
    Import(Import),
    /// Show the result of an import
    Result(ImportResult),
}

/// The shop whose token is used, and the output format.
#[derive(Debug, Args)]
pub(super) struct ShopArgs {
    /// Shop whose token is used; needed if several are configured
    #[arg(long)]
    pub(super) shop: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Categories {
    /// Only categories whose code or title contains this text
    pub(super) word: Option<String>,
    /// Ask Kaspi and renew the cache
    #[arg(long)]
    pub(super) refresh: bool,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Attributes {
    /// Category code, such as "Master - Kettles"
    pub(super) category: String,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Values {
    /// Category code
    pub(super) category: String,
    /// Attribute code
    pub(super) attribute: String,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// JSON file in Kaspi's format: a list of products with sku, title, brand, category,
    /// attributes and images
    pub(super) file: PathBuf,
    /// Do not wait for the result; see `qabyl catalog result`
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Longest time to wait for the result
    #[arg(long, value_parser = duration, default_value = "10m")]
    pub(super) timeout: Duration,
    /// Send a file again although the outcome of its last import is unknown; check first that its
    /// products are not in the cabinet
    #[arg(long)]
    pub(super) again: bool,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportResult {
    /// Import code, as printed by `qabyl catalog import`
    pub(super) code: String,
    #[command(flatten)]
    pub(super) shop: ShopArgs,
}
