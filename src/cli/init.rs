//! `qabyl init`: from nothing to the first proposed decision in one dialogue. What is right is not asked for again.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::SecretString;

use super::args::{Format, Shown};
use super::init_file::{ConfigFile, quoted, write_secret};
use super::{
    Done, Failure, complain, doctor, locale, partial, say, say_translated, stock, translated,
};
use crate::clock::Clock;
use crate::config::{Config, Loaded, Sources};
use crate::lang::Arg;
use crate::notify::{Chat, chats};
use crate::runtime::channels::TELEGRAM;
use crate::store::{Access, Store};

/// How often one question is asked before its part is left out.
const TRIES: usize = 5;
/// The channel and its secret's file beside the configuration.
const BOT: &str = "bot";

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Ask nothing: take the flags, and leave out what no flag gives
    #[arg(long)]
    pub(super) yes: bool,
    /// Ask although the input is no terminal: one answer a line
    #[arg(long, conflicts_with = "yes")]
    pub(super) ask: bool,
    /// File with the token of Kaspi's API
    #[arg(long, value_name = "FILE")]
    pub(super) token_from: Option<PathBuf>,
    /// Working hours as the cabinet shows them, such as "mon-fri 09:00-18:00"
    #[arg(long)]
    pub(super) hours: Option<String>,
    /// Stock file to import
    #[arg(long, value_name = "FILE")]
    pub(super) stock: Option<PathBuf>,
    /// File with the token of a Telegram bot
    #[arg(long, value_name = "FILE")]
    pub(super) bot_token_from: Option<PathBuf>,
    /// Telegram chat [default: the one that wrote to the bot last]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(super) chat: Option<String>,
    /// Address of Telegram's API, for a server of your own
    #[arg(long, value_name = "URL", hide = true)]
    pub(super) telegram_api: Option<String>,
}

impl Init {
    const fn has_answers(&self) -> bool {
        self.yes
            || self.token_from.is_some()
            || self.hours.is_some()
            || self.stock.is_some()
            || self.bot_token_from.is_some()
    }
}

/// What the reader is asked, in their language.
struct Dialogue {
    asks: bool,
    is_terminal: bool,
}

