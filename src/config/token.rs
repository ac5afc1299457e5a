//! Where a shop's token is, and reading it. Tokens are never shown.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};

use super::channel::Channel;
use super::env::Env;
use super::shop::Shop;
use super::source::{AL_STYLE_ENV_DEFAULT, StockSource};
use crate::events::log_event;

const HOW_TO_GET_ONE: &str = "make one in the Kaspi cabinet: Settings → API token → Generate";

/// A shop's token.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    place: String,
}

impl Token {
    /// The text for the `X-Auth-Token` header; nothing else may have it.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The file it was read from, or `$NAME` of the variable.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Why there is no token. `Display` ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nothing at any of the places.
    #[error("shop {shop}: no token; looked at {}; {HOW_TO_GET_ONE}", looked.join(", then "))]
    Missing {
        /// The shop.
        shop: String,
        /// Every place, in order.
        looked: Vec<String>,
    },
    /// A place with nothing but spaces in it.
    #[error("shop {shop}: the token in {place} is empty; {HOW_TO_GET_ONE} and write it there")]
    Empty {
        /// The shop.
        shop: String,
        /// The place.
        place: String,
    },
    /// A credential with nothing in it, as the shipped unit hands over where its file is missing.
    #[error(
        "shop {shop}: no token: the service manager's credential \"{name}\" is empty, so the file that \
         LoadCredential= names, /etc/qabyl/{name} in the shipped unit, is missing or empty; {HOW_TO_GET_ONE} \
         and write it there"
    )]
    Credential {
        /// The shop.
        shop: String,
        /// The credential.
        name: String,
    },
    /// More than one line, or characters that no header can carry.
    #[error(
        "shop {shop}: {place} holds something other than one token; leave only the token in it"
    )]
    Malformed {
        /// The shop.
        shop: String,
        /// The place.
        place: String,
    },
    /// A token with something around it.
    #[error("shop {shop}: {place} {what}; leave only the token itself in it")]
    Wrapped {
        /// The shop.
        shop: String,
        /// The place.
        place: String,
        /// What is around it.
        what: &'static str,
    },
    /// A file in another encoding.
    #[error(
        "shop {shop}: {} is not UTF-8 text, as where Windows saved it as \"Unicode\" (UTF-16); save it again as \
         UTF-8 or ANSI, with only the token in it",
        file.display()
    )]
    Encoding {
        /// The shop.
        shop: String,
        /// The file.
        file: PathBuf,
    },
    /// A file that exists but cannot be read.
    #[error("shop {shop}: cannot read the token in {}: {why}{}", file.display(), read_hint(why))]
    Read {
        /// The shop.
        shop: String,
        /// The file.
        file: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

fn read_hint(why: &io::Error) -> &'static str {
    if why.kind() == io::ErrorKind::PermissionDenied {
        "; let the daemon's user read it"
    } else {
        ""
    }
}

/// The state of a token's file: a different one means that the token should be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Option<(PathBuf, u64, Option<SystemTime>)>);

/// The places a shop's token may be at, in order. Files are read again at every load.
#[derive(Clone)]
pub struct TokenSource {
    shop: String,
    files: Vec<PathBuf>,
    credentials: Option<PathBuf>,
    variable: Option<Variable>,
}

/// A variable that may hold a secret.
#[derive(Clone)]
struct Variable {
    name: String,
    value: Option<SecretString>,
    /// The `.env` that gives it its value.
    file: Option<PathBuf>,
}

impl Variable {
    fn of(name: &str, env: &Env) -> Self {
        let value = env.get(name);
        Self {
            name: name.to_owned(),
            value: value.map(|value| SecretString::from(value.to_owned())),
            file: env.file_with(name).map(Path::to_owned),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("shop", &self.shop)
            .field("places", &self.places())
            .finish_non_exhaustive()
    }
}

impl TokenSource {
    /// The places for a shop. The environment is the one captured at start.
    pub fn new(shop: &Shop, env: &Env) -> Self {
        let credentials = env.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = credentials.as_ref().zip(shop.credential.as_ref());
        let credential = credential.map(|(directory, name)| directory.join(name));
        let variable = shop.token_env.as_deref();
        let variable = variable.map(|name| Variable::of(name, env));
        let files = credential
            .into_iter()
            .chain(shop.token_file.clone())
            .collect();
        Self {
            shop: shop.name.clone(),
            files,
            credentials,
            variable,
        }
    }

    /// The places for a channel's secret.
    pub(super) fn of_channel(channel: &Channel, env: &Env) -> Self {
        let credentials = env.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = credentials.as_ref().zip(channel.credential.as_ref());
        let credential = credential.map(|(directory, name)| directory.join(name));
        let variable = channel.secret_env.as_deref();
        let variable = variable.map(|name| Variable::of(name, env));
        Self {
            shop: channel.name.clone(),
            files: credential
                .into_iter()
                .chain(channel.secret_file.clone())
                .collect(),
            credentials,
            variable,
        }
    }

    /// The places for a supplier's token.
    pub(super) fn of_supplier(source: &StockSource, env: &Env) -> Self {
        if let Some(file) = &source.token_file {
            return Self::of_file(&source.name, file, env);
        }
        let name = source.token_env.as_deref().unwrap_or(AL_STYLE_ENV_DEFAULT);
        Self {
            shop: source.name.clone(),
            files: Vec::new(),
            credentials: None,
            variable: Some(Variable::of(name, env)),
        }
    }

