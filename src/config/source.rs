//! `[[stock.sources]]`: where stock numbers come from by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::env::Env;
use super::sections::StockSemantics;
use super::shop::redacted;
use super::token::is_token;

/// The variable the supplier's token comes from when its source names none.
pub const AL_STYLE_ENV_DEFAULT: &str = "AL_STYLE_TOKEN";
/// Where the supplier Al-Style answers (KASPI_API §9).
pub const AL_STYLE_URL: &str = "https://api.al-style.kz/api";

/// One source.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockSource {
    /// Lower-case letters, digits, `_` and `-`; unique.
    pub name: String,
    /// What it is; a file's kind shows in its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<SourceKind>,
    /// A file that is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// An address that is asked; may carry a secret, which is never shown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "redacted"
    )]
    pub url: Option<String>,
    /// How often it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// When it is looked at, as cron with seconds, instead of every so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What its numbers mean, where that is not `stock.semantics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semantics: Option<StockSemantics>,
    /// Pickup point of rows that name no warehouse; empty for the common pool.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub warehouse: String,
    /// Al-Style: which of its numbers is the SKU.
    #[serde(default)]
    pub sku: SupplierSku,
    /// Al-Style: the file its token is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Al-Style: the variable its token is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// Its warehouses, and the pickup points they stand for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warehouses: BTreeMap<String, String>,
}

impl fmt::Debug for StockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StockSource")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Kinds of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// `sku,on_hand[,warehouse][,as_of]`.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// Kaspi's price list.
    KaspiXml,
    /// The supplier Al-Style.
    AlStyle,
}

impl SourceKind {
    /// Every word.
    pub const WORDS: &'static [&'static str] = &["csv", "xlsx", "kaspi-xml", "al-style"];
}

/// Which of a supplier's numbers is the merchant's SKU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplierSku {
    /// The supplier's own.
    #[default]
    Article,
    /// The manufacturer's part number.
    ArticlePn,
}

/// Where a supplier's token is. It is read anew each time, as a new one may have been put there.
#[derive(Clone)]
pub enum SupplierToken {
    /// In this file.
    File(PathBuf),
    /// It was in the environment, in this variable.
    Variable(String, Option<SecretString>),
}

impl SupplierToken {
    pub(super) fn of(source: &StockSource, env: &Env) -> Self {
        if let Some(file) = &source.token_file {
            return Self::File(file.clone());
        }
        let name = source.token_env.as_deref().unwrap_or(AL_STYLE_ENV_DEFAULT);
        let value = env.get(name).map(|value| SecretString::from(value.trim()));
        Self::Variable(name.to_owned(), value)
    }

    /// The token, or where it was looked for.
    ///
    /// # Errors
    /// There is none, in words.
    pub fn load(&self) -> Result<SecretString, String> {
        match self {
            Self::File(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("no token in {}: {error}", file.display()))?;
                let token = SecretString::from(text.trim());
                if is_token(&token) {
                    Ok(token)
                } else {
                    Err(format!("{} holds no token", file.display()))
                }
            }
            Self::Variable(name, value) => value
                .clone()
                .filter(is_token)
                .ok_or_else(|| format!("no token in ${name}")),
        }
    }
}
