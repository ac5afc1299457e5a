//! The effective configuration as TOML. Tokens are not part of it, proxies lose their credentials.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::problem::Origin;
use super::sections::Config;

impl Config {
    /// The effective configuration as TOML that reads back to the same (credentials apart).
    pub fn dump(&self) -> String {
        with_origins(self, &BTreeMap::new())
    }
}

/// The same with a comment behind each value that is not a default: where it was written.
pub(super) fn with_origins(config: &Config, origins: &BTreeMap<String, Origin>) -> String {
    let plain = toml::to_string(config).unwrap_or_default();
    let mut out = String::new();
    let mut section = "";
    for line in plain.lines() {
        out.push_str(line);
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ") {
            match origins.get(&format!("{section}.{key}")) {
                None | Some(Origin::Default) => {}
                Some(origin) => {
                    let _ = write!(out, "  # {origin}");
                }
            }
        }
        out.push('\n');
    }
    out
}
