//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 Kaspi refuses the shop, 4 something needs a person \
(with --check).

Start with: qabyl demo. Then: qabyl doctor, qabyl status, qabyl orders list, qabyl explain CODE.";

/// Accepts or cancels a Kaspi.kz shop's new orders from local stock and your rules.
#[derive(Debug, Parser)]
#[command(name = "qabyl", version, propagate_version = true, after_help = AFTER_HELP)]
pub(super) struct Cli {
    /// Configuration file [default: /etc/qabyl/qabyl.toml, then ./qabyl.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon
    Run,
    /// One full pass until nothing is due, then exit
    Once(Once),
    /// Show it at work against the built-in sandbox; needs nothing else
    Demo(Demo),
    /// A stateful stand-in for Kaspi on this machine
    Sandbox(Sandbox),
    /// Orders as Qabyl knows them
    #[command(subcommand)]
    Orders(OrdersCommand),
    /// Why an order was decided as it was, and what became of it
    Explain(OneOrder),
    /// Accept an order yourself
    Accept(OneOrder),
    /// Cancel an order yourself
    Cancel(Cancel),
    /// Keep an order from being decided
    Hold(Hold),
    /// Let the rules decide an order again
    Release(OneOrder),
    /// Stop acting, for one shop or all
    Pause(Pause),
    /// Go on acting, for one shop or all
    Resume(Resume),
    /// Stock levels
    #[command(subcommand)]
    Stock(StockCommand),
    /// The rules in force
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Kaspi's categories, and products sent in
    #[command(subcommand)]
    Catalog(super::catalog::CatalogCommand),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// How things stand
    Status(Status),
    /// Channels that people are told through
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Copy the database, beside a running daemon
    Backup(Backup),
    /// Put a copy in place of a database that is gone
    Restore(Restore),
    /// What happened, in order
    Audit(Audit),
    /// Check token, network, clock, database and stock, and say what to change
    Doctor(Shown),
    /// Ask the running daemon whether it is well (for containers)
    Healthcheck,
    /// Print a shell's completions, such as: qabyl completions bash > /etc/bash_completion.d/qabyl
    Completions(Completions),
    /// Write the man pages into a folder (for packages)
    #[command(hide = true)]
    Man(Man),
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(super) shell: String,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The folder; made if it is not there
    pub(super) folder: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Shown {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Once {
    /// Longest time the pass may take
    #[arg(long, value_parser = duration, default_value = "60s")]
    pub(super) timeout: Duration,
    /// Exit with 4 when something needs a person
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Orders in the sandbox
    #[arg(long, default_value_t = 46, value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(super) orders: u16,
    /// Feeds the sandbox's choices
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Keep sandbox and daemon up until Ctrl-C, with new orders coming in
    #[arg(long)]
    pub(super) stay: bool,
}

#[derive(Debug, Args)]
pub(super) struct Sandbox {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8088)]
    pub(super) port: u16,
    /// Seeded orders
    #[arg(long, default_value_t = 46)]
    pub(super) orders: usize,
    /// Feeds all choices: the same seed replays the same
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Time every answer takes
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub(super) latency: Duration,
    /// A fault and its probability, such as drop_after=0.1 or get:http_500=0.05; may be repeated
    #[arg(long = "fault", value_name = "NAME=P")]
    pub(super) faults: Vec<qabyl_sandbox::FaultRate>,
    /// Token the sandbox takes
    #[arg(long, default_value = "sandbox-token")]
    pub(super) token: String,
    /// Write the seeded shop's stock to this file as CSV
    #[arg(long, value_name = "FILE")]
    pub(super) stock: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct OneOrder {
    /// Order code, as people say it
    pub(super) code: String,
    /// Shop, where two shops have orders with this code
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Who says so, for the audit
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    pub(super) order: OneOrder,
    /// MERCHANT_OUT_OF_STOCK, BUYER_CANCELLATION_BY_MERCHANT or BUYER_NOT_REACHABLE
    #[arg(long, value_parser = reason)]
    pub(super) reason: crate::domain::decision::CancelReason,
    /// What the buyer reads
    #[arg(long, default_value = "Нет в наличии")]
    pub(super) comment: String,
}

#[derive(Debug, Args)]
pub(super) struct Hold {
    #[command(flatten)]
    pub(super) order: OneOrder,
    /// Why
    #[arg(long, default_value = "held by hand")]
    pub(super) why: String,
}

#[derive(Debug, Args)]
pub(super) struct Pause {
    /// One shop; all without it
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Why
    #[arg(long, default_value = "paused by hand")]
    pub(super) why: String,
    /// Who says so, for the audit
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// One shop; all without it
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Who says so, for the audit
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum OrdersCommand {
    /// List orders, newest first
    List(OrdersList),
    /// One order with its lines
    Show(OneOrder),
}

#[derive(Debug, Args)]
pub(super) struct OrdersList {
    /// Of one shop
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// In one of Kaspi's states, such as NEW
    #[arg(long)]
    pub(super) state: Option<String>,
    /// In one of Kaspi's statuses, such as APPROVED_BY_BANK
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Created within this time, such as 2d
    #[arg(long, value_parser = duration)]
    pub(super) since: Option<Duration>,
    /// Only those that need a person
    #[arg(long)]
    pub(super) held: bool,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(super) limit: u32,
    /// Exit with 4 when any is listed
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// Send a test message at once, to one channel or to all, and say what came of it
    Test {
        /// Channel
        channel: Option<String>,
    },
    /// How each channel is doing, and what was told last
    List(Shown),
}

#[derive(Debug, Subcommand)]
pub(super) enum StockCommand {
    /// Take levels in from a file, all rows or none: CSV (sku,on_hand[,warehouse][,as_of]), an Excel
    /// workbook's first sheet, or Kaspi's price list
    Import(StockImport),
    /// Configured sources: when each was read, and what is wrong
    Sources(StockSources),
    /// SKUs that are something else in the warehouse: take a CSV file sku,part[,quantity] in place of
    /// the map there is, or show it. One part is an alias, several are a kit
    Map(StockMap),
    /// Open promises: which order holds what, since when
    Reservations(StockShow),
    /// Prove levels and promises from the trail; exit with 1 when they differ
    Audit(Shown),
    /// SKUs that your own feed must say less of: nothing left, or an order cancelled for want of them
    Export(StockExport),
    /// Set one level by hand
    Set(StockSet),
    /// Levels with what is promised of them
    Show(StockShow),
}

#[derive(Debug, Args)]
pub(super) struct StockImport {
    /// The file
    pub(super) file: PathBuf,
    /// What it is [default: what its content shows]
    #[arg(long, value_enum)]
    pub(super) kind: Option<FileKind>,
    /// As this configured source: its kind, its warehouses, what its numbers mean
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Pickup point of rows that name none
    #[arg(long)]
    pub(super) warehouse: Option<String>,
    /// You vouch for the numbers: SKUs that fall to zero are sold out, the feed is not broken
    #[arg(long)]
    pub(super) confirm_zeros: bool,
    /// Who says so, for the audit
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
    /// The file; without it the map is shown
    pub(super) file: Option<PathBuf>,
    /// Who says so, for the audit
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
    /// Kaspi's price list, or CSV that `stock import` reads
    #[arg(long, value_enum, default_value = "csv")]
    pub(super) format: ExportFormat,
    /// Orders cancelled within this time
    #[arg(long, value_parser = duration, default_value = "7d")]
    pub(super) since: Duration,
    /// Whose price list it is, where there are several shops
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Write to this file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StockSources {
    /// Read them now, or this one alone
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
    /// Warehouse (pickup point); the common pool without it
    #[arg(long, default_value = "")]
    pub(super) warehouse: String,
    /// Who says so, for the audit
    #[arg(long = "as", value_name = "NAME")]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct StockShow {
    /// Only these SKUs
    pub(super) skus: Vec<String>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Check the rules file: names, types, unreachable rules
    Check(RulesFile),
    /// Rules in the order they are asked
    List(RulesFile),
    /// Decide scenarios (files, or folders of them) and compare with what they expect
    Test(RulesTest),
    /// What the rules would have made of orders decided before
    Replay(RulesReplay),
}

#[derive(Debug, Args)]
pub(super) struct RulesTest {
    /// Scenario files, or folders of them
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
    /// Rules to try [default: those a scenario file names, then the configured ones]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct RulesReplay {
    /// Decisions of this time
    #[arg(long, value_parser = duration, default_value = "30d")]
    pub(super) since: Duration,
    /// Rules to try [default: the configured ones, as the file is now]
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// Of one shop
    #[arg(long)]
    pub(super) shop: Option<String>,
    /// Show so many of the decisions that would differ; all are counted
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
    /// Print the configuration in force, without secrets: as TOML, or as JSON
    Dump(Shown),
}

#[derive(Debug, Args)]
pub(super) struct ConfigCheck {
    /// Leave the tokens out, where only the daemon may read them
    #[arg(long)]
    pub(super) no_tokens: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Exit with 4 when something needs a person
    #[arg(long)]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) shown: Shown,
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The copy; must not be there yet
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Of one order
    #[arg(long)]
    pub(super) order: Option<String>,
    /// The last so many rows
    #[arg(long, default_value_t = 50)]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) shown: Shown,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; expected a time such as 90s or 10m"))
}

fn reason(text: &str) -> Result<crate::domain::decision::CancelReason, String> {
    use crate::domain::decision::CancelReason;
    CancelReason::parse(text).ok_or_else(|| {
        let all: Vec<&str> = CancelReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        format!("Kaspi takes {}", all.join(", "))
    })
}
