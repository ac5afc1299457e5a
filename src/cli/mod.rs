//! The command line: one file for each command. Exit codes: 0 done, 1 failed, 2 usage or configuration,
//! 3 Kaspi denies a shop access, 4 something needs a person (with `--check`).

mod args;
mod arguments;
mod audit;
mod backup;
mod catalog;
mod config;
mod deadline;
mod demo;
mod demo_web;
mod doctor;
mod explain;
mod explain_plan;
mod generate;
mod health;
mod init;
mod init_file;
mod known_shops;
mod locale;
mod manual_decisions;
mod notify;
mod once;
mod orders;
mod people;
mod reload;
mod replay;
mod rules;
mod run;
mod said_of_orders;
mod sandbox;
mod scenarios;
mod shops;
mod signals;
mod status;
mod stock;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use args::{Cli, Command, ConfigCommand, NotifyCommand, OrdersCommand, RulesCommand, StockCommand};

use signals::Signals;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Loaded, Sources};
use crate::domain::people::Actor;
use crate::events::log_event;
use crate::store::{Access, Store, StoreError};

/// Worker threads of the runtime.
const WORKERS: usize = 2;

/// The result of every command.
type Done = Result<ExitCode, Failure>;

/// The command failed.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const USAGE: u8 = 2;
/// Kaspi denies a shop access.
const DENIED: u8 = 3;
/// Something needs a person.
const NEEDS_PERSON: u8 = 4;

/// Why a command failed, with its exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let code = error
            .downcast_ref::<ConfigError>()
            .map_or(FAILED, ConfigError::exit_code);
        Self { code, error }
    }
}

impl Failure {
    /// Wrong arguments, or a mistake in a configured file.
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: USAGE,
            error: error.into(),
        }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == crate::stock::CHILD)
    {
        return crate::stock::child();
    }
    // First of all: a SIGHUP that comes while the daemon starts must not end it.
    let signals = std::env::args_os()
        .any(|word| word == "run")
        .then(|| Signals::listen(true));
    crate::stock::read_in_child();
    crate::runtime::process::hide_memory();
    let cli = arguments::parsed();
    locale::choose(cli.lang.as_deref());
    crate::net::install_crypto();
    // Nearly all time is spent waiting. Each thread keeps its own memory arena, so one thread for each
    // core would only cost memory.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime could not be started: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let done = runtime.block_on(dispatch(cli, signals));
    crate::runtime::telemetry::flush();
    match done {
        Ok(code) => code,
        Err(failure) => {
            let stored = failure.error.downcast_ref::<StoreError>();
            let code = stored.map_or_else(String::new, |error| format!(" ({})", error.code()));
            let hint = stored.map(StoreError::hint).unwrap_or_default();
            let hint = if hint.is_empty() {
                String::new()
            } else {
                format!("\n{}", translated(hint))
            };
            let words = locale::lang().sentences(&words(&failure.error));
            print_error(&format!("{words}{code}{hint}"));
            ExitCode::from(failure.code)
        }
    }
}

/// An error with its causes. A cause that the text before it states already is left out.
fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

