//! `[[shops]]`: one shop, its token's place and what may be done for it.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};

use super::text;
use crate::domain::stock::STOCK_DEFAULT;

/// The variable a token comes from when a shop names no source.
pub const TOKEN_ENV_DEFAULT: &str = "KASPI_TOKEN";

/// One shop.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Lower-case letters, digits, `_` and `-`; unique.
    #[serde(deserialize_with = "text::slug")]
    pub name: String,
    /// The file the token is in.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::token_file"
    )]
    pub token_file: Option<PathBuf>,
    /// The variable the token is in; set whenever `token_file` is not.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::variable"
    )]
    pub token_env: Option<String>,
    /// `token_file` as written when it is a bare name, looked for in `$CREDENTIALS_DIRECTORY`.
    #[serde(skip)]
    pub credential: Option<String>,
    /// Shops that name the same stock sell from one: each waits until the orders of the others are read.
    #[serde(default = "one_stock", deserialize_with = "text::slug")]
    pub stock: String,
    /// What may be done.
    #[serde(default)]
    pub mode: Mode,
    /// Sent as `X-Merchant-Uid` when set.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "text::merchant_uid"
    )]
    pub merchant_uid: Option<String>,
    /// An HTTP proxy; may carry credentials, which are never shown.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "redacted",
        deserialize_with = "text::proxy"
    )]
    pub proxy: Option<String>,
}

/// What may be done for a shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Read only.
    Observe,
    /// Also decide: the dry run.
    #[default]
    Propose,
    /// Also carry decisions out.
    Act,
}

/// The stock of shops that name none.
fn one_stock() -> String {
    STOCK_DEFAULT.to_owned()
}

impl Shop {
    /// The shop made from `KASPI_TOKEN` alone.
    pub(super) fn from_environment() -> Self {
        Self {
            name: "main".to_owned(),
            token_file: None,
            token_env: Some(TOKEN_ENV_DEFAULT.to_owned()),
            credential: None,
            stock: one_stock(),
            mode: Mode::Propose,
            merchant_uid: None,
            proxy: None,
        }
    }
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop")
            .field("name", &self.name)
            .field("token_file", &self.token_file)
            .field("token_env", &self.token_env)
            .field("stock", &self.stock)
            .field("mode", &self.mode)
            .field("merchant_uid", &self.merchant_uid)
            .field("proxy", &self.proxy.as_deref().map(redact))
            .finish_non_exhaustive()
    }
}

/// The same URL with its credentials, and all that is asked of it, starred out.
pub(super) fn redact(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return "***".to_owned();
    };
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    if url.username().is_empty() && url.password().is_none() {
        return url.to_string();
    }
    let starred = url
        .set_username("***")
        .and_then(|()| url.set_password(None));
    if starred.is_err() {
        "***".to_owned()
    } else {
        url.to_string()
    }
}

#[allow(clippy::ref_option, reason = "serde hands the field over as it is")]
pub(super) fn redacted<S: Serializer>(
    proxy: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    proxy.as_deref().map(redact).serialize(serializer)
}
