//! From sources to a [`Config`]: find, check, merge, finish.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use toml::Table;

use super::channel::Channel;
use super::env::Env;
use super::file::FileLayer;
use super::implicit_file::{self, GroupWrites};
use super::problem::{ConfigError, Origin};
use super::sections::Config;
use super::shop::{Shop, TOKEN_ENV_DEFAULT};
use super::source::{SourceKind, StockSource};
use super::token::TokenSource;
use super::{DEFAULT_TOML, dump, file, layer, together};

/// Where a configuration file is looked for when none is named.
pub const SEARCH: [&str; 2] = ["/etc/qabyl/qabyl.toml", "./qabyl.toml"];

/// Fewest characters of the status pages' token: 128 bits in the shortest usual spelling, base64.
const HTTP_TOKEN_CHARS_MIN: usize = 22;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file named by the user; must exist.
    pub file: Option<PathBuf>,
    /// Looked for in order when no file is named; the first that exists is read.
    pub search: Vec<PathBuf>,
    /// The environment, `.env` included.
    pub env: Env,
    /// Flags: dotted key and text.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The sources of this process.
    ///
    /// # Errors
    /// A `.env` that cannot be read.
    pub fn from_process(
        file: Option<PathBuf>,
        overrides: Vec<(String, String)>,
    ) -> Result<Self, ConfigError> {
        let search: Vec<PathBuf> = SEARCH.into_iter().map(PathBuf::from).collect();
        let found = file
            .as_ref()
            .or_else(|| search.iter().find(|file| file.exists()));
        let env = Env::capture(found.map(PathBuf::as_path))?;
        Ok(Self {
            file,
            search,
            env,
            overrides,
        })
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The configuration file, where there is one.
    pub file: Option<PathBuf>,
    /// The names of the variables that set a key.
    pub env_keys: Vec<String>,
    pub(super) origins: BTreeMap<String, Origin>,
    env: Env,
}

impl Loaded {
    /// Where a shop's token is read from.
    pub fn token_source(&self, shop: &Shop) -> TokenSource {
        TokenSource::new(shop, &self.env)
    }

    /// Where a supplier's token is read from.
    pub fn supplier_token(&self, source: &StockSource) -> TokenSource {
        TokenSource::of_supplier(source, &self.env)
    }

    /// Where a channel's secret is read from.
    pub fn secret_source(&self, channel: &Channel) -> TokenSource {
        TokenSource::of_channel(channel, &self.env)
    }

    /// Every secret that the configuration names, each with whose it is.
    pub fn secrets(&self) -> Vec<(&str, TokenSource)> {
        let config = &self.config;
        let shops = config.shops.iter();
        let shops = shops.map(|shop| (shop.name.as_str(), self.token_source(shop)));
        let channels = config.channels.iter();
        let channels = channels.map(|channel| (channel.name.as_str(), self.secret_source(channel)));
        let suppliers = config.stock.sources.iter();
        let suppliers = suppliers.filter(|source| source.kind == Some(SourceKind::AlStyle));
        let suppliers = suppliers.map(|source| (source.name.as_str(), self.supplier_token(source)));
        let http = self.http_token_source();
        let http = http.map(|source| ("http", source));
        shops.chain(channels).chain(suppliers).chain(http).collect()
    }

    fn http_token_source(&self) -> Option<TokenSource> {
        let file = self.config.http.token_file.as_ref()?;
        Some(TokenSource::of_file("http", file, &self.env))
    }

    /// The token that readers of the status pages must show, where one is asked for.
    ///
    /// # Errors
    /// None there, or none usable; in words that do not show it.
    pub fn http_token(&self) -> Result<Option<SecretString>, String> {
        let Some(source) = self.http_token_source() else {
            return Ok(None);
        };
        source.warn_if_readable();
        let token = source.load_secret()?;
        let length = token.expose_secret().len();
        if length < HTTP_TOKEN_CHARS_MIN {
            return Err(format!(
                "the token has {length} characters and can be guessed; use at least {HTTP_TOKEN_CHARS_MIN} random \
                 ones: openssl rand -hex 32"
            ));
        }
        Ok(Some(token))
    }

    /// Whether this is a container, whose ports are published on the loopback of its host.
    pub fn is_container(&self) -> bool {
        is_container(&self.env)
    }

    /// The same file again, with the environment as it is now.
    ///
    /// # Errors
    /// A `.env` that cannot be read.
    pub fn sources(&self) -> Result<Sources, ConfigError> {
        Sources::from_process(self.file.clone(), Vec::new())
    }

    /// The `.env` that was read, where there is one.
    pub fn dotenv(&self) -> Option<&Path> {
        self.env.file()
    }

    /// The effective configuration as TOML, with where each changed value was written.
    pub fn dump(&self) -> String {
        dump::with_origins(&self.config, &self.origins)
    }
}

/// Set by the image.
fn is_container(env: &Env) -> bool {
    env.get("QABYL_CONTAINER").is_some_and(|value| value == "1")
}