impl Dialogue {
    /// The answer to a question; `None` for an empty one, and where nobody answers.
    fn ask(&mut self, key: &str, values: &[(&str, Arg<'_>)]) -> Option<String> {
        if !self.asks {
            return None;
        }
        let question = locale::lang().text(key, values);
        if self.is_terminal {
            print(&format!("\n{question} "));
        }
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).unwrap_or(0);
        if read == 0 {
            self.asks = false;
            return None;
        }
        let answer = line.trim();
        if !self.is_terminal {
            print(&format!("{question}\n"));
        }
        (!answer.is_empty()).then(|| answer.to_owned())
    }
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn note(key: &str, values: &[(&str, Arg<'_>)]) {
    say(&locale::lang().text(key, values));
}

pub(super) async fn run(named: Option<PathBuf>, args: &Init) -> Done {
    let is_terminal = std::io::stdin().is_terminal();
    let mut dialogue = Dialogue {
        asks: !args.yes && (is_terminal || args.ask),
        is_terminal,
    };
    let mut file = ConfigFile::find(named.clone())?;
    let is_dialogue = args.has_answers() || dialogue.asks;
    if is_dialogue {
        note(
            "init-begin",
            &[("file", file.path.display().to_string().into())],
        );
    }
    let loaded = shop(&mut file, named.as_ref(), is_dialogue)?;
    let path = loaded.config.database.path.clone();
    let is_new = !Store::exists(&path);
    if is_dialogue {
        make_folder(crate::files::folder_of(&path))?;
    }
    let store = Arc::new(Store::open(&path, Access::Tool, Clock::System.now()).await?);
    token(&mut dialogue, args, (&file, &loaded), &store).await?;
    hours(&mut dialogue, args, &mut file, &loaded)?;
    let has_stock = store.stock_age().await?.is_some();
    drop(store);
    if !has_stock && loaded.config.stock.sources.is_empty() {
        import(&mut dialogue, args, &loaded).await;
    }
    if loaded.config.channels.is_empty() {
        telegram(&mut dialogue, args, &mut file).await?;
    }
    let loaded = reload(named.as_ref())?;
    let found = if is_new { "made" } else { "there already" };
    if is_dialogue {
        doctor::run(
            &loaded,
            &Shown {
                format: Format::Table,
            },
        )
        .await?;
        note("init-next", &[]);
    } else {
        say_translated(&format!(
            "the database {} is {found}; next: `qabyl doctor` checks token, network, clock and stock",
            path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of the service's database is there from its first start on, and takes over what is in it.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut maker = std::fs::DirBuilder::new();
    maker.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(folder)
}

/// The configuration as other commands read it: a file that is not named is read only where nobody else wrote it.
fn reload(named: Option<&PathBuf>) -> Result<Loaded, Failure> {
    Ok(partial(Sources::from_process(named.cloned(), Vec::new())?)?)
}

/// Sees that there is a configuration with a shop, in mode `propose`.
fn shop(
    file: &mut ConfigFile,
    named: Option<&PathBuf>,
    may_write: bool,
) -> Result<Loaded, Failure> {
    if may_write && file.text.is_empty() {
        let text = file.with_key("database", "path", file.database());
        file.write(text)?;
    }
    let loaded = reload(named)?;
    if !may_write || !loaded.config.shops.is_empty() {
        return Ok(loaded);
    }
    let block = "[[shops]]\nname = \"main\"\ntoken_file = \"token\"\nmode = \"propose\"\n";
    let text = file.with_block(block);
    file.write(text)?;
    reload(named)
}

/// Sees that the first shop has a token that Kaspi accepts.
async fn token(
    dialogue: &mut Dialogue,
    args: &Init,
    (file, loaded): (&ConfigFile, &Loaded),
    store: &Arc<Store>,
) -> Result<(), Failure> {
    let Some(shop) = loaded.config.shops.first() else {
        return Ok(());
    };
    if loaded.token_source(shop).load().is_ok() {
        return Ok(());
    }
    let path = shop
        .token_file
        .clone()
        .unwrap_or_else(|| file.beside("token"));
    let mut given = args.token_from.clone();
    for _ in 0..TRIES {
        let answer = match given.take() {
            Some(from) => Some(crate::files::read_text(&from)?.trim().to_owned()),
            None => dialogue.ask("init-token", &[]),
        };
        let Some(token) = answer else {
            return Ok(());
        };
        write_secret(&path, &token)?;
        let (findings, _) = doctor::check_shop(loaded, shop, store).await;
        let failing: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        if failing.is_empty() {
            note("init-token-right", &[]);
            return Ok(());
        }
        for finding in failing {
            let (found, hint) = (translated(&finding.found), translated(&finding.hint));
            say(&format!("{found}\n{hint}"));
        }
    }
    Ok(())
}

fn hours(
    dialogue: &mut Dialogue,
    args: &Init,
    file: &mut ConfigFile,
    loaded: &Loaded,
) -> Result<(), Failure> {
    if !loaded.config.schedule.hours.is_empty() {
        return Ok(());
    }
    let mut given = args.hours.clone();
    for _ in 0..TRIES {
        let answer = given.take().or_else(|| dialogue.ask("init-hours", &[]));
        let Some(hours) = answer else {
            return Ok(());
        };
        let text = file.with_key("schedule", "hours", &hours);
        match Config::parse(&text, &file.path) {
            Ok(_) => return Ok(file.write(text)?),
            Err(error) => complain(&error.to_string()),
        }
        if args.hours.is_some() && !dialogue.asks {
            return Err(Failure::usage(anyhow::anyhow!("--hours {hours}")));
        }
    }
    Ok(())
}

/// Imports the first stock. What is wrong with a file is said, and another one is asked for.
async fn import(dialogue: &mut Dialogue, args: &Init, loaded: &Loaded) {
    let mut given = args.stock.clone();
    for _ in 0..TRIES {
        let asked = given.take();
        let asked = asked.or_else(|| dialogue.ask("init-stock", &[]).map(PathBuf::from));
        let Some(path) = asked else {
            return;
        };
        match stock::import_file(loaded, path).await {
            Ok(_) => return,
            Err(failure) => complain(&super::words(&failure.error)),
        }
    }
}

/// Finds the chat of a bot, and adds it as a channel.
async fn telegram(
    dialogue: &mut Dialogue,
    args: &Init,
    file: &mut ConfigFile,
) -> Result<(), Failure> {
    let mut given = args.bot_token_from.clone();
    let api = args.telegram_api.as_deref().unwrap_or(TELEGRAM);
    for _ in 0..TRIES {
        let answer = match given.take() {
            Some(from) => Some(crate::files::read_text(&from)?.trim().to_owned()),
            None => dialogue.ask("init-bot", &[]),
        };
        let Some(token) = answer else {
            return Ok(());
        };
        let Some(chat) = chat(dialogue, args, api, &token).await else {
            continue;
        };
        write_secret(&file.beside(BOT), &token)?;
        let url = args.telegram_api.as_deref();
        let url = url.map_or_else(String::new, |url| format!("url = {}\n", quoted(url)));
        let text = file.with_block(&format!(
            "[[channels]]\nname = \"{BOT}\"\nkind = \"telegram\"\n{url}chat_id = {}\nsecret_file = \"{BOT}\"\nlanguage = \"{}\"\n",
            quoted(&chat.id),
            locale::lang()
        ));
        Config::parse(&text, &file.path)?;
        file.write(text)?;
        let values = [("chat", chat.title.into())];
        note("init-chat-found", &values);
        if file.database().starts_with('/') {
            note("init-credential", &[]);
        }
        return Ok(());
    }
    Ok(())
}

/// The chat that was named, or the one that wrote to the bot last.
async fn chat(dialogue: &mut Dialogue, args: &Init, api: &str, token: &str) -> Option<Chat> {
    if let Some(id) = &args.chat {
        return Some(Chat {
            id: id.clone(),
            title: id.clone(),
        });
    }
    let secret = SecretString::from(token);
    for _ in 0..TRIES {
        match chats(api, &secret, Clock::System.now()).await {
            Ok(found) => {
                if let Some(chat) = found.into_iter().next() {
                    return Some(chat);
                }
            }
            Err(error) => {
                complain(&error.to_string());
                return None;
            }
        }
        let is_asked = dialogue.asks;
        dialogue.ask("init-write-to-bot", &[]);
        if !is_asked || !dialogue.asks {
            return None;
        }
    }
    None
}
