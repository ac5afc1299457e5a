//! `[web]`: the listener for people and programs.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use toml::Value;

use super::text;
use crate::diagnostics::{Mistake, expected};
use crate::net::Network;

/// `[web]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Where to listen; `None` (written `""`) is off.
    #[serde(
        serialize_with = "text::write_or_off",
        deserialize_with = "text::listen"
    )]
    pub listen: Option<SocketAddr>,
    /// The address in the browser, whose host is the one that requests must name; empty: loopback alone.
    #[serde(deserialize_with = "public_url")]
    pub public_url: String,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    // The crate that merges layers drops empty lists.
    #[serde(default, deserialize_with = "networks")]
    pub trusted_proxies: Vec<String>,
}

impl Web {
    /// Host and port of the public address.
    pub fn public_host(&self) -> Option<(String, u16)> {
        let url = Url::parse(&self.public_url).ok()?;
        let host = url.host_str()?.to_lowercase();
        Some((host, url.port_or_known_default()?))
    }

    /// Whether people reach it by HTTPS.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The address that people open: the public one, or that on this machine; `None` where it is off.
    pub fn address(&self) -> Option<String> {
        let listen = self.listen?;
        if !self.public_url.is_empty() {
            return Some(self.public_url.clone());
        }
        if is_any(listen.ip()) {
            return Some(format!("http://localhost:{}", listen.port()));
        }
        Some(format!("http://{listen}"))
    }

    /// The proxies.
    pub fn proxies(&self) -> Vec<Network> {
        // Checked as they were read.
        let proxies = self.trusted_proxies.iter();
        proxies.filter_map(|proxy| proxy.parse().ok()).collect()
    }

    /// Why it may not listen where it is configured to: others would read tokens on their way.
    pub(super) fn is_open(&self, is_container: bool) -> Option<String> {
        let address = self.listen?.ip();
        let is_published = is_container && is_any(address);
        let is_protected = self.is_https() || !self.trusted_proxies.is_empty() || is_published;
        if address.is_loopback() || is_protected {
            return None;
        }
        Some(format!(
            "{address} can be reached by other machines, and tokens would cross the network in the clear: listen at \
             127.0.0.1, or set public_url to the https:// address of the proxy in front of it, or name the proxy in \
             trusted_proxies"
        ))
    }
}

/// Every address of the machine.
pub(super) const fn is_any(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_unspecified(),
        IpAddr::V6(address) => address.is_unspecified(),
    }
}

fn public_url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text: String = text::any_text(from)?;
    let text = text.trim().trim_end_matches('/').to_owned();
    if text.is_empty() {
        return Ok(text);
    }
    let wrong = || {
        D::Error::custom(
            Mistake::new("expected an address without a path, such as \"https://qabyl.shop.kz\"")
                .hint("\"\" where it is used on this machine alone"),
        )
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if is_plain && is_web {
        Ok(text)
    } else {
        Err(wrong())
    }
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let found = Value::deserialize(from)?;
    let texts: Vec<String> = match &found {
        // A variable of the environment.
        Value::String(text) => {
            let texts = text.split(',').map(str::trim);
            texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect()
        }
        Value::Array(all) if all.iter().all(Value::is_str) => {
            let texts = all.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        other => {
            return Err(D::Error::custom(expected(
                "a list of addresses such as [\"127.0.0.1\"]",
                other,
            )));
        }
    };
    for text in &texts {
        let network: Result<Network, String> = text.parse();
        network.map_err(|what| D::Error::custom(Mistake::new(what)))?;
    }
    Ok(texts)
}