impl Config {
    /// Reads the configuration for a command that works with shops.
    ///
    /// # Errors
    /// An unreadable file, every wrong value at once, or no shop at all.
    pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
        let loaded = Self::load_partial(sources)?;
        if loaded.config.shops.is_empty() {
            return Err(ConfigError::NoShops {
                file: loaded.file.clone(),
            });
        }
        Ok(loaded)
    }

    /// As [`Config::load`], for commands that need no shop.
    ///
    /// # Errors
    /// An unreadable file, or every wrong value at once.
    pub fn load_partial(sources: Sources) -> Result<Loaded, ConfigError> {
        let found = find(&sources)?;
        Self::from_found(found, sources)
    }

    /// As [`Config::load_partial`], from a text alone: `file` only names it, and the environment is
    /// left out.
    ///
    /// # Errors
    /// Every wrong value at once.
    pub fn parse(text: &str, file: &Path) -> Result<Loaded, ConfigError> {
        let sources = Sources {
            file: None,
            search: Vec::new(),
            env: Env::default(),
            overrides: Vec::new(),
        };
        Self::from_found(Some((tidy(file), text.to_owned())), sources)
    }

    fn from_found(
        found: Option<(PathBuf, String)>,
        sources: Sources,
    ) -> Result<Loaded, ConfigError> {
        let defaults = defaults()?;
        let mut problems = Vec::new();
        let mut from_file = match &found {
            Some((file, text)) => file::read(text, file, &defaults, &mut problems),
            None => FileLayer::default(),
        };
        let mut variables = layer::of_variables(&sources.env, &defaults, &mut problems);
        let mut flags = layer::of_flags(&sources.overrides, &defaults, &mut problems);
        let mut origins = BTreeMap::new();
        let env_keys = variables
            .origins
            .values()
            .map(ToString::to_string)
            .collect();
        for layer in [&mut from_file.layer, &mut variables, &mut flags] {
            origins.append(&mut layer.origins);
        }
        let layers = [
            &from_file.layer.sections,
            &variables.sections,
            &flags.sections,
        ];
        let mut config = layer::merge(&defaults, &layers)?;
        problems.extend(together::check(
            &config,
            &origins,
            is_container(&sources.env),
        ));
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        config.shops = from_file.shops;
        config.channels = from_file.channels;
        config.stock.sources = from_file.sources;
        let file = found.map(|(file, _)| file);
        complete(&mut config, file.as_deref(), &origins, &sources.env);
        Ok(Loaded {
            config,
            file,
            env_keys,
            origins,
            env: sources.env,
        })
    }
}

/// `config/default.toml`, which has every key of every section.
fn defaults() -> Result<Table, ConfigError> {
    DEFAULT_TOML.parse().map_err(|_| ConfigError::Internal {
        path: "config/default.toml".to_owned(),
    })
}

fn find(sources: &Sources) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let failed = |file: &Path, source| ConfigError::Read {
        file: file.to_owned(),
        source,
    };
    if let Some(file) = &sources.file {
        let text = crate::files::read_text(file).map_err(|error| failed(file, error))?;
        return Ok(Some((tidy(file), text)));
    }
    for file in &sources.search {
        // That of the working directory may be anybody's; those of the system are its administrator's.
        let text = if file.is_relative() {
            implicit_file::read(file, GroupWrites::Allowed)?
        } else {
            read_if_there(file).map_err(|error| failed(file, error))?
        };
        if let Some(text) = text {
            return Ok(Some((tidy(file), text)));
        }
    }
    Ok(None)
}

fn read_if_there(file: &Path) -> io::Result<Option<String>> {
    match crate::files::read_text(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn tidy(file: &Path) -> PathBuf {
    file.strip_prefix("./").unwrap_or(file).to_owned()
}

/// Makes paths relative to the file absolute or relative to the working directory, and fills in what follows
/// from the absence of something.
fn complete(
    config: &mut Config,
    file: Option<&Path>,
    origins: &BTreeMap<String, Origin>,
    env: &Env,
) {
    let directory = file.and_then(Path::parent).unwrap_or(Path::new(""));
    let base = |key: &str| match origins.get(key) {
        Some(Origin::Variable(_) | Origin::Flag(_)) => Path::new(""),
        _ => directory,
    };
    config.database.path = base("database.path").join(&config.database.path);
    config.rules.file = config
        .rules
        .file
        .take()
        .map(|file| base("rules.file").join(file));
    let token = config.http.token_file.take();
    config.http.token_file = token.map(|file| base("http.token_file").join(file));
    let backup = config.backup.directory.take();
    config.backup.directory = backup.map(|folder| base("backup.directory").join(folder));
    for source in &mut config.stock.sources {
        source.file = source.file.take().map(|file| directory.join(file));
        source.token_file = source.token_file.take().map(|file| directory.join(file));
    }
    for shop in &mut config.shops {
        if let Some(file) = shop.token_file.take() {
            let is_bare = file.components().count() == 1 && !file.is_absolute();
            shop.credential = file.to_str().filter(|_| is_bare).map(ToOwned::to_owned);
            shop.token_file = Some(directory.join(file));
        } else if shop.token_env.is_none() {
            shop.token_env = Some(TOKEN_ENV_DEFAULT.to_owned());
        }
    }
    for channel in &mut config.channels {
        if let Some(file) = channel.secret_file.take() {
            let is_bare = file.components().count() == 1 && !file.is_absolute();
            channel.credential = file.to_str().filter(|_| is_bare).map(ToOwned::to_owned);
            channel.secret_file = Some(directory.join(file));
        }
    }
    let has_token = env
        .get(TOKEN_ENV_DEFAULT)
        .is_some_and(|token| !token.trim().is_empty());
    if config.shops.is_empty() && has_token {
        config.shops.push(Shop::from_environment());
    }
}