async fn dispatch(cli: Cli, signals: Option<io::Result<Signals>>) -> Done {
    let sources = || -> Result<Sources, Failure> {
        Ok(Sources::from_process(cli.config.clone(), Vec::new())?)
    };
    match cli.command {
        Command::Run => {
            let signals = signals.unwrap_or_else(|| Signals::listen(true))?;
            run::run(&Config::load(sources()?)?, signals).await
        }
        Command::Init(args) => init::run(cli.config.clone(), &args).await,
        Command::Once(args) => once::run(&Config::load(sources()?)?, &args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Sandbox(args) => sandbox::run(&args).await,
        Command::Orders(OrdersCommand::List(args)) => {
            orders::list(&partial(sources()?)?, &args).await
        }
        Command::Orders(OrdersCommand::Show(args)) => {
            orders::show(&partial(sources()?)?, &args).await
        }
        Command::Orders(OrdersCommand::HandedOver(args)) => {
            said_of_orders::hand_over(&partial(sources()?)?, &args).await
        }
        Command::Orders(OrdersCommand::Resolve(args)) => {
            said_of_orders::resolve(&partial(sources()?)?, &args).await
        }
        Command::Explain(args) => explain::run(&partial(sources()?)?, &args).await,
        Command::Accept(args) => manual_decisions::accept(&partial(sources()?)?, &args).await,
        Command::Cancel(args) => manual_decisions::cancel(&partial(sources()?)?, &args).await,
        Command::Hold(args) => manual_decisions::hold(&partial(sources()?)?, &args).await,
        Command::Release(args) => manual_decisions::release(&partial(sources()?)?, &args).await,
        Command::Pause(args) => manual_decisions::pause(&Config::load(sources()?)?, &args).await,
        Command::Resume(args) => manual_decisions::resume(&Config::load(sources()?)?, &args).await,
        Command::Stock(StockCommand::Import(args)) => {
            stock::import(&partial(sources()?)?, &args).await
        }
        Command::Stock(StockCommand::Sources(args)) => {
            stock::sources(&partial(sources()?)?, &args).await
        }
        Command::Stock(StockCommand::Map(args)) => stock::map(&partial(sources()?)?, &args).await,
        Command::Stock(StockCommand::Reservations(args)) => {
            stock::reservations(&partial(sources()?)?, &args).await
        }
        Command::Stock(StockCommand::Audit(args)) => {
            stock::audit(&partial(sources()?)?, &args).await
        }
        Command::Stock(StockCommand::Export(args)) => {
            stock::export(&partial(sources()?)?, &args).await
        }
        Command::Stock(StockCommand::Set(args)) => stock::set(&partial(sources()?)?, &args).await,
        Command::Stock(StockCommand::Why(args)) => stock::why(&partial(sources()?)?, &args).await,
        Command::Stock(StockCommand::Show(args)) => stock::show(&partial(sources()?)?, &args).await,
        Command::Rules(RulesCommand::Check(args)) => rules::check(&partial(sources()?)?, &args),
        Command::Rules(RulesCommand::List(args)) => rules::list(&partial(sources()?)?, &args),
        Command::Rules(RulesCommand::Test(args)) => scenarios::run(&partial(sources()?)?, &args),
        Command::Rules(RulesCommand::Replay(args)) => {
            replay::run(&partial(sources()?)?, &args).await
        }
        Command::Catalog(command) => catalog::run(&Config::load(sources()?)?, &command).await,
        Command::Config(ConfigCommand::Check(args)) => {
            config::check(&Config::load(sources()?)?, &args)
        }
        Command::Config(ConfigCommand::Dump(args)) => config::dump(&partial(sources()?)?, &args),
        Command::Status(args) => status::run(&partial(sources()?)?, &args).await,
        Command::User(command) => people::user(&partial(sources()?)?, &command).await,
        Command::Token(command) => people::token(&partial(sources()?)?, &command).await,
        Command::Shops(command) => known_shops::run(&partial(sources()?)?, &command).await,
        Command::Notify(NotifyCommand::Test { channel, shown }) => {
            notify::test(&partial(sources()?)?, channel.as_deref(), shown.format).await
        }
        Command::Notify(NotifyCommand::List(args)) => {
            notify::list(&partial(sources()?)?, &args).await
        }
        Command::Backup(args) => backup::backup(&partial(sources()?)?, &args).await,
        Command::Restore(args) => backup::restore(&partial(sources()?)?, &args).await,
        Command::Audit(args) => audit::run(&partial(sources()?)?, &args).await,
        Command::Doctor(args) => doctor::run(&Config::load(sources()?)?, &args).await,
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
        Command::Healthcheck => health::run(&partial(sources()?)?).await,
    }
}

/// The configuration for a command that works without a configured shop.
fn partial(sources: Sources) -> Result<Loaded, ConfigError> {
    Config::load_partial(sources)
}

/// Opens the database beside a running daemon.
async fn open(config: &Config) -> Result<Store, StoreError> {
    Store::open_existing(&config.database.path, Access::Tool, Clock::System.now()).await
}

/// Logs that a daemon or a pass made the database.
fn note_created(path: &std::path::Path) {
    log_event!(
        DATABASE_CREATED, database = %path.display(),
        "there was no database at this path: a new one was made, which knows no stock and no orders yet"
    );
}

/// As [`open`], for a command that brings the first stock.
async fn open_or_begin(config: &Config) -> Result<Store, StoreError> {
    let path = &config.database.path;
    let is_new = !Store::exists(path);
    let store = Store::open_or_begin(path, Access::Tool, Clock::System.now()).await?;
    if is_new {
        complain(&format!("the database {} is made", path.display()));
    }
    Ok(store)
}

/// Prints a command's result for people, or as JSON.
fn say(text: &str) {
    print_file(&crate::text::shown_lines(text));
}

/// Prints a file as it is, for a program. It is not an error that the reader has closed the pipe.
fn print_file(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    let _ = out.flush();
}

/// Prints a command's result for people, whose sentences the code writes in English, in the reader's language.
fn say_translated(text: &str) {
    say(&locale::lang().sentences(text));
}

/// A sentence that the code writes in English, in the reader's language.
fn translated(english: &str) -> String {
    locale::lang().sentence(english)
}

/// Prints a warning or an error that the code writes in English, in the reader's language.
fn complain(text: &str) {
    print_error(&locale::lang().sentences(text));
}

fn print_error(text: &str) {
    let text = crate::text::shown_lines(text);
    let _ = writeln!(std::io::stderr().lock(), "qabyl: {text}");
}

/// Who takes a manual decision here: they count as the user of the operating system, whatever name they give.
fn actor(named: Option<&str>) -> Actor {
    Actor::command_line(&person(named), &crate::operator::of_process())
}

/// The actor of a manual decision, for the audit log.
fn person(named: Option<&str>) -> String {
    named.map_or_else(|| "person".to_owned(), |name| format!("person:{name}"))
}
