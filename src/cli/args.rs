//! The arguments of every command, with their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration
  3  Kaspi denies the shop access
  4  something needs a person (only with --check)

First steps:
  qabyl demo            see it work, without any configuration
  qabyl doctor          check your configuration
  qabyl orders list     see what was decided
  qabyl explain CODE    see why";

/// Accepts or cancels a Kaspi.kz shop's new orders from local stock and your rules.
#[derive(Debug, Parser)]
#[command(name = "qabyl", version, propagate_version = true, after_help = AFTER_HELP)]
pub(super) struct Cli {
    /// Configuration file [default: /etc/qabyl/qabyl.toml, then ./qabyl.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Language of the output for people [default: that of LC_ALL, LC_MESSAGES or LANG, or else en]
    #[arg(long, global = true, value_name = "LANG", value_parser = ["ru", "kk", "en"])]
    pub(super) lang: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon
    Run,
    /// Set up a shop in one dialogue: token, hours, stock, Telegram; then make the database and check everything
    Init(super::init::Init),
    /// Run every stage until nothing is due, then exit
    Once(Once),
    /// Process sample orders in the built-in sandbox
    Demo(Demo),
    /// Run a simulated Kaspi API on this machine
    Sandbox(super::sandbox::Sandbox),
    /// List or show orders
    #[command(subcommand)]
    Orders(OrdersCommand),
    /// Explain how an order was decided and what has happened since
    Explain(Explain),
    /// Accept an order by hand
    #[command(disable_version_flag = true)]
    Accept(super::manual_decisions::Accept),
    /// Cancel an order by hand
    #[command(disable_version_flag = true)]
    Cancel(Cancel),
    /// Hold an order, so that the rules do not decide it
    #[command(disable_version_flag = true)]
    Hold(Hold),
    /// Release a held order, so that the rules decide it again
    #[command(disable_version_flag = true)]
    Release(super::manual_decisions::Release),
    /// Stop sending accepts and cancels, for one shop or all
    Pause(Pause),
    /// Resume sending accepts and cancels, for one shop or all
    Resume(Resume),
    /// Import, show and check stock
    #[command(subcommand)]
    Stock(StockCommand),
    /// Check, list and try out rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Browse Kaspi's categories and import products
    #[command(subcommand)]
    Catalog(super::catalog::CatalogCommand),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the state of every shop
    Status(Status),
    /// List the shops of the database, and end what a removed one had promised
    #[command(subcommand)]
    Shops(ShopsCommand),
    /// Add, list and disable users
    #[command(subcommand)]
    User(super::people::UserCommand),
    /// Make, list and revoke tokens of programs that use the HTTP API
    #[command(subcommand)]
    Token(super::people::TokenCommand),
    /// Test notification channels and show their state
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Back up the database; the daemon may be running
    Backup(Backup),
    /// Restore a lost database from a backup
    Restore(Restore),
    /// Show the audit log
    Audit(Audit),
    /// Check configuration, database, stock and access to Kaspi
    Doctor(Shown),
    /// Ask the running daemon whether it is healthy (for containers)
    Healthcheck,
    /// Print a completion script for a shell
    ///
    /// For example: qabyl completions bash > /etc/bash_completion.d/qabyl
    Completions(Completions),
    /// Write the man pages into a directory (for packages)
    #[command(hide = true)]
    Man(Man),
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(super) shell: String,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Directory; created if it does not exist
    pub(super) folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

#[derive(Debug, Clone, Args)]
pub(super) struct Shown {
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Once {
    /// Time limit for the pass
    #[arg(long, value_parser = duration, default_value = "60s")]
    pub(super) timeout: Duration,
    /// Exit with 4 if something needs a person
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Number of orders in the sandbox
    #[arg(long, default_value_t = 46, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(super) orders: u16,
    /// Seed of the sandbox's random choices
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Keep running until Ctrl-C, with new orders coming in
    #[arg(long)]
    pub(super) stay: bool,
    /// Serve the web app too, and print a link to sign in; keeps running until Ctrl-C
    #[arg(long)]
    pub(super) web: bool,
}

#[derive(Debug, Args)]
pub(super) struct OneOrder {
    /// Order code, such as 900000001, or its id
    pub(super) code: String,
    /// Shop; needed if several shops have an order with this code
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Order code, as people say it
    #[arg(required_unless_present = "plan")]
    pub(super) code: Option<String>,
    /// Instead of an order: what the next poll, sweep and act would ask Kaspi
    #[arg(long, conflicts_with = "code")]
    pub(super) plan: bool,
    /// Shop, where two shops have orders with this code; with --plan: this shop only
    #[arg(long)]
    pub(super) shop: Option<String>,
    #[arg(long = "as", value_name = "NAME", hide = true)]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    pub(super) order: OneOrder,
    #[command(flatten)]
    pub(super) carried: super::manual_decisions::Carried,
    #[command(flatten)]
    pub(super) overrides: super::manual_decisions::Overrides,
    /// MERCHANT_OUT_OF_STOCK, BUYER_CANCELLATION_BY_MERCHANT or BUYER_NOT_REACHABLE
    #[arg(long, value_parser = reason)]
    pub(super) reason: crate::domain::verdict::CancelReason,
    /// Comment the buyer sees
    #[arg(long, default_value = "Нет в наличии")]
    pub(super) comment: String,
}

#[derive(Debug, Args)]
pub(super) struct Hold {
    #[command(flatten)]
    pub(super) order: OneOrder,
    #[command(flatten)]
    pub(super) carried: super::manual_decisions::Carried,
    /// Reason, shown with the order
    #[arg(long, default_value = "held by hand")]
    pub(super) why: String,
}

#[derive(Debug, Args)]
pub(super) struct Pause {
    /// Only this shop [default: all shops]
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Reason, shown in `qabyl status`
    #[arg(long, default_value = "paused by hand")]
    pub(super) why: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// Only this shop [default: all shops]
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ShopsCommand {
    /// List shops with their merchant account, removed ones too
    List(Shown),
    /// Release what a shop had promised that left the configuration for good
    Forget(ForgetShop),
    /// Let the other shops of the same stock go on without one that cannot be read, until it is read again
    Waive(super::known_shops::WaiveShop),
}

#[derive(Debug, Args)]
pub(super) struct ForgetShop {
    /// Name it had in the configuration
    pub(super) name: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum OrdersCommand {
    /// List orders, newest first
    List(OrdersList),
    /// Show one order with its lines
    Show(OneOrder),
    /// Say what an accepted order holds whose lines cannot be read
    Resolve(super::said_of_orders::Resolve),
    /// Say that the goods of an accepted order left the shelf, before Kaspi shows it
    HandedOver(super::said_of_orders::HandedOver),
}

#[derive(Debug, Args)]
pub(super) struct OrdersList {
    /// Only orders of this shop
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Only orders in this Kaspi state, such as NEW
    #[arg(long)]
    pub(super) state: Option<String>,
    /// Only orders with this Kaspi status, such as APPROVED_BY_BANK
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Only orders created within this time, such as 2d
    #[arg(long, value_parser = duration)]
    pub(super) since: Option<Duration>,
    /// Only orders that need a person, the nearest deadline first
    #[arg(long)]
    pub(super) held: bool,
    /// Only orders older than this one, by its code: the last of those listed before
    #[arg(long, value_name = "CODE")]
    pub(super) after: Option<String>,
    /// Maximum number of orders [default: the newest 100; without a filter every open order and the newest 50]
    #[arg(long)]
    pub(super) limit: Option<u32>,
    /// Exit with 4 if any order is listed
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a test message now, to one channel or all, and print the result
    Test {
        /// Channel [default: all channels]
        channel: Option<String>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Show the state of each channel and the latest notifications
    List(Shown),
}

#[derive(Debug, Subcommand)]
pub(super) enum StockCommand {
    /// Import stock levels from a file, all rows or none
    ///
    /// The file is CSV with the header sku,on_hand[,warehouse][,as_of], the first sheet of an Excel
    /// workbook, or Kaspi's price list.
    Import(StockImport),
    /// Show the configured stock sources and their state
    Sources(StockSources),
    /// Show or replace the map of aliases and kits
    ///
    /// The file is CSV with the header sku,part[,quantity]: an SKU with one part is an alias of it, one
    /// with several is a kit. It replaces the whole map.
    Map(StockMap),
    /// Show active reservations with their orders
    Reservations(StockShow),
    /// Check levels and reservations against the audit log
    Audit(Shown),
    /// Export SKUs that are sold out or that orders were cancelled for
    ///
    /// Kaspi sells a missing unit again after a cancel, until your price list shows it as sold out.
    Export(StockExport),
    /// Set one stock level by hand
    Set(StockSet),
    /// Show stock levels and what is reserved of them
    Show(StockShow),
    /// Show how many units are available, between what is certain and what is possible, and why
    Why(super::stock::StockWhy),
}

#[derive(Debug, Args)]
pub(super) struct StockImport {
    /// File to import
    pub(super) file: PathBuf,
    /// File format [default: detected from the content]
    #[arg(long, value_enum)]
    pub(super) kind: Option<FileKind>,
    /// Import as this configured source, with its kind, warehouses and semantics
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Stock that it lists, as shops and sources name it [default: that of sources that name none]
    #[arg(long, value_name = "NAME")]
    pub(super) stock: Option<String>,
    /// Warehouse (pickup point) of rows that name none
    #[arg(long)]
    pub(super) warehouse: Option<String>,
    /// Refuse the file if one row is doubtful
    #[arg(long)]
    pub(super) strict: bool,
    /// Confirm the numbers: SKUs that fall to zero are really sold out
    #[arg(long)]
    pub(super) confirm_zeros: bool,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FileKind {
    Csv,
    Xlsx,
    KaspiXml,
}

impl From<FileKind> for crate::stock::Format {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Csv => Self::Csv,
            FileKind::Xlsx => Self::Xlsx,
            FileKind::KaspiXml => Self::KaspiXml,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct StockMap {
    /// Map to import [default: show the current map]
    pub(super) file: Option<PathBuf>,
    /// Stock whose map it is [default: that of sources that name none; all, where it is shown]
    #[arg(long, value_name = "NAME")]
    pub(super) stock: Option<String>,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    KaspiXml,
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct StockExport {
    /// Kaspi's price list, or CSV for `qabyl stock import`
    #[arg(long, value_enum, default_value = "csv")]
    pub(super) format: ExportFormat,
    /// Include orders cancelled within this time
    #[arg(long, value_parser = duration, default_value = "7d")]
    pub(super) since: Duration,
    /// Shop of the price list; needed if several are configured
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StockSources {
    /// Read all sources now, or only this one
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(super) sync: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct StockSet {
    /// SKU
    pub(super) sku: String,
    /// Units on hand
    pub(super) on_hand: u32,
    /// Stock that it belongs to, as shops and sources name it [default: that of sources that name none]
    #[arg(long, value_name = "NAME")]
    pub(super) stock: Option<String>,
    /// Warehouse (pickup point) [default: the common pool]
    #[arg(long, default_value = "")]
    pub(super) warehouse: String,
    /// Your name, for the audit log
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct StockShow {
    /// SKUs to show [default: all]
    pub(super) skus: Vec<String>,
    /// Show what shops of this stock sell from [default: every stock]
    #[arg(long, value_name = "NAME")]
    pub(super) stock: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Check the rules file: names, types, unreachable rules
    Check(RulesFile),
    /// List the rules in the order they are tried
    List(RulesFile),
    /// Decide the scenarios of the given files and compare with what they expect
    Test(RulesTest),
    /// Decide past orders again and show what would differ; changes nothing
    Replay(RulesReplay),
}

#[derive(Debug, Args)]
pub(super) struct RulesTest {
    /// Scenario files, or directories of them
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Rules to try [default: those a scenario file names, else the configured ones]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct RulesReplay {
    /// Decisions made within this time
    #[arg(long, value_parser = duration, default_value = "30d")]
    pub(super) since: Duration,
    /// Rules to try [default: the configured rules file as it is now]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// Only decisions of this shop
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Maximum number of differences to show; all are counted
    #[arg(long, default_value_t = 50)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct RulesFile {
    /// Rules file [default: the configured one, or the embedded rules]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check configuration, rules and tokens without starting
    Check(ConfigCheck),
    /// Print the effective configuration as TOML or JSON, without secrets
    Dump(Shown),
}

#[derive(Debug, Args)]
pub(super) struct ConfigCheck {
    /// Skip the tokens, if only the daemon may read them
    #[arg(long)]
    pub(super) no_tokens: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Exit with 4 if something needs a person
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// File to write; must not exist yet
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Backup file
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Only entries about this order
    #[arg(long)]
    pub(super) order: Option<String>,
    /// Maximum number of entries, the latest ones
    #[arg(long, default_value_t = 50)]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) shown: Shown,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    use crate::diagnostics::{MONTH_HINT, NoDuration};
    crate::diagnostics::duration(text).map_err(|why| match why {
        NoDuration::Unreadable => "expected a time such as 90s or 10m".to_owned(),
        NoDuration::Months => format!("a month has no fixed length; {MONTH_HINT}"),
    })
}

fn reason(text: &str) -> Result<crate::domain::verdict::CancelReason, String> {
    use crate::domain::verdict::CancelReason;
    CancelReason::parse(text).ok_or_else(|| {
        let all: Vec<&str> = CancelReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        format!("expected one of {}", all.join(", "))
    })
}
