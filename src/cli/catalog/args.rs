//! What can be typed after `qabyl catalog`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::args::{Shown, duration};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CatalogCommand {
    /// Kaspi's categories; kept for a week beside the database
    Categories(Categories),
    /// What the products of a category are described by
    Attributes(Attributes),
    /// The values an attribute of a category may have
    Values(Values),
    /// Check a file of products, send it in, and wait for what becomes of each
    Import(Import),
    /// What became of an import
    Result(ImportResult),
}

/// Which shop asks, and how to print.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Shop whose token is used, where there are several
    #[arg(long)]
    pub(super) shop: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Categories {
    /// Only those whose code or title has this word
    pub(super) word: Option<String>,
    /// Ask Kaspi again, whatever is kept
    #[arg(long)]
    pub(super) refresh: bool,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Attributes {
    /// The category's code, such as "Master - Kettles"
    pub(super) category: String,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Values {
    /// The category's code
    pub(super) category: String,
    /// The attribute's code
    pub(super) attribute: String,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// JSON as Kaspi takes it: a list of sku, title, brand, category, attributes, images
    pub(super) file: PathBuf,
    /// Do not wait for the result; `qabyl catalog result CODE` asks for it
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Longest time to wait
    #[arg(long, value_parser = duration, default_value = "10m")]
    pub(super) timeout: Duration,
    /// Send a file whose sending before had no clear end: you looked, and it is not there
    #[arg(long)]
    pub(super) again: bool,
    #[command(flatten)]
    pub(super) asked: Asked,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ImportResult {
    /// The import's code, as `qabyl catalog import` told it
    pub(super) code: String,
    #[command(flatten)]
    pub(super) asked: Asked,
}