    /// A secret in a file, or in the credential of the same name.
    pub(super) fn of_file(what: &str, file: &Path, env: &Env) -> Self {
        let credentials = env.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = credentials.as_ref().zip(file.file_name());
        let credential = credential.map(|(directory, name)| directory.join(name));
        Self {
            shop: what.to_owned(),
            files: credential.into_iter().chain([file.to_owned()]).collect(),
            credentials,
            variable: None,
        }
    }

    /// What is at the first place that has anything: for a channel, each time it is used.
    ///
    /// # Errors
    /// Nothing there, or nothing usable; in words that do not show it.
    pub fn load_secret(&self) -> Result<SecretString, String> {
        for file in &self.files {
            match crate::files::read_text(file) {
                Ok(text) => return secret(&text, &file.display().to_string()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
            }
        }
        match &self.variable {
            Some(Variable {
                name,
                value: Some(value),
                ..
            }) => secret(value.expose_secret(), &format!("${name}")),
            _ => Err(format!(
                "there is no secret at {}",
                self.places().join(", then ")
            )),
        }
    }

    /// Logs a warning where other users can read the secret's file: once, not at each use.
    pub fn warn_if_readable(&self) {
        if let Some(file) = self.files.iter().find(|file| file.is_file()) {
            self.warn_if_others_can_read(file);
        }
    }

    /// Every place, in the order they are looked at.
    pub fn places(&self) -> Vec<String> {
        let files = self.files.iter().map(|file| file.display().to_string());
        let variable = self.variable.iter().map(|it| format!("${}", it.name));
        files.chain(variable).collect()
    }

    /// Reads the token from the first place that has one.
    ///
    /// # Errors
    /// No place has one, or the first that should have one is empty or unreadable.
    pub fn load(&self) -> Result<Token, TokenError> {
        let mut empty = None;
        for file in &self.files {
            match crate::files::read_text(file) {
                Ok(text) if text.trim().is_empty() && self.is_credential(file) => {
                    let name = file.file_name().unwrap_or_default().display().to_string();
                    let shop = self.shop.clone();
                    empty = Some(TokenError::Credential { shop, name });
                }
                Ok(text) => {
                    self.warn_if_others_can_read(file);
                    return self.accept(&text, || file.display().to_string());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let (shop, file) = (self.shop.clone(), file.clone());
                    return Err(TokenError::Encoding { shop, file });
                }
                // The service may not read the file itself: that the credential is empty says more.
                Err(_) if empty.is_some() => {}
                Err(why) => {
                    let (shop, file) = (self.shop.clone(), file.clone());
                    return Err(TokenError::Read { shop, file, why });
                }
            }
        }
        if let Some(Variable {
            name,
            value: Some(value),
            ..
        }) = &self.variable
        {
            return self.accept(value.expose_secret(), || format!("${name}"));
        }
        Err(empty.unwrap_or_else(|| TokenError::Missing {
            shop: self.shop.clone(),
            looked: self.places(),
        }))
    }

    /// The file it is read from, a `.env` too, where other users of the machine can read it.
    pub fn readable_by_others(&self) -> Option<&Path> {
        let mut files = self.files.iter();
        let of_variable = self.variable.as_ref().and_then(|it| it.file.as_ref());
        let file = files.find(|file| std::fs::metadata(file).is_ok());
        let file = file.or(of_variable)?;
        (!self.is_credential(file) && others_can_read(file)).then_some(file)
    }

    /// The state of the file the token is read from now.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.files.iter().find_map(|file| {
            let meta = std::fs::metadata(file).ok()?;
            Some((file.clone(), meta.len(), meta.modified().ok()))
        }))
    }

    /// Whether the token should be read again.
    pub fn changed_since(&self, then: &Fingerprint) -> bool {
        self.fingerprint() != *then
    }

    fn accept(&self, text: &str, place: impl Fn() -> String) -> Result<Token, TokenError> {
        let token = text.trim_start_matches('\u{feff}').trim();
        let shop = || self.shop.clone();
        if token.is_empty() {
            return Err(TokenError::Empty {
                shop: shop(),
                place: place(),
            });
        }
        if let Some(what) = wrapping(token) {
            return Err(TokenError::Wrapped {
                shop: shop(),
                place: place(),
                what,
            });
        }
        if token.contains('\0') {
            return Err(TokenError::Encoding {
                shop: shop(),
                file: place().into(),
            });
        }
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(TokenError::Malformed {
                shop: shop(),
                place: place(),
            });
        }
        Ok(Token {
            secret: SecretString::from(token.to_owned()),
            place: place(),
        })
    }

    fn is_credential(&self, file: &Path) -> bool {
        let directory = self.credentials.as_ref();
        directory.is_some_and(|directory| file.starts_with(directory))
    }

    fn warn_if_others_can_read(&self, file: &Path) {
        if !self.is_credential(file) && others_can_read(file) {
            log_event!(
                CONFIG_TOKEN_READABLE,
                shop = %self.shop,
                file = %file.display(),
                "other users can read the token; run chmod 600 {}",
                file.display()
            );
        }
    }
}

/// What stands around a token that was copied with more than itself.
fn wrapping(token: &str) -> Option<&'static str> {
    let quotes = ['"', '\'', '`', '«', '»', '“', '”'];
    if token.starts_with(quotes) || token.ends_with(quotes) {
        return Some("has quotes around the token");
    }
    let (name, value) = token.split_once('=')?;
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let has_value = !value.trim_start_matches('=').is_empty();
    (is_name && name.len() > 2 && has_value)
        .then_some("begins with a name and an equals sign (NAME=…)")
}

fn secret(text: &str, place: &str) -> Result<SecretString, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("{place} does not hold one secret and nothing else"));
    }
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(unix)]
fn others_can_read(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}
